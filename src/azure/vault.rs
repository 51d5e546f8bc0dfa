//! Key Vault's two answers with a key in them: a secret, and an unwrapped key.
//!
//! Values are read out of the wiped body without a copy in between wherever JSON allows it, and
//! whatever came back must be of the very object that was asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use zeroize::Zeroize;

use super::answer::Operation;
use super::attributes::{Attributes, RawAttributes};
use super::base64;
use super::http::Method;
use super::id::{KeyId, SecretId};
use super::tags::{DiskTags, RawTags};
use super::wrapped::fits;
use super::{API_VERSION, Azure, Call, untrusted};
use crate::deadline::Deadline;
use crate::error::{Kind, printable, short};
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// A value has at most 25 KB; tags and names some more.
pub(super) const SECRET_LIMIT: usize = 128 * 1024;
pub(super) const KEY_LIMIT: usize = 16 * 1024;

/// A secret in one version.
#[derive(Debug)]
pub struct VaultSecret {
    /// With the version that was read.
    pub id: SecretId,
    /// The value as it is: base64 text, wrapped or not.
    pub value: Secret,
    /// `BEK`, `Wrapped BEK`, anything, nothing (dual-pass ADE).
    pub content_type: Option<String>,
    /// State and times.
    pub attributes: Attributes,
    /// ADE's tags.
    pub tags: DiskTags,
    /// All tags as they are; for whoever writes a new version of it, never shown.
    pub all_tags: BTreeMap<String, String>,
}

impl Azure {
    /// Reads a secret, in its version or the newest; asked once per identifier and process.
    ///
    /// Needs `secrets/get`. Errors: `SecretMissing`, `VaultDenied`, `VaultUnreachable`,
    /// `VaultUntrusted`, and those of getting a token.
    pub fn secret(
        &mut self,
        id: &SecretId,
        deadline: &Deadline<'_>,
    ) -> Result<Rc<VaultSecret>, Kind> {
        if let Some(known) = self.secrets.get(id) {
            return Ok(Rc::clone(known));
        }
        let host = self.trust.check(id.host())?;
        let call = Call {
            method: Method::Get,
            host: &host,
            target: &format!("/secrets/{}?api-version={API_VERSION}", id.short()),
            body: None,
            limit: SECRET_LIMIT,
            operation: Operation::GetSecret(id.short()),
        };
        let response = self.ask(&call, deadline)?;
        let Some(secret) = parse_secret(response.body.expose()) else {
            return Err(untrusted(&host, "answer is no secret"));
        };
        let same_version = id.version().is_none() || secret.id.version() == id.version();
        if secret.id.newest() != id.newest() || !same_version {
            return Err(untrusted(&host, "answer is another secret than asked for"));
        }
        let secret = Rc::new(secret);
        self.secrets.insert(id.clone(), Rc::clone(&secret));
        self.secrets.insert(secret.id.clone(), Rc::clone(&secret));
        Ok(secret)
    }

    /// A secret that was read already; asks nobody.
    pub fn known_secret(&self, id: &SecretId) -> Option<Rc<VaultSecret>> {
        self.secrets.get(id).map(Rc::clone)
    }

    /// Unwraps `wrapped` with this version of the KEK.
    ///
    /// Needs `keys/unwrapKey`. `unwrapkey` changes nothing, so a lost answer is asked for again.
    /// Errors: `KeyMalformed` before any request when `wrapped` or the KEK cannot go with
    /// `algorithm`, and for Key Vault's 400; `KekMissing`, `VaultDenied`, `VaultUnreachable`,
    /// `VaultUntrusted`, and those of getting a token.
    pub fn unwrap_key(
        &mut self,
        kek: &KeyId,
        algorithm: KekAlgorithm,
        wrapped: &[u8],
        deadline: &Deadline<'_>,
    ) -> Result<Secret, Kind> {
        let host = self.trust.check(kek.host())?;
        let name = algorithm.as_str();
        if algorithm == KekAlgorithm::A256Kw && !host.is_managed_hsm() {
            return Err(Kind::KeyMalformed {
                what: format!("kek {kek}"),
                reason: format!("{name} works with keys of a Managed HSM only"),
            });
        }
        if !fits(algorithm, wrapped.len()) {
            return Err(Kind::KeyMalformed {
                what: "wrapped key".to_owned(),
                reason: format!("{} bytes are no key wrapped by {name}", wrapped.len()),
            });
        }
        let value = base64::encode_wrapped(wrapped);
        let body = format!(r#"{{"alg":"{name}","value":"{value}"}}"#);
        let (key, version) = (kek.name().as_str(), kek.version().as_str());
        let call = Call {
            method: Method::Post,
            host: &host,
            target: &format!("/keys/{key}/{version}/unwrapkey?api-version={API_VERSION}"),
            body: Some(Secret::new(body.into_bytes())),
            limit: KEY_LIMIT,
            operation: Operation::UnwrapKey(kek.clone()),
        };
        let response = self.ask(&call, deadline)?;
        let Some(answer) = KeyResult::parse(response.body.expose()) else {
            return Err(untrusted(&host, "answer is no unwrapped key"));
        };
        // Another version cannot have unwrapped it; another key must not.
        if KeyId::parse(&answer.kid).as_ref() != Some(kek) {
            let kid = printable(&answer.kid, 120);
            return Err(untrusted(&host, &format!("another key answered: {kid}")));
        }
        let key = base64::decode(answer.value.as_bytes());
        wipe(answer.value);
        key.map_err(|problem| Kind::KeyMalformed {
            what: format!("key vault {}: unwrapped key", short(host.host())),
            reason: problem.to_string(),
        })
    }
}

pub(super) fn parse_secret(body: &[u8]) -> Option<VaultSecret> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
        #[serde(borrow)]
        value: Cow<'a, str>,
        #[serde(borrow, rename = "contentType")]
        content_type: Option<Cow<'a, str>>,
        #[serde(borrow)]
        attributes: Option<RawAttributes<'a>>,
        #[serde(borrow)]
        tags: Option<RawTags<'a>>,
    }
    // serde's own message may quote the value it did not expect: it is dropped.
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let value = Secret::new(body.value.as_bytes().to_vec());
    wipe(body.value);
    Some(VaultSecret {
        id: SecretId::parse(&body.id)?,
        value,
        content_type: body.content_type.map(|kind| printable(&kind, 255)),
        attributes: body.attributes.unwrap_or_default().parse(),
        tags: body.tags.as_ref().map(DiskTags::parse).unwrap_or_default(),
        all_tags: body.tags.map(all).unwrap_or_default(),
    })
}

fn all(tags: RawTags<'_>) -> BTreeMap<String, String> {
    tags.into_iter()
        .filter_map(|(name, tag)| Some((name.into_owned(), tag?.into_owned())))
        .collect()
}

/// The answer to a key operation.
#[derive(Deserialize)]
pub(super) struct KeyResult<'a> {
    /// The key in the version that did it.
    #[serde(borrow)]
    pub kid: Cow<'a, str>,
    /// base64.
    #[serde(borrow)]
    pub value: Cow<'a, str>,
}

impl<'a> KeyResult<'a> {
    /// `None` for anything else.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A value with an escape in it (`\u002B`, `\/`) had to be copied out of the wiped body.
fn wipe(value: Cow<'_, str>) {
    if let Cow::Owned(mut copy) = value {
        copy.zeroize();
    }
}

#[cfg(test)]
mod tests;
