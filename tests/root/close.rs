//! Closing, and what is in the way.

use std::fs::File;
use std::path::Path;

use crate::world::{KEY, Luks, World, tool};

#[test]
#[ignore = "needs root: make check-root"]
fn detach_closes_and_is_idempotent() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.attach(&volume, &key, "").says("data1 unlocked");
    world.run(&["detach", "data1"]).says("data1 closed");
    world.nothing_is_left();
    world.run(&["detach", "data1"]).says("data1 is not open");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_mounted_volume_stays_and_its_mount_is_named() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.bektab(&format!("data1 {} {key} timeout=1\n", volume.device));
    world.run(&["attach", "data1"]).says("data1 unlocked");
    let point = world.path("point");
    std::fs::create_dir(&point).unwrap();
    let point = point.display().to_string();
    tool(&["mount", "/dev/mapper/data1", &point], b"");
    world.run(&["detach", "data1"]).refuses(5, &["cannot close data1", &format!("mount {point}")]);
    tool(&["umount", &point], b"");
    world.run(&["detach", "data1"]).says("data1 closed");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_process_that_holds_it_is_named() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.bektab(&format!("data1 {} {key} timeout=1\n", volume.device));
    world.run(&["attach", "data1"]).says("data1 unlocked");
    let device = std::fs::canonicalize("/dev/mapper/data1").unwrap();
    let held = File::open(device).unwrap();
    let pid = format!("({})", std::process::id());
    world.run(&["detach", "data1"]).refuses(5, &["in use by process", &pid]);
    drop(held);
    world.run(&["detach", "data1"]).says("data1 closed");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_mapping_of_something_else_is_left_alone() {
    let world = World::new();
    let disk = world.attach_loop(Path::new(&world.file("disk", &[0; 8192])), &[]);
    let table = format!("0 8 linear {disk} 0");
    tool(&["dmsetup", "create", "data1", "--table", &table], b"");
    world.undo(&["dmsetup", "remove", "data1"]);
    world.run(&["detach", "data1"]).refuses(5, &["/dev/mapper/data1 already maps"]);
    assert!(tool(&["dmsetup", "ls"], b"").contains("data1"));
}
