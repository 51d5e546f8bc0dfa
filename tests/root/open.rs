//! Volumes that open, and how.

use crate::world::{KEY, Luks, World, tool};

#[test]
#[ignore = "needs root: make check-root"]
fn luks2_opens_with_a_key_file() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.attach(&volume, &key, "").says("data1 unlocked with a key file");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn luks1_opens() {
    let world = World::new();
    let volume = world.luks("v", &Luks { kind: "luks1", ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    world.attach(&volume, &key, "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn detached_headers_of_both_versions_open() {
    for kind in ["luks1", "luks2"] {
        let world = World::new();
        let volume = world.luks(kind, &Luks { kind, detached: true, ..Luks::default() });
        let key = world.file("key", KEY.as_bytes());
        world.attach(&volume, &key, "").says("data1 unlocked");
        assert_eq!(world.read_and_close(), format!("hello from {kind}\n"));
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn argon2id_opens() {
    let world = World::new();
    let arguments =
        ["--pbkdf", "argon2id", "--pbkdf-memory", "65536", "--pbkdf-force-iterations", "4"];
    let volume = world.luks("v", &Luks { arguments: &arguments, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    world.attach(&volume, &key, "").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_volume_in_a_file_is_opened_through_a_loop_device() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let image = world.path("v.img").display().to_string();
    tool(&["losetup", "--detach", &volume.device], b"");
    world.run(&["attach", "data1", &image, &key, "timeout=20"]).says("data1 unlocked");
    world.run(&["attach", "data1", &image, &key, "timeout=20"]).says("data1 is already unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn options_reach_the_kernel() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let table = |options: &str| {
        world.attach(&volume, &key, options).says("data1 unlocked");
        let table = tool(&["dmsetup", "table", "data1"], b"");
        let read_only = tool(&["blockdev", "--getro", "/dev/mapper/data1"], b"").trim() == "1";
        tool(&["cryptsetup", "close", "data1"], b"");
        (table, read_only)
    };
    assert!(!table("").0.contains("allow_discards"));
    assert!(table("discard").0.contains("allow_discards"));
    assert!(table("no-read-workqueue").0.contains("no_read_workqueue"));
    assert!(table("no-write-workqueue").0.contains("no_write_workqueue"));
    assert!(table("same-cpu-crypt").0.contains("same_cpu_crypt"));
    assert!(table("submit-from-crypt-cpus").0.contains("submit_from_crypt_cpus"));
    assert!(!table("").1);
    assert!(table("read-only").1);
}

#[test]
#[ignore = "needs root: make check-root"]
fn only_the_keyslot_asked_for_is_tried() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let other = world.file("other", b"other");
    let cost = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-slot", "5"];
    let add = ["cryptsetup", "luksAddKey", "--batch-mode", "--key-file", &key];
    tool(&[&add[..], &cost[..], &[&volume.device, &other]].concat(), b"");
    world.attach(&volume, &other, "key-slot=0").refuses(2, &["fits none"]);
    world.attach(&volume, &other, "key-slot=3").refuses(4, &["keyslot asked for is not in use"]);
    world.attach(&volume, &other, "key-slot=5").says("data1 unlocked");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_final_newline_is_trimmed_in_a_second_attempt_and_said() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", format!("{KEY}\n").as_bytes());
    world.attach(&volume, &key, "").says("fits only without its final newline");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn devices_are_found_by_uuid_without_udev() {
    let world = World::new();
    let uuid = "5F1E0F00-1111-4222-8333-444455556666";
    let luks = Luks { arguments: &["--uuid", uuid, "--label", "bek-data"], ..Luks::default() };
    world.luks("v", &luks);
    let key = world.file("key", KEY.as_bytes());
    for device in [format!("UUID={uuid}"), "LABEL=bek-data".to_owned()] {
        world.bektab(&format!("data1 {device} {key} timeout=20\n"));
        world.run(&["attach", "data1"]).says("data1 unlocked");
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_report_is_json_on_demand_and_status_remembers() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let run =
        world.run(&["attach", "--json", "data1", &volume.device, &key]).says("data1 unlocked");
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["result"], "unlocked");
    assert_eq!(report["type"], "LUKS2");
    assert_eq!(report["source"], "file");
    let status = world.run(&["status", "--json", "data1"]).says("");
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status[0]["open"], true);
    assert_eq!(status[0]["origin"], format!("file {key}"));
    world.run(&["detach", "data1"]).says("data1 closed");
    world.run(&["status", "data1"]).refuses(1, &["no line for data1"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn opening_writes_nothing_to_the_disk_or_its_header() {
    for (name, detached) in [("attached", false), ("detached", true)] {
        let world = World::new();
        let volume = world.luks(name, &Luks { detached, ..Luks::default() });
        let key = world.file("key", KEY.as_bytes());
        tool(&["blockdev", "--flushbufs", &volume.device], b"");
        let bytes = || {
            let header = std::fs::read(&volume.header).unwrap_or_default();
            (std::fs::read(world.path(&format!("{name}.img"))).unwrap(), header)
        };
        let before = bytes();
        world.attach(&volume, &key, "").says("data1 unlocked");
        world.run(&["detach", "data1"]).says("data1 closed");
        tool(&["blockdev", "--flushbufs", &volume.device], b"");
        assert!(bytes() == before, "{name}");
        world.nothing_is_left();
    }
}
