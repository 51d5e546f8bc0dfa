//! The JSON of LUKS2 as far as it decides something (LUKS2 On-Disk Format 1.1.1).
//!
//! What cryptsetup always writes has to be there. A field that is there twice is an error of the
//! parser; fields that are not named here decide nothing in libcryptsetup either, or only narrow
//! what it does.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub config: Config,
    pub keyslots: BTreeMap<String, Keyslot>,
    pub segments: BTreeMap<String, Segment>,
    pub digests: BTreeMap<String, Digest>,
    pub tokens: BTreeMap<String, Token>,
}

#[derive(Deserialize)]
pub(super) struct Config {
    pub json_size: String,
    pub keyslots_size: String,
    #[serde(default)]
    pub requirements: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Keyslot {
    pub r#type: String,
    /// Of the key in it, in bytes.
    pub key_size: u64,
    pub af: Splitter,
    pub area: Place,
    pub kdf: Kdf,
}

/// The anti-forensic splitter.
#[derive(Deserialize)]
pub(super) struct Splitter {
    pub r#type: String,
    pub stripes: u64,
    pub hash: String,
}

/// Where a keyslot's material is, and how it is encrypted.
#[derive(Deserialize)]
pub(super) struct Place {
    pub r#type: String,
    pub offset: String,
    pub size: String,
    pub encryption: String,
    /// Of the key that encrypts it, in bytes.
    pub key_size: u64,
}

/// What makes a key of a passphrase; memory in KiB.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Kdf {
    Pbkdf2 { hash: String, iterations: u32 },
    Argon2i { time: u32, memory: u32, cpus: u32 },
    Argon2id { time: u32, memory: u32, cpus: u32 },
}

#[derive(Deserialize)]
pub(super) struct Segment {
    pub r#type: String,
    pub offset: String,
    pub size: String,
    pub iv_tweak: String,
    pub encryption: String,
    pub sector_size: u64,
    pub integrity: Option<Integrity>,
    #[serde(default)]
    pub flags: Vec<String>,
}

/// How sectors are authenticated. Newer fields divide the volume's key in other ways.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Integrity {
    pub r#type: String,
    #[serde(rename = "journal_encryption")]
    pub _journal_encryption: String,
    #[serde(rename = "journal_integrity")]
    pub _journal_integrity: String,
}

#[derive(Deserialize)]
pub(super) struct Digest {
    pub r#type: String,
    pub keyslots: Vec<String>,
    pub segments: Vec<String>,
    pub hash: String,
    pub iterations: u32,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub keyslots: Vec<String>,
}
