//! Disks and images under rescue: nothing writes to them, and they are given back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bek_unlock::edge::disk::{RescueDisk, content};
use bek_unlock::edge::mount::{self, How};
use bek_unlock::recovery::next::{self, Content, Opened, Twin};
use bek_unlock::recovery::target::Format;
use bek_unlock::volume::VolumeName;

use crate::world::{Luks, World, tool};

/// Three partitions, the first of them ext4.
fn image(world: &World) -> PathBuf {
    let (image, plain) = (world.path("disk.img"), world.path("plain"));
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let table = b"label: gpt\nsize=24MiB,name=\"data\"\nsize=8MiB\nsize=8MiB\n";
    tool(&["sfdisk", "--quiet", image.to_str().unwrap()], table);
    fs::File::create(&plain).unwrap().set_len(24 << 20).unwrap();
    tool(&["mke2fs", "-q", "-t", "ext4", plain.to_str().unwrap()], b"");
    let (from, to) = (format!("if={}", plain.display()), format!("of={}", image.display()));
    tool(&["dd", &from, &to, "bs=1M", "seek=1", "conv=notrunc"], b"");
    image
}

/// A disk whose partitions the kernel knows.
fn disk(world: &World) -> String {
    world.attach_loop(&image(world), &["--partscan"])
}

fn is_read_only(device: impl AsRef<Path>) -> bool {
    tool(&["blockdev", "--getro", device.as_ref().to_str().unwrap()], b"").trim() == "1"
}

/// The loop devices that are attached to the image.
fn attached(image: &Path) -> Vec<String> {
    let listed =
        tool(&["losetup", "--noheadings", "--output", "NAME", "-j", image.to_str().unwrap()], b"");
    listed.lines().map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn refused(device: &str, writable: bool) -> String {
    let kind = RescueDisk::open(Path::new(device), writable).map(drop).unwrap_err();
    assert_eq!((kind.name(), kind.exit_status()), ("device-in-use", 5), "{kind}");
    kind.to_string()
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disk_is_read_only_with_its_partitions_and_is_given_back() {
    let world = World::new();
    let disk = disk(&world);
    let part = |number: u32| format!("{disk}p{number}");
    tool(&["blockdev", "--setro", &part(3)], b"");
    let mut rescue = RescueDisk::open(Path::new(&disk), false).unwrap();
    assert!(is_read_only(&disk));
    let found = rescue.partitions().unwrap();
    let paths: Vec<_> = found.iter().map(|part| part.path.display().to_string()).collect();
    assert_eq!(paths, [part(1), part(2), part(3)]);
    assert_eq!(found[0].entry.label.as_deref(), Some("data"));
    assert_eq!((found[0].entry.start, found[0].entry.size), (1 << 20, 24 << 20));
    assert!([1, 2, 3].iter().all(|number| is_read_only(part(*number))));
    drop(rescue);
    assert!(!is_read_only(&disk) && !is_read_only(part(1)) && !is_read_only(part(2)));
    assert!(is_read_only(part(3)), "it was before");
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_was_opened_stays_read_only_and_is_named() {
    let world = World::new();
    let disk = disk(&world);
    let partition = format!("{disk}p1");
    let rescue = RescueDisk::open(Path::new(&partition), false).unwrap();
    let beside: Vec<_> = rescue.siblings().unwrap().into_iter().map(|part| part.path).collect();
    assert_eq!(beside, [format!("{disk}p2"), format!("{disk}p3")].map(PathBuf::from));
    assert_eq!(rescue.entry().unwrap().unwrap().number, 1);
    assert_eq!(rescue.keep(), [PathBuf::from(&partition)]);
    assert!(is_read_only(&partition) && !is_read_only(&disk));
    // Once more: it was read-only before, so there is nothing to give back.
    let rescue = RescueDisk::open(Path::new(&partition), false).unwrap();
    assert_eq!(rescue.keep(), [] as [PathBuf; 0]);
    tool(&["blockdev", "--setrw", &partition], b"");
    let mut rescue = RescueDisk::open(Path::new(&disk), true).unwrap();
    rescue.partitions().unwrap();
    assert!(!is_read_only(&disk) && !is_read_only(&partition));
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_image_is_a_loop_device_that_goes_with_its_last_user() {
    let world = World::new();
    let image = image(&world);
    let mut rescue = RescueDisk::open(&image, false).unwrap();
    assert!(rescue.is_image() && rescue.named() == image);
    let found = rescue.partitions().unwrap();
    assert_eq!(rescue.partitions().unwrap(), found, "a second look attaches nothing");
    assert_eq!(attached(&image).len(), 4);
    assert!(found.iter().all(|part| is_read_only(&part.path)));
    let bytes = fs::read(&image).unwrap();
    let first = found[0].path.to_str().unwrap();
    assert_eq!(fs::read(first).unwrap(), bytes[1 << 20..25 << 20]);
    assert_eq!(fs::read(rescue.path()).unwrap(), bytes);
    // What is mapped is used.
    let table = format!("0 2048 linear {first} 0");
    tool(&["dmsetup", "create", "--readonly", "data1", "--table", &table], b"");
    assert_eq!(rescue.keep(), [] as [PathBuf; 0]);
    assert_eq!(attached(&image), [first]);
    // Read-only mappings do not keep another one from looking.
    drop(RescueDisk::open(&image, false).unwrap());
    assert!(refused(image.to_str().unwrap(), true).ends_with(": device data1"));
    tool(&["dmsetup", "remove", "data1"], b"");
    assert_eq!(attached(&image), [] as [String; 0]);
    let rescue = RescueDisk::open(&image, true).unwrap();
    assert!(!is_read_only(rescue.path()));
    drop(rescue);
    assert_eq!(attached(&image), [] as [String; 0]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn partitions_that_the_kernel_does_not_know_get_loop_devices() {
    let world = World::new();
    let image = image(&world);
    let disk = world.attach_loop(&image, &[]);
    let mut rescue = RescueDisk::open(Path::new(&disk), false).unwrap();
    let found = rescue.partitions().unwrap();
    assert_eq!(found.len(), 3);
    assert!(is_read_only(&disk) && found.iter().all(|part| is_read_only(&part.path)));
    assert_eq!(attached(Path::new(&disk)).len(), 3);
    drop(rescue);
    assert_eq!(attached(Path::new(&disk)), [] as [String; 0]);
    assert!(!is_read_only(&disk));
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disk_that_this_machine_works_with_is_left_as_it_is() {
    let world = World::new();
    let disk = disk(&world);
    let partition = format!("{disk}p1");
    let point = world.path("mount");
    fs::create_dir_all(&point).unwrap();
    let point = point.to_str().unwrap();
    tool(&["mount", &partition, point], b"");
    for device in [&disk, &partition] {
        let text = refused(device, false);
        assert_eq!(text, format!("this machine uses {device}: mount {point}"));
        assert!(!is_read_only(device));
    }
    // Another partition of the same disk is nobody's.
    drop(RescueDisk::open(Path::new(&format!("{disk}p2")), true).unwrap());
    assert!(refused(world.path("disk.img").to_str().unwrap(), false).contains(point));
    tool(&["umount", point], b"");
    tool(&["mount", "-o", "ro", &partition, point], b"");
    drop(RescueDisk::open(Path::new(&disk), false).unwrap());
    assert!(refused(&disk, true).contains(point));
    tool(&["umount", point], b"");
    // Nothing that shows here holds it.
    let how = How::to_write("ext4").unwrap();
    let text = mount::mounted(Path::new(&partition), &how, |_, _| refused(&disk, false)).unwrap();
    assert!(text.contains("does not show here"), "{text}");
    let table = format!("0 2048 linear {disk}p2 0");
    tool(&["dmsetup", "create", "data1", "--table", &table], b"");
    assert!(refused(&disk, false).ends_with(": device data1"));
    tool(&["dmsetup", "remove", "data1"], b"");
    let swap = format!("{disk}p3");
    tool(&["mkswap", &swap], b"");
    tool(&["swapon", &swap], b"");
    world.undo(&["swapoff", &swap]);
    assert!(refused(&swap, false).ends_with(": swap"));
}

/// The disk of an ADE machine: /boot, an ext4 file system behind a detached header, BIOS boot.
fn ade_disk(world: &World, boot: &[&str]) -> PathBuf {
    let volume = world.luks("os", &Luks { detached: true, ..Luks::default() });
    let disk = world.path("ade.img");
    fs::File::create(&disk).unwrap().set_len(400 << 20).unwrap();
    let table = b"label: gpt\nsize=320MiB\nsize=24MiB,name=\"root\"\n\
                  size=2MiB,type=21686148-6449-6E6F-744E-656564454649\n";
    // The partition for /boot comes first, so that its number is no help.
    tool(&["sfdisk", "--quiet", disk.to_str().unwrap()], table);
    let attach = ["losetup", "--find", "--show", "--partscan", disk.to_str().unwrap()];
    let device = tool(&attach, b"").trim().to_owned();
    let part = |number: u32| format!("{device}p{number}");
    let (from, to) = (format!("if={}", volume.device), format!("of={}", part(2)));
    tool(&["dd", &from, &to, "bs=1M"], b"");
    tool(&[boot, &[&part(1)]].concat(), b"");
    let point = world.path("making");
    fs::create_dir_all(&point).unwrap();
    tool(&["mount", &part(1), point.to_str().unwrap()], b"");
    fs::create_dir_all(point.join("luks")).unwrap();
    fs::copy(&volume.header, point.join("luks/osluksheader")).unwrap();
    tool(&["umount", point.to_str().unwrap()], b"");
    tool(&["losetup", "--detach", &device], b"");
    disk
}

fn whole(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_ade_system_disk_in_an_image_is_found_with_its_header_and_not_written_to() {
    let world = World::new();
    let disk = ade_disk(&world, &["mke2fs", "-q", "-t", "ext4"]);
    let before = whole(&disk);
    let mut rescue = RescueDisk::open(&disk, false).unwrap();
    let parts = rescue.partitions().unwrap();
    let target = rescue.target(None).unwrap();
    assert_eq!((target.format, &target.device), (Format::Headerless, &parts[1].path));
    let header = target.header.unwrap().to_string();
    assert_eq!(header, format!("/luks/osluksheader:{}", parts[0].path.display()));
    assert!(target.how.contains("with the header /luks/osluksheader on partition 1 of "));
    drop(rescue);
    assert!(whole(&disk) == before);
    assert_eq!(attached(&disk), [] as [String; 0]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_partition_of_an_ade_system_disk_has_its_header_beside_it() {
    let world = World::new();
    // XFS is mounted once: the same file system is that of this machine's own /boot.
    let disk = ade_disk(&world, &["mkfs.xfs", "-q"]);
    let own = world.path("own.img");
    fs::copy(&disk, &own).unwrap();
    let own = world.attach_loop(&own, &["--partscan"]);
    let point = world.path("mount");
    fs::create_dir_all(&point).unwrap();
    tool(&["mount", &format!("{own}p1"), point.to_str().unwrap()], b"");
    let device = world.attach_loop(&disk, &["--partscan"]);
    let (boot, root) = (format!("{device}p1"), format!("{device}p2"));
    let mut rescue = RescueDisk::open(Path::new(&root), false).unwrap();
    let target = rescue.target(None).unwrap();
    assert_eq!(target.header.unwrap().to_string(), format!("/luks/osluksheader:{boot}"));
    assert!(is_read_only(&root) && is_read_only(&boot) && !is_read_only(&device));
    rescue.give_back();
    assert!(!is_read_only(&root) && !is_read_only(&boot));
    // Somebody looks into /boot already, and may go on writing to it.
    tool(&["umount", point.to_str().unwrap()], b"");
    tool(&["mount", &boot, point.to_str().unwrap()], b"");
    let mut rescue = RescueDisk::open(Path::new(&root), false).unwrap();
    rescue.target(None).unwrap();
    assert!(is_read_only(&root) && !is_read_only(&boot));
    tool(&["umount", point.to_str().unwrap()], b"");
    // The header is gone: nothing is guessed.
    drop(rescue);
    tool(&["mount", &boot, point.to_str().unwrap()], b"");
    fs::remove_file(point.join("luks/osluksheader")).unwrap();
    tool(&["umount", point.to_str().unwrap()], b"");
    let kind = RescueDisk::open(Path::new(&root), false).unwrap().target(None).unwrap_err();
    assert!(kind.to_string().contains("ADE's header is on no partition"), "{kind}");
    assert!(!is_read_only(&root) && !is_read_only(&boot));
}

/// A file system that nobody unmounted, so that its journal waits to be played back; and where the
/// one it was copied from is mounted.
fn unclean(world: &World, make: &[&str]) -> (PathBuf, String) {
    let (image, copy) = (world.path("clean.img"), world.path("unclean.img"));
    // As small as each can be made.
    let size = if make[0] == "mkfs.xfs" { 320 } else { 120 };
    fs::File::create(&image).unwrap().set_len(size << 20).unwrap();
    tool(&[make, &[image.to_str().unwrap()]].concat(), b"");
    let device = world.attach_loop(&image, &[]);
    let point = world.path("original");
    fs::create_dir_all(&point).unwrap();
    let point = point.to_str().unwrap().to_owned();
    for file in ["hello.txt", "later.txt"] {
        tool(&["mount", &device, &point], b"");
        fs::write(format!("{point}/{file}"), "hello\n").unwrap();
        tool(&["sync"], b"");
        if file == "hello.txt" {
            tool(&["umount", &point], b"");
        }
    }
    fs::copy(&image, &copy).unwrap();
    (copy, point)
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_people_are_told_to_do_reads_the_files_and_changes_nothing() {
    for (make, has_journal) in [
        (&["mke2fs", "-q", "-t", "ext2"][..], false),
        (&["mke2fs", "-q", "-t", "ext3"], true),
        (&["mke2fs", "-q", "-t", "ext4"], true),
        (&["mkfs.btrfs", "-q"], true),
        (&["mkfs.vfat"], false),
        (&["mkfs.xfs", "-q"], true),
    ] {
        let world = World::new();
        let (image, original) = unclean(&world, make);
        let before = fs::read(&image).unwrap();
        let rescue = RescueDisk::open(&image, false).unwrap();
        let sectors = before.len() / 512;
        let table = format!("0 {sectors} linear {} 0", rescue.path().display());
        tool(&["dmsetup", "create", "--readonly", "data1", "--table", &table], b"");
        tool(&["dmsetup", "mknodes", "data1"], b"");
        rescue.keep();
        let (name, device) = (VolumeName::parse("data1").unwrap(), "/dev/mapper/data1");
        let look = || content::read(Path::new("/"), Path::new(device)).unwrap();
        let told = |content: &Content| {
            next::lines(&Opened { name: &name, content, writable: false, read_only: &[] })
        };
        let twin = look();
        assert_eq!(twin.twin, Twin::Uuid, "{make:?}");
        let is_btrfs = twin.kind.as_deref() == Some("btrfs");
        let mut alike = vec![told(&twin)];
        if is_btrfs {
            assert!(!alike.remove(0).join(" ").contains("mount -o"), "one would be the other");
        }
        if has_journal {
            let plain = Command::new("mount").args(["-o", "ro", device, "/mnt"]).output().unwrap();
            assert!(is_btrfs || !plain.status.success(), "{make:?}: it needs its journal");
        }
        tool(&["umount", &original], b"");
        let alone = look();
        assert_eq!(alone.twin, Twin::None, "{make:?}");
        alike.push(told(&alone));
        for lines in alike {
            let mount = lines.iter().find(|line| line.starts_with("  mount ")).unwrap();
            tool(&["sh", "-c", mount], b"");
            assert_eq!(fs::read_to_string("/mnt/hello.txt").unwrap(), "hello\n", "{make:?}");
            tool(&["umount", "/mnt"], b"");
        }
        tool(&["dmsetup", "remove", "data1"], b"");
        assert!(fs::read(&image).unwrap() == before, "{make:?}");
    }
}
