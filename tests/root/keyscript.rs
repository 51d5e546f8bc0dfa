//! The key for cryptsetup-initramfs: into a pipe, tested against a real header, or not at all.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::azure::{contoso, secret};
use crate::world::{KEY, Luks, Run, Volume, World, tool};

/// The environment in which cryptsetup-initramfs calls a keyscript for `volume`.
fn variables<'a>(
    volume: &'a Volume,
    key: &'a str,
    options: &'a str,
) -> Vec<(&'static str, &'a str)> {
    let mut variables = vec![
        ("CRYPTTAB_NAME", "data1"),
        ("CRYPTTAB_SOURCE", volume.device.as_str()),
        ("CRYPTTAB_KEY", key),
        ("CRYPTTAB_OPTIONS", options),
        ("CRYPTTAB_TRIED", "0"),
    ];
    if !volume.header.is_empty() {
        variables.push(("CRYPTTAB_OPTION_header", &volume.header));
    }
    variables
}

fn asks(world: &World, volume: &Volume, key: &str, options: &str) -> Run {
    world.run_with(&["keyscript"], &variables(volume, key, options), Stdio::piped())
}

/// Nothing on standard output, and the error on the other one.
#[track_caller]
fn refuses(run: Run, status: i32, words: &[&str]) {
    assert_eq!(run.stdout, "");
    run.refuses(status, words);
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_key_comes_out_as_it_is_and_nothing_is_mapped() {
    let world = World::new();
    world.key_disk(&[
        ("LinuxPassPhraseFileName", b"the key of another disk"),
        ("LinuxPassPhraseFileName_1_0", KEY.as_bytes()),
    ]);
    for (kind, detached) in [("luks1", false), ("luks2", false), ("luks2", true)] {
        let name = format!("{kind}{detached}");
        let volume =
            world.luks(&name, &Luks { kind, detached, filesystem: false, ..Luks::default() });
        let run = asks(&world, &volume, "none", "luks,discard,tries=1,timeout=20");
        assert_eq!(run.stdout, KEY);
        run.says("data1: key from the key disk handed over");
        world.nothing_is_left();
    }
}

/// cryptsetup-initramfs: run_keyscript | unlock_mapping (/lib/cryptsetup/functions).
#[test]
#[ignore = "needs root: make check-root"]
fn cryptsetup_opens_the_volume_with_it() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", format!("{KEY}\n").as_bytes());
    let pipeline = "\"$0\" keyscript | cryptsetup -T1 --type=luks --key-file=- open -- \
                    \"$CRYPTTAB_SOURCE\" \"$CRYPTTAB_NAME\"";
    let output = Command::new("sh")
        .args(["-c", pipeline, env!("CARGO_BIN_EXE_bek-unlock")])
        .envs(variables(&volume, &key, "timeout=20"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    // The file has a newline, the passphrase none.
    assert!(stderr.contains("fits only without"), "{stderr}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_key_that_does_not_fit_stays_here() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let key = world.file("key", b"wrong");
    refuses(asks(&world, &volume, &key, ""), 2, &["cannot unlock data1", "does not fit"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn no_header_no_key() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    tool(&["dd", "if=/dev/zero", &format!("of={}", volume.device), "bs=1M", "count=20"], b"");
    let key = world.file("key", KEY.as_bytes());
    refuses(asks(&world, &volume, &key, ""), 4, &["no usable header"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_terminal_a_file_and_a_device_are_no_pipe() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    let written = world.file("written", b"");
    for path in ["/dev/console", "/dev/null", &written] {
        let stdout = File::options().write(true).open(path).unwrap();
        let run = world.run_with(&["keyscript"], &variables(&volume, &key, ""), stdout);
        refuses(run, 1, &["written into a pipe only", "is no pipe"]);
    }
    assert_eq!(std::fs::read(&written).unwrap(), b"");
}

#[test]
#[ignore = "needs root: make check-root"]
fn no_key_disk_ends_at_the_deadline() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    refuses(asks(&world, &volume, "-", "timeout=1"), 4, &["no key disk", "appeared in 1."]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn key_vault_is_asked_for_it() {
    let world = World::with_azure(contoso());
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let run = asks(&world, &volume, &secret("wrapped"), &format!("timeout=20,{}", world.ca()));
    assert_eq!(run.stdout, KEY);
    run.says("data1: key from Key Vault handed over");
    assert_eq!(world.requests().len(), 3);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn only_cryptsetup_initramfs_asks() {
    let world = World::new();
    let run = world.run_with(&["keyscript"], &[], Stdio::piped());
    refuses(run, 1, &["keyscript is for cryptsetup-initramfs"]);
    let run = world.run(&["keyscript", "data1"]);
    refuses(run, 1, &["keyscript takes no arguments"]);
}
