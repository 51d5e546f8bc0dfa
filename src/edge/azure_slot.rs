//! Which block device sits in which Azure slot, from sysfs alone.
//!
//! Azure's links below /dev/disk/azure come from udev rules that an image may not have: the WALA
//! rules make `scsi1/lunN`, azure-vm-utils makes `data/by-lun/N` without saying which controller,
//! and an initramfs may have neither (azurelinux #10021, WALinuxAgent #2885). The kernel knows the
//! controller and the LUN in any case.

use std::path::Path;

use crate::edge::sysfs::{Node, Sysfs, attribute};
use crate::slot::{AzureDisk, AzureLink, Slot};

/// The second half of the GUIDs that Azure gives its SCSI controllers on VMBus; the first half
/// counts from f8b3781a (WALinuxAgent's 66-azure-storage.rules).
const CONTROLLER: &str = "-1e82-4818-a1c3-63d806ec15bb";

/// The NVMe controller that remote disks are behind; local disks have another model
/// (azure-vm-utils' 80-azure-disk.rules).
const NVME_REMOTE: &str = "MSFT NVMe Accelerator v1.0";

/// What Azure disk the device is, or is a partition of; `None` outside Azure, for local NVMe and
/// for a Gen1 VM's key disk.
pub fn place(sysfs: &Sysfs, node: &Node) -> Option<AzureDisk> {
    let disk = node.disk()?;
    match attribute(disk, "nsid") {
        Some(nsid) => namespace(disk, &nsid),
        None => scsi(sysfs, disk),
    }
}

/// The data-disk slot of the device.
pub fn slot(sysfs: &Sysfs, node: &Node) -> Option<Slot> {
    match place(sysfs, node)? {
        AzureDisk::Slot(slot) if slot.controller() > 0 => Some(slot),
        _ => None,
    }
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Several disks have this LUN, on different controllers.
    Ambiguous(Vec<Node>),
    /// No disk, or no such partition on it.
    Missing,
    /// That device.
    Node(Node),
}

/// Follows a link that need not be there.
pub fn resolve(sysfs: &Sysfs, link: AzureLink) -> Target {
    let nodes = sysfs.nodes();
    let mut disks = disks(sysfs, &nodes, link.disk);
    if disks.len() > 1 {
        return Target::Ambiguous(disks);
    }
    let Some(disk) = disks.pop() else {
        return Target::Missing;
    };
    let Some(number) = link.partition else {
        return Target::Node(disk);
    };
    let is_it = |node: &Node| {
        node.partition() == Some(number) && node.disk() == Some(disk.directory.as_path())
    };
    nodes.into_iter().find(is_it).map_or(Target::Missing, Target::Node)
}

fn disks(sysfs: &Sysfs, nodes: &[Node], wanted: AzureDisk) -> Vec<Node> {
    let matching = |matches: &dyn Fn(AzureDisk) -> bool| -> Vec<Node> {
        nodes
            .iter()
            .filter(|node| node.partition().is_none())
            .filter(|node| place(sysfs, node).is_some_and(matches))
            .cloned()
            .collect()
    };
    // Gen1 has IDE and NVMe has namespace 1; only Gen2 has its OS and temporary disk on SCSI.
    let own_or_gen2 = |lun| {
        let own = matching(&|place| place == wanted);
        let gen2 = Slot::new(0, lun).map(AzureDisk::Slot);
        if own.is_empty() { matching(&|place| Some(place) == gen2) } else { own }
    };
    match wanted {
        AzureDisk::Lun(lun) => matching(
            &|place| matches!(place, AzureDisk::Slot(slot) if slot.controller() > 0 && slot.lun() == lun),
        ),
        AzureDisk::Os => own_or_gen2(0),
        AzureDisk::Resource => own_or_gen2(1),
        AzureDisk::Slot(_) => matching(&|place| place == wanted),
    }
}

/// An NVMe namespace: `device` is its controller, or its subsystem where multipath is on.
fn namespace(disk: &Path, nsid: &str) -> Option<AzureDisk> {
    if attribute(disk, "device/model")? != NVME_REMOTE {
        return None;
    }
    match nsid.parse().ok()? {
        1 => Some(AzureDisk::Os),
        data => Slot::of_namespace(data).map(AzureDisk::Slot),
    }
}

/// A disk of storvsc: `…/<VMBus device>/hostH/targetH:C:T/H:C:T:LUN/block/sdX`.
fn scsi(sysfs: &Sysfs, disk: &Path) -> Option<AzureDisk> {
    let lun = disk.ancestors().find_map(lun)?;
    let guid = disk
        .ancestors()
        .take_while(|directory| sysfs.holds(directory))
        .find_map(|directory| attribute(directory, "device_id"))?;
    let guid = guid.trim_matches(['{', '}']).to_ascii_lowercase();
    if guid.starts_with("00000000-0000-") {
        return Some(AzureDisk::Os);
    }
    if guid.starts_with("00000000-0001-") {
        return Some(AzureDisk::Resource);
    }
    let controller = match guid.strip_suffix(CONTROLLER)? {
        "f8b3781a" => 0,
        "f8b3781b" => 1,
        "f8b3781c" => 2,
        "f8b3781d" => 3,
        _ => return None,
    };
    Slot::new(controller, lun).map(AzureDisk::Slot)
}

/// The last number of a SCSI address, `host:channel:target:lun`.
fn lun(directory: &Path) -> Option<u16> {
    let mut numbers = directory.file_name()?.to_str()?.split(':');
    let (host, channel, target, lun) =
        (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = numbers.next().is_none() && [host, channel, target].into_iter().all(digits);
    is_address.then(|| lun.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(tree: &str) -> Sysfs {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sys");
        Sysfs::at(&root.join(tree))
    }

    fn slot_in(tree: &str, name: &str) -> Option<String> {
        let sysfs = recorded(tree);
        let node = sysfs.node(name).unwrap();
        slot(&sysfs, &node).map(|slot| slot.to_string())
    }

    /// The device's name, `-` for none, `?` for several.
    fn follow(tree: &str, link: &str) -> String {
        match resolve(&recorded(tree), AzureLink::parse(Path::new(link)).unwrap()) {
            Target::Ambiguous(_) => "?".to_owned(),
            Target::Missing => "-".to_owned(),
            Target::Node(node) => node.name,
        }
    }

    #[test]
    fn data_disks_have_slots_and_others_have_none() {
        for (tree, name, slot) in [
            ("gen1", "sdd", Some("scsi1/lun0")),
            ("gen1", "sdf", Some("scsi1/lun5")),
            ("gen1", "sdf1", Some("scsi1/lun5")),
            ("gen1", "sde", Some("scsi2/lun0")),
            ("gen1", "sda1", None),
            ("gen1", "sdb", None),
            ("gen1", "sdc1", None),
            ("gen1", "fd0", None),
            ("gen2", "sde", Some("scsi1/lun10")),
            ("gen2", "sda", None),
            ("gen2", "sdc1", None),
            ("gen2", "dm-1", None),
            ("nvme", "nvme0n2", Some("scsi1/lun0")),
            ("nvme", "nvme0n3p1", Some("scsi1/lun1")),
            ("nvme", "nvme0n1p1", None),
            ("nvme", "nvme1n1", None),
            ("nvme-multipath", "nvme0n2", Some("scsi1/lun0")),
        ] {
            assert_eq!(slot_in(tree, name).as_deref(), slot, "{tree} {name}");
        }
    }

    #[test]
    fn links_lead_to_devices_without_udev() {
        for (tree, link, name) in [
            ("gen1", "/dev/disk/azure/scsi1/lun0", "sdd"),
            ("gen1", "/dev/disk/azure/scsi1/lun5-part1", "sdf1"),
            ("gen1", "/dev/disk/azure/scsi2/lun0", "sde"),
            ("gen1", "/dev/disk/azure/data/by-lun/5", "sdf"),
            ("gen1", "/dev/disk/azure/root-part1", "sda1"),
            ("gen1", "/dev/disk/azure/resource-part1", "sdb1"),
            ("gen2", "/dev/disk/azure/scsi0/lun0-part14", "sda14"),
            ("gen2", "/dev/disk/azure/root", "sda"),
            ("gen2", "/dev/disk/azure/resource", "sdb"),
            ("gen2", "/dev/disk/azure/scsi0/lun3-part1", "sdc1"),
            ("gen2", "/dev/disk/azure/data/by-lun/10", "sde"),
            ("nvme", "/dev/disk/azure/scsi1/lun0", "nvme0n2"),
            ("nvme", "/dev/disk/azure/data/by-lun/1-part1", "nvme0n3p1"),
            ("nvme", "/dev/disk/azure/os-part15", "nvme0n1p15"),
            ("nvme-multipath", "/dev/disk/azure/data/by-lun/0", "nvme0n2"),
        ] {
            assert_eq!(follow(tree, link), name, "{tree} {link}");
        }
    }

    #[test]
    fn a_lun_on_two_controllers_is_nobody_s() {
        assert_eq!(follow("gen1", "/dev/disk/azure/data/by-lun/0"), "?");
    }

    #[test]
    fn what_is_not_plugged_in_is_missing() {
        for (tree, link) in [
            ("gen1", "/dev/disk/azure/scsi3/lun0"),
            ("gen1", "/dev/disk/azure/scsi1/lun5-part2"),
            ("gen2", "/dev/disk/azure/data/by-lun/3"),
            ("nvme", "/dev/disk/azure/resource"),
            ("no-such-tree", "/dev/disk/azure/root"),
        ] {
            assert_eq!(follow(tree, link), "-", "{tree} {link}");
        }
    }

    #[test]
    fn only_a_whole_scsi_address_has_a_lun() {
        assert_eq!(lun(Path::new("/x/3:0:0:63")), Some(63));
        for other in ["/x/target3:0:0", "/x/VMBUS:01", "/x/3:0:0:0:1", "/x/a:0:0:1", "/x/3:0:0:"] {
            assert_eq!(lun(Path::new(other)), None, "{other}");
        }
    }
}
