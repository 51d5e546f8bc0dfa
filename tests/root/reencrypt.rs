//! Volumes on their way from plaintext to a key, as ADE's online encryption leaves them at a reboot.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::header::Apart;
use crate::header_copy::image_with;
use crate::world::{KEY, Volume, World, tool};

/// The disk under encryption, and what it is called.
const DISK: &str = "bekdisk";

/// Sectors of the disk.
const SECTORS: u64 = 24 << 11;

/// A disk with an ext4 file system whose encryption was begun, and its header.
fn begun(world: &World) -> (Volume, PathBuf) {
    let (image, content) = (world.path("v.img"), world.path("content"));
    File::create(&image).unwrap().set_len(SECTORS * 512).unwrap();
    fs::create_dir_all(&content).unwrap();
    fs::write(content.join("hello.txt"), "hello from v\n").unwrap();
    fs::write(content.join("large"), vec![b'x'; 12 << 20]).unwrap();
    let (image_name, content) = (image.display().to_string(), content.display().to_string());
    tool(&["mke2fs", "-q", "-t", "ext4", "-d", &content, &image_name], b"");
    let device = world.attach_loop(&image, &[]);
    let header = world.path("v.header");
    let encrypt = ["cryptsetup", "reencrypt", "--batch-mode", "--encrypt", "--init-only"];
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-"];
    let which = ["--type", "luks2", "--header", header.to_str().unwrap(), &device];
    tool(&[&encrypt[..], &cheap, &which].concat(), KEY.as_bytes());
    (Volume { device, header: String::new() }, header)
}

/// What encrypts step by step until all is done, or a write fails.
fn resume(header: &Path, device: &str, key: &str) -> Command {
    let mut command = Command::new("cryptsetup");
    command
        .args(["reencrypt", "--batch-mode", "--resume-only", "--resilience", "checksum"])
        .args(["--hotzone-size", "1M", "--key-file", key, "--header"])
        .args([header.to_str().unwrap(), device]);
    command
}

/// Maps the disk as [`DISK`].
fn map(world: &World, table: &str) -> String {
    tool(&["dmsetup", "create", DISK], table.as_bytes());
    world.undo(&["dmsetup", "remove", DISK]);
    // Where no udev makes the node.
    tool(&["dmsetup", "mknodes", DISK], b"");
    format!("/dev/mapper/{DISK}")
}

/// Maps it as it is.
fn mend(below: &str) {
    tool(&["dmsetup", "suspend", "--noflush", DISK], b"");
    tool(&["dmsetup", "load", DISK], format!("0 {SECTORS} linear {below} 0\n").as_bytes());
    tool(&["dmsetup", "resume", DISK], b"");
}

/// Encrypts until the first write fails.
fn fail(world: &World, volume: &mut Volume, header: &Path, key: &str) {
    let below = &volume.device;
    let device = map(world, &format!("0 {SECTORS} flakey {below} 0 0 1 1 error_writes\n"));
    assert!(!resume(header, &device, key).status().unwrap().success(), "no write failed");
    mend(below);
    volume.device = device;
}

/// Encrypts on a slow disk until the power goes, in a step that is not the first.
fn pull_the_plug(world: &World, volume: &mut Volume, header: &Path, key: &str) {
    let below = &volume.device;
    let device = map(world, &format!("0 {SECTORS} delay {below} 0 0 {below} 0 100\n"));
    while !matches!(state(header), (true, Some(1..))) {
        let mut encrypting = resume(header, &device, key).spawn().unwrap();
        while !matches!(state(header), (true, Some(1..))) {
            assert_eq!(encrypting.try_wait().unwrap(), None, "it ended before its plug was pulled");
        }
        encrypting.kill().unwrap();
        encrypting.wait().unwrap();
    }
    mend(below);
    volume.device = device;
}

/// Whether a reencryption is in progress, and where the step is that was interrupted.
fn state(header: &Path) -> (bool, Option<u64>) {
    let dump = ["cryptsetup", "luksDump", "--dump-json-metadata", header.to_str().unwrap()];
    let json: Value = serde_json::from_str(&tool(&dump, b"")).unwrap();
    let required = json["config"]["requirements"]["mandatory"].to_string();
    let interrupted = json["segments"]
        .as_object()
        .unwrap()
        .values()
        .find(|segment| segment["flags"].to_string().contains("in-reencryption"));
    let offset = interrupted.map(|segment| segment["offset"].as_str().unwrap().parse().unwrap());
    (required.contains("online-reencrypt"), offset)
}

fn is_clean(device: &str) {
    tool(&["e2fsck", "-f", "-n", device], b"");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_encryption_that_was_only_begun_opens_and_writes_nothing() {
    let world = World::new();
    let (volume, header) = begun(&world);
    assert_eq!(state(&header), (true, None));
    let apart = Apart::new(&world, volume, header.to_str().unwrap());
    let before = apart.bytes(&world);
    apart.attach(&world, "").says("data1 unlocked");
    is_clean("/dev/mapper/data1");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert!(apart.bytes(&world) == before);
    // And from a file that needs no mount.
    let path = header.display().to_string();
    apart.attach_with(&world, &path, "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert!(resume(&header, &apart.volume.device, &apart.key).status().unwrap().success());
    apart.attach_with(&world, &path, "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_interrupted_step_is_mended_on_the_disk_of_the_header() {
    let world = World::new();
    let (mut volume, header) = begun(&world);
    let key = world.file("key", KEY.as_bytes());
    pull_the_plug(&world, &mut volume, &header, &key);
    let apart = Apart::new(&world, volume, header.to_str().unwrap());
    let before = apart.bytes(&world);
    let run = apart.attach(&world, "read-only");
    run.refuses(4, &["its reencryption was interrupted"]);
    assert!(apart.bytes(&world) == before);
    apart.attach(&world, "").says("data1 unlocked");
    is_clean("/dev/mapper/data1");
    assert_eq!(world.read_and_close(), "hello from v\n");
    apart.edit(&world, |header| {
        assert_eq!(state(header), (true, None));
        // It goes on from there.
        assert!(resume(header, &apart.volume.device, &apart.key).status().unwrap().success());
        assert_eq!(state(header), (false, None));
    });
    apart.attach(&world, "").says("data1 unlocked");
    is_clean("/dev/mapper/data1");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_interrupted_step_is_mended_in_a_header_file() {
    let world = World::new();
    let (mut volume, header) = begun(&world);
    let key = world.file("key", KEY.as_bytes());
    fail(&world, &mut volume, &header, &key);
    assert_eq!(state(&header), (true, Some(0)));
    let options = format!("timeout=20,header={}", header.display());
    world.run(&["attach", "data1", &volume.device, &key, &options]).says("data1 unlocked");
    is_clean("/dev/mapper/data1");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert_eq!(state(&header), (true, None));
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_copy_of_another_state_is_never_used() {
    let world = World::new();
    let (volume, header) = begun(&world);
    let before = world.path("before");
    fs::copy(&header, &before).unwrap();
    let apart = Apart::new(&world, volume, header.to_str().unwrap());
    if !image_with(&world, &before) {
        return;
    }
    // Both know of it, and still only the one on /boot can say how far it is.
    let run =
        apart.attach(&world, "").says("copy /boot/luks/osluksheader differs by a reencryption");
    run.says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
    apart.edit(&world, |header| {
        assert!(resume(header, &apart.volume.device, &apart.key).status().unwrap().success());
    });
    let run =
        apart.attach(&world, "").says("copy /boot/luks/osluksheader differs by a reencryption");
    run.says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
    apart.edit(&world, |header| fs::remove_file(header).unwrap());
    apart
        .attach(&world, "")
        .refuses(4, &["the copy /boot/luks/osluksheader is from a reencryption"]);
    world.nothing_is_left();
}
