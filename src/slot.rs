//! Where Azure plugged a disk in: the slot (controller and LUN), and the names made of it.
//!
//! ADE names a data disk's key file after its slot, and crypttab lines name disks by links made of
//! slots. This file only reads spellings; which block device sits in a slot is found by
//! edge/azure_slot.rs. Pure: nothing here looks at a file or a device.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::Path;

use crate::volume::{DeviceSpec, KeyFileName};

/// A disk's place on the VM's storage controllers.
///
/// Controller 0 (VMBus f8b3781a-…) carries the OS, resource and key disks of a Gen2 VM, 1 to 3
/// (f8b3781b to d) the data disks (WALinuxAgent's 66-azure-storage.rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    controller: u8,
    lun: u16,
}

impl Slot {
    /// `None` for a controller above 3: Azure has no more.
    pub fn new(controller: u8, lun: u16) -> Option<Self> {
        (controller <= 3).then_some(Self { controller, lun })
    }

    /// The slot of an NVMe namespace: data disks start at namespace 2, LUN 0; ADE calls their
    /// controller 1 (azure-vm-utils' 80-azure-disk.rules; ADE's DiskUtil.py).
    pub fn of_namespace(nsid: u32) -> Option<Self> {
        let lun = nsid.checked_sub(2)?;
        Self::new(1, u16::try_from(lun).ok()?)
    }

    /// Reads `LinuxPassPhraseFileName_<controller>_<lun>`, in any case as FAT has it.
    pub fn of_key_file(name: &KeyFileName) -> Option<Self> {
        let (stem, slot) = name.as_str().split_at_checked(KeyFileName::OS.len())?;
        let (controller, lun) = slot.strip_prefix('_')?.split_once('_')?;
        let slot = Self::new(number(controller)?, number(lun)?)?;
        stem.eq_ignore_ascii_case(KeyFileName::OS).then_some(slot)
    }

    /// The key file ADE makes for a disk in this slot; `None` on controller 0, which holds no data
    /// disks.
    pub fn key_file(self) -> Option<KeyFileName> {
        if self.controller == 0 {
            return None;
        }
        KeyFileName::parse(&format!("{}_{}_{}", KeyFileName::OS, self.controller, self.lun))
    }

    /// 0 to 3.
    pub fn controller(self) -> u8 {
        self.controller
    }

    /// The logical unit number on that controller.
    pub fn lun(self) -> u16 {
        self.lun
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scsi{}/lun{}", self.controller, self.lun)
    }
}

/// A disk as Azure's links name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureDisk {
    /// The data disk with this LUN on whichever controller: `data/by-lun/N`.
    Lun(u16),
    /// The OS disk: `os`, `root`.
    Os,
    /// The temporary disk: `resource`.
    Resource,
    /// The disk in this slot: `scsiC/lunL`.
    Slot(Slot),
}

/// A link that one of Azure's udev rule sets makes, or made once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AzureLink {
    /// The disk.
    pub disk: AzureDisk,
    /// Its partition, counted from 1; `None` is the whole disk.
    pub partition: Option<u32>,
}

impl AzureLink {
    /// Reads a path below /dev/disk/azure (WALinuxAgent and azure-vm-utils) or /dev/disk/cloud
    /// (cloud-init); `None` for any other.
    pub fn parse(path: &Path) -> Option<Self> {
        let path = path.to_str()?;
        let (disk, partition) = match path.rsplit_once("-part") {
            Some((disk, part)) => (disk, Some(number::<u32>(part).filter(|part| *part > 0)?)),
            None => (path, None),
        };
        let disk = match disk {
            "/dev/disk/azure/root" | "/dev/disk/azure/os" | "/dev/disk/cloud/azure_root" => {
                AzureDisk::Os
            }
            "/dev/disk/azure/resource" | "/dev/disk/cloud/azure_resource" => AzureDisk::Resource,
            other => slot_link(other.strip_prefix("/dev/disk/azure/")?)?,
        };
        Some(Self { disk, partition })
    }

    /// The slot of the data disk it names; `data/by-lun/N` does not say which controller, and
    /// Azure fills the first one first.
    pub fn slot(self) -> Option<Slot> {
        match self.disk {
            AzureDisk::Lun(lun) => Slot::new(1, lun),
            AzureDisk::Os | AzureDisk::Resource => None,
            AzureDisk::Slot(slot) => Some(slot),
        }
    }
}

/// The slot that a device field spells out, where it does; sysfs knows better when it knows.
pub fn spelled(device: &DeviceSpec) -> Option<Slot> {
    match device {
        DeviceSpec::Path(path) => AzureLink::parse(path)?.slot(),
        _ => None,
    }
}

/// `data/by-lun/N` or `scsiC/lunL`.
fn slot_link(link: &str) -> Option<AzureDisk> {
    if let Some(lun) = link.strip_prefix("data/by-lun/") {
        return number(lun).map(AzureDisk::Lun);
    }
    let (controller, lun) = link.strip_prefix("scsi")?.split_once("/lun")?;
    Slot::new(number(controller)?, number(lun)?).map(AzureDisk::Slot)
}

/// Digits only: `parse` alone would take a sign.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(controller: u8, lun: u16) -> Slot {
        Slot::new(controller, lun).unwrap()
    }

    fn link(path: &str) -> Option<AzureLink> {
        AzureLink::parse(Path::new(path))
    }

    #[test]
    fn key_file_names_round_trip() {
        let name = slot(1, 12).key_file().unwrap();
        assert_eq!(name.as_str(), "LinuxPassPhraseFileName_1_12");
        assert_eq!(Slot::of_key_file(&name), Some(slot(1, 12)));
        let shouted = KeyFileName::parse("LINUXPASSPHRASEFILENAME_3_0").unwrap();
        assert_eq!(Slot::of_key_file(&shouted), Some(slot(3, 0)));
    }

    #[test]
    fn the_controller_of_the_os_disk_has_no_key_file() {
        assert_eq!(slot(0, 0).key_file(), None);
        assert_eq!(Slot::new(4, 0), None);
    }

    #[test]
    fn other_file_names_hold_no_slot() {
        for name in [
            "LinuxPassPhraseFileName",
            "LinuxPassPhraseFileName_1",
            "LinuxPassPhraseFileName_1_",
            "LinuxPassPhraseFileName_+1_0",
            "LinuxPassPhraseFileName_4_0",
            "LinuxPassPhraseFileName_1_0_2",
            "LinuxPassPhraseFileNam\u{e9}_1_0",
            "x_1_0",
        ] {
            assert_eq!(Slot::of_key_file(&KeyFileName::parse(name).unwrap()), None, "{name}");
        }
    }

    #[test]
    fn data_disks_start_at_the_second_namespace() {
        assert_eq!(Slot::of_namespace(2), Some(slot(1, 0)));
        assert_eq!(Slot::of_namespace(9), Some(slot(1, 7)));
        assert_eq!(Slot::of_namespace(1), None);
        assert_eq!(Slot::of_namespace(0), None);
        assert_eq!(Slot::of_namespace(u32::MAX), None);
    }

    #[test]
    fn links_of_every_rule_set_are_read() {
        for (path, disk, partition) in [
            ("/dev/disk/azure/scsi1/lun0", AzureDisk::Slot(slot(1, 0)), None),
            ("/dev/disk/azure/scsi0/lun0-part1", AzureDisk::Slot(slot(0, 0)), Some(1)),
            ("/dev/disk/azure/data/by-lun/5-part12", AzureDisk::Lun(5), Some(12)),
            ("/dev/disk/azure/root", AzureDisk::Os, None),
            ("/dev/disk/azure/os-part14", AzureDisk::Os, Some(14)),
            ("/dev/disk/cloud/azure_root-part1", AzureDisk::Os, Some(1)),
            ("/dev/disk/azure/resource-part1", AzureDisk::Resource, Some(1)),
        ] {
            assert_eq!(link(path), Some(AzureLink { disk, partition }), "{path}");
        }
    }

    #[test]
    fn other_paths_are_no_links() {
        for path in [
            "/dev/sda",
            "/dev/disk/azure/BEK",
            "/dev/disk/azure/scsi1/lun",
            "/dev/disk/azure/scsi1/lun-1",
            "/dev/disk/azure/scsi9/lun0",
            "/dev/disk/azure/scsi1/lun0-part0",
            "/dev/disk/azure/scsi1/lun0-partx",
            "/dev/disk/azure/scsi1/../scsi1/lun0",
            "/dev/disk/azure/data/by-lun/99999",
            "/dev/disk/by-uuid/scsi1/lun0",
        ] {
            assert_eq!(link(path), None, "{path}");
        }
    }

    #[test]
    fn a_device_field_may_spell_its_slot() {
        let spelled_by = |field| spelled(&DeviceSpec::parse(field).unwrap());
        assert_eq!(spelled_by("/dev/disk/azure/scsi2/lun3"), Some(slot(2, 3)));
        assert_eq!(spelled_by("/dev/disk/azure/data/by-lun/3"), Some(slot(1, 3)));
        assert_eq!(spelled_by("/dev/disk/azure/root-part1"), None);
        assert_eq!(spelled_by("UUID=5f1e"), None);
    }
}
