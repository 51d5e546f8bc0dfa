//! Which hosts may be given a client secret, an assertion or a device code: Entra's own.
//!
//! As with vaults the list is compiled. AZURE_AUTHORITY_HOST chooses from it and adds nothing: a
//! variable that somebody else's script left behind must not send a secret to their host. Without
//! it the vault's own cloud decides, where the SDKs always take the public one.

use std::fmt;

use crate::azure::id::Host;
use crate::azure::trust::Audience;
use crate::error::{Kind, TrustProblem, printable};

/// Suffix of a cloud's vaults, and the cloud's sign-in host; the first one is the default.
///
/// Sources: AzureAuthorityHosts of the SDKs, "National clouds" (Microsoft identity platform);
/// the last two as in trust.rs.
const CLOUDS: [(&str, &str); 5] = [
    ("azure.net", "login.microsoftonline.com"),
    ("azure.cn", "login.chinacloudapi.cn"),
    ("usgovcloudapi.net", "login.microsoftonline.us"),
    ("cloudapi.eaglex.ic.gov", "login.microsoftonline.eaglex.ic.gov"),
    ("cloudapi.microsoft.scloud", "login.microsoftonline.microsoft.scloud"),
];
/// China's newer name, in no SDK's constants yet.
const OTHERS: [&str; 1] = ["login.partner.microsoftonline.cn"];

/// A host of Entra. Only this file makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Host);

impl Authority {
    /// The authority of AZURE_AUTHORITY_HOST, or that of the cloud `audience` belongs to.
    ///
    /// Errors: `SignInUntrusted` for a host that is not Entra's, and for anything but https.
    pub fn choose(configured: Option<&str>, audience: &Audience) -> Result<Self, Kind> {
        match configured {
            Some(text) => Self::parse(text).ok_or_else(|| Kind::SignInUntrusted {
                place: format!("AZURE_AUTHORITY_HOST={}", printable(text, 80)),
                problem: TrustProblem::HostNotAllowed,
            }),
            None => Ok(Self::of_cloud(audience)),
        }
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.0
    }

    /// `login.microsoftonline.com`, with or without `https://`, `:443` and a slash at the end: what
    /// the SDKs take.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("https://").unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let host = Host::parse(text.strip_suffix(":443").unwrap_or(text))?;
        let known = CLOUDS.iter().map(|(_, login)| login).chain(&OTHERS);
        known.into_iter().any(|known| *known == host.as_str()).then_some(Self(host))
    }

    fn of_cloud(audience: &Audience) -> Self {
        let host = audience.host();
        let below = |suffix: &str| Host::parse(suffix).is_some_and(|suffix| host.is_below(&suffix));
        let found = CLOUDS.iter().find(|(suffix, _)| below(suffix)).unwrap_or(&CLOUDS[0]);
        // Cannot fail: a test parses every entry.
        Self(Host::parse(found.1).unwrap_or_else(|| host.clone()))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::trust::Trust;

    fn audience(vault: &str) -> Audience {
        let extra = [Host::parse("vault.contoso.example").unwrap()];
        Trust::new(&extra).check(&Host::parse(vault).unwrap()).unwrap().audience().clone()
    }

    #[test]
    fn the_vaults_cloud_decides() {
        for (vault, login) in [
            ("kv.vault.azure.net", "login.microsoftonline.com"),
            ("h.managedhsm.azure.net", "login.microsoftonline.com"),
            ("kv.vault.azure.cn", "login.chinacloudapi.cn"),
            ("h.managedhsm.usgovcloudapi.net", "login.microsoftonline.us"),
            ("kv.vault.cloudapi.eaglex.ic.gov", "login.microsoftonline.eaglex.ic.gov"),
            ("kv.vault.cloudapi.microsoft.scloud", "login.microsoftonline.microsoft.scloud"),
            ("kv.vault.contoso.example", "login.microsoftonline.com"),
        ] {
            let chosen = Authority::choose(None, &audience(vault)).unwrap();
            assert_eq!(chosen.host().as_str(), login);
        }
    }

    #[test]
    fn every_entry_is_a_host_and_is_taken_in_every_spelling() {
        let audience = audience("kv.vault.azure.net");
        for login in CLOUDS.iter().map(|(_, login)| *login).chain(OTHERS) {
            for text in [
                login.to_owned(),
                format!("https://{login}"),
                format!("https://{login}/"),
                format!("https://{login}:443/"),
                login.to_uppercase(),
            ] {
                let chosen = Authority::choose(Some(&text), &audience).unwrap();
                assert_eq!(chosen.to_string(), login);
            }
        }
        assert!(CLOUDS.iter().all(|(suffix, _)| Host::parse(suffix).is_some()));
    }

    #[test]
    fn other_hosts_are_refused() {
        let audience = audience("kv.vault.azure.net");
        for text in [
            "evil.example",
            "http://login.microsoftonline.com",
            "https://login.microsoftonline.com.evil.example",
            "https://login.microsoftonline.com@evil.example",
            "https://user@login.microsoftonline.com",
            "https://login.microsoftonline.com:8443",
            "https://login.microsoftonline.com/tenant",
            "https://login.microsoftonline.com?x",
            "https://https://login.microsoftonline.com",
            "https://evil.login.microsoftonline.com",
            "https://login.microsoftonline.de",
            "login.windows.net",
            "127.0.0.1",
            "\u{1b}[31m",
        ] {
            let kind = Authority::choose(Some(text), &audience).unwrap_err();
            assert!(matches!(
                &kind,
                Kind::SignInUntrusted { problem: TrustProblem::HostNotAllowed, .. }
            ));
            assert!(kind.to_string().chars().all(|c| (' '..='~').contains(&c)), "{kind}");
        }
    }
}
