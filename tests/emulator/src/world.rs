//! The live state behind the listeners: what a scenario became and what requests changed.
//!
//! `build` reads every file and loads every key once, so a scenario that cannot work fails
//! before anything listens. Answers about the state are given in `imds` and `vault`.

mod build;
mod contents;

use std::{collections::HashSet, path::Path};

pub(crate) use self::contents::{
    Attributes, LiveKey, LiveKeyVersion, LiveSecret, LiveSecretVersion, is_name, same,
};
use crate::{
    entra::LiveEntra,
    error::Error,
    keyring::Keyring,
    random, rsa_ops,
    scenario::{self, Algorithm, Imds, Scenario, Vault},
    token::Tokens,
};

/// Everything requests are answered from.
pub(crate) struct World {
    pub(crate) entra: Option<LiveEntra>,
    pub(crate) imds: Imds,
    pub(crate) tokens: Tokens,
    pub(crate) vaults: Vec<LiveVault>,
}

/// A vault with its contents resolved; `spec` keeps the settings, its keys and secrets are unused.
pub(crate) struct LiveVault {
    pub(crate) audience: String,
    pub(crate) keys: Vec<LiveKey>,
    pub(crate) secrets: Vec<LiveSecret>,
    pub(crate) spec: Vault,
    pub(crate) tenant: String,
}

impl World {
    /// Resolves a scenario: files are read, keys loaded, secrets wrapped.
    pub(crate) fn build(scenario: &Scenario, state: Option<&Path>) -> Result<Self, Error> {
        let mut keyring = Keyring::new(state);
        let mut hosts = HashSet::new();
        let mut vaults = Vec::new();
        for spec in &scenario.vaults {
            if !hosts.insert(spec.host.to_ascii_lowercase()) {
                return Err(Error::new(&spec.host, "two vaults have this host"));
            }
            vaults.push(LiveVault::build(scenario, spec, &mut keyring)?);
        }
        if let Some(spec) = &scenario.entra {
            if !hosts.insert(spec.host.to_ascii_lowercase()) {
                return Err(Error::new(&spec.host, "a vault has this host, too"));
            }
        }
        let entra = scenario.entra.as_ref().map(|spec| LiveEntra::build(scenario, spec));
        let mut world = Self {
            entra: entra.transpose()?,
            imds: scenario.imds.clone(),
            tokens: Tokens::default(),
            vaults,
        };
        // Secrets last: they may be wrapped by the key of another vault.
        for spec in &scenario.vaults {
            let secrets = build::secrets(scenario, spec, &world)?;
            if let Some(vault) = world.vault_mut(&spec.host) {
                vault.secrets = secrets;
            }
        }
        Ok(world)
    }

    /// The vault of a host name, compared without case and port.
    pub(crate) fn vault(&self, host: &str) -> Option<&LiveVault> {
        let host = without_port(host);
        let mut vaults = self.vaults.iter();
        vaults.find(|vault| vault.spec.host.eq_ignore_ascii_case(host))
    }

    /// The same for changes.
    pub(crate) fn vault_mut(&mut self, host: &str) -> Option<&mut LiveVault> {
        let host = without_port(host);
        let mut vaults = self.vaults.iter_mut();
        vaults.find(|vault| vault.spec.host.eq_ignore_ascii_case(host))
    }

    /// Wraps by the key of a URL `https://HOST/keys/NAME[/VERSION]`: base64url without padding.
    pub(crate) fn wrap(
        &self,
        key_url: &str,
        algorithm: Algorithm,
        plain: &[u8],
    ) -> Result<String, Error> {
        let key = self
            .key_version(key_url)
            .ok_or_else(|| Error::new(key_url, "no such key in the scenario"))?;
        let wrapped = rsa_ops::wrap(&key.material, algorithm, plain)
            .map_err(|error| Error::new(key_url, error))?;
        Ok(rsa_ops::encode(&wrapped, scenario::Answer::default()))
    }

    fn key_version(&self, url: &str) -> Option<&LiveKeyVersion> {
        let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
        let mut parts = path.split('/');
        if parts.next()? != "keys" {
            return None;
        }
        let name = parts.next()?;
        let version = parts.next().filter(|version| !version.is_empty());
        self.vault(host)?.key(name)?.version(version)
    }
}

impl LiveVault {
    fn build(scenario: &Scenario, spec: &Vault, keyring: &mut Keyring) -> Result<Self, Error> {
        let Some((_, suffix)) = spec.host.split_once('.') else {
            return Err(Error::new(&spec.host, "a vault's host is NAME.SUFFIX"));
        };
        let default_audience = || format!("https://{}", suffix.to_ascii_lowercase());
        let tenant = spec.tenant.as_ref().unwrap_or(&scenario.imds.tenant);
        Ok(Self {
            audience: spec.audience.clone().unwrap_or_else(default_audience),
            keys: build::keys(scenario, spec, keyring)?,
            secrets: Vec::new(),
            spec: spec.clone(),
            tenant: tenant.clone(),
        })
    }

    /// Managed HSMs have keys only.
    pub(crate) fn is_managed_hsm(&self) -> bool {
        self.spec.host.to_ascii_lowercase().contains(".managedhsm.")
    }

    /// First label of the host.
    pub(crate) fn name(&self) -> &str {
        self.spec.host.split('.').next().unwrap_or_default()
    }

    /// The key of this name, compared without case.
    pub(crate) fn key(&self, name: &str) -> Option<&LiveKey> {
        self.keys.iter().find(|key| key.name.eq_ignore_ascii_case(name))
    }

    /// The secret of this name, compared without case.
    pub(crate) fn secret(&self, name: &str) -> Option<&LiveSecret> {
        self.secrets.iter().find(|secret| secret.name.eq_ignore_ascii_case(name))
    }

    /// The same for changes.
    pub(crate) fn secret_mut(&mut self, name: &str) -> Option<&mut LiveSecret> {
        self.secrets.iter_mut().find(|secret| secret.name.eq_ignore_ascii_case(name))
    }

    /// A version id that no object of this vault has.
    pub(crate) fn fresh_version() -> String {
        random::hex(16)
    }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn build(vaults: serde_json::Value) -> Result<World, Error> {
        World::build(&Scenario::from_value(json!({"vaults": vaults})).unwrap(), None)
    }

    fn problem(vaults: serde_json::Value) -> String {
        build(vaults).err().unwrap().to_string()
    }

    #[test]
    fn audience_follows_the_host() {
        let world = build(json!([{"host": "a.vault.usgovcloudapi.net"}])).unwrap();
        assert_eq!(world.vaults[0].audience, "https://vault.usgovcloudapi.net");
    }

    #[test]
    fn the_same_host_twice_is_refused() {
        let error = problem(json!([{"host": "a.vault.azure.net"}, {"host": "A.vault.azure.net"}]));
        assert!(error.contains("two vaults"), "{error}");
    }

    #[test]
    fn a_secret_needs_exactly_one_content() {
        for version in [json!({}), json!({"value": "a", "base64_of": "b"})] {
            let error = problem(json!([{"host": "a.vault.azure.net",
                "secrets": [{"name": "s", "versions": [version]}]}]));
            assert!(error.contains("exactly one of"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = problem(json!([{"host": "a.vault.azure.net",
            "secrets": [{"name": "s", "versions": [{"value_file": "/nonexistent/f"}]}]}]));
        assert!(error.contains("/nonexistent/f"), "{error}");
    }

    #[test]
    fn a_managed_hsm_holds_no_secrets() {
        let error = problem(json!([{"host": "a.managedhsm.azure.net",
            "secrets": [{"name": "s", "versions": [{"value": "x"}]}]}]));
        assert!(error.contains("Managed HSM"), "{error}");
    }
}
