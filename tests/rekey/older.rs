//! A kernel or a libcryptsetup that is older than what a line or a header asks for: said by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{KEY, World};

/// older.c as a library to be loaded before libcryptsetup.
fn older(world: &World) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rekey/older.c");
    let library = world.path("older.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    library
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn an_option_that_the_kernel_does_not_know_is_warned_of() {
    // Root of a user namespace has no loop devices, and attach needs one for an image.
    if fs::File::options().write(true).open("/dev/loop-control").is_err() {
        eprintln!("left out: no loop device here");
        return;
    }
    let world = World::new();
    let image = world.volume("luks2", None);
    let key = world.path("key");
    fs::write(&key, KEY).unwrap();
    let attach = |options: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
        let fields = ["attach", "older-kernel", image.to_str().unwrap(), key.to_str().unwrap()];
        command.args(fields).arg(options).env("LD_PRELOAD", older(&world));
        // Not World::ran: the preloaded library has to stay in the environment.
        let output = command.output().unwrap();
        let _ = fs::remove_file("/run/bek-unlock/older-kernel.json");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said.replace("\nbek-unlock:          ", " ")
    };
    let said = attach("timeout=20,discard,no-read-workqueue");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    for (option, since) in [("discard", "3.1"), ("no-read-workqueue", "5.9")] {
        let words = format!("opened without {option}: that needs Linux {since}, this is {release}");
        assert!(said.contains(words.trim()), "{words}: {said}");
    }
    assert!(!attach("timeout=20").contains("opened without"), "nothing was asked for");
}

/// A header of some later cryptsetup: nothing is tried, for nothing could be mapped.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_header_that_requires_something_unknown_is_refused_before_a_key_is_tried() {
    let world = World::new();
    let image = world.volume("luks2", None);
    require(&image, "from-the-future");
    let device = image.to_str().unwrap();
    let words = "it requires from-the-future, which libcryptsetup 2.";
    for command in
        [&["recover", device, "--key-file", "-", "--dry-run"][..], &["token", "show", device]]
    {
        let run = world.run(command, KEY.as_bytes());
        if command[0] == "recover" {
            let run = run.refuses(4, words);
            assert!(run.stderr.contains("newer libcryptsetup"), "{run:#?}");
        } else {
            // What only reads goes on.
            run.good();
        }
    }
}

/// Puts a requirement into both copies of the header, and their checksums right.
fn require(image: &Path, word: &str) {
    let mut bytes = fs::read(image).unwrap();
    let size = usize::try_from(u64::from_be_bytes(bytes[8..16].try_into().unwrap())).unwrap();
    for copy in bytes[..2 * size].chunks_mut(size) {
        let end = copy[4096..].iter().position(|byte| *byte == 0).unwrap();
        let json = String::from_utf8(copy[4096..4096 + end].to_vec()).unwrap();
        let there = "\"config\":{";
        assert!(json.contains(there), "{json}");
        let required = format!("{there}\"requirements\":{{\"mandatory\":[\"{word}\"]}},");
        let json = json.replacen(there, &required, 1);
        copy[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
        copy[448..512].fill(0);
        let checksum = ring::digest::digest(&ring::digest::SHA256, copy);
        copy[448..480].copy_from_slice(checksum.as_ref());
    }
    fs::write(image, bytes).unwrap();
}
