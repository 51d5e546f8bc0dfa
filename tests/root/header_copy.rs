//! Copies of a detached header in an initramfs, next to the header itself.
//!
//! They lie where ADE's scripts leave them, in the root directory and in /boot: only the ring's own
//! guest has those to give away.

use std::fs;
use std::path::Path;

use crate::header::{Apart, PLACE, used};
use crate::world::{World, tool};

const COPY: &str = "/boot/luks/osluksheader";

/// Makes this system an initramfs with `header` as its copy; false where it is not ours to change.
#[expect(clippy::print_stdout, reason = "what was left out is to be seen")]
pub fn image_with(world: &World, header: &Path) -> bool {
    if !tool(&["findmnt", "--noheadings", "--output", "FSTYPE", "/"], b"").contains("rootfs") {
        println!("left out: / and /boot of this machine are not the ring's to write to");
        return false;
    }
    fs::create_dir_all("/boot/luks").unwrap();
    fs::copy(header, COPY).unwrap();
    world.undo(&["rm", "-f", COPY]);
    fs::write("/etc/initrd-release", "").unwrap();
    world.undo(&["rm", "-f", "/etc/initrd-release"]);
    true
}

/// Changes a header, which counts up its epoch.
fn change(header: &Path) {
    tool(&["cryptsetup", "config", header.to_str().unwrap(), "--label", "changed"], b"");
}

fn where_from(world: &World) -> String {
    let (header, why) = used(world);
    assert_eq!(world.read_and_close(), "hello from v\n");
    format!("{} {why}", header.split(':').next().unwrap())
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_header_on_boot_is_preferred_and_an_old_copy_is_told_of() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    if !image_with(&world, &world.path("v.header")) {
        return;
    }
    let run = apart.attach(&world, "").says("data1 unlocked");
    assert!(!run.stderr.contains("copy"), "{run:#?}");
    assert_eq!(where_from(&world), format!("{PLACE} named"));
    apart.edit(&world, change);
    let run = apart.attach(&world, "").says("data1 unlocked");
    run.says("header copy /boot/luks/osluksheader is out of date");
    assert_eq!(where_from(&world), format!("{PLACE} named"));
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_newer_copy_is_used_with_a_warning() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let header = world.path("v.header");
    change(&header);
    if !image_with(&world, &header) {
        return;
    }
    let run = apart.attach(&world, "").says("data1 unlocked");
    run.says("warning: data1: using header copy /boot/luks/osluksheader: its epoch is");
    assert_eq!(where_from(&world), format!("{COPY} newer-copy"));
}

#[test]
#[ignore = "needs root: make check-root"]
fn another_volumes_copy_is_told_of_and_never_used() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let header = world.path("v.header");
    let uuid = "77aa0f00-2222-4222-8333-444455556666";
    let words = ["cryptsetup", "luksUUID", "--batch-mode", "--uuid", uuid];
    tool(&[&words[..], &[header.to_str().unwrap()]].concat(), b"");
    if !image_with(&world, &header) {
        return;
    }
    let run = apart.attach(&world, "").says("data1 unlocked");
    run.says(&format!("is another volume's (UUID {uuid}); not used"));
    assert_eq!(where_from(&world), format!("{PLACE} named"));
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_copy_stands_in_for_a_header_that_is_missing_or_damaged() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    if !image_with(&world, &world.path("v.header")) {
        return;
    }
    apart.edit(&world, |header| fs::write(header, [0; 1 << 16]).unwrap());
    let run = apart.attach(&world, "").says("data1 unlocked");
    run.says("warning: data1: using header copy /boot/luks/osluksheader: no usable header");
    assert_eq!(where_from(&world), format!("{COPY} stand-in"));
    apart.edit(&world, |header| fs::remove_file(header).unwrap());
    apart.attach(&world, "").says("No such file or directory").says("data1 unlocked");
    assert_eq!(where_from(&world), format!("{COPY} stand-in"));
    let absent = format!("{PLACE}:UUID=77aa0f00-2222-4222-8333-444455556666");
    apart.attach_with(&world, &absent, "timeout=4").says("its device is not there");
    assert_eq!(where_from(&world), format!("{COPY} stand-in"));
}
