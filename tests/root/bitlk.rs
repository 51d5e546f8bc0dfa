//! BitLocker volumes that Windows made: opened read-only, compared with what their authors say is
//! inside, closed. Whether a key fits is tests/bitlk.rs's, for all of them; here each of the 2^20
//! rounds of SHA-256 counts, so these images have their keys on the first protector that is tried.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use serde_json::Value;

use crate::bitlk_images::Image;
use crate::world::{Luks, Run, World, tool};

/// Where bitlk-aes-xts-128-startup-key.img keeps the encrypted start of its file system
/// (`cryptsetup bitlkDump`: Volume header), in bytes.
const VOLUME_HEADER: u64 = 34_668_544;

/// A world with one image on a loop device.
struct Bitlk {
    world: World,
    image: Image,
    device: String,
}

impl Bitlk {
    fn new(name: &str, arguments: &[&str]) -> Self {
        let (world, image) = (World::new(), Image::named(name));
        let device = world.attach_loop(&image.path(), arguments);
        Self { world, image, device }
    }

    /// The .BEK file as a key file.
    fn bek(&self) -> String {
        self.world.file("disk.BEK", &self.image.bek().unwrap())
    }

    fn key(&self, field: &str) -> String {
        self.world.file("key", self.image.field(field).unwrap().as_bytes())
    }

    /// Attaches with `key` and `options`.
    fn attach(&self, key: &str, options: &str) -> Run {
        let options = format!("timeout=120,{options}");
        self.world.run(&["attach", "data1", &self.device, key, &options, "--json"])
    }

    /// Opens read-only, compares what is inside, and closes.
    fn holds_what_it_should(self, key: &str, options: &str) {
        let before = sha256(&self.device);
        let run = self.attach(key, options).says("data1 unlocked with a key file");
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((&report["type"], &report["keyslot"]), (&"BITLK".into(), &0.into()));
        assert_eq!(report["uuid"].as_str(), self.image.field("GUID"));
        let kind =
            |name| tool(&["blkid", "-p", "-o", "value", "-s", name, "/dev/mapper/data1"], b"");
        assert_eq!(Some(kind("UUID").trim()), self.image.field("UUID"));
        assert_eq!(tool(&["blockdev", "--getro", "/dev/mapper/data1"], b"").trim(), "1");
        assert_eq!(Some(&*sha256("/dev/mapper/data1")), self.image.field("SHA256SUM"));
        self.attach(key, options).says("data1 is already unlocked");
        let status = self.world.run(&["status", "data1"]).stdout;
        assert!(status.contains("BITLK"), "{status}");
        self.world.run(&["detach", "data1"]).says("data1 closed");
        self.world.nothing_is_left();
        assert_eq!(sha256(&self.device), before, "it was written to");
    }
}

fn sha256(device: &str) -> String {
    let line = tool(&["sha256sum", device], b"");
    line.split(' ').next().unwrap().to_owned()
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_bek_file_opens_what_windows_10_made() {
    let volume = Bitlk::new("bitlk-aes-xts-128-startup-key", &[]);
    let key = volume.bek();
    volume.holds_what_it_should(&key, "bitlk,read-only");
}

/// As a disk is that somebody made read-only before.
#[test]
#[ignore = "needs root: make check-root"]
fn a_bek_file_opens_what_windows_11_made_on_a_disk_that_is_read_only() {
    let volume = Bitlk::new("bitlk-aes-xts-128-startup-key-win11", &["--read-only"]);
    let key = volume.bek();
    volume.holds_what_it_should(&key, "bitlk");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_passphrase_opens_bitlocker_to_go() {
    let volume = Bitlk::new("bitlk-togo-aes-cbc-128", &[]);
    let key = volume.key("PW");
    volume.holds_what_it_should(&key, "read-only");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_recovery_password_opens_windows_7_s_elephant_diffuser() {
    let volume = Bitlk::new("bitlk-aes-cbc-elephant-128", &[]);
    let key = volume.key("RP");
    volume.holds_what_it_should(&key, "read-only");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_wrong_bek_file_maps_nothing() {
    // The kind of volume on which libcryptsetup does not call it a wrong key.
    let volume = Bitlk::new("bitlk-aes-cbc-elephant-128", &[]);
    let other = Image::named("bitlk-aes-xts-128-startup-key-win11").bek().unwrap();
    let key = volume.world.file("other.BEK", &other);
    let words = format!("the key from file {key} fits none of the volume's protectors");
    volume.attach(&key, "bitlk,read-only").refuses(2, &[&words]);
    volume.world.nothing_is_left();
}

/// Nothing confirms BitLocker's volume key but what it decrypts.
#[test]
#[ignore = "needs root: make check-root"]
fn what_comes_out_as_noise_is_closed_again() {
    let world = World::new();
    let image = Image::named("bitlk-aes-xts-128-startup-key");
    let copy = world.path("damaged.img");
    tool(&["cp", image.path().to_str().unwrap(), copy.to_str().unwrap()], b"");
    let mut file = File::options().write(true).open(&copy).unwrap();
    file.seek(SeekFrom::Start(VOLUME_HEADER)).unwrap();
    file.write_all(&[0x5a; 8192]).unwrap();
    drop(file);
    let device = world.attach_loop(&copy, &[]);
    let key = world.file("disk.BEK", &image.bek().unwrap());
    let run = world.run(&["attach", "data1", &device, &key, "timeout=120,read-only"]);
    run.refuses(4, &["holds no file system", "closed again"]);
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn is_not_taken_for_luks_nor_luks_for_it() {
    let volume = Bitlk::new("bitlk-aes-xts-128-startup-key", &[]);
    let key = volume.bek();
    let luks = volume.world.luks("v", &Luks { detached: true, ..Luks::default() });
    let header = format!("header={}", luks.header);
    for (options, word) in [("luks", "luks"), ("key-slot=0", "key-slot="), (&header, "header=")] {
        let words = format!("it is BitLocker, and its line says {word}");
        volume.attach(&key, options).refuses(4, &[&words, "correct luks, bitlk"]);
    }
    let plain = volume.world.luks("w", &Luks { filesystem: false, ..Luks::default() });
    volume.world.attach(&plain, &key, "bitlk").refuses(4, &["it is LUKS, and its line says bitlk"]);
    volume.world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_windows_has_not_finished_is_left_to_windows() {
    let volume = Bitlk::new("bitlk-aes-xts-128-eow", &[]);
    let words = ["Windows has not encrypted all of it", "manage-bde -status"];
    volume.attach(&volume.key("PW"), "bitlk,read-only").refuses(4, &words);
    volume.world.nothing_is_left();
}
