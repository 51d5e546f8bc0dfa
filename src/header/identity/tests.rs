use std::fs;
use std::io::Cursor;
use std::process::Command;

use super::*;
use crate::edge::image::Image;

const UUID: &str = "5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a";

/// A header file of 32 MiB as ADE makes it, with `kind` and `arguments` for luksFormat.
fn header(kind: &str, arguments: &[&str]) -> Image {
    let (key, data) = (Image::noise(1, 1), Image::empty(4 * 1024));
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let words = ["luksFormat", "-q", "--type", kind, "--uuid", UUID, "--key-file"];
    let paths = [key.path.to_str().unwrap(), data.path.to_str().unwrap(), "--header"];
    Image::empty(32 * 1024)
        .made_by("cryptsetup", &[&words[..], &paths[..1], &cheap, arguments, &paths[1..]].concat())
}

fn cryptsetup(arguments: &[&str]) {
    let status = Command::new("/usr/sbin/cryptsetup").args(arguments).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

fn read_bytes(bytes: &[u8]) -> Result<Identity, Problem> {
    read(&mut Cursor::new(bytes))
}

fn read_image(image: &Image) -> Identity {
    read(&mut fs::File::open(&image.path).unwrap()).unwrap()
}

#[test]
fn headers_of_both_versions_are_known() {
    let (one, two) = (read_image(&header("luks1", &[])), read_image(&header("luks2", &[])));
    assert_eq!((one.version, one.uuid.as_str(), one.epoch), (1, UUID, None));
    assert_eq!((two.version, two.uuid.as_str()), (2, UUID));
    assert!(two.epoch.is_some() && !two.half_damaged);
    assert_eq!(two.extent, 16 << 20);
    assert!((1 << 20..3 << 20).contains(&one.extent), "{}", one.extent);
    for identity in [one, two] {
        assert_eq!(identity.needs.ciphers, ["aes-xts-plain64".to_owned()].into());
        assert!(identity.needs.integrity.is_empty());
        assert_eq!((identity.reencryption, identity.requirements.len()), (Reencryption::None, 0));
    }
}

#[test]
fn a_header_asks_for_the_ciphers_of_its_segments_and_keyslots() {
    let mut bytes = header("luks2", &[]).bytes();
    // The first one is a keyslot's, the other the segment's.
    edit(&mut bytes, "\"encryption\":\"aes-xts", "\"encryption\":\"serpent-xts");
    let crypt = "\"type\":\"crypt\",";
    edit(&mut bytes, crypt, &format!("{crypt}\"integrity\":{{\"type\":\"hmac(sha256)\"}},"));
    let Needs { ciphers, integrity } = read_bytes(&bytes[..HEAD]).unwrap().needs;
    assert_eq!(ciphers, ["aes-xts-plain64", "serpent-xts-plain64"].map(str::to_owned).into());
    assert_eq!(integrity, ["hmac(sha256)".to_owned()].into());
}

#[test]
fn each_change_counts_up_the_epoch() {
    let image = header("luks2", &[]);
    let before = read_image(&image).epoch;
    cryptsetup(&["config", image.path.to_str().unwrap(), "--label", "other"]);
    assert!(read_image(&image).epoch > before);
}

#[test]
fn one_whole_copy_is_enough() {
    for arguments in [&[][..], &["--luks2-metadata-size", "64k"]] {
        let bytes = header("luks2", arguments).bytes();
        let whole = read_bytes(&bytes).unwrap();
        let size = if arguments.is_empty() { 16 << 10 } else { 64 << 10 };
        for place in [0, 5000, size, size + 5000] {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            let half = Identity { half_damaged: true, ..whole.clone() };
            assert_eq!(read_bytes(&bytes).unwrap(), half, "{place}");
            bytes[if place < size { size + 4200 } else { 4200 }] ^= 1;
            let problem = read_bytes(&bytes).unwrap_err();
            assert!(matches!(problem, Problem::Damaged(_)), "{place}: {problem}");
        }
    }
}

#[test]
fn a_reencryption_shows() {
    let image = header("luks2", &[]);
    let mut bytes = image.bytes();
    edit(
        &mut bytes,
        "\"config\":{",
        "\"config\":{\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]},",
    );
    let begun = read_bytes(&bytes).unwrap();
    assert_eq!(begun.reencryption, Reencryption::Between);
    assert_eq!(begun.requirements, ["online-reencrypt-v2"]);
    edit(&mut bytes, "\"type\":\"crypt\",", "\"type\":\"crypt\",\"flags\":[\"in-reencryption\"],");
    assert_eq!(read_bytes(&bytes).unwrap().reencryption, Reencryption::Interrupted);
}

/// Changes the JSON of both copies and their checksums.
fn edit(bytes: &mut [u8], from: &str, to: &str) {
    for start in [0, 16 << 10] {
        let copy = &mut bytes[start..start + (16 << 10)];
        let json = String::from_utf8(copy[4096..].to_vec()).unwrap();
        let end = json.find('\0').unwrap();
        assert!(json.contains(from), "{json}");
        let json = json[..end].replacen(from, to, 1);
        copy[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
        copy[448..512].fill(0);
        let checksum = ring::digest::digest(&ring::digest::SHA256, copy);
        copy[448..480].copy_from_slice(checksum.as_ref());
    }
}

#[test]
fn what_is_no_header_is_refused_and_nothing_panics() {
    for bytes in [&[][..], &[0; 8192], b"LUKS", b"LUKS\xba\xbe\x00\x02"] {
        assert!(matches!(read_bytes(bytes), Err(Problem::NotLuks)));
    }
    let bytes = header("luks2", &[]).bytes();
    for end in [4096, 5000, (16 << 10) - 1] {
        assert!(matches!(read_bytes(&bytes[..end]), Err(Problem::Damaged(_))), "{end}");
    }
    // Sizes and offsets of all kinds, in a header whose checksum nobody asked for.
    let mut random = fastrand::Rng::with_seed(1);
    for kind in ["luks1", "luks2"] {
        let bytes = header(kind, &[]).bytes();
        for _ in 0..2000 {
            let mut bytes = bytes[..64 << 10].to_vec();
            bytes[72] = 0;
            for _ in 0..random.usize(1..8) {
                bytes[random.usize(8..5200)] = random.u8(..);
            }
            if let Ok(identity) = read_bytes(&bytes) {
                assert!(identity.extent <= EXTENT_MAX);
            }
        }
    }
}

#[test]
fn a_header_that_wants_too_much_is_refused() {
    let mut bytes = header("luks1", &[]).bytes();
    bytes[248..252].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read_bytes(&bytes), Err(Problem::TooLarge)));
    let mut bytes = header("luks2", &[]).bytes();
    edit(&mut bytes, "\"keyslots_size\":\"16", "\"keyslots_size\":\"18446744073709551");
    let problem = read_bytes(&bytes).unwrap_err();
    assert!(!matches!(problem, Problem::NotLuks), "{problem}");
}
