//! Unit names from volume names and paths.
//!
//! The rules of systemd.unit(5), "String escaping for inclusion in unit names", byte by byte as
//! systemd's unit_name_escape() and unit_name_from_path() have them: a name that differs in one
//! byte is another unit, and a dependency on a unit that never exists says nothing. Refuses what
//! systemd would refuse, and names too long to be a file (systemd hashes those since version 250;
//! nobody could read them).

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What is left of `NAME_MAX` for a unit's name when a directory `NAME.requires` is to hold its
/// dependencies; `UNIT_NAME_MAX` itself is 255.
const LONGEST: usize = 255 - ".requires".len();

/// Escapes `text` for use inside a unit name: `/` becomes `-`, and everything that is not a
/// letter, digit, `:`, `_` or `.` becomes `\xNN`, a leading `.` too.
pub fn escape(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (position, byte) in text.iter().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            // A leading dot would make a hidden file.
            b'.' if position == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(char::from(*byte));
            }
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

/// The same for a part that does not begin the text, as the last component of a path.
pub fn escape_inner(text: &str) -> String {
    escape(format!("/{text}").as_bytes()).split_off(1)
}

/// `PREFIX@INSTANCE.SUFFIX` with `instance` escaped; `None` when it is too long for a unit.
pub fn instance(prefix: &str, instance: &str, suffix: &str) -> Option<String> {
    bounded(format!("{prefix}@{}.{suffix}", escape(instance.as_bytes())))
}

/// The `.device` unit of a path below /dev; `None` when the path has `..`, is not absolute, or is
/// too long for a unit.
pub fn device(path: &Path) -> Option<String> {
    let mut escaped = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                if !escaped.is_empty() {
                    escaped.push(b'/');
                }
                escaped.extend_from_slice(name.as_bytes());
            }
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    let usable = path.is_absolute() && !escaped.is_empty();
    usable.then(|| bounded(format!("{}.device", escape(&escaped)))).flatten()
}

fn bounded(name: String) -> Option<String> {
    (name.len() <= LONGEST).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each right side is what systemd-escape(1) of systemd 252 prints; verify.sh asks it again.
    #[test]
    fn names_are_escaped_as_systemd_does() {
        for (name, escaped) in [
            ("data1", "data1"),
            ("luks-data.1", "luks\\x2ddata.1"),
            (".hidden", "\\x2ehidden"),
            ("a..b", "a..b"),
            ("#+=@:_", "\\x23\\x2b\\x3d\\x40:_"),
            ("50%\\", "50\\x25\\x5c"),
            ("é", "\\xc3\\xa9"),
            ("a/b", "a-b"),
        ] {
            assert_eq!(escape(name.as_bytes()), escaped, "{name}");
        }
    }

    #[test]
    fn a_dot_inside_stays() {
        assert_eq!(escape_inner(".a-b"), ".a\\x2db");
    }

    #[test]
    fn paths_become_device_units() {
        for (path, unit) in [
            ("/dev/disk/azure/scsi1/lun0", "dev-disk-azure-scsi1-lun0.device"),
            ("/dev/disk/by-label/BEK\\x20VOLUME", "dev-disk-by\\x2dlabel-BEK\\x5cx20VOLUME.device"),
            ("/dev//sda/./", "dev-sda.device"),
            ("/dev/.x/.y", "dev-.x-.y.device"),
        ] {
            assert_eq!(device(Path::new(path)).as_deref(), Some(unit));
        }
    }

    #[test]
    fn what_systemd_refuses_or_hashes_is_refused() {
        let long = format!("/dev/{}", "x".repeat(236));
        for path in ["/", "dev/sda", "/dev/../etc/passwd", "", long.as_str()] {
            assert_eq!(device(Path::new(path)), None, "{path}");
        }
        assert!(device(Path::new(&long[..long.len() - 1])).is_some());
        assert_eq!(instance("bek-unlock", &"#".repeat(127), "service"), None);
        assert!(instance("bek-unlock", &"n".repeat(127), "service").is_some());
    }
}
