//! Who uses a disk, and whether they may write to it.
//!
//! From sysfs and proc, so that each can be named; what those do not show (a mount in another
//! container, for one) the kernel tells when somebody asks for the device exclusively.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use super::{below_dev, open};
use crate::edge::mountinfo;
use crate::edge::sysfs::{Node, Sysfs, names};
use crate::error::{Kind, printable};

/// Somebody who uses a device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    /// In words: `mount /mnt/data`, `device osencrypt`, `swap`.
    what: String,
    /// Whether what is on the device may change under us.
    writes: bool,
}

/// Refuses a device that somebody on this machine writes to, or uses at all where it is to be
/// `writable`; `named` is what it is called in the refusal.
pub(super) fn must_be_free(
    sysfs: &Sysfs,
    node: Option<&Node>,
    named: &Path,
    writable: bool,
) -> Result<(), Kind> {
    let proc = Path::new("/proc");
    let mut found = Vec::new();
    for part in node.map(|node| sysfs.partitions(node)).unwrap_or_default() {
        let of_part = users(sysfs, proc, &part);
        found.extend(if of_part.is_empty() { unseen(&below_dev(&part)) } else { of_part });
    }
    found.extend(node.map(|node| users(sysfs, proc, node)).unwrap_or_default());
    if found.is_empty() {
        // Who has a partition has a part of the disk: not asked before.
        found = unseen(&node.map_or_else(|| named.to_owned(), below_dev));
    }
    found.retain(|user| writable || user.writes);
    if found.is_empty() {
        return Ok(());
    }
    let holders = found.into_iter().map(|user| user.what).collect();
    Err(Kind::DeviceInUse { device: named.to_owned(), holders })
}

/// Somebody who holds the device and shows nowhere. O_EXCL without O_CREAT fails on a block device
/// that the system uses (open(2)): mounted, in whatever namespace, or part of another device.
fn unseen(device: &Path) -> Vec<User> {
    match open(device, false, libc::O_EXCL) {
        Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => {
            let what = "somebody who does not show here, as in a container".to_owned();
            vec![User { what, writes: true }]
        }
        _ => Vec::new(),
    }
}

/// Those who use exactly this device; not those who use its partitions. `proc` is /proc.
fn users(sysfs: &Sysfs, proc: &Path, node: &Node) -> Vec<User> {
    let path = below_dev(node);
    let mut users = Vec::new();
    for mount in mountinfo::table(&text(proc, "self/mountinfo")) {
        let (major, minor) = mount.device;
        // btrfs has a number of its own, and the device it was mounted from.
        let is_it = node.attribute("dev").is_some_and(|dev| dev == format!("{major}:{minor}"));
        if is_it || mount.source == path {
            let what = format!("mount {}", mount.point.display());
            users.push(User { what, writes: mount.writable });
        }
    }
    if text(proc, "swaps").lines().any(|line| line.split(' ').next().map(Path::new) == Some(&path))
    {
        users.push(User { what: "swap".to_owned(), writes: true });
    }
    for holder in names(&node.directory.join("holders")) {
        let above = sysfs.node(&holder);
        let attribute = |name| above.as_ref().and_then(|node| node.attribute(name));
        let writes = attribute("ro").as_deref() != Some("1");
        let what = format!("device {}", attribute("dm/name").unwrap_or(holder));
        users.push(User { what, writes });
    }
    for user in &mut users {
        // Mount points and mappings have the names that somebody chose, escape sequences too.
        user.what = printable(&user.what, 80);
    }
    users
}

fn text(proc: &Path, file: &str) -> String {
    fs::read_to_string(proc.join(file)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    /// A machine with sda1 mounted, sda2 swap, sda3 below two mappings and sda4 unused.
    fn machine() -> TempDir {
        let root = TempDir::new().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for number in 1..=4 {
            write(&format!("class/block/sda{number}/dev"), &format!("8:{number}\n"));
        }
        write("class/block/sda3/holders/dm-0", "");
        write("class/block/dm-0/dm/name", "os\x1b[31m\n");
        write("class/block/dm-0/ro", "0\n");
        write("class/block/sda3/holders/dm-1", "");
        write("class/block/dm-1/dm/name", "copy\n");
        write("class/block/dm-1/ro", "1\n");
        let mounts = "22 1 8:1 / /mnt/a\\040b ro - ext4 /dev/sda1 rw\n\
                      23 1 0:41 /@ /srv rw - btrfs /dev/sda4 ro,subvol=/@\n";
        write("self/mountinfo", mounts);
        write("swaps", "Filename\t\t\tType\n/dev/sda2                      partition 1 0 -2\n");
        root
    }

    fn of(root: &TempDir, name: &str) -> Vec<(String, bool)> {
        let sysfs = Sysfs::at(root.path());
        let node = sysfs.node(name).unwrap();
        users(&sysfs, root.path(), &node).into_iter().map(|user| (user.what, user.writes)).collect()
    }

    #[test]
    fn mounts_are_users_and_write_when_their_file_system_may() {
        let root = machine();
        assert_eq!(of(&root, "sda1"), [("mount /mnt/a b".to_owned(), true)]);
        assert_eq!(of(&root, "sda4"), [("mount /srv".to_owned(), false)]);
    }

    #[test]
    fn swap_and_what_is_stacked_above_are_users() {
        let root = machine();
        assert_eq!(of(&root, "sda2"), [("swap".to_owned(), true)]);
        let mut above = of(&root, "sda3");
        above.sort();
        let expected = [("device copy", false), ("device os?[31m", true)];
        assert_eq!(above, expected.map(|(what, writes)| (what.to_owned(), writes)));
    }

    #[test]
    fn without_proc_and_holders_there_are_no_users() {
        let root = machine();
        let node = Node { name: "sdz".to_owned(), directory: PathBuf::from("/nonexistent") };
        assert_eq!(users(&Sysfs::at(root.path()), Path::new("/nonexistent"), &node), []);
    }
}
