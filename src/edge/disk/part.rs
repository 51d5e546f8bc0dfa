//! The partitions of a rescued disk: the kernel's own, or loop devices in their place.

use std::path::{Path, PathBuf};

use super::problem::{no_loop, unopened};
use super::{RescueDisk, below_dev, image, open};
use crate::edge::probe::{self, Partition};
use crate::edge::sysfs::Node;
use crate::error::Kind;

/// How many partitions are looked at; GPT has room for 128, and an image needs a loop device for
/// each.
const PARTITIONS_MAX: usize = 128;

/// A partition of a rescued disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its block device: the kernel's own, or a loop device that stands for it.
    pub path: PathBuf,
    /// What the table says of it.
    pub entry: Partition,
}

impl RescueDisk {
    /// The partitions, by number, read-only as the disk is; none when it has no partition table.
    ///
    /// Errors: [`Kind::NoTarget`] when it cannot be read, and as for [`Self::open`].
    pub fn partitions(&mut self) -> Result<Vec<Part>, Kind> {
        if let Some(parts) = &self.parts {
            return Ok(parts.clone());
        }
        let nodes = self.node().map(|node| self.sysfs.partitions(&node)).unwrap_or_default();
        let parts = match nodes.is_empty() {
            true => self.attach_partitions()?,
            false => described(&nodes, &self.path)?,
        };
        for part in &parts {
            self.protect(&part.path)?;
        }
        self.parts = Some(parts.clone());
        Ok(parts)
    }

    /// The partitions of the disk that this partition is on, without it. They are only for looking
    /// at: what this machine does with them is not asked, and no flag is set.
    pub fn siblings(&self) -> Result<Vec<Part>, Kind> {
        let Some((node, disk)) = self.on_disk() else { return Ok(Vec::new()) };
        let mut nodes = self.sysfs.partitions(&disk);
        nodes.retain(|other| other.name != node.name);
        described(&nodes, &below_dev(&disk))
    }

    /// What the table of its disk says of this partition, where it is one.
    pub fn entry(&self) -> Result<Option<Partition>, Kind> {
        let Some((node, disk)) = self.on_disk() else { return Ok(None) };
        let found = described(&[node], &below_dev(&disk))?;
        Ok(found.into_iter().next().map(|part| part.entry))
    }

    /// Itself and the disk it is a partition of.
    fn on_disk(&self) -> Option<(Node, Node)> {
        let node = self.node()?;
        node.partition()?;
        let disk = self.sysfs.node(node.disk()?.file_name()?.to_str()?)?;
        Some((node, disk))
    }

    /// A loop device for each partition that the table has and the kernel has not.
    fn attach_partitions(&mut self) -> Result<Vec<Part>, Kind> {
        let unreadable = |error| unopened(&self.path, &error);
        let holds = probe::signature(&self.path).map_err(unreadable)?;
        if !holds.is_some_and(|word| ["dos", "gpt"].contains(&word.as_str())) {
            return Ok(Vec::new());
        }
        let mut table = probe::partitions(&self.path).map_err(unreadable)?;
        table.retain(|entry| entry.size > 0 && !entry.is_extended());
        let disk;
        let backing = match &self.image {
            Some(image) => image,
            None => {
                disk = open(&self.path, self.writable, 0).map_err(unreadable)?;
                &disk
            }
        };
        let mut parts = Vec::new();
        for entry in table.into_iter().take(PARTITIONS_MAX) {
            let attached = image::attach(backing, entry.start, entry.size)
                .map_err(|error| no_loop(&self.named, &error))?;
            parts.push(Part { path: attached.path.clone(), entry });
            self.loops.push(attached);
        }
        Ok(parts)
    }
}

/// Partitions of the kernel with what the table of `disk` says of them.
fn described(nodes: &[Node], disk: &Path) -> Result<Vec<Part>, Kind> {
    let table = probe::partitions(disk).map_err(|error| unopened(disk, &error))?;
    let mut parts = Vec::new();
    for node in nodes.iter().take(PARTITIONS_MAX) {
        let number = node.partition().unwrap_or_default();
        let known = table.iter().find(|entry| entry.number == number);
        let entry = known.cloned().unwrap_or_else(|| unlisted(node, number));
        if !entry.is_extended() {
            parts.push(Part { path: below_dev(node), entry });
        }
    }
    Ok(parts)
}

/// A partition that the kernel knows of and libblkid does not: it reads other tables, too.
fn unlisted(node: &Node, number: u32) -> Partition {
    let bytes = |name| {
        let sectors = node.attribute(name).and_then(|text| text.parse::<u64>().ok());
        sectors.unwrap_or_default().saturating_mul(512)
    };
    let (start, size) = (bytes("start"), bytes("size"));
    Partition { number, label: None, uuid: None, kind: None, start, size }
}
