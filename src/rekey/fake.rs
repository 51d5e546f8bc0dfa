//! A volume, a vault and a disk for tests, which die at the call they are told to.
//!
//! What a call changes is changed before or after its death, never half: that is what the real
//! parts promise. Keys are made of letters, and wrapping adds the KEK's version in front.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::plan::{Line, Plan, Store, WrappedKey};
use super::{Files, Lines, Prove, Records, Vault};
use crate::azure::attributes::Attributes;
use crate::azure::base64;
use crate::azure::id::{KeyId, KeyName, SecretId};
use crate::azure::tags::{DiskTags, RawTags};
use crate::azure::vault::VaultSecret;
use crate::azure::write::NewSecret;
use crate::deadline::Deadline;
use crate::error::{Kind, SecretProblem};
use crate::keyslots::Keyslots;
use crate::mapping::Format;
use crate::secret::Secret;
use crate::token::Token;
use crate::volume::{KekAlgorithm, VolumeName};

pub const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek";
pub const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/bek-1";
pub const UUID: &str = "5f1e0000-0000-4000-8000-000000000001";

/// How a call ends, when its number comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before anything was changed.
    Before,
    /// After it was.
    After,
}

/// All that outlives a process.
#[derive(Debug, Default)]
pub struct Disk {
    pub keyslots: BTreeMap<u32, Vec<u8>>,
    pub tokens: BTreeMap<u32, String>,
    pub secrets: BTreeMap<String, Vec<NewSecret>>,
    pub files: BTreeMap<PathBuf, String>,
    pub line: Option<String>,
    pub record: Option<String>,
    /// The KEK in its newest version, and whether it unwraps.
    pub kek: u32,
    pub revoked: bool,
    /// Calls made so far by this process, and the one it dies at.
    pub calls: u32,
    pub dies: Option<(u32, Death)>,
    pub log: Vec<String>,
}

/// Every part of one world; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Parts(pub Rc<RefCell<Disk>>);

/// What a death looks like from outside: nothing of what follows happens.
pub const DEAD: &str = "killed";

pub fn dead() -> Kind {
    Kind::Usage(DEAD.to_owned())
}

impl Parts {
    /// A volume whose keyslot 0 opens with `old`.
    pub fn new() -> Self {
        let parts = Self::default();
        parts.0.borrow_mut().keyslots.insert(0, b"old".to_vec());
        parts.0.borrow_mut().kek = 1;
        parts
    }

    /// Makes one call: counted, noted, and perhaps the last one.
    fn call<T>(&self, what: &str, change: impl FnOnce(&mut Disk) -> T) -> Result<T, Kind> {
        let mut disk = self.0.borrow_mut();
        disk.calls += 1;
        let death = disk.dies.filter(|(at, _)| *at <= disk.calls);
        match death {
            Some((at, Death::After)) if at == disk.calls => {
                change(&mut disk);
                Err(dead())
            }
            Some(_) => Err(dead()),
            None => {
                disk.log.push(what.to_owned());
                Ok(change(&mut disk))
            }
        }
    }

    /// Whether the volume opens by what the next boot would find in `store`.
    pub fn opens_by(&self, store: &Store) -> bool {
        let disk = self.0.borrow();
        let wrapped = match store {
            Store::File(path) => disk.files.get(path).map(|text| text.trim().to_owned()),
            Store::Secret { id, .. } => {
                let versions = disk.secrets.get(id.name().as_str());
                versions.and_then(|all| all.last()).map(|secret| secret.value.clone())
            }
            Store::Token { .. } => {
                let mut tokens = disk.tokens.values().filter_map(|json| Token::parse(json).ok());
                tokens.next_back().map(|token| base64::encode_wrapped(&token.wrapped))
            }
        };
        let Some(wrapped) = wrapped else { return false };
        let bytes = base64::decode(wrapped.as_bytes()).unwrap().expose().to_vec();
        disk.keyslots.values().any(|key| *key == unwrap(&bytes).1)
    }

    /// Whether the volume opens by a key somebody wrote down.
    pub fn opens_with(&self, key: &[u8]) -> bool {
        self.0.borrow().keyslots.values().any(|known| known == key)
    }
}

/// 256 bytes, as RSA gives them: version, length, key.
pub fn wrap(version: u32, key: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version as u8, key.len() as u8];
    bytes.extend_from_slice(key);
    bytes.resize(256, 0);
    bytes
}

fn unwrap(bytes: &[u8]) -> (u32, Vec<u8>) {
    let length = usize::from(bytes[1]);
    (u32::from(bytes[0]), bytes[2..2 + length].to_vec())
}

pub fn kek(version: u32) -> KeyId {
    KeyId::parse(&format!("{KEK}/{version}")).unwrap()
}

/// The wrapped key of `key`.
pub fn wrapped(version: u32, key: &[u8]) -> WrappedKey {
    let bytes = wrap(version, key);
    WrappedKey { kek: kek(version), algorithm: KekAlgorithm::RsaOaep, bytes }
}

/// A rotation from `old` in keyslot 0 to `new` in keyslot 1, into all three kinds of stores.
pub fn plan() -> Plan {
    let name = VolumeName::parse("data1").unwrap();
    Plan {
        uuid: UUID.to_owned(),
        device: "/dev/sdc".into(),
        wrapped: wrapped(2, b"new"),
        keyslot: 1,
        stores: vec![
            Store::Secret {
                id: SecretId::parse(SECRET).unwrap(),
                tags: [("MachineName".to_owned(), "web01".to_owned())].into(),
            },
            Store::Token {
                number: None,
                identity: crate::token::identity("resource-id:/subscriptions/s"),
            },
            Store::File("/etc/bek-unlock/data1.wrapped".into()),
        ],
        line: Some(Line { name, text: "data1 UUID=5f1e - -".to_owned() }),
        proves: true,
        old_keyslot: Some(0),
        old_salt: Some(salt(b"old")),
        old_file: Some("/etc/bek-unlock/old.wrapped".into()),
    }
}

/// Of the keyslot that this key has.
pub fn salt(key: &[u8]) -> String {
    format!("of {}", String::from_utf8_lossy(key))
}

impl Keyslots for Parts {
    fn format(&self) -> Format {
        Format::Luks2
    }

    fn uuid(&self) -> &str {
        UUID
    }

    fn slots(&mut self) -> Result<Vec<u32>, Kind> {
        self.call("slots", |disk| disk.keyslots.keys().copied().collect())
    }

    fn free(&mut self) -> Result<Option<u32>, Kind> {
        self.call("free", |disk| (0..32).find(|slot| !disk.keyslots.contains_key(slot)))
    }

    fn fits(&mut self, key: &Secret, slot: Option<u32>) -> Result<Option<u32>, Kind> {
        let key = key.expose().to_vec();
        self.call("fits", |disk| {
            let mut slots = disk.keyslots.iter();
            let found = slots
                .find(|(at, known)| slot.is_none_or(|wanted| wanted == **at) && **known == key);
            found.map(|(at, _)| *at)
        })
    }

    fn salt(&mut self, slot: u32) -> Result<Option<String>, Kind> {
        self.call("salt", |disk| disk.keyslots.get(&slot).map(|key| salt(key)))
    }

    fn add(&mut self, slot: u32, existing: &Secret, new: &Secret) -> Result<(), Kind> {
        let (existing, new) = (existing.expose().to_vec(), new.expose().to_vec());
        self.call("add", |disk| {
            assert!(disk.keyslots.values().any(|key| *key == existing));
            assert!(disk.keyslots.insert(slot, new).is_none());
        })
    }

    fn remove(&mut self, slot: u32) -> Result<(), Kind> {
        self.call("remove", |disk| {
            assert!(disk.keyslots.len() > 1, "the last way in");
            disk.keyslots.remove(&slot);
        })
    }

    fn tokens(&mut self) -> Result<Vec<(u32, String)>, Kind> {
        self.call("tokens", |disk| disk.tokens.clone().into_iter().collect())
    }

    fn set_token(&mut self, number: Option<u32>, json: &str) -> Result<u32, Kind> {
        self.call("set_token", |disk| {
            let free = (0..32).find(|at| !disk.tokens.contains_key(at)).unwrap();
            let number = number.unwrap_or(free);
            disk.tokens.insert(number, json.to_owned());
            number
        })
    }

    fn remove_token(&mut self, number: u32) -> Result<(), Kind> {
        self.call("remove_token", |disk| {
            disk.tokens.remove(&number);
        })
    }
}

impl Vault for Parts {
    fn wrap(
        &mut self,
        _: &KeyName,
        _: KekAlgorithm,
        key: &Secret,
        _: &Deadline<'_>,
    ) -> Result<(KeyId, Vec<u8>), Kind> {
        self.call("wrap", |disk| (kek(disk.kek), wrap(disk.kek, key.expose())))
    }

    fn unwrap(
        &mut self,
        kek: &KeyId,
        _: KekAlgorithm,
        wrapped: &[u8],
        _: &Deadline<'_>,
    ) -> Result<Secret, Kind> {
        let (version, key) = unwrap(wrapped);
        assert_eq!(*kek, self::kek(version));
        match self.call("unwrap", |disk| disk.revoked)? {
            true => Err(Kind::KekMissing { kek: kek.clone().into() }),
            false => Ok(Secret::new(key)),
        }
    }

    fn secret(&mut self, id: &SecretId, _: &Deadline<'_>) -> Result<Rc<VaultSecret>, Kind> {
        let found = self.call("secret", |disk| {
            disk.secrets.get(id.name().as_str()).and_then(|all| all.last()).cloned()
        })?;
        let missing = || Kind::SecretMissing {
            vault: id.host().clone(),
            what: id.short(),
            problem: SecretProblem::NotFound,
        };
        found.map(|secret| Rc::new(read(&secret))).ok_or_else(missing)
    }

    fn set(&mut self, secret: &NewSecret, _: &Deadline<'_>) -> Result<Rc<VaultSecret>, Kind> {
        self.call("set", |disk| {
            let name = secret.id.name().as_str().to_owned();
            disk.secrets.entry(name).or_default().push(secret.clone());
        })?;
        Ok(Rc::new(read(secret)))
    }
}

fn read(secret: &NewSecret) -> VaultSecret {
    let raw: RawTags<'_> = secret
        .tags
        .iter()
        .map(|(name, value)| (name.as_str().into(), Some(value.as_str().into())))
        .collect();
    VaultSecret {
        id: SecretId::parse(&format!("{}/1", secret.id)).unwrap(),
        value: Secret::new(secret.value.clone().into_bytes()),
        content_type: Some(secret.content_type.to_owned()),
        attributes: Attributes { enabled: true, created: None, not_before: None, expires: None },
        tags: DiskTags::parse(&raw),
        all_tags: secret.tags.clone(),
    }
}

impl Files for Parts {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), Kind> {
        self.call("write", |disk| {
            disk.files.insert(path.to_owned(), text.to_owned());
        })
    }

    fn read(&mut self, path: &Path) -> Result<Option<String>, Kind> {
        self.call("read", |disk| disk.files.get(path).cloned())
    }

    fn remove(&mut self, path: &Path) -> Result<(), Kind> {
        self.call("remove_file", |disk| {
            disk.files.remove(path);
        })
    }
}

impl Lines for Parts {
    fn put(&mut self, line: &Line) -> Result<(), Kind> {
        self.call("line", |disk| {
            disk.line = Some(line.text.clone());
        })
    }
}

impl Prove for Parts {
    fn opens(&mut self, keyslot: u32) -> Result<(), Kind> {
        self.call("prove", |disk| assert!(disk.keyslots.contains_key(&keyslot)))
    }
}

impl Records for Parts {
    fn save(&mut self, plan: &Plan) -> Result<(), Kind> {
        self.call("save", |disk| {
            disk.record = plan.to_json();
        })
    }

    fn load(&mut self, uuid: &str) -> Result<Option<Plan>, Kind> {
        assert_eq!(uuid, UUID);
        self.call("load", |disk| disk.record.as_deref().map(|json| Plan::parse(json).unwrap()))
    }

    fn remove(&mut self, _: &str) -> Result<(), Kind> {
        self.call("forget", |disk| {
            disk.record = None;
        })
    }
}
