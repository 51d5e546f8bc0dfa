//! header-policy=strict: what opens with it, what does not, and a header that is swapped meanwhile.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::world::{KEY, Luks, World, tool};

const STRICT: &str = "header-policy=strict";

#[test]
#[ignore = "needs root: make check-root"]
fn a_strict_line_opens_what_cryptsetup_makes_in_the_device_and_apart() {
    for (kind, detached) in [("luks1", false), ("luks2", false), ("luks1", true), ("luks2", true)] {
        let world = World::new();
        let volume = world.luks("v", &Luks { kind, detached, ..Luks::default() });
        let key = world.file("key", KEY.as_bytes());
        world.attach(&volume, &key, STRICT).says("data1 unlocked");
        let status = world.run(&["status", "--json", "data1"]).says("");
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(status[0]["header"].is_string(), detached, "{status}");
        world.attach(&volume, &key, STRICT).says("data1 is already unlocked");
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
}

/// Writes the header of a disk anew, without its key: both copies of LUKS2's JSON, and their checksums.
fn rewrite(device: &str, change: impl Fn(&mut serde_json::Value)) {
    const COPY: usize = 16 << 10;
    let disk = File::options().read(true).write(true).open(device).unwrap();
    let mut bytes = vec![0; 2 * COPY];
    disk.read_exact_at(&mut bytes, 0).unwrap();
    for copy in bytes.chunks_exact_mut(COPY) {
        let (head, area) = copy.split_at_mut(4096);
        let end = area.iter().position(|byte| *byte == 0).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&area[..end]).unwrap();
        change(&mut json);
        area.fill(0);
        let json = json.to_string();
        area[..json.len()].copy_from_slice(json.as_bytes());
        head[448..512].fill(0);
        let checksum = ring::digest::digest(&ring::digest::SHA256, copy);
        copy[448..480].copy_from_slice(checksum.as_ref());
    }
    disk.write_all_at(&bytes, 0).unwrap();
    disk.sync_all().unwrap();
}

/// The volume's own key still opens it, and what is written from then on is not encrypted.
#[test]
#[ignore = "needs root: make check-root"]
fn a_header_that_encrypts_nothing_is_refused_before_a_key_is_tried() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    rewrite(&volume.device, |json| json["segments"]["0"]["encryption"] = "cipher_null-ecb".into());
    world.attach(&volume, &key, "").says("data1 unlocked");
    let table = tool(&["dmsetup", "table", "data1"], b"");
    assert!(table.contains(" crypt cipher_null-ecb "), "{table}");
    tool(&["cryptsetup", "close", "data1"], b"");
    // Nor is a key asked for: there is none.
    let refused = world.attach(&volume, "/nonexistent/key", STRICT).refuses(
        76,
        &[
            "header-policy=strict refuses the header in /dev/loop",
            "the volume has the cipher cipher_null-ecb",
            "if it is meant to be so",
        ],
    );
    assert!(!refused.stderr.contains("/nonexistent/key"), "{refused:#?}");
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_the_header_switches_on_by_itself_does_not_count() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let options = ["--key-file", &key, "--persistent", "--allow-discards"];
    tool(&[&["cryptsetup", "open", &volume.device, "making"][..], &options].concat(), b"");
    tool(&["cryptsetup", "close", "making"], b"");
    for (options, discards) in [("", true), (STRICT, false), (&format!("{STRICT},discard"), true)] {
        world.attach(&volume, &key, options).says("data1 unlocked");
        let table = tool(&["dmsetup", "table", "data1"], b"");
        assert_eq!(table.contains("allow_discards"), discards, "{options}: {table}");
        tool(&["cryptsetup", "close", "data1"], b"");
    }
}

/// A run that waits for the key disk, which comes after the header.
fn waiting(device: &str) -> Child {
    let options = format!("timeout=120,{STRICT}");
    let mut run = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "data1", device, "LinuxPassPhraseFileName", &options])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !has_sealed_copy(run.id()) {
        assert_eq!(run.try_wait().unwrap(), None, "it ended without a copy");
        std::thread::yield_now();
    }
    run
}

/// Whether the process has the header in memory, where nobody can change it any more.
fn has_sealed_copy(pid: u32) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.map_while(Result::ok).map(|file| file.path()).any(|path| {
        fs::read_link(&path).is_ok_and(|name| name.starts_with("/memfd:luks-header (deleted)"))
            && File::open(&path).is_ok_and(|copy| {
                let seals = fcntl(&copy, FcntlArg::F_GET_SEALS).unwrap();
                SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_WRITE)
            })
    })
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_header_that_is_swapped_after_the_look_changes_nothing() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let run = waiting(&volume.device);
    rewrite(&volume.device, |json| json["segments"]["0"]["encryption"] = "cipher_null-ecb".into());
    world.key_disk(&[("LinuxPassPhraseFileName", KEY.as_bytes())]);
    let output = run.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words}");
    let table = tool(&["dmsetup", "table", "data1"], b"");
    assert!(table.contains(" crypt aes-xts-plain64 "), "{table}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}
