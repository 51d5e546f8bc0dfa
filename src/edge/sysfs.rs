//! Block devices as sysfs lists them.
//!
//! Reads names, sizes and a few attributes (Documentation/ABI/testing/sysfs-block and the
//! kernel's sysfs rules); knows neither Azure nor what is on a disk. The root is a parameter, so
//! that tests read recorded trees.

use std::fs;
use std::path::{Path, PathBuf};

/// /sys, or a tree like it.
#[derive(Clone, Debug)]
pub struct Sysfs(PathBuf);

/// One block device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// The kernel's name: `sda1`, `dm-0`, `cciss!c0d0`.
    pub name: String,
    /// Its directory, without links.
    pub directory: PathBuf,
}

impl Sysfs {
    /// `root` is /sys itself.
    pub fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// The block devices worth looking at, by name; none when there is no sysfs.
    ///
    /// Left out: what holds nothing (size 0: loop devices without a file, drives without a
    /// medium), memory (ram, zram), floppy drives (a probe of the one that Gen1 VMs have takes
    /// seconds and fills the log), hidden NVMe paths, and the plaintext of dm-crypt mappings:
    /// neither a key disk nor a volume to open is found inside what is already unlocked.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = names(&self.0.join("class/block"))
            .iter()
            .filter_map(|name| self.node(name))
            .filter(|node| !node.is_left_out())
            .collect();
        nodes.sort();
        nodes
    }

    /// The device of that name, whatever it is.
    pub fn node(&self, name: &str) -> Option<Node> {
        if name.is_empty() || name.contains('/') {
            return None;
        }
        let directory = fs::canonicalize(self.0.join("class/block").join(name)).ok()?;
        Some(Node { name: name.to_owned(), directory })
    }

    /// The device that the node `device` in /dev is, by its path.
    pub fn node_of(&self, device: &Path) -> Option<Node> {
        // The kernel's `!` in names stands for a directory below /dev.
        let below_dev = device.strip_prefix("/dev").ok();
        let name = below_dev.unwrap_or(Path::new(device.file_name()?)).to_str()?;
        self.node(&name.replace('/', "!"))
    }

    /// The device with this number, `8:1`.
    pub fn numbered(&self, number: &str) -> Option<Node> {
        let directory = fs::canonicalize(self.0.join("dev/block").join(number)).ok()?;
        let name = directory.file_name()?.to_str()?.to_owned();
        Some(Node { name, directory })
    }

    /// The partitions of the disk, by their numbers.
    pub fn partitions(&self, disk: &Node) -> Vec<Node> {
        let below = names(&disk.directory);
        let mut nodes: Vec<Node> = below.iter().filter_map(|name| self.node(name)).collect();
        nodes.retain(|node| node.partition().is_some() && node.disk() == Some(&disk.directory));
        nodes.sort_by_key(Node::partition);
        nodes
    }

    /// The names of all devices of the btrfs file system that `name` is one of.
    pub fn btrfs_members(&self, name: &str) -> Vec<String> {
        let all = self.0.join("fs/btrfs");
        let members = names(&all).into_iter().map(|uuid| names(&all.join(uuid).join("devices")));
        members
            .into_iter()
            .find(|devices| devices.iter().any(|one| one == name))
            .unwrap_or_default()
    }

    /// Whether `directory` is below this sysfs, so that walking up from it ends.
    pub fn holds(&self, directory: &Path) -> bool {
        fs::canonicalize(&self.0).is_ok_and(|root| directory.starts_with(root))
    }
}

impl Node {
    /// The trimmed content of an attribute; `None` when it is not there or not text.
    pub fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.directory, name)
    }

    /// Its number, where it is a partition.
    pub fn partition(&self) -> Option<u32> {
        self.attribute("partition")?.parse().ok()
    }

    /// The directory of the disk it is, or is a partition of.
    pub fn disk(&self) -> Option<&Path> {
        if self.partition().is_some() { self.directory.parent() } else { Some(&self.directory) }
    }

    fn is_left_out(&self) -> bool {
        let memory_or_floppy = ["ram", "zram", "fd"].iter().any(|prefix| {
            self.name
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        });
        memory_or_floppy
            || self.attribute("dev").is_none()
            || self.attribute("size").is_none_or(|size| size == "0")
            || self.attribute("dm/uuid").is_some_and(|uuid| uuid.starts_with("CRYPT-"))
    }
}

/// The trimmed content of an attribute of any sysfs directory.
pub fn attribute(directory: &Path, name: &str) -> Option<String> {
    fs::read_to_string(directory.join(name)).ok().map(|text| text.trim().to_owned())
}

/// The names in a directory; none when it is not there.
pub fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorded tree of tests/fixtures/sys.
    fn recorded(tree: &str) -> Sysfs {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sys");
        Sysfs::at(&root.join(tree))
    }

    fn listed(tree: &str) -> Vec<String> {
        recorded(tree).nodes().into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn floppies_memory_and_empty_loops_are_left_out() {
        assert_eq!(
            listed("gen1"),
            ["sda", "sda1", "sda14", "sdb", "sdb1", "sdc", "sdc1", "sdd", "sde", "sdf", "sdf1"]
        );
    }

    #[test]
    fn unlocked_volumes_are_left_out_and_lvm_is_not() {
        let names = listed("gen2");
        assert!(names.contains(&"dm-1".to_owned()));
        assert!(!names.contains(&"dm-0".to_owned()));
        assert!(!names.contains(&"sr0".to_owned()));
        assert!(!names.contains(&"zram0".to_owned()));
    }

    #[test]
    fn hidden_paths_are_left_out() {
        assert_eq!(listed("nvme-multipath"), ["nvme0n1", "nvme0n1p1", "nvme0n2"]);
    }

    #[test]
    fn a_partition_knows_its_disk() {
        let node = recorded("nvme").node_of(Path::new("/dev/nvme0n3p1")).unwrap();
        assert_eq!(node.partition(), Some(1));
        assert!(node.disk().unwrap().ends_with("nvme0/nvme0n3"));
    }

    #[test]
    fn a_disk_knows_its_partitions() {
        let sysfs = recorded("gen1");
        let names = |disk: &str| -> Vec<String> {
            let disk = sysfs.node(disk).unwrap();
            sysfs.partitions(&disk).into_iter().map(|node| node.name).collect()
        };
        assert_eq!(names("sda"), ["sda1", "sda14"]);
        assert_eq!(names("sda1"), [] as [&str; 0]);
    }

    #[test]
    fn nothing_is_found_outside() {
        assert_eq!(recorded("gen1").node("../../devices"), None);
        assert_eq!(recorded("gen1").node_of(Path::new("/dev/nothing")), None);
        assert_eq!(recorded("no-such-tree").nodes(), []);
    }
}
