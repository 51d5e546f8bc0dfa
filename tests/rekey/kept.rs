//! What rotate leaves as it is: other people's keys, and the last copy of a key.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::rotate::enroll;
use crate::world::{KEK, KEY, OLDER, VAULT, World, contoso, cryptsetup};

const FILE: &str = "/etc/bek-unlock/data1.wrapped";

/// The only file in which `data1` has its wrapped key.
fn file_of_data1() -> String {
    let files = fs::read_dir("/etc/bek-unlock").unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path().display().to_string()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    file.clone()
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_wrapping_that_is_renewed_over_and_over_stays() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", FILE]);
    for _ in 0..3 {
        world.run(&["rotate", "--all", "--keep-passphrase"], b"").good();
        file_of_data1();
        world.opens_by_line().good();
    }
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn nothing_is_changed_that_the_vm_could_not_open_afterwards() {
    let mut scenario = contoso();
    scenario["imds"]["identities"] = json!([
        {"assigned": "system", "name": "vm"},
        {"name": "operator", "client_id": "6f1c0d52-0000-4000-8000-0000000000c2"}]);
    let operator = json!({"identity": "operator", "keys": ["wrapKey", "unwrapKey"]});
    scenario["vaults"][0]["permissions"].as_array_mut().unwrap().push(operator);
    scenario["vaults"].as_array_mut().unwrap().push(json!({
        "host": "fabrikam-kv.vault.azure.net",
        "permissions": [{"identity": "operator", "keys": ["wrapKey", "unwrapKey"]}],
        "keys": [{"name": "kek", "versions": [{"version": OLDER}]}]}));
    let world = World::with(scenario);
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let before = fs::read(&image).unwrap();
    let other = "https://fabrikam-kv.vault.azure.net/keys/kek";
    let operator = "client-id:6f1c0d52-0000-4000-8000-0000000000c2";
    for more in [&[][..], &["--keep-passphrase"]] {
        let words = ["rotate", "data1", "--kek", other, "--identity", operator];
        world.run(&[&words[..], more].concat(), b"").refuses(77, "keys/unwrapKey");
        assert!(fs::read(&image).unwrap() == before, "the header was changed");
        world.nothing_is_under_way();
    }
    world.opens_by_line().good();
}

/// It is not the file's key then, and its keyslot is whose key opened.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_file_is_renewed_only_where_it_opens_the_volume() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", FILE]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    let beside = format!("{},vault={VAULT},machine-name=root-ring\n", line.trim_end());
    fs::write("/etc/bektab", &beside).unwrap();
    fs::write(FILE, "bm90IGl0\n").unwrap();
    let before = fs::read(&image).unwrap();
    world.run(&["rotate", "data1"], b"").refuses(4, "data1.wrapped does not open it, key vault");
    assert!(fs::read(&image).unwrap() == before);
    assert!(world.opens(&image, KEY.as_bytes()));
    assert_eq!(fs::read_to_string("/etc/bektab").unwrap(), beside);
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn what_else_the_line_has_beside_a_file_stays() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", FILE]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    let beside = format!("{},vault={VAULT},machine-name=root-ring\n", line.trim_end());
    fs::write("/etc/bektab", beside).unwrap();
    world.run(&["rotate", "data1"], b"").good();
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.contains(&format!("vault={VAULT}")) && line.contains("machine-name="), "{line}");
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_file_of_two_volumes_stays_for_the_other_one() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", FILE]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    let second = line.replacen("data1 ", "data2 ", 1).replacen("disk.img", "disk2.img", 1);
    fs::copy(&image, world.path("disk2.img")).unwrap();
    fs::write("/etc/bektab", format!("{line}{second}")).unwrap();
    let run = world.run(&["rotate", "data1"], b"").good();
    run.says(&format!("{FILE} stays: the line of data2 has it, too"));
    assert!(Path::new(FILE).exists());
    world.run(&["rotate", "data2", "--dry-run"], b"").good();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn each_token_with_the_key_is_renewed() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let device = image.to_str().unwrap();
    let token = cryptsetup(&["token", "export", "--token-id", "0", device], b"").stdout;
    let imported = cryptsetup(&["token", "import", "--json-file", "-", device], &token);
    assert!(imported.status.success(), "{imported:?}");
    world.run(&["rotate", "data1"], b"").good();
    let tokens = world.keyslots(&image).1["tokens"].clone();
    assert_eq!(tokens["0"]["keyslots"], json!(["2"]));
    assert_eq!(tokens["1"]["keyslots"], json!(["2"]));
    assert_eq!(tokens["0"]["wrapped_key"], tokens["1"]["wrapped_key"]);
}

/// The KEK's old version is about to be disabled, and that volume still needs it.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_line_that_does_not_parse_is_no_success_of_all() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    fs::write("/etc/bektab", format!("data9 /dev/sdz - nofial\n{line}")).unwrap();
    let run = world.run(&["rotate", "--all"], b"").refuses(1, "/etc/bektab:1:");
    run.says("data1: has a new key");
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn format_makes_no_header_where_the_line_has_another() {
    let world = World::new();
    let header = world.path("header");
    let image = world.volume("luks2", Some(&header));
    world.bektab(&[&format!("data1 {} - header={}", image.display(), header.display())]);
    let before = (fs::read(&image).unwrap(), fs::read(&header).unwrap());
    let words = ["enroll", image.to_str().unwrap(), "--name", "data1", "--write", "--format"];
    for more in [&["--yes"][..], &["--yes", "--dry-run"]] {
        let words = [&words[..], &["--kek", KEK, "--to-token"], more].concat();
        world.run(&words, b"").refuses(4, "and --format makes a header on the disk");
        assert!((fs::read(&image).unwrap(), fs::read(&header).unwrap()) == before);
    }
    world.nothing_is_under_way();
}
