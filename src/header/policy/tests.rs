use std::io::Cursor;

use super::*;
use crate::edge::image::Image;

/// Where LUKS2's second copy begins, by default.
const COPY: usize = 16 << 10;

/// A volume of 24 MiB that cryptsetup made, as much of it as a header has.
fn header(kind: &str, arguments: &[&str]) -> Vec<u8> {
    let key = Image::noise(1, 1);
    let words = ["luksFormat", "-q", "--type", kind, "--key-file", key.path.to_str().unwrap()];
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let sectors: &[&str] = if kind == "luks2" { &["--sector-size", "512"] } else { &[] };
    let chosen = arguments.iter().any(|word| word.starts_with("--pbkdf"));
    let cheap = if chosen { &[][..] } else { &cheap[..] };
    let image = Image::empty(24 << 10)
        .made_by("cryptsetup", &[&words[..], cheap, sectors, arguments].concat());
    image.bytes()[..17 << 20].to_vec()
}

fn whole() -> Data {
    Data { size: 24 << 20, apart: false }
}

fn said(bytes: &[u8], data: Data) -> String {
    check(&mut Cursor::new(bytes), data)
        .map_or_else(|refusal| refusal.to_string(), |()| "ok".into())
}

/// Writes `json` into the copy at `start` and mends its checksum.
fn put(bytes: &mut [u8], start: usize, json: &str) {
    let copy = &mut bytes[start..start + COPY];
    copy[4096..].fill(0);
    copy[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
    copy[448..512].fill(0);
    let checksum = ring::digest::digest(&ring::digest::SHA256, copy);
    copy[448..480].copy_from_slice(checksum.as_ref());
}

fn json(bytes: &[u8]) -> String {
    let json = String::from_utf8(bytes[4096..COPY].to_vec()).unwrap();
    json.trim_end_matches('\0').to_owned()
}

/// What is said of a header in which the first `from` of each copy is `to`.
fn edited(bytes: &[u8], from: &str, to: &str) -> String {
    edited_at(bytes, &[(from, to)])
}

/// The same for several of them.
fn edited_at(bytes: &[u8], edits: &[(&str, &str)]) -> String {
    let (mut bytes, mut new) = (bytes.to_vec(), json(bytes));
    for (from, to) in edits {
        assert!(new.contains(from), "{from} is not in {new}");
        new = new.replacen(from, to, 1);
    }
    put(&mut bytes, 0, &new);
    put(&mut bytes, COPY, &new);
    said(&bytes, whole())
}

/// The volume's cipher with this authentication, as `luksFormat --integrity` writes it.
fn mac(name: &str) -> String {
    let journal = "\"journal_encryption\":\"none\",\"journal_integrity\":\"none\"";
    format!("\"integrity\":{{\"type\":\"{name}\",{journal}}},{SEGMENT}")
}

/// How the volume's cipher is written; the keyslot's is followed by its key's size.
const SEGMENT: &str = "\"encryption\":\"aes-xts-plain64\",\"sector_size\"";

#[test]
fn authenticated_sectors_need_a_key_of_their_own() {
    let bytes = header("luks2", &[]);
    let key = |bytes: &str| format!("\"key_size\":{bytes},\"af\"");
    let room = ("\"size\":\"258048\"", "\"size\":\"520192\"");
    let volume = |key: &str, name: &str| {
        edited_at(&bytes, &[("\"key_size\":64,\"af\"", key), room, (SEGMENT, &mac(name))])
    };
    for (size, name, words) in [
        ("96", "hmac(sha256)", "ok"),
        ("128", "hmac(sha512)", "ok"),
        ("64", "hmac(sha256)", "ok"),
        ("128", "hmac(sha256)", "the volume has a key of 768 bits"),
        ("64", "hmac(sha512)", "the volume has a key of 0 bits"),
        ("96", "none", "the volume has the integrity none"),
        ("96", "hmac(md5)", "the volume has the integrity hmac(md5)"),
        ("96", "x\",\"key_size\":\"32", "its JSON is not as cryptsetup writes it"),
    ] {
        let said = volume(&key(size), name);
        assert!(said.contains(words), "{size} {name}: {said}");
    }
}

#[test]
fn what_cryptsetup_makes_today_and_what_ade_made_is_allowed() {
    let argon2 = ["--pbkdf-memory", "1024", "--pbkdf-force-iterations", "4", "--pbkdf"];
    for (kind, arguments) in [
        ("luks1", &[][..]),
        ("luks1", &["--hash", "sha1", "--key-size", "256"]),
        ("luks2", &[]),
        ("luks2", &["--hash", "sha512", "--luks2-metadata-size", "64k"]),
        ("luks2", &[&argon2[..], &["argon2id"]].concat()),
        ("luks2", &[&argon2[..], &["argon2i"]].concat()),
    ] {
        assert_eq!(said(&header(kind, arguments), whole()), "ok", "{kind} {arguments:?}");
    }
}

#[test]
fn what_weakens_a_luks2_volume_is_refused() {
    let bytes = header("luks2", &[]);
    assert_eq!(edited(&bytes, "\"tokens\"", "\"tokens\""), "ok");
    let cipher = "\"encryption\":\"aes-xts-plain64\"";
    let (area, segment) = (&*format!("{cipher},\"key_size\""), SEGMENT);
    let null = "\"encryption\":\"cipher_null-ecb\"";
    let cbc = "\"encryption\":\"aes-cbc-essiv:sha256\"";
    for (from, to, words) in [
        (area, &*format!("{null},\"key_size\""), "keyslot 0 has the cipher cipher_null-ecb"),
        (segment, &format!("{null},\"sector_size\""), "the volume has the cipher cipher_null-ecb"),
        (segment, &format!("{cbc},\"sector_size\""), "has the cipher aes-cbc-essiv:sha256"),
        (segment, "\"encryption\":\"\\u001b[31m\",\"sector_size\"", "has the cipher ?[31m"),
        (segment, "\"encryption\":\"\",\"sector_size\"", "has the cipher \"\""),
        (segment, "\"encryption\":\"twofish-xts-plain64\",\"sector_size\"", "ok"),
        ("\"type\":\"crypt\"", "\"type\":\"linear\"", "the volume is not laid out"),
        ("\"type\":\"luks2\"", "\"type\":\"reencrypt\"", "keyslot 0 is of the kind reencrypt"),
        ("\"type\":\"raw\"", "\"type\":\"none\"", "keyslot 0 is of the kind none"),
        ("\"hash\":\"sha256\"", "\"hash\":\"md5\"", "keyslot 0 has the hash md5"),
        ("\"iterations\":1000", "\"iterations\":999", "keyslot 0 asks for 999 iterations"),
        ("\"iterations\":1000", "\"iterations\":4294967295", "asks for 4294967295 iterations"),
        ("\"iterations\":1000", "\"iterations\":1e4", "its JSON is not as cryptsetup writes it"),
        (
            "\"digests\":{\"0\":{\"type\":\"pbkdf2\"",
            "\"digests\":{\"0\":{\"type\":\"\"",
            "digest 0 is",
        ),
    ] {
        let said = edited(&bytes, from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
}

#[test]
fn what_lies_where_it_cannot_is_refused() {
    let bytes = header("luks2", &[]);
    let start = "\"offset\":\"32768\"";
    let data = "\"offset\":\"16777216\"";
    for (from, to, words) in [
        (start, "\"offset\":\"4096\"", "keyslot at byte 4096 lies outside"),
        (start, "\"offset\":\"16773120\"", "keyslot at byte 16773120 lies outside"),
        (start, "\"offset\":\"18446744073709547520\"", "lies outside"),
        (start, "\"offset\":\"32769\"", "keyslot 0 is not laid out"),
        (start, "\"offset\":\"+32768\"", "keyslot 0 has +32768 where a number belongs"),
        ("\"size\":\"258048\"", "\"size\":\"4096\"", "keyslot 0 is not laid out"),
        ("\"stripes\":4000", "\"stripes\":1", "keyslot 0 is not laid out"),
        (data, "\"offset\":\"16773120\"", "the data begins at byte 16773120, inside the header"),
        (data, "\"offset\":\"25165824\"", "byte 25165824, behind the device's end"),
        (data, "\"offset\":\"16777217\"", "the volume is not laid out"),
        ("\"size\":\"dynamic\"", "\"size\":\"25165824\"", "the volume is not laid out"),
        ("\"size\":\"dynamic\"", "\"size\":\"0\"", "the volume is not laid out"),
        ("\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"", "the volume is not laid out"),
        ("\"sector_size\":512", "\"sector_size\":8192", "the volume is not laid out"),
        ("\"keyslots_size\":\"16744448\"", "\"keyslots_size\":\"1\"", "make no sense"),
        ("\"json_size\":\"12288\"", "\"json_size\":\"4096\"", "make no sense"),
    ] {
        let said = edited(&bytes, from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
    assert_eq!(edited(&bytes, data, "\"offset\":\"20971520\""), "ok");
    let apart = Data { size: 1 << 20, apart: true };
    assert!(said(&bytes, apart).contains("behind the device's end"));
}

#[test]
fn what_points_nowhere_or_is_there_twice_is_refused() {
    let bytes = header("luks2", &[]);
    let tokens = "\"tokens\":{}";
    let config = "\"config\":{";
    let requires = |word| format!("{config}\"requirements\":{{\"mandatory\":[\"{word}\"]}},");
    for (from, to, words) in [
        (tokens, "\"tokens\":{\"0\":{\"keyslots\":[\"7\"]}}", "speaks of a keyslot 7 it has not"),
        (tokens, "\"tokens\":{\"32\":{\"keyslots\":[]}}", "32 is no number of a keyslot"),
        (tokens, "\"tokens\":{\"07\":{\"keyslots\":[]}}", "07 is no number of a keyslot"),
        (tokens, "\"tokens\":{},\"tokens\":{}", "its JSON is not as cryptsetup writes it"),
        (tokens, "\"tokens\":{},\"x\\u0000\":{}", "its JSON has a NUL in a word"),
        (config, &*requires("online-reencrypt-v2"), "it requires online-reencrypt-v2"),
        (config, &requires("opal"), "it requires opal"),
        ("\"segments\":[\"0\"]", "\"segments\":[]", "the volume's key has no digest"),
        ("\"keyslots\":[\"0\"]", "\"keyslots\":[]", "no keyslot has the volume's key"),
        ("\"segments\":{\"0\"", "\"segments\":{\"1\"", "not made of one segment"),
    ] {
        let said = edited(&bytes, from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
}

#[test]
fn argon2_has_the_limits_of_luks2() {
    let arguments =
        ["--pbkdf", "argon2id", "--pbkdf-memory", "1024", "--pbkdf-force-iterations", "4"];
    let bytes = header("luks2", &[&arguments[..], &["--pbkdf-parallel", "1"]].concat());
    for (from, to, words) in [
        ("\"time\":4", "\"time\":3", "keyslot 0 asks for 3 passes over 1024 KiB by 1 threads"),
        ("\"time\":4", "\"time\":4294967295", "asks for 4294967295 passes"),
        ("\"memory\":1024", "\"memory\":16", "over 16 KiB"),
        ("\"memory\":1024", "\"memory\":4194305", "over 4194305 KiB"),
        ("\"memory\":1024", "\"memory\":-1", "its JSON is not as cryptsetup writes it"),
        ("\"cpus\":1", "\"cpus\":5", "by 5 threads"),
        ("\"argon2id\"", "\"scrypt\"", "its JSON is not as cryptsetup writes it"),
        ("\"memory\":1024", "\"memory\":4194304", "ok"),
    ] {
        let said = edited(&bytes, from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
}

/// libcryptsetup takes the newer one that is whole, and the other one where its JSON displeases it.
#[test]
fn every_copy_that_may_be_chosen_is_looked_at() {
    let bytes = header("luks2", &[]);
    let evil = json(&bytes).replace("aes-xts-plain64", "cipher_null-ecb");
    for start in [0, COPY] {
        let mut one = bytes.clone();
        put(&mut one, start, &evil);
        assert!(said(&one, whole()).contains("cipher_null"), "{start}");
        // Not the kind of checksum that is verified here.
        let mut other = bytes.clone();
        other[start + 72..start + 78].copy_from_slice(b"sha512");
        assert!(said(&other, whole()).contains("SHA-256"), "{start}");
        // One that is damaged is chosen by nobody.
        let mut damaged = one.clone();
        damaged[start + 5000] ^= 1;
        assert_eq!(said(&damaged, whole()), "ok", "{start}");
        damaged[COPY - start + 5000] ^= 1;
        assert!(said(&damaged, whole()).contains("neither of its copies"), "{start}");
    }
    // A second copy where only a first one that is damaged lets it be looked for.
    let mut far = bytes;
    far[0] = 0;
    put(&mut far, COPY, &evil);
    assert!(said(&far, whole()).contains("cipher_null"));
}

#[test]
fn what_weakens_a_luks1_volume_is_refused() {
    let bytes = header("luks1", &[]);
    let number = |value: u32| value.to_be_bytes().to_vec();
    for (at, value, words) in [
        (8, b"cipher_null\0".to_vec(), "the volume has the cipher cipher_null-xts-plain64"),
        (40, b"ecb\0".to_vec(), "the volume has the cipher aes-ecb"),
        (40, b"xts-plain\0".to_vec(), "the volume has the cipher aes-xts-plain"),
        (72, b"md5\0".to_vec(), "the header has the hash md5"),
        (104, number(8), "the data begins at byte 4096, inside the header"),
        (104, number(1 << 20), "behind the device's end"),
        (108, number(8), "the volume has a key of 64 bits"),
        (108, number(u32::MAX), "bits"),
        (164, number(1), "the digest of the key asks for 1 iterations"),
        (208, number(1), "keyslot 0 has the state 0x1"),
        (212, number(7), "keyslot 0 asks for 7 iterations"),
        (212, number(u32::MAX), "keyslot 0 asks for 4294967295 iterations"),
        (248, number(0), "keyslot at byte 0 lies outside"),
        (248, number(u32::MAX), "lies outside"),
        (252, number(1), "keyslot 0 has 1 stripes"),
        (256 + 40, number(9), "lies outside the room for keyslots, or over another one"),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(&value);
        let said = said(&bytes, whole());
        assert!(said.contains(words), "{at}: {said}");
    }
}

#[test]
fn noise_never_panics_and_is_never_allowed() {
    let mut random = fastrand::Rng::with_seed(1);
    for kind in ["luks1", "luks2"] {
        let bytes = header(kind, &[])[..1 << 20].to_vec();
        for _ in 0..500 {
            let mut bytes = bytes.clone();
            // LUKS2's JSON or LUKS1's numbers, and a checksum that fits.
            let (from, to) = if kind == "luks1" { (8, 400) } else { (4096, 5200) };
            for _ in 0..3 {
                bytes[random.usize(from..to)] = random.u8(..);
            }
            if kind == "luks2" {
                let json = String::from_utf8_lossy(&bytes[4096..COPY]).into_owned();
                put(&mut bytes, 0, json.trim_end_matches('\0'));
            }
            let said = said(&bytes, Data { size: 0, apart: false });
            assert_ne!(said, "ok");
        }
    }
}
