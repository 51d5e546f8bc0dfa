//! What a vault of a scenario holds: keys and secrets, and how answers about them are written.
//!
//! Times are Unix seconds. Versions are 32 hex digits and derived from the names when absent, so
//! that a scenario gives the same identifiers in every run.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// Text form of wrap and unwrap results; real answers vary.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Alphabet of RFC 4648.
    pub alphabet: Alphabet,
    /// Number of `=` at the end.
    pub padding: Padding,
    /// A line break in the middle and one at the end.
    pub white_space: bool,
}

/// Section 5 (`base64url`) or section 4 (standard) of RFC 4648.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// `+` and `/`.
    Standard,
    /// `-` and `_`.
    #[default]
    Url,
}

/// Padding of an answer, right or wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// As many `=` as RFC 4648 wants.
    Correct,
    /// None.
    #[default]
    None,
    /// One, whatever the length.
    One,
    /// Two, whatever the length.
    Two,
}

/// A key with its versions, oldest first unless `created` says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Name, compared without case.
    pub name: String,
    /// At least one.
    pub versions: Vec<KeyVersion>,
}

/// One version of a key; every version has RSA material of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyVersion {
    /// Modulus in bits: 2048, 3072 or 4096.
    pub bits: usize,
    /// Unix seconds; by default one minute after the version before.
    pub created: Option<u64>,
    /// Whether it can be used.
    pub enabled: bool,
    /// Unix seconds of expiry; unwrapping goes on afterwards, wrapping does not.
    pub exp: Option<u64>,
    /// `key_ops` of the JWK.
    pub key_ops: Vec<String>,
    /// Unix seconds before which wrapping is refused.
    pub nbf: Option<u64>,
    /// PKCS#8 PEM to use instead of the emulator's own test keys.
    pub pem_file: Option<PathBuf>,
    /// 32 hex digits.
    pub version: Option<String>,
}

impl Default for KeyVersion {
    fn default() -> Self {
        let operations = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"];
        Self {
            bits: 2048,
            created: None,
            enabled: true,
            exp: None,
            key_ops: operations.map(str::to_owned).to_vec(),
            nbf: None,
            pem_file: None,
            version: None,
        }
    }
}

/// A secret with its versions, oldest first unless `created` says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name, compared without case.
    pub name: String,
    /// Deleted but recoverable: 404 on get, 409 on set.
    #[serde(default)]
    pub soft_deleted: bool,
    /// At least one.
    pub versions: Vec<SecretVersion>,
}

/// One version of a secret; exactly one of the five content fields is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretVersion {
    /// Content: standard base64, padded, of this text's bytes.
    pub base64_of: Option<String>,
    /// Content: standard base64, padded, of this file's bytes.
    pub base64_of_file: Option<PathBuf>,
    /// `contentType`; absent from answers when absent here.
    pub content_type: Option<String>,
    /// Unix seconds; by default one minute after the version before.
    pub created: Option<u64>,
    /// Whether it can be read.
    pub enabled: bool,
    /// Unix seconds; informational, a secret can be read after it.
    pub exp: Option<u64>,
    /// Unix seconds; informational too.
    pub nbf: Option<u64>,
    /// Tags; spelling and case are kept.
    pub tags: BTreeMap<String, String>,
    /// Content: this very text.
    pub value: Option<String>,
    /// Content: this file's text without a final line break.
    pub value_file: Option<PathBuf>,
    /// 32 hex digits.
    pub version: Option<String>,
    /// Content: a wrapped key, base64url without padding.
    pub wrap: Option<Wrap>,
}

impl Default for SecretVersion {
    fn default() -> Self {
        Self {
            base64_of: None,
            base64_of_file: None,
            content_type: None,
            created: None,
            enabled: true,
            exp: None,
            nbf: None,
            tags: BTreeMap::new(),
            value: None,
            value_file: None,
            version: None,
            wrap: None,
        }
    }
}

/// What to wrap and by which KEK.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrap {
    /// RSA-OAEP when absent.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Name of a key in the same vault, or the URL of any key of the scenario.
    pub key: String,
    /// Text whose bytes are wrapped.
    #[serde(default)]
    pub plain: Option<String>,
    /// File whose bytes are wrapped.
    #[serde(default)]
    pub plain_file: Option<PathBuf>,
    /// Version of the key; the newest when absent.
    #[serde(default)]
    pub version: Option<String>,
}

/// Key encryption algorithms of RSA keys (RFC 7518 section 4).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Algorithm {
    /// PKCS#1 v1.5.
    #[serde(rename = "RSA1_5")]
    Rsa15,
    /// OAEP with SHA-1 and MGF1-SHA-1.
    #[default]
    #[serde(rename = "RSA-OAEP")]
    RsaOaep,
    /// OAEP with SHA-256 and MGF1-SHA-256.
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
}

impl Algorithm {
    /// From the name used on the wire; `None` for anything an RSA key cannot do.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "RSA-OAEP" => Some(Self::RsaOaep),
            "RSA-OAEP-256" => Some(Self::RsaOaep256),
            "RSA1_5" => Some(Self::Rsa15),
            _ => None,
        }
    }
}
