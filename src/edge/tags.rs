//! Finds devices by tag (UUID=, LABEL=, PARTUUID=, PARTLABEL=) by reading every one of them.
//!
//! For where udev made no link. Tags are compared without regard to case, as bektab(5) says.

use std::io;
use std::path::PathBuf;

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

/// Reads many devices; remembers whether the caller was not allowed to.
#[derive(Default)]
pub struct Reader(Option<io::Error>);

impl Reader {
    /// A device that cannot be read (gone again, no medium) is none of those looked for.
    pub fn read<T>(&mut self, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| {
                log::debug!("{error}");
                if error.kind() == io::ErrorKind::PermissionDenied {
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
    fn an_empty_value_is_never_the_same() {
        assert!(!is(Some(""), ""));
        assert!(!is(None::<&str>, ""));
        assert!(is(Some("A0E8-7B7F"), "a0e8-7b7f"));
    }

    #[test]
    fn a_refusal_counts_only_when_nothing_was_found() {
        let mut reader = Reader::default();
        assert_eq!(reader.read::<()>(Err(io::ErrorKind::NotFound.into())), None);
        assert_eq!(Reader::default().refused::<()>(), Ok(None));
        assert_eq!(reader.read::<()>(Err(io::ErrorKind::PermissionDenied.into())), None);
        assert_eq!(reader.refused::<()>().unwrap_err().name(), "not-permitted");
    }
}
