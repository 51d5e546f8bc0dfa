//! Detached headers on file systems nobody mounted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{KEY, Luks, Run, Volume, World, tool};

/// The file system of /boot in these cases.
const UUID: &str = "5f1e0f00-2222-4222-8333-444455556666";

/// Where the header is on it.
pub const PLACE: &str = "/luks/osluksheader";

/// A volume whose header is a file on a disk of its own.
pub struct Apart {
    pub volume: Volume,
    /// The key's file.
    pub key: String,
    /// The disk.
    pub boot: String,
}

impl Apart {
    /// ext4, with `header` at [`PLACE`].
    pub fn new(world: &World, volume: Volume, header: &str) -> Self {
        let content = world.path("boot");
        fs::create_dir_all(content.join("luks")).unwrap();
        fs::copy(header, content.join(&PLACE[1..])).unwrap();
        let boot = Self::disk(world, &content);
        Self { volume, key: world.file("key", KEY.as_bytes()), boot }
    }

    pub fn formatted(world: &World, kind: &str) -> Self {
        let mut volume = world.luks("v", &Luks { kind, detached: true, ..Luks::default() });
        let header = std::mem::take(&mut volume.header);
        Self::new(world, volume, &header)
    }

    fn disk(world: &World, content: &Path) -> String {
        let image = world.path("boot.img");
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let words = ["mke2fs", "-q", "-t", "ext4", "-U", UUID, "-d", content.to_str().unwrap()];
        tool(&[&words[..], &[image.to_str().unwrap()]].concat(), b"");
        world.attach_loop(&image, &[])
    }

    pub fn attach(&self, world: &World, options: &str) -> Run {
        self.attach_with(world, &format!("{PLACE}:UUID={UUID}"), options)
    }

    pub fn attach_with(&self, world: &World, header: &str, options: &str) -> Run {
        let timeout = if options.contains("timeout=") { "" } else { "timeout=20," };
        let options = format!("{timeout}header={header},{options}");
        let options = options.trim_end_matches(',');
        world.run(&["attach", "data1", &self.volume.device, &self.key, options])
    }

    /// What is on the disk now.
    pub fn bytes(&self, world: &World) -> Vec<u8> {
        tool(&["blockdev", "--flushbufs", &self.boot], b"");
        fs::read(world.path("boot.img")).unwrap()
    }

    /// Changes the header on the disk, as somebody who mounted it.
    pub fn edit(&self, world: &World, change: impl FnOnce(&Path)) {
        let point = world.path("editing");
        fs::create_dir_all(&point).unwrap();
        let point = point.display().to_string();
        tool(&["mount", &self.boot, &point], b"");
        change(&PathBuf::from(format!("{point}{PLACE}")));
        tool(&["umount", &point], b"");
    }
}

/// Flips a byte of a file.
fn spoil(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What `status` says about the header of the open volume.
pub fn used(world: &World) -> (String, String) {
    let status = world.run(&["status", "--json", "data1"]).says("");
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let word = |field: &str| status[0][field].as_str().unwrap().to_owned();
    (word("header"), word("header_why"))
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_header_on_a_disk_nobody_mounted_opens_and_the_disk_stays_as_it_was() {
    for kind in ["luks1", "luks2"] {
        let world = World::new();
        let apart = Apart::formatted(&world, kind);
        let before = apart.bytes(&world);
        apart.attach(&world, "").says("data1 unlocked");
        assert_eq!(used(&world), (format!("{PLACE}:UUID={UUID}"), "named".to_owned()));
        assert_eq!(world.read_and_close(), "hello from v\n");
        assert!(apart.bytes(&world) == before, "{kind}");
    }
}

/// How many sectors were written to a disk (`stat` of sysfs; iostats.rst of the kernel).
fn written(device: &str) -> u64 {
    let name = device.strip_prefix("/dev/").unwrap();
    let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
    stat.split_whitespace().nth(6).unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs root: make check-root"]
fn every_file_system_that_boot_may_have_is_read_and_not_written_to() {
    let world = World::new();
    let volume = world.luks("v", &Luks { detached: true, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    for (index, make) in [
        &["mke2fs", "-q", "-t", "ext2"][..],
        &["mke2fs", "-q", "-t", "ext3"],
        &["mkfs.btrfs", "-q"],
        &["mkfs.vfat"],
        &["mkfs.xfs", "-q"],
    ]
    .into_iter()
    .enumerate()
    {
        let image = world.path(&format!("boot{index}.img"));
        // mkfs.xfs takes no less.
        fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        tool(&[make, &[image.to_str().unwrap()]].concat(), b"");
        let boot = world.attach_loop(&image, &[]);
        let apart = Apart { volume: volume.clone(), key: key.clone(), boot };
        apart.edit(&world, |header| {
            fs::create_dir(header.parent().unwrap()).unwrap();
            fs::copy(&volume.header, header).unwrap();
        });
        let before = written(&apart.boot);
        let header = format!("{PLACE}:{}", apart.boot);
        apart.attach_with(&world, &header, "").says("data1 unlocked");
        assert_eq!(written(&apart.boot), before, "{make:?}");
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_journal_that_was_left_over_is_not_played_back() {
    let world = World::new();
    let mut apart = Apart::formatted(&world, "luks2");
    let dirty = world.path("dirty.img");
    apart.edit(&world, |header| {
        fs::write(header.with_file_name("new"), b"x").unwrap();
        tool(&["sync"], b"");
        tool(&["blockdev", "--flushbufs", &apart.boot], b"");
        fs::copy(world.path("boot.img"), &dirty).unwrap();
    });
    // EXT4_FEATURE_INCOMPAT_RECOVER, in the superblock.
    assert_eq!(fs::read(&dirty).unwrap()[1024 + 0x60] & 4, 4, "the journal is empty");
    fs::rename(&dirty, world.path("boot.img")).unwrap();
    apart.boot = world.attach_loop(&world.path("boot.img"), &[]);
    let before = apart.bytes(&world);
    let header = format!("{PLACE}:{}", apart.boot);
    apart.attach_with(&world, &header, "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert!(apart.bytes(&world) == before);
}

#[test]
#[ignore = "needs root: make check-root"]
fn somebody_elses_mount_of_its_disk_is_used_and_left() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let point = world.path("point");
    fs::create_dir(&point).unwrap();
    let point = point.display().to_string();
    tool(&["mount", &apart.boot, &point], b"");
    apart.attach(&world, "").says("data1 unlocked");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(mounts.matches(&point).count(), 1, "{mounts}");
    tool(&["umount", &point], b"");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disk_that_fstab_mounts_is_left_to_those_who_mount_it() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let point = world.path("point");
    fs::create_dir(&point).unwrap();
    let point = point.display().to_string();
    fs::write("/etc/fstab", format!("UUID={UUID} {point} ext4 defaults 0 2\n")).unwrap();
    world.undo(&["rm", "-f", "/etc/fstab"]);
    let options = format!("timeout=60,header={PLACE}:UUID={UUID}");
    let program = env!("CARGO_BIN_EXE_bek-unlock");
    let mut run = Command::new(program)
        .args(["attach", "data1", &apart.volume.device, &apart.key, &options])
        .env_clear()
        .spawn()
        .unwrap();
    // Refused if it were mounted for reading only already.
    tool(&["mount", &apart.boot, &point], b"");
    assert!(run.wait().unwrap().success());
    tool(&["umount", &point], b"");
    assert_eq!(world.read_and_close(), "hello from v\n");
    // Nobody does it.
    apart.attach(&world, "timeout=4").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn links_on_its_disk_lead_nowhere_else() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let outside = world.path("v.header");
    apart.edit(&world, |header| {
        symlink(PLACE, header.with_file_name("inside")).unwrap();
        symlink(&outside, header.with_file_name("outside")).unwrap();
    });
    let on = |name: &str| format!("/luks/{name}:UUID={UUID}");
    apart.attach_with(&world, &on("outside"), "").refuses(4, &["No such file or directory"]);
    world.nothing_is_left();
    apart.attach_with(&world, &on("inside"), "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_header_that_is_not_on_its_disk_and_a_disk_that_is_not_there() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let nowhere = format!("/luks/gone:UUID={UUID}");
    let words = [&*format!("no usable header in {nowhere}"), "No such file or directory"];
    apart.attach_with(&world, &nowhere, "").refuses(4, &words);
    let absent = format!("{PLACE}:UUID=77aa0f00-2222-4222-8333-444455556666");
    let run = apart.attach_with(&world, &absent, "timeout=1");
    run.refuses(4, &["its device is not there", "is its disk attached?"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_header_of_which_one_copy_is_damaged_opens_and_is_not_mended() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    apart.edit(&world, |header| spoil(header, 5000));
    let before = apart.bytes(&world);
    let run = apart.attach(&world, "").says("data1 unlocked");
    run.says("warning: data1: one of the two copies inside header /luks/osluksheader");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert!(apart.bytes(&world) == before);
    apart.edit(&world, |header| spoil(header, (16 << 10) + 5000));
    apart.attach(&world, "").refuses(4, &["it is damaged: its checksum is wrong"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_right_key_on_the_wrong_partition_is_closed_again() {
    let world = World::new();
    let apart = Apart::formatted(&world, "luks2");
    let other = world.path("other.img");
    let noise = ["dd", "if=/dev/urandom", &format!("of={}", other.display()), "bs=1M", "count=24"];
    tool(&noise, b"");
    let other = world.attach_loop(&other, &[]);
    let options = format!("timeout=20,header={PLACE}:UUID={UUID}");
    let run = world.run(&["attach", "data1", &other, &apart.key, &options]);
    run.refuses(4, &["holds no file system", "closed again"]);
    world.nothing_is_left();
}
