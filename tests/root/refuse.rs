//! What must not open, with its words and its exit status, and nothing left behind.

use std::fs;
use std::os::unix::process::CommandExt;

use crate::world::{KEY, Luks, World, tool};

#[test]
#[ignore = "needs root: make check-root"]
fn a_wrong_key() {
    let world = World::new();
    for kind in ["luks1", "luks2"] {
        let volume = world.luks(kind, &Luks { kind, filesystem: false, ..Luks::default() });
        let key = world.file("key", b"wrong");
        let words = format!("the key from file {key} does not fit the keyslot");
        world.attach(&volume, &key, "").refuses(2, &["cannot unlock data1", &words]);
        world.nothing_is_left();
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_right_key_on_the_wrong_disk_is_closed_again() {
    let world = World::new();
    let volume = world.luks("v", &Luks { detached: true, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    // Another disk of the same size, full of other data.
    let noise = ["dd", "if=/dev/urandom", &format!("of={}", volume.device), "bs=1M", "count=24"];
    tool(&noise, b"");
    world.attach(&volume, &key, "").refuses(4, &["holds no file system", "closed again"]);
    world.nothing_is_left();
    world.attach(&volume, &key, "content=any").says("data1 unlocked");
    tool(&["cryptsetup", "close", "data1"], b"");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_device_that_is_not_luks() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    tool(&["dd", "if=/dev/zero", &format!("of={}", volume.device), "bs=1M", "count=20"], b"");
    let key = world.file("key", KEY.as_bytes());
    let words = ["no usable header in", "neither LUKS nor BitLocker", "never reformat"];
    world.attach(&volume, &key, "").refuses(4, &words);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_header_that_is_not_there() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    let options = "timeout=1,header=/boot/luks/osluksheader";
    let run = world.run(&["attach", "data1", &volume.device, &key, options]);
    run.refuses(4, &["/boot/luks/osluksheader: no such file or device"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_device_that_never_comes() {
    let world = World::new();
    let run = world.run(&[
        "attach",
        "data1",
        "UUID=5f1e0f00-0000-0000-0000-000000000000",
        "-",
        "timeout=1",
    ]);
    run.refuses(4, &["no disk has UUID=5f1e0f00", "gave up after 1.", "lsblk"]);
    let run = world.run(&["attach", "data1", "/dev/disk/azure/scsi1/lun9", "-", "timeout=1"]);
    run.refuses(4, &["/dev/disk/azure/scsi1/lun9 is not there"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_name_in_use_and_a_device_in_use() {
    let world = World::new();
    let (one, other) = (world.luks("one", &Luks::default()), world.luks("other", &Luks::default()));
    let key = world.file("key", KEY.as_bytes());
    world.attach(&one, &key, "").says("data1 unlocked");
    world.attach(&one, &key, "").says("data1 is already unlocked");
    let words = format!("/dev/mapper/data1 already maps {}", one.device);
    world.attach(&other, &key, "").refuses(5, &[&words]);
    let run = world.run(&["attach", "data2", &one.device, &key, "timeout=20"]);
    run.refuses(5, &["in use by another mapping"]);
    assert_eq!(world.read_and_close(), "hello from one\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_kdf_larger_than_the_machine() {
    let world = World::new();
    let arguments =
        ["--pbkdf", "argon2id", "--pbkdf-memory", "65536", "--pbkdf-force-iterations", "4"];
    let luks = Luks { arguments: &arguments, filesystem: false, ..Luks::default() };
    let volume = world.luks("v", &luks);
    let key = world.file("key", KEY.as_bytes());
    // Takes the memory away instead of writing a header no tool would write; not from a machine
    // on which somebody works, only from the ring's own guest.
    let memory = |field: &str| -> u64 {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    if memory("MemTotal:") > 4 << 20 {
        println!("left out: this machine has too much memory to take away");
        return;
    }
    let hog = world.path("hog");
    fs::create_dir(&hog).unwrap();
    tool(&["mount", "-t", "tmpfs", "-o", "size=100%", "tmpfs", hog.to_str().unwrap()], b"");
    world.undo(&["umount", hog.to_str().unwrap()]);
    // What is available grows while caches are given up: several bites, each looked at.
    for bite in 0..20 {
        let Some(more) = memory("MemAvailable:").checked_sub(50_000) else { break };
        let count = format!("count={}", more.div_ceil(1024));
        let file = format!("of={}", hog.join(bite.to_string()).display());
        tool(&["dd", "if=/dev/zero", &file, "bs=1M", &count], b"");
    }
    let run = world.run(&["attach", "data1", &volume.device, &key, "timeout=1"]);
    run.refuses(4, &["KDF needs 64 MiB of memory", "MiB are free", "luksConvertKey"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn key_files_that_are_none() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let empty = world.file("empty", b"");
    let large = world.file("large", &vec![b'x'; 70_000]);
    world.attach(&volume, &empty, "").refuses(4, &["/empty has 0 bytes"]);
    world.attach(&volume, &large, "").refuses(4, &["/large is too large for a key"]);
    world.attach(&volume, "/no/such/key", "").refuses(4, &["/no/such/key does not exist"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_line_that_does_not_parse_opens_nothing_and_the_others_work() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.bektab(&format!(
        "data1 {} {key} timeout=20\ndata2 UUID=77aa {key} nofial\n",
        volume.device
    ));
    let words = ["/etc/bektab:2:", "unknown option \"nofial\"", "^~~~~", "did you mean nofail?"];
    world.run(&["attach", "data2"]).refuses(1, &words);
    world.run(&["attach", "data3"]).refuses(1, &["no line for data3 in /etc/bektab"]);
    let run = world.run(&["attach", "data1"]).says("data1 unlocked");
    assert!(run.stderr.contains("warning: /etc/bektab:2:"), "{run:#?}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_ade_machine_works_as_it_is() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    world.key_disk(&[("LinuxPassPhraseFileName_1_0", KEY.as_bytes())]);
    let line = format!(
        "data1 {} /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail\n",
        volume.device
    );
    fs::write("/etc/crypttab", line).unwrap();
    world.undo(&["rm", "-f", "/etc/crypttab"]);
    world.run(&["attach", "data1"]).says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn another_user_than_root() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_bek-unlock");
    let output = std::process::Command::new(program)
        .args(["attach", "data1"])
        .env_clear()
        .uid(65534)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("not root") && stderr.contains("hint: run it as root"), "{stderr}");
    world.nothing_is_left();
}
