//! The places for a wrapped key: how it is put there, and how an unlock finds it.
//!
//! Putting is done once: a run that finds the wrapped key where it belongs leaves it alone, so that
//! finishing an interrupted run makes no second secret and no second token.

use std::collections::BTreeMap;

use super::plan::WrappedKey;
use super::{Plan, Store, World};
use crate::azure::base64;
use crate::azure::id::SecretId;
use crate::azure::vault::VaultSecret;
use crate::azure::write::NewSecret;
use crate::deadline::Deadline;
use crate::error::{Kind, SecretProblem};
use crate::token::Token;

/// ADE's content type of secrets with a wrapped key.
const CONTENT_TYPE: &str = "Wrapped BEK";

/// ADE's tags that name the KEK, spelled as ADE spells them (`EncryptionSettingsUtil.py`).
const KEK_TAG: &str = "DiskEncryptionKeyEncryptionKeyURL";
const ALGORITHM_TAG: &str = "DiskEncryptionKeyEncryptionAlgorithm";
/// The same, in a blog's spelling, which some secrets have: never left behind with an old KEK.
const OTHER_KEK_TAG: &str = "DiskEncryptionKeyEncryptionUrl";

/// Puts the plan's wrapped key into `store`, unless it is there.
pub(super) fn put(
    store: &Store,
    plan: &Plan,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<(), Kind> {
    match store {
        Store::File(path) => {
            let text = base64::encode_wrapped(&plan.wrapped.bytes) + "\n";
            if world.files.read(path)?.as_deref() == Some(&text) {
                return Ok(());
            }
            world.files.write(path, &text)
        }
        Store::Secret { id, tags } => match get(store, plan, world, deadline) {
            Ok(Some(there)) if there == plan.wrapped => Ok(()),
            // A new secret is not there yet; one that cannot be read gets a version that can.
            Ok(_)
            | Err(Kind::SecretMissing {
                problem: SecretProblem::NotFound | SecretProblem::Disabled,
                ..
            }) => {
                let secret = secret(id, tags, &plan.wrapped);
                world.vault.set(&secret, deadline).map(|_| ())
            }
            Err(kind) => Err(kind),
        },
        Store::Token { number, identity } => {
            let wanted = Token {
                keyslots: vec![plan.keyslot],
                kek: plan.wrapped.kek.clone(),
                algorithm: plan.wrapped.algorithm,
                wrapped: plan.wrapped.bytes.clone(),
                identity: identity.clone(),
            };
            let there = token(*number, plan, world)?;
            if there.as_ref().is_some_and(|(_, token)| *token == wanted) {
                return Ok(());
            }
            let number = there.map(|(number, _)| number).or(*number);
            world.header.set_token(number, &wanted.to_json()).map(|_| ())
        }
    }
}

/// What `store` holds now; `None` where nothing of ours is there.
///
/// Errors: those of reading it; `SecretMissing` for a secret that is not there.
pub(super) fn get(
    store: &Store,
    plan: &Plan,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<Option<WrappedKey>, Kind> {
    match store {
        Store::File(path) => {
            // Which KEK it is for stands in bektab, in the line that goes with the file.
            let of = |text: String| base64::decode(text.as_bytes()).ok();
            let bytes = world.files.read(path)?.and_then(of);
            Ok(bytes
                .map(|bytes| WrappedKey { bytes: bytes.expose().to_vec(), ..plan.wrapped.clone() }))
        }
        Store::Secret { id, .. } => Ok(of_secret(&*world.vault.secret(id, deadline)?)),
        Store::Token { number, .. } => {
            let found = token(*number, plan, world)?;
            Ok(found.map(|(_, Token { kek, algorithm, wrapped, .. })| WrappedKey {
                kek,
                algorithm,
                bytes: wrapped,
            }))
        }
    }
}

/// The token of that number, or the one that has the plan's wrapped key already.
fn token(
    number: Option<u32>,
    plan: &Plan,
    world: &mut World<'_>,
) -> Result<Option<(u32, Token)>, Kind> {
    let tokens = world.header.tokens()?.into_iter();
    let mut tokens = tokens.filter_map(|(at, json)| Some((at, Token::parse(&json).ok()?)));
    Ok(tokens.find(|(at, token)| match number {
        Some(wanted) => *at == wanted,
        None => token.wrapped == plan.wrapped.bytes,
    }))
}

/// The wrapped key in a secret whose tags say all about it.
pub fn of_secret(secret: &VaultSecret) -> Option<WrappedKey> {
    let (Some(Ok(kek)), Some(Ok(algorithm))) = (&secret.tags.kek, &secret.tags.algorithm) else {
        return None;
    };
    let bytes = base64::decode(secret.value.expose()).ok()?;
    Some(WrappedKey { kek: kek.clone(), algorithm: *algorithm, bytes: bytes.expose().to_vec() })
}

/// The secret as ADE would have made it.
fn secret(id: &SecretId, tags: &BTreeMap<String, String>, wrapped: &WrappedKey) -> NewSecret {
    let ours = [KEK_TAG, ALGORITHM_TAG, OTHER_KEK_TAG];
    let is_ours = |name: &str| ours.iter().any(|known| known.eq_ignore_ascii_case(name));
    let others = tags.iter().filter(|(name, _)| !is_ours(name));
    let mut tags: BTreeMap<String, String> =
        others.map(|(name, value)| (name.clone(), value.clone())).collect();
    tags.insert(KEK_TAG.to_owned(), wrapped.kek.to_string());
    tags.insert(ALGORITHM_TAG.to_owned(), wrapped.algorithm.as_str().to_owned());
    NewSecret {
        id: id.newest(),
        value: base64::encode_wrapped(&wrapped.bytes),
        content_type: CONTENT_TYPE,
        tags,
    }
}
