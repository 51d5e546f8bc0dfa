//! A new key where the old one is, whoever made that.

use std::fs;

use azure_emulator::Change;
use serde_json::json;

use crate::world::{ADE_VERSION, KEK, KEY, NEWER, OLDER, VAULT, World, cryptsetup};

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_secret_of_ade_gets_a_new_version_with_its_tags() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    world.bektab(&[&format!("data1 {device} - vault={VAULT},machine-name=root-ring,timeout=12")]);
    let before = fs::read_to_string("/etc/bektab").unwrap();
    let result = world.run(&["rotate", "data1", "--json"], b"").good().json();
    assert_eq!(result["kek"], format!("{KEK}/{NEWER}"));
    assert_eq!((&result["keyslot"], &result["old_keyslot"]), (&json!(1), &json!(0)));
    assert_eq!(result["stores"], json!([{"secret": format!("{VAULT}/secrets/ade")}]));
    assert_eq!(world.keyslots(&image).0, [1]);
    assert!(!world.opens(&image, KEY.as_bytes()), "the old key opens it still");
    assert_eq!(fs::read_to_string("/etc/bektab").unwrap(), before);
    world.opens_by_line().good();
    let listed = world.run(&["secrets", "--vault", VAULT, "--json"], b"").good().json();
    let ade =
        listed.as_array().unwrap().iter().find(|row| row["id"].as_str().unwrap().ends_with("/ade"));
    let ade = ade.unwrap();
    assert_eq!(ade["machine_name"], "root-ring");
    assert_eq!((&ade["kek_version"], &ade["wrapped"]), (&json!(NEWER), &json!(true)));
    world.nothing_is_under_way();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn ten_rotations_leave_one_keyslot_and_a_volume_that_opens() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    for round in 0..10 {
        world.run(&["rotate", "data1"], b"").good();
        // The first one removes what enroll made; ADE's own key is nobody's here.
        let (slots, metadata) = world.keyslots(&image);
        assert_eq!(slots.len(), 2, "round {round}");
        assert_eq!(metadata["tokens"].as_object().unwrap().len(), 1);
        world.opens_by_line().good();
    }
    assert!(world.opens(&image, KEY.as_bytes()));
    world.nothing_is_under_way();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_secret_beside_a_token_is_renewed_with_it() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let secret = ["--to-vault", VAULT, "--secret-name", "bek-data1", "--machine-name", "elsewhere"];
    enroll(&world, &image, &[&["--to-token"], &secret[..]].concat());
    let result = world.run(&["rotate", "data1", "--json"], b"").good().json();
    let secret = json!({"secret": format!("{VAULT}/secrets/bek-data1")});
    assert_eq!(result["stores"], json!([{"token": true}, secret]));
    // Without the token the secret is what there is.
    world.run(&["token", "remove", image.to_str().unwrap()], b"").good();
    world.opens_by_line().good();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_new_version_of_the_kek_changes_no_keyslot() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let kek = format!("{KEK}/{OLDER}");
    enroll_with(&world, &image, &["--to-token"], &kek);
    let before = world.keyslots(&image).1;
    let words = ["rotate", "data1", "--keep-passphrase", "--json"];
    let result = world.run(&words, b"").good().json();
    assert_eq!(
        (&result["kek"], &result["old_keyslot"]),
        (&json!(format!("{KEK}/{NEWER}")), &json!(null))
    );
    let after = world.keyslots(&image).1;
    assert_eq!(after["keyslots"], before["keyslots"]);
    assert_eq!(after["tokens"]["0"]["kek"], format!("{KEK}/{NEWER}"));
    // And the other way round: the same version for a new passphrase.
    let result = world
        .run(&["rotate", "data1", "--keep-kek", "--kek-algorithm", "RSA-OAEP-256", "--json"], b"");
    let result = result.good().json();
    assert_eq!(result["algorithm"], "RSA-OAEP-256");
    world.opens_by_line().good();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_file_and_a_pinned_secret_switch_over_by_the_line() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", "/etc/bek-unlock/data1.wrapped"]);
    let result = world.run(&["rotate", "data1", "--json"], b"").good().json();
    let file = result["stores"][0]["file"].as_str().unwrap().to_owned();
    assert!(file.starts_with("/etc/bek-unlock/data1.2-"), "{file}");
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.contains(&file), "{line}");
    assert!(!std::path::Path::new("/etc/bek-unlock/data1.wrapped").exists());
    world.opens_by_line().good();
    drop(world);

    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let pinned = format!("{VAULT}/secrets/ade/{ADE_VERSION}");
    world.bektab(&[&format!("data1 {device} {pinned} timeout=12")]);
    world.run(&["rotate", "data1"], b"").good();
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.contains(&format!("{VAULT}/secrets/ade ")), "{line}");
    world.run(&["rotate", "data1"], b"").good();
    world.opens_by_line().good();
    assert_eq!(fs::read_to_string("/etc/bektab").unwrap(), line, "a name without version stays");
}

/// A tag is anybody's with the right to set secrets, and the new passphrase goes to a KEK in clear.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_kek_that_did_not_unwrap_the_old_key_does_not_wrap_the_new_one() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let line = format!("data1 {device} {VAULT}/secrets/mistagged kek={KEK}/{OLDER},timeout=12");
    world.bektab(&[&line]);
    let result = world.run(&["rotate", "data1", "--json"], b"").good().json();
    assert_eq!(result["kek"], format!("{KEK}/{NEWER}"));
    let asked = world.requests();
    assert!(!asked.iter().any(|request| request.contains("/keys/other/wrapkey")), "{asked:#?}");
    world.opens_by_line().good();

    // A token in front of the right one, for the same keyslot.
    drop(world);
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let device = image.to_str().unwrap();
    let ours = world.keyslots(&image).1["tokens"]["0"].clone();
    let mut foreign = ours.clone();
    foreign["kek"] = json!(format!("{VAULT}/keys/other/{OLDER}"));
    let put = |number: &str, token: &serde_json::Value| {
        let words = ["token", "import", "--token-id", number, device];
        assert!(cryptsetup(&words, token.to_string().as_bytes()).status.success());
    };
    assert!(cryptsetup(&["token", "remove", "--token-id", "0", device], b"").status.success());
    put("0", &foreign);
    put("1", &ours);
    let result = world.run(&["rotate", "data1", "--json"], b"").good().json();
    assert_eq!(result["kek"], format!("{KEK}/{NEWER}"));
    let tokens = world.keyslots(&image).1["tokens"].clone();
    assert_eq!(tokens["0"]["kek"], foreign["kek"]);
    assert_eq!(tokens["1"]["keyslots"], json!(["2"]));
}

/// crypttab opens it, through the plugin or the key service; bektab says where its key is.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_volume_that_crypttab_opens_needs_a_line_for_its_key_only() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    world.bektab(&[&format!("data1 {} - key-only", image.display())]);
    let before = fs::read_to_string("/etc/bektab").unwrap();
    world.run(&["rotate", "--all"], b"").good();
    assert_eq!(world.keyslots(&image).0, [0, 2]);
    assert_eq!(fs::read_to_string("/etc/bektab").unwrap(), before);
}

/// Else the next boot would try the old keyslot only, which is not there any more.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_line_that_names_the_keyslot_names_it_no_more() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let line = format!("data1 {device} - vault={VAULT},machine-name=root-ring,timeout=12");
    world.bektab(&[&format!("{line},key-slot=0")]);
    world.run(&["rotate", "data1"], b"").good();
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.contains(" - ") && !line.contains("key-slot"), "{line}");
    world.opens_by_line().good();
}

/// The image has a bektab of its own, and the next boot opens by that one.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn what_an_initramfs_opens_keeps_its_old_key_until_there_is_a_new_image() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-file", "/etc/bek-unlock/data1.wrapped"]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    fs::write("/etc/bektab", line.replace("nofail", "nofail,x-initrd.attach")).unwrap();
    let run = world.run(&["rotate", "data1"], b"").good();
    run.says("build it anew (update-initramfs -u, or dracut --force) and restart");
    assert_eq!(world.keyslots(&image).0, [0, 1, 2]);
    assert!(std::path::Path::new("/etc/bek-unlock/data1.wrapped").exists());
    world.opens_by_line().good();
    // A token needs no line, so nothing in the image is out of date.
    drop(world);
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    fs::write("/etc/bektab", line.replace("nofail", "nofail,x-initrd.attach")).unwrap();
    world.run(&["rotate", "data1"], b"").good();
    assert_eq!(world.keyslots(&image).0, [0, 2]);
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn all_of_bektab_is_rotated_and_what_cannot_be_is_left_alone() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let plain = world.path("plain.key");
    fs::write(&plain, KEY).unwrap();
    let mut lines = fs::read_to_string("/etc/bektab").unwrap();
    let other = world.path("other.img");
    fs::copy(&image, &other).unwrap();
    lines += &format!("other {} {} nofail\n", other.display(), plain.display());
    lines += "gone /dev/disk/by-uuid/none - timeout=1\n";
    fs::write("/etc/bektab", lines).unwrap();
    let run = world.run(&["rotate", "--all"], b"").refuses(4, "is not there");
    assert!(run.stderr.contains("other is left as it is: "), "{run:#?}");
    assert!(run.stderr.contains("data1: has a new key in keyslot 2"), "{run:#?}");
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_revoked_kek_stops_everything_and_a_restored_one_heals() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let before = fs::read(&image).unwrap();
    let change = |text: &str| {
        for change in Change::parse(text.as_bytes()).unwrap() {
            world.emulator.change(change).unwrap();
        }
    };
    let named = json!({"vault": "contoso-kv.vault.azure.net", "name": "kek"});
    change(&json!({"disable_key": named}).to_string());
    world.opens_by_line().refuses(77, "KeyDisabled");
    world.run(&["rotate", "data1"], b"").refuses(77, "KeyDisabled");
    assert!(fs::read(&image).unwrap() == before);
    change(&json!({"enable_key": named}).to_string());
    world.opens_by_line().good();
    assert!(fs::read(&image).unwrap() == before);
}

/// A volume with a line, whose key is where `places` say.
pub fn enroll(world: &World, image: &std::path::Path, places: &[&str]) {
    enroll_with(world, image, places, KEK);
}

fn enroll_with(world: &World, image: &std::path::Path, places: &[&str], kek: &str) {
    let device = image.to_str().unwrap();
    let words = ["enroll", device, "--kek", kek, "--name", "data1", "--write", "--key-file", "-"];
    world.run(&[&words[..], places].concat(), KEY.as_bytes()).good();
}
