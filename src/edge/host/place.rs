//! On which file system a file lies, and how that is found again at the next boot.
//!
//! Two witnesses: what is mounted now, and what fstab(5) says. fstab's word for a device is its
//! owner's choice and is taken; the rest is better known of what is mounted, unless that is a copy
//! in memory, as in places where images are made.

use std::path::Path;

use super::{System, stack};
use crate::edge::mountinfo::Mount;
use crate::edge::probe;
use crate::initramfs::{FileSystem, fstab};
use crate::volume::DeviceSpec;

impl System {
    /// The file system of its own that `path` is on; `None` when it is on the root, or as much out
    /// of reach.
    pub(super) fn separate(&self, path: &Path) -> Option<FileSystem> {
        let planned = self.planned(path);
        let mount = self.mount_of(path);
        let Some(mount) = mount.filter(|mount| mount.point != Path::new("/")) else {
            return planned;
        };
        match planned {
            // fstab knows of a file system that is not mounted now.
            Some(planned)
                if planned.point != mount.point && planned.point.starts_with(&mount.point) =>
            {
                Some(planned)
            }
            _ if self.is_out_of_reach(mount) => None,
            Some(planned) if planned.point == mount.point => {
                let mounted = mounted(mount, path)?;
                let (device, kind) = match mounted.device {
                    Some(device) => (planned.device.or(Some(device)), mounted.kind),
                    None => (planned.device, planned.kind.or(mounted.kind)),
                };
                Some(FileSystem { device, kind, ..mounted })
            }
            _ => mounted(mount, path),
        }
    }

    /// The file system that fstab(5) mounts at or above `path`.
    fn planned(&self, path: &Path) -> Option<FileSystem> {
        let line = fstab::holder(&self.fstab, path)?;
        let spec = DeviceSpec::parse(&line.device);
        let found = spec.as_ref().and_then(|spec| self.find(spec));
        let superblock = found.and_then(|device| probe::superblock(&device).ok().flatten());
        let uuid = superblock.as_ref().and_then(|found| found.uuid.clone()).map(DeviceSpec::Uuid);
        // sdX may be another disk after the next boot.
        let lasting = spec.filter(|spec| !matches!(spec, DeviceSpec::Path(_)));
        let named = (line.kind != "auto").then(|| line.kind.clone());
        let subvolume = line.option("subvol").filter(|_| line.kind == "btrfs").unwrap_or_default();
        let below = path.strip_prefix(&line.point).ok()?;
        Some(FileSystem {
            is_mounted: false,
            point: line.point.clone(),
            path: Path::new("/").join(subvolume.trim_start_matches('/')).join(below),
            device: lasting.or(uuid),
            kind: superblock.map(|found| found.kind).or(named),
        })
    }

    /// The mount that `path` is on; of several on one point the last, which is on top.
    fn mount_of(&self, path: &Path) -> Option<&Mount> {
        self.mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.components().count())
    }

    /// Whether it is the root's or /usr's file system under another name (a bind mount, another
    /// subvolume), or stands on a volume that has to be opened first.
    fn is_out_of_reach(&self, mount: &Mount) -> bool {
        let is_encrypted =
            stack::of_mount(&self.sysfs, mount).is_some_and(|below| !below.is_empty());
        is_encrypted
            || ["/", "/usr"].iter().filter_map(|point| self.top(Path::new(point))).any(|root| {
                root.device == mount.device
                    || (root.source.starts_with("/dev") && root.source == mount.source)
            })
    }

    /// The mount on `point` that is seen.
    pub(super) fn top(&self, point: &Path) -> Option<&Mount> {
        self.mounts.iter().rev().find(|mount| mount.point == point)
    }
}

/// The file system that is mounted there, with what libblkid reads on its device.
fn mounted(mount: &Mount, path: &Path) -> Option<FileSystem> {
    let superblock = mount.source.starts_with("/dev").then(|| probe::superblock(&mount.source));
    let uuid = superblock.and_then(Result::ok).flatten().and_then(|found| found.uuid);
    let below = path.strip_prefix(&mount.point).ok()?;
    Some(FileSystem {
        is_mounted: true,
        point: mount.point.clone(),
        path: mount.root.join(below),
        device: uuid.map(DeviceSpec::Uuid),
        kind: Some(mount.kind.clone()),
    })
}
