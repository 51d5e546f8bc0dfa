//! What a file system stands on, followed down through LVM, md and partitions by sysfs's links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::edge::mountinfo::Mount;
use crate::edge::sysfs::{Node, Sysfs, attribute, names};

/// The dm-crypt mappings below a mounted file system; `None` when it has no block device.
pub(super) fn of_mount(sysfs: &Sysfs, mount: &Mount) -> Option<Vec<String>> {
    let (major, minor) = mount.device;
    let number = format!("{major}:{minor}");
    if let Some(node) = sysfs.numbered(&number) {
        return Some(of_node(sysfs, &node));
    }
    // btrfs mounts have a number of their own; the source is one device of perhaps several.
    let source = mount.source.starts_with("/dev").then_some(&mount.source)?;
    let node = sysfs.node_of(&std::fs::canonicalize(source).ok()?)?;
    let mut found = BTreeSet::from_iter(of_node(sysfs, &node));
    for name in sysfs.btrfs_members(&node.name) {
        found.extend(sysfs.node(&name).map(|node| of_node(sysfs, &node)).unwrap_or_default());
    }
    Some(found.into_iter().collect())
}

/// The dm-crypt mappings that `node` is, or stands on.
pub(super) fn of_node(sysfs: &Sysfs, node: &Node) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left: Vec<PathBuf> = vec![node.directory.clone()];
    while let Some(directory) = left.pop() {
        if !sysfs.holds(&directory) || !seen.insert(directory.clone()) {
            continue;
        }
        if attribute(&directory, "dm/uuid").is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
            found.extend(attribute(&directory, "dm/name"));
        }
        if attribute(&directory, "partition").is_some() {
            left.extend(directory.parent().map(Path::to_owned));
        }
        let slaves = names(&directory.join("slaves"));
        left.extend(slaves.iter().filter_map(|name| sysfs.node(name)).map(|node| node.directory));
    }
    found.into_iter().collect()
}
