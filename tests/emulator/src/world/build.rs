//! Keys and secrets as the scenario describes them, made real: files read, keys loaded, wrapped.
//!
//! Every problem names the vault and object it is in. Nothing is guessed: content must be given
//! in exactly one way.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rsa::PrivateKey;
use sha2::{Digest, Sha256};

use super::{Attributes, LiveKey, LiveKeyVersion, LiveSecret, LiveSecretVersion, World, is_name};
use crate::{
    error::Error,
    keyring::{self, Keyring},
    rsa_ops,
    scenario::{Key, KeyVersion, Scenario, SecretVersion, Vault, Wrap},
};

/// The first version of everything was made then: 14 November 2023.
const EPOCH: u64 = 1_700_000_000;

pub(super) fn keys(
    scenario: &Scenario,
    vault: &Vault,
    keyring: &mut Keyring,
) -> Result<Vec<LiveKey>, Error> {
    let mut names = HashSet::new();
    let mut keys = Vec::new();
    for key in &vault.keys {
        let place = format!("{}/keys/{}", vault.host, key.name);
        check_name(&place, &key.name, &mut names)?;
        if key.versions.is_empty() {
            return Err(Error::new(place, "a key needs a version"));
        }
        keys.push(live_key(scenario, &place, key, keyring)?);
    }
    Ok(keys)
}

fn live_key(
    scenario: &Scenario,
    place: &str,
    key: &Key,
    keyring: &mut Keyring,
) -> Result<LiveKey, Error> {
    let mut versions = Vec::new();
    for (index, spec) in key.versions.iter().enumerate() {
        versions.push(LiveKeyVersion {
            attributes: attributes(index, spec.enabled, spec.created, spec.nbf, spec.exp),
            material: Arc::new(material(scenario, spec, keyring)?),
            operations: spec.key_ops.clone(),
            version: version(place, index, spec.version.as_ref())?,
        });
    }
    Ok(LiveKey { name: key.name.clone(), versions })
}

fn material(
    scenario: &Scenario,
    spec: &KeyVersion,
    keyring: &mut Keyring,
) -> Result<PrivateKey, Error> {
    match &spec.pem_file {
        Some(file) => keyring::from_file(&scenario.folder.join(file), spec.bits),
        None => keyring.next(spec.bits),
    }
}

pub(super) fn secrets(
    scenario: &Scenario,
    vault: &Vault,
    world: &World,
) -> Result<Vec<LiveSecret>, Error> {
    let is_managed_hsm = world.vault(&vault.host).is_some_and(|live| live.is_managed_hsm());
    if is_managed_hsm && !vault.secrets.is_empty() {
        return Err(Error::new(&vault.host, "a Managed HSM has no secrets"));
    }
    let mut names = HashSet::new();
    let mut secrets = Vec::new();
    for secret in &vault.secrets {
        let place = format!("{}/secrets/{}", vault.host, secret.name);
        check_name(&place, &secret.name, &mut names)?;
        if secret.versions.is_empty() {
            return Err(Error::new(place, "a secret needs a version"));
        }
        let mut versions = Vec::new();
        for (index, spec) in secret.versions.iter().enumerate() {
            versions.push(LiveSecretVersion {
                attributes: attributes(index, spec.enabled, spec.created, spec.nbf, spec.exp),
                content_type: spec.content_type.clone(),
                tags: spec.tags.clone(),
                value: content(scenario, vault, world, spec, &place)?,
                version: version(&place, index, spec.version.as_ref())?,
            });
        }
        secrets.push(LiveSecret {
            name: secret.name.clone(),
            soft_deleted: secret.soft_deleted,
            versions,
        });
    }
    Ok(secrets)
}

fn content(
    scenario: &Scenario,
    vault: &Vault,
    world: &World,
    spec: &SecretVersion,
    place: &str,
) -> Result<String, Error> {
    let read = |file: &PathBuf| read(&scenario.folder.join(file));
    match (&spec.value, &spec.value_file, &spec.base64_of, &spec.base64_of_file, &spec.wrap) {
        (Some(value), None, None, None, None) => Ok(value.clone()),
        (None, Some(file), None, None, None) => {
            let text = String::from_utf8(read(file)?).map_err(|error| Error::new(place, error))?;
            Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        }
        (None, None, Some(text), None, None) => Ok(rsa_ops::base64_padded(text.as_bytes())),
        (None, None, None, Some(file), None) => Ok(rsa_ops::base64_padded(&read(file)?)),
        (None, None, None, None, Some(wrap)) => wrapped(scenario, vault, world, wrap, place),
        _ => {
            let problem = "exactly one of value, value_file, base64_of, base64_of_file, wrap";
            Err(Error::new(place, problem))
        }
    }
}

fn wrapped(
    scenario: &Scenario,
    vault: &Vault,
    world: &World,
    wrap: &Wrap,
    place: &str,
) -> Result<String, Error> {
    let plain = match (&wrap.plain, &wrap.plain_file) {
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(file)) => read(&scenario.folder.join(file))?,
        _ => return Err(Error::new(place, "wrap: exactly one of plain, plain_file")),
    };
    let mut url = if wrap.key.starts_with("https://") {
        wrap.key.clone()
    } else {
        format!("https://{}/keys/{}", vault.host, wrap.key)
    };
    if let Some(version) = &wrap.version {
        url = format!("{url}/{version}");
    }
    world.wrap(&url, wrap.algorithm, &plain)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::new(path.display().to_string(), error))
}

fn attributes(
    index: usize,
    enabled: bool,
    created: Option<u64>,
    nbf: Option<u64>,
    exp: Option<u64>,
) -> Attributes {
    let created = created.unwrap_or(EPOCH + 60 * index as u64);
    Attributes { created, enabled, exp, nbf, updated: created }
}

/// Names of objects in a vault: `^[0-9a-zA-Z-]{1,127}$` ("About keys, secrets and certificates").
fn check_name(place: &str, name: &str, seen: &mut HashSet<String>) -> Result<(), Error> {
    if !is_name(name) {
        return Err(Error::new(place, "a name is 1 to 127 letters, digits, hyphens"));
    }
    if seen.insert(name.to_ascii_lowercase()) {
        Ok(())
    } else {
        Err(Error::new(place, "two objects have this name"))
    }
}

fn version(place: &str, index: usize, given: Option<&String>) -> Result<String, Error> {
    let Some(given) = given else {
        let digest = Sha256::digest(format!("{place}/{index}"));
        let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        return Ok(hex.collect());
    };
    if given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(given.clone())
    } else {
        Err(Error::new(place, "a version is 32 hex digits"))
    }
}
