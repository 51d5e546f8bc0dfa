//! What else is in the way of a case: mounts, mappings and modules.

use std::fs;
use std::process::Command;

use crate::guest::{Disk, GuestCase, NAME, Odd};
use crate::matrix::Made;
use crate::matrix_disk::{OFFSET, fat, map, remove};
use crate::world::{Volume, World, tool};

/// The mappings below the key disk's and the volume's.
pub const KEY_DISK: &str = "bekdisk";
pub const OTHER: &str = "otherbek";
pub const VOLUME: &str = "voldisk";

/// Sets up what else is in the way; the commands that take it back.
pub fn odd(world: &World, made: &Made<'_>, case: &GuestCase, volume: &Volume) -> Vec<Vec<String>> {
    let key = world.path("right").display().to_string();
    let point = "/mnt/azure_bek_disk";
    let disk = format!("/dev/mapper/{VOLUME}");
    let open = |device: &str, name: &str, header: &str| {
        let mut words = vec!["cryptsetup", "open", "--key-file", &key];
        if !header.is_empty() {
            words.extend(["--header", header]);
        }
        words.extend([device, name]);
        tool(&words, b"");
    };
    let undo: &[&[&str]] = match case.odd {
        Odd::Nothing => &[],
        Odd::NoVfat | Odd::NoDmCrypt => {
            if case.odd == Odd::NoVfat {
                assert!(unloaded("vfat"), "vfat is in use");
            }
            fs::write("/proc/sys/kernel/modprobe", "/bin/false\n").unwrap();
            &[
                &["modprobe", "-a", "vfat", "dm-crypt"],
                &["sh", "-c", "echo /sbin/modprobe >/proc/sys/kernel/modprobe"],
            ]
        }
        Odd::PointIsFile => {
            let _ = fs::remove_dir(point);
            fs::write(point, "").unwrap();
            &[&["rm", "-f", "/mnt/azure_bek_disk"]]
        }
        Odd::PointIsTaken | Odd::MountedByOthers => {
            fs::create_dir_all(point).unwrap();
            if case.odd == Odd::PointIsTaken {
                tool(&["mount", "-t", "tmpfs", "tmpfs", point], b"");
            } else {
                tool(
                    &["mount", "-t", "vfat", "-o", "ro", &format!("/dev/mapper/{KEY_DISK}"), point],
                    b"",
                );
            }
            // Fails where the program took it down.
            &[&["umount", "/mnt/azure_bek_disk"]]
        }
        Odd::TwoKeyDisks => {
            let loops = fat(world, "other.fat", "BEK VOLUME", &[(NAME, "other")]);
            map(OTHER, &loops, OFFSET, Disk::Whole);
            return vec![
                vec!["losetup".to_owned(), "--detach".to_owned(), loops],
                ["dmsetup", "remove", "--retry", OTHER].map(str::to_owned).to_vec(),
            ];
        }
        Odd::OpenAlready => {
            open(&disk, "data1", "");
            &[]
        }
        Odd::NameTaken => {
            open(&made.other().device, "data1", "");
            &[]
        }
        Odd::DeviceTaken => {
            open(&disk, "data2", "");
            &[&["cryptsetup", "close", "data2"]]
        }
        Odd::LeftOpen => {
            remove(VOLUME);
            map(VOLUME, &volume.device, 0, Disk::Zero(0, 64));
            open(&disk, "data1", &volume.header);
            &[]
        }
    };
    undo.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// Whether the module is out of the kernel now.
pub fn unloaded(module: &str) -> bool {
    Command::new("modprobe").args(["--remove", module]).output().unwrap().status.success()
}
