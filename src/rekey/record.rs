//! A plan as JSON, to be kept while it is carried out.
//!
//! Read back by whichever version of the program comes after an interruption, so it has a version
//! of its own; anything odd in it is refused rather than half understood. There is no key in it
//! that is not wrapped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::plan::WrappedKey;
use super::{Line, Plan, Store};
use crate::azure::base64;
use crate::azure::id::{KeyId, SecretId};
use crate::token;
use crate::volume::{KekAlgorithm, VolumeName};

/// Of the fields below.
const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    uuid: String,
    device: PathBuf,
    kek: String,
    algorithm: String,
    wrapped_key: String,
    keyslot: u32,
    stores: Vec<RawStore>,
    name: Option<String>,
    line: Option<String>,
    proves: bool,
    old_keyslot: Option<u32>,
    #[serde(default)]
    old_salt: Option<String>,
    old_file: Option<PathBuf>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum RawStore {
    File(PathBuf),
    Secret { id: String, tags: BTreeMap<String, String> },
    Token { number: Option<u32>, identity: Option<String> },
}

impl Plan {
    /// The plan's JSON; `None` where a path is not UTF-8 text, for which JSON has no word.
    pub fn to_json(&self) -> Option<String> {
        let raw = Raw {
            version: VERSION,
            uuid: self.uuid.clone(),
            device: self.device.clone(),
            kek: self.wrapped.kek.to_string(),
            algorithm: self.wrapped.algorithm.as_str().to_owned(),
            wrapped_key: base64::encode_wrapped(&self.wrapped.bytes),
            keyslot: self.keyslot,
            stores: self.stores.iter().map(RawStore::of).collect(),
            name: self.line.as_ref().map(|line| line.name.to_string()),
            line: self.line.as_ref().map(|line| line.text.clone()),
            proves: self.proves,
            old_keyslot: self.old_keyslot,
            old_salt: self.old_salt.clone(),
            old_file: self.old_file.clone(),
        };
        serde_json::to_string_pretty(&raw).ok()
    }

    /// Reads it back; `None` for what this version does not understand.
    pub fn parse(json: &str) -> Option<Self> {
        let raw: Raw = serde_json::from_str(json).ok()?;
        if raw.version != VERSION || raw.stores.is_empty() {
            return None;
        }
        let line = match (raw.name, raw.line) {
            (Some(name), Some(text)) => Some(Line { name: VolumeName::parse(&name).ok()?, text }),
            (None, None) => None,
            _ => return None,
        };
        Some(Self {
            uuid: raw.uuid,
            device: raw.device,
            wrapped: WrappedKey {
                kek: KeyId::parse(&raw.kek)?,
                algorithm: KekAlgorithm::parse(&raw.algorithm)?,
                bytes: base64::decode(raw.wrapped_key.as_bytes()).ok()?.expose().to_vec(),
            },
            keyslot: raw.keyslot,
            stores: raw.stores.into_iter().map(RawStore::parse).collect::<Option<_>>()?,
            line,
            proves: raw.proves,
            old_keyslot: raw.old_keyslot,
            old_salt: raw.old_salt,
            old_file: raw.old_file,
        })
    }
}

impl RawStore {
    fn of(store: &Store) -> Self {
        match store {
            Store::File(path) => Self::File(path.clone()),
            Store::Secret { id, tags } => Self::Secret { id: id.to_string(), tags: tags.clone() },
            Store::Token { number, identity } => Self::Token {
                number: *number,
                identity: identity.as_ref().map(ToString::to_string),
            },
        }
    }

    fn parse(self) -> Option<Store> {
        Some(match self {
            Self::File(path) => Store::File(path),
            Self::Secret { id, tags } => Store::Secret { id: SecretId::parse(&id)?, tags },
            Self::Token { number, identity } => Store::Token {
                number,
                identity: match identity {
                    Some(text) => Some(token::identity(&text)?),
                    None => None,
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::plan;
    use super::*;

    #[test]
    fn a_plan_comes_back_whole() {
        let whole = plan();
        assert_eq!(Plan::parse(&whole.to_json().unwrap()), Some(whole));
        let bare = Plan {
            stores: vec![Store::File("/etc/bek-unlock/x.wrapped".into())],
            line: None,
            proves: false,
            old_keyslot: None,
            old_salt: None,
            old_file: None,
            ..plan()
        };
        assert_eq!(Plan::parse(&bare.to_json().unwrap()), Some(bare));
    }

    #[test]
    fn a_path_that_is_no_text_cannot_be_noted() {
        use std::os::unix::ffi::OsStringExt;
        let device = PathBuf::from(std::ffi::OsString::from_vec(b"/srv/\xff".to_vec()));
        assert_eq!(Plan { device, ..plan() }.to_json(), None);
    }

    #[test]
    fn what_is_not_understood_is_not_carried_out() {
        let good = plan().to_json().unwrap();
        for (from, to) in [
            ("\"version\": 1", "\"version\": 2"),
            ("\"proves\"", "\"prove\""),
            ("RSA-OAEP", "ROT13"),
            ("/keys/kek/", "/keys/"),
            ("\"name\": \"data1\"", "\"name\": null"),
            ("\"name\": \"data1\"", "\"name\": \"a/b\""),
            ("/secrets/", "/x/"),
            ("{", "{\"more\": 1,"),
            ("}", ""),
        ] {
            assert!(good.contains(from), "{from}");
            assert_eq!(Plan::parse(&good.replacen(from, to, 1)), None, "{from}");
        }
    }
}
