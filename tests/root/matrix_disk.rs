//! The disks of the fault matrix: tables of device-mapper over files.

use std::fs::{self, File};

use crate::guest::{Disk, content};
use crate::world::{KEY, World, tool, unmount};

/// The sector of a key disk's file at which its file system begins.
pub const OFFSET: u64 = 2048;

/// A FAT file system at sector 2048 of a loop device, so that nothing but the mapping over it shows
/// one.
pub fn fat(world: &World, image: &str, label: &str, files: &[(&str, &str)]) -> String {
    let image = world.path(image);
    let _ = fs::remove_file(&image);
    File::create(&image).unwrap().set_len(9 << 20).unwrap();
    let path = image.display().to_string();
    let layout = ["-a", "-F", "12", "-s", "4", "-r", "512"];
    let make = ["mkfs.vfat", "--offset=2048", "-n", label];
    tool(&[&make[..], &layout, &[&path, "8192"]].concat(), b"");
    let device = tool(&["losetup", "--find", "--show", &path], b"").trim().to_owned();
    // Written through the kernel's own vfat, as Azure's host does it for all we can see.
    map("making", &device, OFFSET, Disk::Whole);
    let point = world.path("writing");
    fs::create_dir_all(&point).unwrap();
    let mounted = point.display().to_string();
    tool(&["mount", "-t", "vfat", "/dev/mapper/making", &mounted], b"");
    for (name, kind) in files {
        fs::write(point.join(name), content(kind, KEY.as_bytes())).unwrap();
    }
    unmount(&mounted);
    remove("making");
    device
}

/// Maps `device` from sector `offset` on as `name`, made of what `disk` says.
pub fn map(name: &str, device: &str, offset: u64, disk: Disk) {
    let Some(table) = table(device, offset, disk) else { return };
    let mut create = vec!["dmsetup", "create", name];
    if matches!(disk, Disk::ReadOnly) {
        create.push("--readonly");
    }
    tool(&create, table.as_bytes());
    // Where no udev makes the node.
    tool(&["dmsetup", "mknodes", name], b"");
}

fn table(device: &str, offset: u64, disk: Disk) -> Option<String> {
    let size: u64 = tool(&["blockdev", "--getsz", device], b"").trim().parse().unwrap();
    let size = size - offset;
    let linear = |from: u64, to: u64| {
        let at = from + offset;
        if from < to {
            format!("{from} {} linear {device} {at}\n", to - from)
        } else {
            String::new()
        }
    };
    let middle = |from: u64, to: u64, target: &str| {
        let to = to.min(size);
        format!("{}{from} {} {target}\n{}", linear(0, from), to - from, linear(to, size))
    };
    Some(match disk {
        Disk::Whole | Disk::ReadOnly => linear(0, size),
        Disk::Cut(sectors) => linear(0, sectors),
        Disk::Error(from, to) => middle(from, to, "error"),
        Disk::Zero(from, to) => middle(from, to, "zero"),
        Disk::Delay(pause) => format!("0 {size} delay {device} {offset} {pause}\n"),
        Disk::Absent => return None,
    })
}

/// Makes the mapping whole.
pub fn mend(name: &str, device: &str, offset: u64) {
    if !exists(name) {
        return map(name, device, offset, Disk::Whole);
    }
    let table = table(device, offset, Disk::Whole).unwrap_or_default();
    tool(&["dmsetup", "suspend", "--noflush", name], b"");
    tool(&["dmsetup", "load", name], table.as_bytes());
    tool(&["dmsetup", "resume", name], b"");
}

pub fn exists(name: &str) -> bool {
    tool(&["dmsetup", "ls"], b"").lines().any(|line| line.split_whitespace().next() == Some(name))
}

pub fn remove(name: &str) {
    if exists(name) {
        // Somebody may still be looking at it, where udev runs.
        tool(&["dmsetup", "remove", "--retry", name], b"");
    }
}
