//! What makes a key usable later: wrapping it with a KEK, and keeping it as a secret.
//!
//! Both change nothing that an unlock depends on: wrapKey keeps nothing, and a secret that is set
//! gets a new version beside the old ones.

use std::collections::BTreeMap;
use std::rc::Rc;

use ::base64::Engine;
use ::base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use zeroize::Zeroizing;

use super::answer::Operation;
use super::http::Method;
use super::id::{KeyId, KeyName, SecretId};
use super::vault::{KEY_LIMIT, KeyResult, SECRET_LIMIT, VaultSecret, parse_secret};
use super::wrapped::fits;
use super::{API_VERSION, Azure, Call, base64, untrusted};
use crate::deadline::Deadline;
use crate::error::{Kind, printable};
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// A secret to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSecret {
    /// Where; in whatever version it gets.
    pub id: SecretId,
    /// The wrapped key, which is harmless at rest: base64url without padding, as ADE writes it.
    pub value: String,
    /// `Wrapped BEK`.
    pub content_type: &'static str,
    /// By name.
    pub tags: BTreeMap<String, String>,
}

impl Azure {
    /// Wraps `key` with the KEK; the version that did it, and the wrapped key.
    ///
    /// Needs `keys/wrapKey`. Errors: `KeyMalformed` when the key is too long for the algorithm
    /// (RSA of 2048 bits takes 214 bytes with RSA-OAEP), or for algorithms of a Managed HSM on a
    /// vault; `KekMissing`, `VaultDenied`, `VaultUnreachable`, `VaultUntrusted`, and those of
    /// getting a token.
    pub fn wrap_key(
        &mut self,
        kek: &KeyName,
        algorithm: KekAlgorithm,
        key: &Secret,
        deadline: &Deadline<'_>,
    ) -> Result<(KeyId, Vec<u8>), Kind> {
        let host = self.trust.check(kek.host())?;
        let name = algorithm.as_str();
        if algorithm == KekAlgorithm::A256Kw && !host.is_managed_hsm() {
            return Err(Kind::KeyMalformed {
                what: format!("kek {kek}"),
                reason: format!("{name} works with keys of a Managed HSM only"),
            });
        }
        let call = Call {
            method: Method::Post,
            host: &host,
            target: &format!("/keys/{}/wrapkey?api-version={API_VERSION}", kek.short()),
            body: Some(body(name, key)),
            limit: KEY_LIMIT,
            operation: Operation::WrapKey(kek.clone()),
        };
        let response = self.ask(&call, deadline)?;
        let Some(answer) = KeyResult::parse(response.body.expose()) else {
            return Err(untrusted(&host, "answer is no wrapped key"));
        };
        let Some(kid) = KeyId::parse(&answer.kid).filter(|kid| kek.names(kid)) else {
            let kid = printable(&answer.kid, 120);
            return Err(untrusted(&host, &format!("another key answered: {kid}")));
        };
        match base64::decode(answer.value.as_bytes()) {
            Ok(wrapped) if fits(algorithm, wrapped.len()) => Ok((kid, wrapped.expose().to_vec())),
            _ => Err(untrusted(&host, "answer is no wrapped key")),
        }
    }

    /// Sets a secret; what is there of it now, with the version it got.
    ///
    /// Needs `secrets/set`. A lost answer is asked for again, which makes one more version of the
    /// same content. Errors: `VaultDenied`, also for a name that a deleted secret still has;
    /// `VaultUnreachable`, `VaultUntrusted`, and those of getting a token.
    pub fn set_secret(
        &mut self,
        secret: &NewSecret,
        deadline: &Deadline<'_>,
    ) -> Result<Rc<VaultSecret>, Kind> {
        let host = self.trust.check(secret.id.host())?;
        let body = json!({
            "value": secret.value,
            "contentType": secret.content_type,
            "tags": secret.tags,
        });
        let name = secret.id.name().as_str();
        let call = Call {
            method: Method::Put,
            host: &host,
            target: &format!("/secrets/{name}?api-version={API_VERSION}"),
            body: Some(Secret::new(body.to_string().into_bytes())),
            limit: SECRET_LIMIT,
            operation: Operation::SetSecret(secret.id.short()),
        };
        let response = self.ask(&call, deadline)?;
        let answer = parse_secret(response.body.expose())
            .filter(|set| set.id.newest() == secret.id.newest() && set.id.version().is_some())
            .filter(|set| set.value.expose() == secret.value.as_bytes());
        // What was known of it is out of date, and what lists say of it.
        self.secrets.retain(|known, _| known.newest() != secret.id.newest());
        self.listings.clear();
        match answer {
            Some(set) => Ok(Rc::new(set)),
            None => Err(untrusted(&host, "answer is another secret than was set")),
        }
    }
}

/// `{"alg":…,"value":…}` with the key in it, in memory that is wiped.
fn body(algorithm: &str, key: &Secret) -> Secret {
    let value = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(key.expose()));
    let parts = [r#"{"alg":""#, algorithm, r#"","value":""#, &value, r#""}"#];
    // Once, so that no growing leaves a copy behind.
    let mut body = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| body.extend_from_slice(part.as_bytes()));
    Secret::new(body)
}

#[cfg(test)]
mod tests;
