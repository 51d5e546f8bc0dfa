//! cryptsetup's own LUKS test images: real headers nobody of this project made.
//!
//! They open, or are refused, as cryptsetup's tests (compat-test, api-test-2, luks1-compat-test)
//! say. tests/root/fetch-images brings them from Debian's source package.

use std::fs;
use std::path::PathBuf;

use crate::world::{Run, World, tool};

fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os("CRYPTSETUP_IMAGES").expect("run by tests/root/run"))
}

/// Tries `key` on the image; closes it again when it opened and gives what the plaintext holds.
fn attempt(image: &str, key: &[u8], options: &str) -> (Run, String) {
    let world = World::new();
    let device = world.attach_loop(&directory().join(image), &[]);
    let key = world.file("key", key);
    let options = format!("timeout=20,{options}");
    let run = world.run(&["attach", "data1", &device, &key, options.trim_end_matches(',')]);
    let mut content = String::new();
    if run.status == Some(0) {
        content = tool(&["sh", "-c", "blkid -p /dev/mapper/data1 || true"], b"");
        tool(&["cryptsetup", "close", "data1"], b"");
    }
    world.nothing_is_left();
    (run, content)
}

fn files(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory().join(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().display()))
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs root: make check-root"]
fn compatible_images_open() {
    for image in ["compatimage.img", "compatv10image.img", "compatimage2.img"] {
        attempt(image, b"compatkey", "").0.says("data1 unlocked");
        attempt(image, b"compatkey2", "").0.refuses(2, &["the key from file"]);
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn luks1_images_of_all_ciphers_open_and_hold_their_file_system() {
    let images: Vec<String> =
        files("luks1-images").into_iter().filter(|name| name.ends_with(".img")).collect();
    assert!(images.len() >= 12, "{images:?}");
    let key = fs::read(directory().join("luks1-images/keyfile1")).unwrap();
    for image in images {
        let (run, content) = attempt(&image, &key, "");
        run.says("data1 unlocked");
        assert!(content.contains("UUID=\"DEAD-BABE\""), "{image}: {content}");
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn luks2_metadata_of_every_size_opens() {
    let images = files("luks2_mda_images");
    assert_eq!(images.len(), 9);
    for image in images {
        attempt(&image, b"Qx3qn46vq0v", "").0.says("data1 unlocked");
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_unbound_keyslot_never_opens_the_volume() {
    let image = "luks2_keyslot_unassigned.img";
    attempt(image, b"compatkey", "").0.says("data1 unlocked");
    attempt(image, b"93R4P4pIqAH8", "").0.refuses(2, &["does not fit the keyslot"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn unknown_requirements_are_refused() {
    for (name, known) in [("_free", true), ("", false)] {
        let image = format!("luks2_header_requirements/luks2_header_requirements{name}");
        let key = b"blablabl";
        attempt(&image, key, "").0.refuses(4, &["no usable header"]);
        // They end with their header; with room for data only the requirements decide.
        let file = fs::File::options().write(true).open(directory().join(&image)).unwrap();
        file.set_len(8 << 20).unwrap();
        let run = attempt(&image, key, "").0;
        if known {
            run.says("data1 unlocked");
        } else {
            run.refuses(4, &["it requires ", "which libcryptsetup ", "does not know"]);
        }
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn damaged_headers_are_refused() {
    for image in [
        "blkid-luks2-pv.img",
        "evil_hdr-keyslot_overlap",
        "evil_hdr-luks_hdr_damage",
        "evil_hdr-payload_overwrite",
        "evil_hdr-small_luks_device",
        "evil_hdr-stripes_payload_dmg",
        "valid_header_file",
    ] {
        attempt(image, b"compatkey", "").0.refuses(4, &["no usable header"]);
    }
}
