//! The key disk: found, mounted, read, unmounted; and read without vfat.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bek_unlock::edge::mount::{How, mounted};

use crate::world::{KEY, Luks, World, tool};

const NAME: &str = "LinuxPassPhraseFileName";

#[test]
#[ignore = "needs root: make check-root"]
fn the_key_disk_opens_the_volume_and_is_unmounted() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let disk = world.key_disk(&[(NAME, KEY.as_bytes())]);
    let run = world.attach(&volume, "-", "").says("data1 unlocked with the key disk");
    assert!(!run.stderr.contains("user space"), "{run:#?}");
    let status = world.run(&["status", "data1"]);
    assert!(status.stdout.contains(&format!("key disk {disk}: {NAME}")), "{status:#?}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_name_asked_for_is_tried_first_and_the_others_after_it() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    // The disk moved to another LUN: the tag's name is the old one, the key is under yet another.
    let other = format!("{NAME}_3_7");
    let wrong = format!("{NAME}_1_0");
    world.key_disk(&[(NAME, b"os"), (&wrong, b"wrong"), (&other, KEY.as_bytes())]);
    world.attach(&volume, &wrong, "").says("data1 unlocked with the key disk");
    let status = world.run(&["status", "data1"]);
    assert!(status.stdout.contains(&other), "{status:#?}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_empty_key_file_is_a_missing_one() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    world.key_disk(&[(NAME, b"")]);
    let words = ["key-disk", "LinuxPassPhraseFileName has 0 bytes", "deallocate"];
    world.attach(&volume, "-", "").refuses(4, &words[1..]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disk_without_key_files_says_so() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let disk = world.key_disk(&[("CRITICAL_DATA_WARNING_README.txt", b"no key")]);
    let words = format!("key disk {disk} has no file LinuxPassPhraseFileName*");
    world.attach(&volume, "-", "").refuses(4, &[&words]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn every_disk_with_the_label_is_read() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    world.key_disk(&[(NAME, b"of another machine")]);
    world.key_disk(&[(NAME, KEY.as_bytes())]);
    world.attach(&volume, "-", "").says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_mount_of_somebody_else_is_used_and_left() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let disk = world.key_disk(&[(NAME, KEY.as_bytes())]);
    fs::create_dir_all("/mnt/azure_bek_disk").unwrap();
    tool(&["mount", "-t", "vfat", "-o", "ro", &disk, "/mnt/azure_bek_disk"], b"");
    let path = "/mnt/azure_bek_disk/LinuxPassPhraseFileName";
    world.attach(&volume, path, "").says("data1 unlocked with the key disk");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(mounts.matches("/mnt/azure_bek_disk").count(), 1, "{mounts}");
    tool(&["umount", "/mnt/azure_bek_disk"], b"");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn without_vfat_in_the_kernel_it_is_read_in_user_space() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    world.key_disk(&[(NAME, KEY.as_bytes())]);
    // What CIS hardening does: the module cannot be loaded.
    let modprobe = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap();
    tool(&["modprobe", "--remove", "vfat"], b"");
    fs::write("/proc/sys/kernel/modprobe", "/bin/false\n").unwrap();
    let run = world.attach(&volume, "-", "");
    fs::write("/proc/sys/kernel/modprobe", modprobe).unwrap();
    tool(&["modprobe", "vfat"], b"");
    run.says("as vfat").says("reading it in user space").says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_damaged_key_disk_names_both_ways_of_reading() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let disk = world.key_disk(&[(NAME, KEY.as_bytes())]);
    // Root directory and FAT gone, boot sector kept: still labelled, no longer readable.
    let fat = ["dd", "if=/dev/urandom", &format!("of={disk}"), "bs=512", "seek=4", "count=2000"];
    tool(&[&fat[..], &["conv=notrunc,fsync"]].concat(), b"");
    let run = world.attach(&volume, "-", "");
    assert!(matches!(run.status, Some(4)), "{run:#?}");
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn no_key_disk_ends_in_time_and_says_what_to_do() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let run = world.run(&["attach", "data1", &volume.device, "-", "timeout=1"]);
    run.refuses(
        4,
        &["no key disk (vfat, label \"BEK VOLUME\")", "deallocate the VM, then start it"],
    );
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn it_is_mounted_where_nobody_else_sees_it_and_for_reading_only() {
    let world = World::new();
    let disk = world.key_disk(&[(NAME, KEY.as_bytes())]);
    let line = mounted(Path::new(&disk), &How::KEY_DISK, |path, _| {
        let others = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!others.contains("azure_bek_disk"), "{others}");
        assert_eq!(fs::metadata(path.join(NAME)).unwrap().mode() & 0o777, 0o700);
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        table.lines().find(|line| line.contains(" /mnt/azure_bek_disk ")).map(str::to_owned)
    });
    let line = line.unwrap().unwrap();
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        let options = line.split(' ').nth(5).unwrap();
        assert!(options.split(',').any(|word| word == option), "{option}: {line}");
    }
    assert!(line.contains("fmask=0077,dmask=0077"), "{line}");
    world.nothing_is_left();
}
