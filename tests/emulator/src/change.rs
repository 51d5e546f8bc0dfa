//! Changes to a running emulator, as data: for tests in Rust and for the control endpoint.
//!
//! A change takes effect for requests that arrive after it; tokens already handed out stay good,
//! as they do in Azure.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    error::Error,
    fault::Rule,
    scenario::{Certificate, Identity, Network, Permission},
    shared::Shared,
    world::{LiveVault, World, same},
};

/// One change. In JSON an object with one field, such as `{"clear_faults": true}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Forgets all faults still to come.
    ClearFaults(bool),
    /// Disables a key, or one version of it.
    DisableKey(Named),
    /// Disables a secret, or one version of it.
    DisableSecret(Named),
    /// Enables a key, or one version of it.
    EnableKey(Named),
    /// Enables a secret, or one version of it.
    EnableSecret(Named),
    /// Makes every token handed out so far expired.
    ExpireTokens(bool),
    /// Adds a fault behind the others.
    PushFault(Rule),
    /// Takes all identities from the machine.
    RemoveIdentities(bool),
    /// Gives a vault another certificate.
    SetCertificate {
        /// Kind of certificate.
        certificate: Certificate,
        /// Host of the vault.
        vault: String,
    },
    /// Replaces the machine's identities.
    SetIdentities(Vec<Identity>),
    /// Changes a vault's firewall.
    SetNetwork {
        /// What it lets in.
        network: Network,
        /// Host of the vault.
        vault: String,
    },
    /// Replaces a vault's permissions; `null` allows everything.
    SetPermissions {
        /// Who may do what.
        permissions: Option<Vec<Permission>>,
        /// Host of the vault.
        vault: String,
    },
}

/// A key or secret of a vault, and maybe one version of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Name of the key or secret.
    pub name: String,
    /// Host of the vault.
    pub vault: String,
    /// All versions when absent.
    #[serde(default)]
    pub version: Option<String>,
}

impl Change {
    /// Parses an object whose every field is a change, in the order of the names.
    ///
    /// # Errors
    /// Not an object, or a field that is no change.
    pub fn parse(text: &[u8]) -> Result<Vec<Self>, Error> {
        let problem = |error: serde_json::Error| Error::new("change", error);
        let fields: Map<String, Value> = serde_json::from_slice(text).map_err(problem)?;
        let single = |(name, value): (String, Value)| {
            let object = Value::Object(Map::from_iter([(name, value)]));
            serde_json::from_value(object).map_err(problem)
        };
        fields.into_iter().map(single).collect()
    }
}

/// Applies one change.
pub(crate) fn apply(shared: &Shared, change: Change) -> Result<(), Error> {
    let mut world = shared.world();
    match change {
        Change::ClearFaults(wanted) => {
            if wanted {
                shared.faults().clear();
            }
        }
        Change::DisableKey(named) => key(&mut world, &named, false)?,
        Change::DisableSecret(named) => secret(&mut world, &named, false)?,
        Change::EnableKey(named) => key(&mut world, &named, true)?,
        Change::EnableSecret(named) => secret(&mut world, &named, true)?,
        Change::ExpireTokens(wanted) => {
            if wanted {
                world.tokens.expire_all();
            }
        }
        Change::PushFault(rule) => shared.faults().push(rule),
        Change::RemoveIdentities(wanted) => {
            if wanted {
                world.imds.identities.clear();
            }
        }
        Change::SetCertificate { certificate, vault: host } => {
            let host = vault(&mut world, &host)?.spec.host.clone();
            shared.certificates.serve(&host, certificate)?;
        }
        Change::SetIdentities(identities) => world.imds.identities = identities,
        Change::SetNetwork { network, vault: host } => {
            vault(&mut world, &host)?.spec.network = network;
        }
        Change::SetPermissions { permissions, vault: host } => {
            vault(&mut world, &host)?.spec.permissions = permissions;
        }
    }
    Ok(())
}

fn vault<'a>(world: &'a mut World, host: &str) -> Result<&'a mut LiveVault, Error> {
    let missing = || Error::new(host, "no such vault");
    world.vault_mut(host).ok_or_else(missing)
}

fn key(world: &mut World, named: &Named, enabled: bool) -> Result<(), Error> {
    let keys = vault(world, &named.vault)?.keys.iter_mut();
    let key = keys.into_iter().find(|key| same(&key.name, &named.name));
    let versions = key.into_iter().flat_map(|key| &mut key.versions);
    let wanted = versions.filter(|known| named.selects(&known.version));
    switch(named, wanted.map(|known| &mut known.attributes.enabled), enabled)
}

fn secret(world: &mut World, named: &Named, enabled: bool) -> Result<(), Error> {
    let secret = vault(world, &named.vault)?.secret_mut(&named.name);
    let versions = secret.into_iter().flat_map(|secret| &mut secret.versions);
    let wanted = versions.filter(|known| named.selects(&known.version));
    switch(named, wanted.map(|known| &mut known.attributes.enabled), enabled)
}

fn switch<'a>(
    named: &Named,
    switches: impl Iterator<Item = &'a mut bool>,
    enabled: bool,
) -> Result<(), Error> {
    let mut found = false;
    for switch in switches {
        *switch = enabled;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(Error::new(&named.name, "no such object or version in the vault"))
    }
}

impl Named {
    fn selects(&self, version: &str) -> bool {
        self.version.as_ref().is_none_or(|wanted| same(wanted, version))
    }
}
