//! LUKS headers: who they say they are, and the tokens in them.

use std::io::Cursor;
use std::process::Command;

use bek_unlock::header::identity::{self, EXTENT_MAX, HEAD, Problem};
use bek_unlock::header::policy;
use bek_unlock::recovery::tokens;
use ring::digest::{SHA256, digest};

use super::disk::Zeros;
use super::tokens::token_is_sound;
use super::{Target, plain, texts};

/// One copy of the metadata: a binary block of 4 KiB and the JSON.
const COPY: usize = 16 * 1024;

/// Bytes at the beginning of a device, as they are and with their checksums put right.
pub const LUKS_HEADER: Target = Target {
    name: "luks-header",
    run: luks_header,
    seeds: || ["luks1", "luks2"].map(made).into(),
    words: &["LUKS\u{2}\0", "SKUL", "sha256\0", "\"encryption\":\"", "aes-xts-plain64", "}"],
};

/// The JSON of LUKS2 in a header that is right otherwise.
pub const LUKS_METADATA: Target = Target {
    name: "luks-metadata",
    run: luks_metadata,
    seeds: || {
        let made = made("luks2");
        let json = &made[4096..COPY];
        let end = json.iter().position(|byte| *byte == 0).unwrap();
        let mut seeds = texts(&[
            r#"{"config":{"keyslots_size":"16744448","requirements":{"mandatory":["online-reencrypt-v2"]}},"segments":{"0":{"encryption":"aes","flags":["in-reencryption"],"integrity":{"type":"hmac(sha256)"}}},"tokens":{}}"#,
            r#"{"config":{"keyslots_size":"1"},"tokens":{"0":{"type":"bek-unlock","keyslots":["0"],"version":"1","kek":"https://contoso-kv.vault.azure.net/keys/kek/01","algorithm":"RSA-OAEP","wrapped_key":"AAAA"},"1":{"type":"Azure_Disk_Encryption","keyslots":["1"],"Passphrase":"AAAA","version":"1.0"}}}"#,
        ]);
        seeds.push(json[..end].to_vec());
        seeds
    },
    words: &[
        "\"keyslots_size\":\"",
        "\"tokens\":{\"0\":{\"type\":\"bek-unlock\"",
        "\"keyslots\":[\"0\"]",
        "\"encryption\":\"",
        "\"online-reencrypt\"",
        "\"integrity\":{\"type\":\"",
        "18446744073709551615",
        "[[[[",
    ],
};

fn luks_header(data: &[u8]) {
    sound(data);
    let mut repaired = data.to_vec();
    for at in [0, COPY] {
        repair(&mut repaired, at);
    }
    sound(&repaired);
}

fn luks_metadata(data: &[u8]) {
    // More than fits is not cut: half a text says less than a whole one.
    let json = data.get(..COPY - 4097).unwrap_or(data);
    if json.len() != data.len() {
        return;
    }
    let copy = |magic: &[u8; 6], at: u64, epoch: u64| {
        let mut copy = vec![0; COPY];
        copy[..6].copy_from_slice(magic);
        copy[7] = 2;
        copy[8..16].copy_from_slice(&(COPY as u64).to_be_bytes());
        copy[16..24].copy_from_slice(&epoch.to_be_bytes());
        copy[72..78].copy_from_slice(b"sha256");
        copy[168..171].copy_from_slice(b"1-2");
        copy[256..264].copy_from_slice(&at.to_be_bytes());
        copy[4096..4096 + json.len()].copy_from_slice(json);
        repair(&mut copy, 0);
        copy
    };
    let first = copy(b"LUKS\xba\xbe", 0, 3);
    let second = copy(b"SKUL\xba\xbe", COPY as u64, 3);
    let both = [first.clone(), second.clone()].concat();
    let only = [first, vec![0; COPY]].concat();
    sound(&both);
    // Half of it says the same, but that it is half.
    let whole = identity::read(&mut Cursor::new(&both));
    let half = identity::read(&mut Cursor::new(&only));
    match (whole, half) {
        (Ok(whole), Ok(half)) => {
            assert!(!whole.half_damaged && half.half_damaged);
            assert_eq!(identity::Identity { half_damaged: false, ..half }, whole);
        }
        (Err(whole), Err(half)) => assert_eq!(whole.to_string(), half.to_string()),
        (whole, half) => panic!("{whole:?} {half:?}"),
    }
}

/// What is read of a header keeps within its bounds, and both readers agree on whether it is one.
fn sound(data: &[u8]) {
    let device = || Zeros::behind(data, 3 * HEAD as u64);
    let identity = identity::read(&mut device());
    let metadata = identity::metadata(&mut device());
    match &identity {
        Ok(identity) => {
            assert!(identity.extent <= EXTENT_MAX);
            plain(&identity.uuid);
            assert!(identity.uuid.len() <= 43);
            assert_eq!(identity.epoch.is_some(), identity.version == 2);
            assert_eq!(metadata.is_ok(), identity.version == 2);
        }
        Err(Problem::Unreadable(error)) => panic!("{error}"),
        Err(problem) => plain(&problem.to_string()),
    }
    // As the seeds are: where the data begins is no reason to stop before the rest is read.
    let data = policy::Data { size: 1 << 40, apart: true };
    match policy::check(&mut device(), data) {
        // What may be opened has to be known for what it is.
        Ok(()) => assert!(identity.is_ok_and(|identity| identity.extent > 0)),
        Err(refusal) => plain(&refusal.to_string()),
    }
    let Ok(metadata) = metadata else { return };
    assert!(metadata.len() < HEAD);
    if let Ok(found) = tokens::of_header(&metadata) {
        assert!(found.is_sorted_by_key(|token| token.number));
        found.iter().for_each(token_is_sound);
    }
}

/// Puts the checksum of the copy at `at` right.
fn repair(header: &mut [u8], at: usize) {
    let Some(copy) = header.get_mut(at..at + COPY) else { return };
    copy[448..512].fill(0);
    let sum = digest(&SHA256, copy);
    copy[448..480].copy_from_slice(sum.as_ref());
}

/// The metadata of a header that cryptsetup made.
fn made(kind: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let [key, header, data] = ["key", "header", "data"].map(|name| directory.path().join(name));
    std::fs::write(&key, b"key").unwrap();
    for (path, mib) in [(&header, 4), (&data, 1)] {
        std::fs::File::create(path).unwrap().set_len(mib << 20).unwrap();
    }
    let mut command = Command::new("cryptsetup");
    command.env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin").args(["luksFormat", "-q", "--type", kind]);
    command.args(["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]);
    if kind == "luks2" {
        command.args(["--luks2-metadata-size", "16k", "--luks2-keyslots-size", "512k"]);
    }
    command.arg("--key-file").arg(&key).arg("--header").arg(&header).arg(&data);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let mut bytes = std::fs::read(&header).unwrap();
    bytes.truncate(if kind == "luks2" { 2 * COPY } else { 592 });
    bytes
}
