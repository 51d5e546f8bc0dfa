//! Keys and secrets of a live vault, and how they are found.
//!
//! "Newest" is by `created`, as in the service; the last of equals wins.

use std::{collections::BTreeMap, sync::Arc};

use rsa::PrivateKey;

/// The attributes keys and secrets share, times in Unix seconds.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) created: u64,
    pub(crate) enabled: bool,
    pub(crate) exp: Option<u64>,
    pub(crate) nbf: Option<u64>,
    pub(crate) updated: u64,
}

pub(crate) struct LiveKey {
    pub(crate) name: String,
    pub(crate) versions: Vec<LiveKeyVersion>,
}

#[derive(Clone)]
pub(crate) struct LiveKeyVersion {
    pub(crate) attributes: Attributes,
    pub(crate) material: Arc<PrivateKey>,
    pub(crate) operations: Vec<String>,
    pub(crate) version: String,
}

#[derive(Clone)]
pub(crate) struct LiveSecret {
    pub(crate) name: String,
    pub(crate) soft_deleted: bool,
    pub(crate) versions: Vec<LiveSecretVersion>,
}

#[derive(Clone)]
pub(crate) struct LiveSecretVersion {
    pub(crate) attributes: Attributes,
    pub(crate) content_type: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) value: String,
    pub(crate) version: String,
}

impl LiveKey {
    /// The version named, or the newest.
    pub(crate) fn version(&self, version: Option<&str>) -> Option<&LiveKeyVersion> {
        let versions = self.versions.iter();
        match version {
            Some(wanted) => versions.into_iter().find(|key| same(&key.version, wanted)),
            None => versions.max_by_key(|key| key.attributes.created),
        }
    }
}

impl LiveSecret {
    /// The version named, or the newest.
    pub(crate) fn version(&self, version: Option<&str>) -> Option<&LiveSecretVersion> {
        let versions = self.versions.iter();
        match version {
            Some(wanted) => versions.into_iter().find(|secret| same(&secret.version, wanted)),
            None => versions.max_by_key(|secret| secret.attributes.created),
        }
    }
}

/// Identifiers compare without case.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Whether Key Vault would take this as the name of a key or secret.
pub(crate) fn is_name(name: &str) -> bool {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=127).contains(&name.len()) && name.bytes().all(alphabet)
}
