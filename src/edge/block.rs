//! Finds block devices by the names of bektab(5), with udev's links or without.
//!
//! A link that udev made is believed. Where there is none (an initramfs without udev, rules that
//! are not installed) every device is looked at. Never goes by sdX: those letters change with each
//! boot.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::device::Devices;
use crate::edge::azure_slot::{self, Target};
use crate::edge::probe;
use crate::edge::sysfs::{Node, Sysfs};
use crate::edge::tags::{self, Reader};
use crate::error::Kind;
use crate::slot::{AzureDisk, AzureLink, Slot};
use crate::volume::DeviceSpec;

/// The label of every key disk.
pub const KEY_DISK_LABEL: &str = "BEK VOLUME";

/// The block devices of this machine.
#[derive(Clone, Debug)]
pub struct BlockDevices {
    sysfs: Sysfs,
    dev: PathBuf,
    is_device: fn(&Metadata) -> bool,
}

impl BlockDevices {
    /// Those that /sys and /dev show.
    pub fn new() -> Self {
        Self {
            sysfs: Sysfs::at(Path::new("/sys")),
            dev: PathBuf::from("/dev"),
            is_device: |metadata| metadata.file_type().is_block_device(),
        }
    }

    /// The device or, for a path, the file that a link or the path itself leads to.
    fn follow(&self, spec: &DeviceSpec) -> Option<PathBuf> {
        let path = spec.udev_path();
        let path = path.strip_prefix("/dev").map_or(path.clone(), |below| self.dev.join(below));
        let path = fs::canonicalize(path).ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let is_file = matches!(spec, DeviceSpec::Path(_)) && metadata.is_file();
        (is_file || (self.is_device)(&metadata)).then_some(path)
    }

    /// The node in /dev; `None` when the kernel has the device and devtmpfs not (yet).
    fn path(&self, node: &Node) -> Option<PathBuf> {
        let path = self.dev.join(node.name.replace('!', "/"));
        let metadata = fs::metadata(&path).ok()?;
        (self.is_device)(&metadata).then_some(path)
    }

    /// Follows an Azure link that is not there, or that does not say which controller it means.
    fn find_azure(&self, link: AzureLink) -> Found {
        match azure_slot::resolve(&self.sysfs, link) {
            Target::Ambiguous(nodes) => {
                let names: Vec<_> = nodes.into_iter().map(|node| node.name).collect();
                log::warn!("several disks have this LUN: {}; name the slot", names.join(", "));
                Found::Ambiguous
            }
            Target::Missing => Found::Missing,
            Target::Node(node) => self.path(&node).map_or(Found::Missing, Found::Device),
        }
    }

    /// Looks for a tag that has no link, however it is spelled.
    fn find_tag(&self, spec: &DeviceSpec) -> Result<Option<PathBuf>, Kind> {
        let tag = match spec {
            DeviceSpec::Path(path) => tags::of_link(path),
            tag => Some(tag.clone()),
        };
        let Some(tag) = tag else {
            return Ok(None);
        };
        let mut reader = Reader::default();
        let found = tags::find(&self.sysfs.nodes(), |node| self.path(node), &tag, &mut reader);
        if found.is_some() { Ok(found) } else { reader.refused() }
    }
}

impl Default for BlockDevices {
    fn default() -> Self {
        Self::new()
    }
}

impl Devices for BlockDevices {
    fn find(&mut self, spec: &DeviceSpec) -> Result<Option<PathBuf>, Kind> {
        let link = match spec {
            DeviceSpec::Path(path) => AzureLink::parse(path),
            _ => None,
        };
        // The link data/by-lun/N exists also where it is one disk's by chance.
        if let Some(link @ AzureLink { disk: AzureDisk::Lun(_), .. }) = link {
            match self.find_azure(link) {
                Found::Ambiguous => return Ok(None),
                Found::Device(path) => return Ok(Some(path)),
                Found::Missing => {}
            }
        }
        if let Some(path) = self.follow(spec) {
            return Ok(Some(path));
        }
        match link.map(|link| self.find_azure(link)) {
            Some(Found::Device(path)) => Ok(Some(path)),
            Some(Found::Ambiguous | Found::Missing) => Ok(None),
            None => self.find_tag(spec),
        }
    }

    fn key_disks(&mut self) -> Result<Vec<PathBuf>, Kind> {
        let mut reader = Reader::default();
        let linked = self.follow(&DeviceSpec::Label(KEY_DISK_LABEL.to_owned()));
        let nodes = self.sysfs.nodes();
        let mut disks: Vec<PathBuf> = Vec::new();
        for path in linked.into_iter().chain(nodes.iter().filter_map(|node| self.path(node))) {
            let superblock = reader.read(probe::fat_superblock(&path)).flatten();
            if superblock.is_some_and(|fat| tags::is(fat.label, KEY_DISK_LABEL))
                && !disks.contains(&path)
            {
                disks.push(path);
            }
        }
        if disks.is_empty() {
            reader.refused::<()>()?;
        }
        Ok(disks)
    }

    fn signature(&mut self, device: &Path) -> Result<Option<String>, Kind> {
        probe::signature(device).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => tags::refusal(&error),
            _ => Kind::Internal {
                call: "reading the opened device",
                reason: format!("{}: {error}", device.display()),
            },
        })
    }

    fn slot(&mut self, device: &Path) -> Option<Slot> {
        azure_slot::slot(&self.sysfs, &self.sysfs.node_of(device)?)
    }
}

/// Where an Azure link led to.
enum Found {
    Ambiguous,
    Device(PathBuf),
    Missing,
}

#[cfg(test)]
mod tests;
