//! What is to be opened: the values of one bektab(5) line, parsed and typed.
//!
//! Everything that crosses into the program as text (bektab, crypttab, argv) becomes one of these
//! types at the boundary, and nothing is checked again further in: the first and the third field
//! here, the second in device.rs, the fourth in options.rs. Pure: nothing here looks at a file or
//! a device.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::azure::id::SecretId;

pub use device::{DeviceSpec, udev_escape};
pub use header::HeaderSpec;
pub use network::Network;
pub use options::{
    Content, Encryption, HeaderPolicy, Identity, KekAlgorithm, Limit, Options, is_uuid,
};

mod device;
pub mod header;
mod network;
mod options;

/// One encrypted device, the mapping name it is opened under, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The mapping's name: `/dev/mapper/NAME`.
    pub name: VolumeName,
    /// The encrypted device.
    pub device: DeviceSpec,
    /// Where its key comes from.
    pub key: KeySpec,
    /// The fourth field.
    pub options: Options,
}

/// A name device-mapper accepts as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(String);

/// Why a text is no volume name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// No character at all, `.` or `..`.
    Empty,
    /// A character outside `[A-Za-z0-9#+-.:=@_]`, which libdevmapper would rewrite ("mangle").
    Character(char),
    /// More than 127 bytes (`DM_NAME_LEN` in linux/dm-ioctl.h counts the NUL).
    Long,
}

impl VolumeName {
    /// Checks `name` against what device-mapper keeps unmangled (libdevmapper's
    /// `_is_whitelisted_char`; `/` and blanks are not in it).
    pub fn parse(name: &str) -> Result<Self, NameProblem> {
        if matches!(name, "" | "." | "..") {
            return Err(NameProblem::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c);
        if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
            return Err(NameProblem::Character(bad));
        }
        if name.len() > 127 {
            return Err(NameProblem::Long);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `/dev/mapper/NAME`.
    pub fn mapped_path(&self) -> PathBuf {
        Path::new("/dev/mapper").join(&self.0)
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a volume name must not be empty, \".\" or \"..\""),
            Self::Character(c) if matches!(c, ' '..='~') => {
                write!(f, "{c:?} is not allowed in a volume name")
            }
            Self::Character(c) => {
                write!(f, "U+{:04X} is not allowed in a volume name", u32::from(*c))
            }
            Self::Long => f.write_str("a volume name has at most 127 characters"),
        }
    }
}

/// The third field: where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// A bare name, or a path below /mnt/azure_bek_disk: that key file on the key disk.
    KeyFile(KeyFileName),
    /// `-` or `none`: the key disk first, then a token in the header, then Key Vault by tags.
    Find,
    /// An absolute path: a file that holds the key or the wrapped key.
    Path(PathBuf),
    /// An `https://` URL: that secret, in that version or the newest.
    Secret(SecretId),
}

/// The name of a file in the root directory of the key disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyFileName(String);

impl KeyFileName {
    /// ADE's name for the key of the OS disk, and the stem of every data disk's key file.
    pub const OS: &'static str = "LinuxPassPhraseFileName";

    /// `None` unless `name` is a single path component of at most 255 bytes without control
    /// characters: names come from secrets' tags too and must not lead out of the key disk.
    pub fn parse(name: &str) -> Option<Self> {
        let usable = !matches!(name, "" | "." | "..")
            && name.len() <= 255
            && !name.contains(['/', '\\'])
            && !name.chars().any(char::is_control);
        usable.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For people: a name may come from a disk, and consoles get ASCII only.
impl fmt::Display for KeyFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if c.is_ascii() { c } else { '?' }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_those_device_mapper_keeps() {
        for good in ["data1", "osencrypt", "5f1e-22_a.b:c=d@e#f+g", &"n".repeat(127)] {
            assert_eq!(VolumeName::parse(good).unwrap().as_str(), good);
        }
        for (bad, problem) in [
            ("", NameProblem::Empty),
            ("..", NameProblem::Empty),
            ("a/b", NameProblem::Character('/')),
            ("a b", NameProblem::Character(' ')),
            ("ä", NameProblem::Character('ä')),
        ] {
            assert_eq!(VolumeName::parse(bad), Err(problem));
        }
        assert_eq!(VolumeName::parse(&"n".repeat(128)), Err(NameProblem::Long));
    }

    #[test]
    fn name_problems_are_ascii() {
        let shown = |c| NameProblem::Character(c).to_string();
        assert_eq!(shown('/'), "'/' is not allowed in a volume name");
        assert_eq!(shown('\u{e4}'), "U+00E4 is not allowed in a volume name");
        assert_eq!(shown('\u{1b}'), "U+001B is not allowed in a volume name");
    }

    #[test]
    fn key_file_names_stay_on_the_key_disk() {
        assert!(KeyFileName::parse("LinuxPassPhraseFileName_1_0").is_some());
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", "a\n", &"x".repeat(256)] {
            assert_eq!(KeyFileName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn key_file_names_are_shown_in_ascii() {
        let name = KeyFileName::parse("LinuxPassPhraseFileName\u{202e}\u{e9}").unwrap();
        assert_eq!(name.to_string(), "LinuxPassPhraseFileName??");
    }
}
