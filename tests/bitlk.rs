//! Every BitLocker image of cryptsetup's test suite with every key its authors state.
//!
//! Keys are tested and nothing is mapped, which needs neither root nor device-mapper, so this runs
//! on this machine also where the root ring has a guest: 2^20 rounds of SHA-256 for each key take
//! 20 s in there. Run by `make check-root` (tests/root/run), which has the images.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

use std::process::Command;

use bek_unlock::edge::luks::Libcryptsetup;
use bek_unlock::error::Kind;
use bek_unlock::mapping::{Format, Luks, OpenFailure};
use bek_unlock::secret::Secret;
use bek_unlock::volume::Options;

use bitlk_images::Image;

#[path = "root/bitlk_images.rs"]
mod bitlk_images;

/// What becomes of a key.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Opens,
    IsWrong,
    /// The image cannot be opened by any; the first three words of why.
    Refused(String),
}

/// One test, since libcryptsetup's binding takes calls of one thread only.
#[test]
#[ignore = "needs cryptsetup's images: make check-root"]
fn every_bitlk_image_opens_or_is_refused_as_its_authors_say() {
    let mut luks = Libcryptsetup::new();
    let images = Image::all();
    assert!(images.len() >= 21, "{} images", images.len());
    let mut opened = 0;
    for image in &images {
        let (name, before) = (&image.name, modified(image));
        let loaded = luks.load(&image.path(), None).unwrap();
        let header = loaded.header();
        assert_eq!((header.format, header.detached), (Format::Bitlk, false), "{name}");
        assert_eq!(Some(header.uuid.as_str()), image.field("GUID"), "{name}");
        let words = ["PW", "RP", "RP2"]
            .into_iter()
            .filter_map(|field| image.field(field).map(|key| (field, key.as_bytes().to_vec())));
        for (field, key) in words.chain(image.bek().map(|bek| ("BEK", bek))) {
            let fate = attempt(&mut luks, image, key);
            assert_eq!(fate, expected(image, field), "{name} {field}");
            opened += usize::from(fate == Fate::Opens);
        }
        assert_eq!(modified(image), before, "{name} was written to");
    }
    // Of 18 images that open: two keys each, three of one, one of another, and of a third from
    // 2.8.1 on.
    assert!(opened >= 35, "{opened} keys");
    wrong_keys(&mut luks);
    clear_key(&mut luks);
}

/// Whatever does not fit is a wrong key, not a broken device, also where libcryptsetup finds fault
/// with its form.
fn wrong_keys(luks: &mut Libcryptsetup) {
    let image = Image::named("bitlk-aes-xts-128-startup-key");
    let other = Image::named("bitlk-aes-xts-128-startup-key-win11");
    // The passphrase is its last protector: libcryptsetup's word for a wrong key is EINVAL then.
    let reverse = Image::named("bitlk-aes-xts-128-first-recovery");
    let bek = image.bek().unwrap();
    let mut damaged = bek.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let short = bek[..bek.len() - 1].to_vec();
    let recovery = image.field("RP").unwrap();
    let mistyped = recovery.replacen("363770", "363771", 1);
    for (what, image, key) in [
        ("a passphrase", &image, b"wrong".to_vec()),
        ("nothing", &image, Vec::new()),
        ("another .BEK file", &image, other.bek().unwrap()),
        ("the other way round", &other, bek.clone()),
        ("a .BEK file for who has no such protector", &reverse, bek),
        ("a damaged .BEK file", &image, damaged),
        ("half a .BEK file", &image, short),
        ("a recovery password of another volume", &other, recovery.as_bytes().to_vec()),
        ("a mistyped one", &image, mistyped.into_bytes()),
        ("one without hyphens", &image, recovery.replace('-', "").into_bytes()),
        ("bytes", &reverse, vec![0xff; 64]),
    ] {
        assert_eq!(attempt(luks, image, key), Fate::IsWrong, "{what}");
    }
}

/// BitLocker that is suspended needs no key.
fn clear_key(luks: &mut Libcryptsetup) {
    let image = Image::named("bitlk-aes-xts-128-clearkey-only");
    let expected = match version() >= (2, 8, 2) {
        true => Fate::Opens,
        false => Fate::Refused("Windows has suspended".to_owned()),
    };
    assert_eq!(attempt(luks, &image, b"any".to_vec()), expected);
}

fn expected(image: &Image, field: &str) -> Fate {
    let is = |part: &str| image.name.contains(part);
    if is("-eow") || is("partially-encrypted") {
        return Fate::Refused("Windows has not".to_owned());
    }
    // Its conversion to UTF-16 counted bytes before.
    if is("unicode") && field == "PW" && version() < (2, 8, 1) {
        return Fate::IsWrong;
    }
    Fate::Opens
}

fn attempt(luks: &mut Libcryptsetup, image: &Image, key: Vec<u8>) -> Fate {
    let mut loaded = luks.load(&image.path(), None).unwrap();
    match loaded.test(&Secret::new(key), &Options::default()) {
        Ok(number) => {
            assert_eq!(number, 0, "{}", image.name);
            Fate::Opens
        }
        Err(OpenFailure::WrongKey) => Fate::IsWrong,
        Err(OpenFailure::Other(Kind::HeaderUnusable { path, reason })) => {
            assert_eq!(path, image.path());
            let words: Vec<&str> = reason.split(' ').take(3).collect();
            Fate::Refused(words.join(" "))
        }
        Err(other) => panic!("{}: {other:?}", image.name),
    }
}

/// libcryptsetup's version; its command has the same.
fn version() -> (u32, u32, u32) {
    let output = Command::new("cryptsetup").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text.split_whitespace().nth(1).unwrap();
    let mut parts = number.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

fn modified(image: &Image) -> std::time::SystemTime {
    std::fs::metadata(image.path()).unwrap().modified().unwrap()
}
