//! A LUKS header changed through libcryptsetup, and looked at with cryptsetup(8).
//!
//! One test and one thread: libcryptsetup's binding refuses a second one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bek_unlock::edge::luks::keyslots::ChangedHeader;
use bek_unlock::keyslots::Keyslots;
use bek_unlock::secret::Secret;
use bek_unlock::volume::HeaderSpec;
use tempfile::TempDir;

const OLD: &[u8] = b"old\0key\n";
const NEW: &[u8] = b"new";

#[test]
fn headers_are_changed_in_one_step_or_not_at_all() {
    for kind in ["luks1", "luks2"] {
        let volume = Volume::new(kind, false);
        let mut header = ChangedHeader::open(&volume.image, None).unwrap();
        assert_eq!(header.format().as_str().to_lowercase(), kind);
        assert_eq!(header.uuid().len(), 36);
        keyslots_come_and_go(&mut header);
        assert_eq!(volume.opens(OLD, None), None);
        assert_eq!(volume.opens(NEW, None), Some(1));
    }
    a_header_that_is_apart_is_changed_itself();
    a_key_that_opens_nothing_adds_nothing();
    tokens_are_replaced_in_one_step();
    what_is_no_whole_header_is_not_changed();
}

fn keyslots_come_and_go(header: &mut ChangedHeader) {
    let (old, new) = (Secret::new(OLD.to_vec()), Secret::new(NEW.to_vec()));
    assert_eq!(header.slots().unwrap(), [0]);
    assert_eq!(header.free().unwrap(), Some(1));
    assert_eq!(header.fits(&new, None).unwrap(), None);
    header.add(1, &old, &new).unwrap();
    assert_eq!(header.slots().unwrap(), [0, 1]);
    assert_eq!(header.fits(&new, None).unwrap(), Some(1));
    assert_eq!(header.fits(&new, Some(0)).unwrap(), None);
    assert_eq!(header.fits(&new, Some(5)).unwrap(), None);
    header.remove(0).unwrap();
    assert_eq!(header.slots().unwrap(), [1]);
    assert_eq!(header.fits(&old, None).unwrap(), None);
    assert_eq!(header.fits(&new, Some(1)).unwrap(), Some(1));
}

fn a_header_that_is_apart_is_changed_itself() {
    let volume = Volume::new("luks2", true);
    let apart = volume.header.clone().unwrap();
    let spec = HeaderSpec::Path(apart.clone());
    keyslots_come_and_go(&mut ChangedHeader::open(&volume.image, Some(&spec)).unwrap());
    assert_eq!(volume.opens(NEW, Some(&apart)), Some(1));
    assert!(fs::read(&volume.image).unwrap().iter().all(|byte| *byte == 0));
}

fn a_key_that_opens_nothing_adds_nothing() {
    let volume = Volume::new("luks2", false);
    let before = fs::read(&volume.image).unwrap();
    let mut header = ChangedHeader::open(&volume.image, None).unwrap();
    let (old, new) = (Secret::new(OLD.to_vec()), Secret::new(NEW.to_vec()));
    let kind = header.add(1, &new, &new).unwrap_err();
    assert!(kind.to_string().ends_with("opens it no more"), "{kind}");
    assert!(header.add(0, &old, &new).is_err());
    assert!(fs::read(&volume.image).unwrap() == before);
}

fn tokens_are_replaced_in_one_step() {
    let volume = Volume::new("luks2", false);
    let mut header = ChangedHeader::open(&volume.image, None).unwrap();
    let json = |word: &str| format!(r#"{{"type":"x","keyslots":["0"],"word":"{word}"}}"#);
    assert_eq!(header.tokens().unwrap(), []);
    let number = header.set_token(None, &json("one")).unwrap();
    assert_eq!(header.set_token(Some(number), &json("two")).unwrap(), number);
    let tokens = header.tokens().unwrap();
    assert_eq!((tokens.len(), tokens[0].0), (1, number));
    assert!(tokens[0].1.contains("two"));
    assert!(header.set_token(None, r#"{"type":"x","keyslots":["9"]}"#).is_err());
    header.remove_token(number).unwrap();
    assert_eq!(header.tokens().unwrap(), []);
    let luks1 = Volume::new("luks1", false);
    assert_eq!(ChangedHeader::open(&luks1.image, None).unwrap().tokens().unwrap(), []);
}

fn what_is_no_whole_header_is_not_changed() {
    let refusal = |image: &Path| {
        let before = fs::read(image).unwrap();
        let kind = ChangedHeader::open(image, None).unwrap_err();
        assert!(fs::read(image).unwrap() == before);
        (kind.exit_status(), kind.to_string())
    };
    let volume = Volume::new("luks2", false);
    let mut bytes = fs::read(&volume.image).unwrap();
    bytes[(16 << 10) + 5000] ^= 1;
    fs::write(&volume.image, bytes).unwrap();
    let (status, text) = refusal(&volume.image);
    assert_eq!((status, text.contains("one of its two copies")), (4, true), "{text}");
    fs::write(&volume.image, [7; 65536]).unwrap();
    let (status, text) = refusal(&volume.image);
    assert_eq!((status, text.ends_with("it is not LUKS, or damaged")), (4, true), "{text}");
}

/// A volume in a file.
struct Volume {
    directory: TempDir,
    image: PathBuf,
    header: Option<PathBuf>,
}

impl Volume {
    fn new(kind: &str, apart: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(20 << 20).unwrap();
        let key = directory.path().join("key");
        fs::write(&key, OLD).unwrap();
        let header = apart.then(|| directory.path().join("header"));
        let volume = Self { directory, image, header };
        let cost = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let mut words = vec!["luksFormat", "-q", "--type", kind];
        words.extend(cost);
        assert!(volume.cryptsetup(&words, &key, volume.header.as_deref()).0);
        volume
    }

    /// The keyslot that `key` opens, as cryptsetup has it.
    fn opens(&self, key: &[u8], header: Option<&Path>) -> Option<u32> {
        let path = self.directory.path().join("try");
        fs::write(&path, key).unwrap();
        let words = ["open", "-v", "--test-passphrase"];
        let (good, said) = self.cryptsetup(&words, &path, header);
        let said = said.split("Key slot ").nth(1)?;
        good.then(|| said.split(' ').next().unwrap().parse().unwrap())
    }

    fn cryptsetup(&self, words: &[&str], key: &Path, header: Option<&Path>) -> (bool, String) {
        let mut command = Command::new("cryptsetup");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(words);
        if let Some(header) = header {
            command.arg("--header").arg(header);
        }
        let output = command.arg("--key-file").arg(key).arg(&self.image).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}
