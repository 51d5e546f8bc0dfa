//! Finds devices by tag (UUID=, LABEL=, PARTUUID=, PARTLABEL=) by reading every one of them.
//!
//! For where udev made no link. Tags are compared without regard to case, as bektab(5) says.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::edge::probe::{self, Partition, Superblock};
use crate::edge::sysfs::Node;
use crate::error::Kind;
use crate::volume::DeviceSpec;

/// The device among `nodes` that carries the tag `spec`; `path` tells a node's path in /dev.
pub fn find(
    nodes: &[Node],
    path: impl Fn(&Node) -> Option<PathBuf>,
    spec: &DeviceSpec,
    reader: &mut Reader,
) -> Option<PathBuf> {
    let mut found: Vec<&Node> = match spec {
        DeviceSpec::Path(_) => Vec::new(),
        DeviceSpec::Label(_) | DeviceSpec::Uuid(_) => nodes
            .iter()
            .filter(|node| {
                path(node)
                    .and_then(|path| reader.read(probe::superblock(&path)))
                    .flatten()
                    .is_some_and(|superblock| names_superblock(spec, &superblock))
            })
            .collect(),
        DeviceSpec::PartLabel(_) | DeviceSpec::PartUuid(_) => {
            partitions(nodes, &path, spec, reader)
        }
    };
    // A multipath device and its paths carry the same tag: the upper one is meant.
    let names: Vec<String> = found.iter().map(|node| node.name.clone()).collect();
    found.retain(|node| !names.iter().any(|name| has_holder(node, name)));
    let paths: Vec<PathBuf> = found.into_iter().filter_map(path).collect();
    if let [first, second, ..] = paths.as_slice() {
        // Copies of one disk in a repair VM. udev's link would pick one as blindly.
        log::warn!("{} and {} both have {spec}", first.display(), second.display());
    }
    paths.into_iter().next()
}

/// The tag that one of udev's links below /dev/disk spells; ADE writes its lines with
/// `/dev/disk/by-partuuid/`.
pub fn of_link(path: &Path) -> Option<DeviceSpec> {
    let (kind, value) = path.to_str()?.strip_prefix("/dev/disk/by-")?.split_once('/')?;
    let value = unescape(value).filter(|value| !value.is_empty())?;
    match kind {
        "label" => Some(DeviceSpec::Label(value)),
        "partlabel" => Some(DeviceSpec::PartLabel(value)),
        "partuuid" => Some(DeviceSpec::PartUuid(value)),
        "uuid" => Some(DeviceSpec::Uuid(value)),
        _ => None,
    }
}

/// Undoes [`udev_escape`](crate::volume::udev_escape): `\xNN` is one byte.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Reads many devices; remembers whether the caller was not allowed to.
#[derive(Default)]
pub struct Reader(Option<io::Error>);

impl Reader {
    /// A device that cannot be read (gone again, no medium) is none of those looked for.
    pub fn read<T>(&mut self, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| {
                log::debug!("a device cannot be read: {error}");
                // EPERM is a sandbox's, and about this one device; EACCES means: not root.
                if error.raw_os_error() == Some(Errno::EACCES as i32) {
                    self.0 = Some(error);
                }
            })
            .ok()
    }

    /// Nothing was found; if that is for lack of permission, it is an error.
    pub fn refused<T>(self) -> Result<Option<T>, Kind> {
        self.0.map_or(Ok(None), |error| Err(refusal(&error)))
    }
}

/// The error for devices that one may not read.
pub fn refusal(error: &io::Error) -> Kind {
    Kind::NotPermitted { action: "read block devices", reason: error.to_string() }
}

/// Whether a value that was read is the one that was written, without regard to case. The empty
/// one never is: it would match every device that has none.
pub fn is(read: Option<impl AsRef<str>>, written: &str) -> bool {
    !written.is_empty() && read.is_some_and(|read| read.as_ref().eq_ignore_ascii_case(written))
}

fn partitions<'a>(
    nodes: &'a [Node],
    path: &impl Fn(&Node) -> Option<PathBuf>,
    spec: &DeviceSpec,
    reader: &mut Reader,
) -> Vec<&'a Node> {
    let mut found = Vec::new();
    for disk in nodes.iter().filter(|node| node.partition().is_none()) {
        let table = path(disk).and_then(|path| reader.read(probe::partitions(&path)));
        for partition in table.unwrap_or_default() {
            if names_partition(spec, &partition) {
                found.extend(nodes.iter().filter(|node| {
                    node.partition() == Some(partition.number)
                        && node.disk() == Some(disk.directory.as_path())
                }));
            }
        }
    }
    found
}

fn names_superblock(spec: &DeviceSpec, superblock: &Superblock) -> bool {
    match spec {
        DeviceSpec::Label(label) => is(superblock.label.as_deref(), label),
        DeviceSpec::Uuid(uuid) => is(superblock.uuid.as_deref(), uuid),
        _ => false,
    }
}

fn names_partition(spec: &DeviceSpec, partition: &Partition) -> bool {
    match spec {
        DeviceSpec::PartLabel(label) => is(partition.label.as_deref(), label),
        DeviceSpec::PartUuid(uuid) => is(partition.uuid.as_deref(), uuid),
        _ => false,
    }
}

fn has_holder(node: &Node, name: &str) -> bool {
    node.directory.join("holders").join(name).exists()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::edge::image::Image;

    #[test]
    fn a_multipath_device_comes_before_its_paths() {
        let image = Image::empty(2048).made_by("mke2fs", &["-q", "-F", "-L", "data"]);
        let sys = TempDir::new().unwrap();
        let node = |name: &str| Node { name: name.to_owned(), directory: sys.path().join(name) };
        let nodes = [node("sda"), node("sdb"), node("dm-0")];
        for path in &nodes[..2] {
            fs::create_dir_all(path.directory.join("holders/dm-0")).unwrap();
        }
        let spec = DeviceSpec::parse("LABEL=data").unwrap();
        let device = |node: &Node| {
            let copy = sys.path().join(format!("dev-{}", node.name));
            fs::copy(&image, &copy).ok().map(|_| copy)
        };
        let found = find(&nodes, device, &spec, &mut Reader::default()).unwrap();
        assert!(found.ends_with("dev-dm-0"));
    }

    #[test]
    fn links_of_udev_are_tags() {
        for spec in ["LABEL=BEK VOLUME", "PARTLABEL=a\\b", "PARTUUID=0c0a-01"] {
            let spec = DeviceSpec::parse(spec).unwrap();
            assert_eq!(of_link(&spec.udev_path()), Some(spec));
        }
        for other in
            ["/dev/sda", "/dev/disk/by-id/x", "/dev/disk/by-uuid/", "/dev/disk/by-label/\\x2"]
        {
            assert_eq!(of_link(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn an_empty_value_is_never_the_same() {
        assert!(!is(Some(""), ""));
        assert!(!is(None::<&str>, ""));
        assert!(is(Some("A0E8-7B7F"), "a0e8-7b7f"));
    }

    #[test]
    fn only_a_lack_of_privilege_is_a_refusal() {
        let mut reader = Reader::default();
        for harmless in [Errno::ENOMEDIUM, Errno::EPERM] {
            assert_eq!(reader.read::<()>(Err(harmless.into())), None);
        }
        assert!(reader.0.is_none());
        assert_eq!(reader.read::<()>(Err(Errno::EACCES.into())), None);
        assert_eq!(reader.refused::<()>().unwrap_err().name(), "not-permitted");
        assert_eq!(Reader::default().refused::<()>(), Ok(None));
    }
}
