//! Finding devices on recorded machines, with image files for their disks.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::edge::image::Image;

const UUID: &str = "5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a";

/// The recorded machine `tree`, with files for its devices.
struct Machine {
    dev: TempDir,
    devices: BlockDevices,
}

fn machine(tree: &str, images: &[(&str, &Image)]) -> Machine {
    let dev = TempDir::new().unwrap();
    for (name, image) in images {
        fs::copy(image, dev.path().join(name)).unwrap();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sys").join(tree);
    let devices = BlockDevices {
        sysfs: Sysfs::at(&root),
        dev: fs::canonicalize(dev.path()).unwrap(),
        is_device: Metadata::is_file,
    };
    Machine { dev, devices }
}

impl Machine {
    /// What `field` finds, as a name below /dev.
    fn find(&mut self, field: &str) -> Option<String> {
        let found = self.devices.find(&DeviceSpec::parse(field).unwrap()).unwrap();
        found.map(|path| self.name(&path))
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.devices.dev).unwrap().display().to_string()
    }

    fn link(&self, link: &str, to: &str) {
        let link = self.dev.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(self.devices.dev.join(to), link).unwrap();
    }
}

fn ext2(label: &str) -> Image {
    Image::empty(2048).made_by("mke2fs", &["-q", "-F", "-L", label, "-U", UUID])
}

#[test]
fn tags_are_found_without_udev_and_without_case() {
    let blank = Image::empty(64);
    let mut machine = machine("gen2", &[("sdd", &blank), ("sde", &ext2("Data"))]);
    assert_eq!(machine.find(&format!("UUID={}", UUID.to_uppercase())), Some("sde".into()));
    assert_eq!(machine.find("LABEL=data"), Some("sde".into()));
    assert_eq!(machine.find(&format!("/dev/disk/by-uuid/{UUID}")), Some("sde".into()));
    assert_eq!(machine.find("LABEL=dat"), None);
    assert_eq!(machine.find("UUID=00000000-0c0a-4f3e-9a4e-2d1b8d7c6b5a"), None);
}

#[test]
fn partitions_are_found_without_udev() {
    let script = format!("label: gpt\nsize=1MiB\n14: size=1MiB, name=\"Boot 1\", uuid={UUID}\n");
    let disk = Image::empty(8 * 1024).partitioned(&script);
    let part = Image::empty(64);
    let images = [("sda", &disk), ("sda1", &part), ("sda14", &part)];
    let mut machine = machine("gen2", &images);
    assert_eq!(machine.find(&format!("PARTUUID={UUID}")), Some("sda14".into()));
    assert_eq!(machine.find("PARTLABEL=\"boot 1\""), Some("sda14".into()));
    assert_eq!(machine.find("PARTLABEL=boot"), None);
}

#[test]
fn a_link_is_believed() {
    let mut machine = machine("gen2", &[("sdd", &ext2("")), ("sde", &ext2(""))]);
    machine.link(&format!("disk/by-uuid/{UUID}"), "sde");
    assert_eq!(machine.find(&format!("UUID={UUID}")), Some("sde".into()));
}

#[test]
fn a_dangling_link_is_not() {
    let mut machine = machine("gen2", &[("sdd", &ext2(""))]);
    machine.link(&format!("disk/by-uuid/{UUID}"), "sde");
    assert_eq!(machine.find(&format!("UUID={UUID}")), Some("sdd".into()));
}

#[test]
fn azure_links_need_not_exist() {
    let blank = Image::empty(64);
    let mut machine = machine("gen1", &[("sdd", &blank), ("sdf1", &blank), ("sde", &blank)]);
    assert_eq!(machine.find("/dev/disk/azure/scsi1/lun0"), Some("sdd".into()));
    assert_eq!(machine.find("/dev/disk/azure/data/by-lun/5-part1"), Some("sdf1".into()));
    assert_eq!(machine.find("/dev/disk/azure/scsi1/lun9"), None);
    assert_eq!(machine.find("/dev/disk/azure/root"), None, "its node is not there");
}

#[test]
fn a_lun_link_that_two_disks_claim_is_not_believed() {
    let blank = Image::empty(64);
    let mut machine = machine("gen1", &[("sdd", &blank), ("sde", &blank)]);
    machine.link("disk/azure/data/by-lun/0", "sde");
    assert_eq!(machine.find("/dev/disk/azure/data/by-lun/0"), None);
}

#[test]
fn a_lun_link_is_believed_where_sysfs_knows_no_slots() {
    let blank = Image::empty(64);
    let mut machine = machine("no-such-tree", &[("vdb", &blank)]);
    machine.link("disk/azure/data/by-lun/0", "vdb");
    assert_eq!(machine.find("/dev/disk/azure/data/by-lun/0"), Some("vdb".into()));
}

#[test]
fn a_path_may_be_a_file_and_a_tag_may_not() {
    let image = Image::empty(64);
    let mut devices = BlockDevices::new();
    let path = fs::canonicalize(&image).unwrap();
    assert_eq!(devices.find(&DeviceSpec::Path(path.clone())), Ok(Some(path)));
    assert_eq!(devices.find(&DeviceSpec::Path("/dev/null".into())), Ok(None));
    assert_eq!(devices.find(&DeviceSpec::Path("/nonexistent".into())), Ok(None));
}

#[test]
fn every_key_disk_is_found_and_nothing_else() {
    let (one, two) = (Image::key_disk(&[]), Image::key_disk(&[]));
    let other = Image::fat(4096, &["-n", "EFI"]);
    let images = [("sdc1", &one), ("sdd", &two), ("sdb1", &other), ("sde", &ext2("BEK VOLUME"))];
    let mut machine = machine("gen2", &images);
    machine.link("disk/by-label/BEK\\x20VOLUME", "sdd");
    let disks = machine.devices.key_disks().unwrap();
    let names: Vec<_> = disks.iter().map(|disk| machine.name(disk)).collect();
    assert_eq!(names, ["sdd", "sdc1"]);
}

#[test]
fn slots_come_from_sysfs() {
    let mut machine = machine("gen2", &[]);
    assert_eq!(machine.devices.slot(Path::new("/dev/sde")), Slot::new(1, 10));
    assert_eq!(machine.devices.slot(Path::new("/dev/sda1")), None);
}
