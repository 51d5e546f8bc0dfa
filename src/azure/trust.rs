//! Which hosts may be given a token, and for which audience.
//!
//! The rule against stolen tokens: the audience follows from the host's suffix in a compiled
//! table, never from a challenge, a tag or a redirect (azure-sdk blog, "Guidance for applications
//! using the Key Vault libraries": aka.ms/azsdk/blog/vault-uri). A host outside the table gets no
//! request at all. Retired clouds are left out on purpose: nobody promises who owns
//! `microsoftazure.de` tomorrow.

use super::id::Host;
use crate::error::{Kind, TrustProblem};

/// What stands behind a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    ManagedHsm,
    Vault,
}

/// DNS suffixes of the clouds; the audience of each is `https://SUFFIX`, without a final slash
/// (with one Key Vault answers 401 AKV10022).
///
/// Sources: "About keys, secrets and certificates" (public, China, US Government), "Azure
/// Government Secret / Top Secret" endpoint lists for the air-gapped ones.
const CLOUDS: [(&str, Store); 8] = [
    ("managedhsm.azure.cn", Store::ManagedHsm),
    ("managedhsm.azure.net", Store::ManagedHsm),
    ("managedhsm.usgovcloudapi.net", Store::ManagedHsm),
    ("vault.azure.cn", Store::Vault),
    ("vault.azure.net", Store::Vault),
    ("vault.cloudapi.eaglex.ic.gov", Store::Vault),
    ("vault.cloudapi.microsoft.scloud", Store::Vault),
    ("vault.usgovcloudapi.net", Store::Vault),
];

/// The `resource` a token is asked for, `https://SUFFIX`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience(Host);

impl Audience {
    /// `https://vault.azure.net`: what IMDS calls the resource.
    pub fn resource(&self) -> String {
        format!("https://{}", self.0)
    }

    /// Its host, which a challenge has to name.
    pub fn host(&self) -> &Host {
        &self.0
    }
}

/// A host that may be given a token of its audience. Only [`Trust`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHost {
    host: Host,
    audience: Audience,
    store: Store,
}

impl TrustedHost {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The audience of tokens for it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Whether it is a Managed HSM, which has AES keys and no secrets.
    pub fn is_managed_hsm(&self) -> bool {
        self.store == Store::ManagedHsm
    }
}

/// The table of trusted suffixes of one run.
#[derive(Clone, Debug)]
pub struct Trust {
    suffixes: Vec<(Host, Store)>,
}

impl Trust {
    /// The compiled table and `extra` suffixes (`vault-suffix=`, private clouds).
    ///
    /// An extra suffix is a Managed HSM's when one of its labels is `managedhsm`, as ADE judges
    /// (check_util.py).
    pub fn new(extra: &[Host]) -> Self {
        let compiled =
            CLOUDS.iter().filter_map(|(suffix, store)| Some((Host::parse(suffix)?, *store)));
        let extra = extra.iter().map(|suffix| {
            let hsm = suffix.as_str().split('.').any(|label| label == "managedhsm");
            (suffix.clone(), if hsm { Store::ManagedHsm } else { Store::Vault })
        });
        Self { suffixes: compiled.chain(extra).collect() }
    }

    /// Checks `host` against the table.
    ///
    /// Errors: [`TrustProblem::HostNotAllowed`]. Nothing was sent to the host then.
    pub fn check(&self, host: &Host) -> Result<TrustedHost, Kind> {
        // The longest suffix: an extra one may lie below a compiled one.
        let found = self
            .suffixes
            .iter()
            .filter(|(suffix, _)| host.is_below(suffix))
            .max_by_key(|(suffix, _)| suffix.as_str().len());
        match found {
            Some((suffix, store)) => Ok(TrustedHost {
                host: host.clone(),
                audience: Audience(suffix.clone()),
                store: *store,
            }),
            None => Err(Kind::VaultUntrusted {
                host: host.clone(),
                problem: TrustProblem::HostNotAllowed,
            }),
        }
    }
}

/// Compares the resource a 401 challenge names with the audience that was used.
///
/// `None` agrees: the challenge names no resource, or the same host. Some(name) is the other
/// resource, made printable. The challenge is `Bearer authorization="…", resource="…"` or, newer,
/// `scope="…/.default"`; parts may be unquoted and separated by blanks ("Authentication, requests
/// and responses", Key Vault documentation).
pub fn foreign_resource(challenge: &str, audience: &Audience) -> Option<String> {
    let parts = challenge.split([',', ' ', '\t']).filter_map(|part| part.split_once('='));
    for (name, value) in parts {
        if !matches!(name.to_ascii_lowercase().as_str(), "resource" | "scope") {
            continue;
        }
        // Compared as it is shown, so that nothing invisible makes another service of the same one.
        let value = crate::error::printable(value.trim_matches('"'), 80);
        let resource = value.strip_suffix("/.default").unwrap_or(&value);
        let resource = resource.strip_suffix('/').unwrap_or(resource);
        let host = resource.strip_prefix("https://").and_then(Host::parse);
        if host.as_ref() != Some(audience.host()) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    #[test]
    fn every_cloud_has_its_audience() {
        let trust = Trust::new(&[]);
        for (name, resource, hsm) in [
            ("kv.vault.azure.net", "https://vault.azure.net", false),
            ("h.managedhsm.azure.net", "https://managedhsm.azure.net", true),
            ("kv.vault.azure.cn", "https://vault.azure.cn", false),
            ("h.managedhsm.azure.cn", "https://managedhsm.azure.cn", true),
            ("kv.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net", false),
            ("h.managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net", true),
            ("kv.vault.cloudapi.eaglex.ic.gov", "https://vault.cloudapi.eaglex.ic.gov", false),
            (
                "kv.vault.cloudapi.microsoft.scloud",
                "https://vault.cloudapi.microsoft.scloud",
                false,
            ),
        ] {
            let trusted = trust.check(&host(name)).unwrap();
            assert_eq!(trusted.audience().resource(), resource);
            assert_eq!(trusted.is_managed_hsm(), hsm, "{name}");
        }
    }

    #[test]
    fn lookalikes_are_refused() {
        let trust = Trust::new(&[]);
        for name in [
            "vault.azure.net",
            "evilvault.azure.net",
            "kv.vault.azure.net.evil.org",
            "kv.vault.azure.org",
            "kv.privatelink.vaultcore.azure.net",
            "kv.vault.microsoftazure.de",
            "management.azure.com",
            "azure.net",
        ] {
            let refused = trust.check(&host(name)).unwrap_err();
            assert_eq!(
                refused,
                Kind::VaultUntrusted { host: host(name), problem: TrustProblem::HostNotAllowed }
            );
        }
    }

    #[test]
    fn private_clouds_are_added_by_suffix() {
        let trust =
            Trust::new(&[host("vault.contoso.example"), host("managedhsm.contoso.example")]);
        let vault = trust.check(&host("kv.vault.contoso.example")).unwrap();
        assert_eq!(vault.audience().resource(), "https://vault.contoso.example");
        assert!(!vault.is_managed_hsm());
        assert!(trust.check(&host("h.managedhsm.contoso.example")).unwrap().is_managed_hsm());
        assert!(trust.check(&host("kv.contoso.example")).is_err());
    }

    #[test]
    fn the_challenge_must_name_the_audience_used() {
        let audience =
            Trust::new(&[]).check(&host("kv.vault.azure.net")).unwrap().audience().clone();
        for agreed in [
            r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="https://login.windows.net/t" scope="https://vault.azure.net/.default""#,
            "Bearer authorization=https://login.windows.net/t resource=https://vault.azure.net",
            r#"Bearer resource="https://vault.azure.net/""#,
            "Bearer",
            "",
        ] {
            assert_eq!(foreign_resource(agreed, &audience), None, "{agreed}");
        }
        for (foreign, named) in [
            (r#"Bearer resource="https://management.azure.com""#, "https://management.azure.com"),
            (r#"Bearer resource="https://azure.net""#, "https://azure.net"),
            (r#"Bearer resource="http://vault.azure.net""#, "http://vault.azure.net"),
            (
                "Bearer scope=https://graph.microsoft.com/.default",
                "https://graph.microsoft.com/.default",
            ),
            (
                r#"Bearer resource="https://vault.azure.net", scope="https://x.y/.default""#,
                "https://x.y/.default",
            ),
            (r#"Bearer resource="""#, ""),
        ] {
            assert_eq!(foreign_resource(foreign, &audience), Some(named.to_owned()), "{foreign}");
        }
    }
}
