//! Identifiers of Key Vault objects, parsed once and normalised.
//!
//! Tags, bektab lines and answers spell the same object in many ways: `:443`, a trailing slash,
//! mixed case, a doubled slash. All of them become one spelling here. This file decides what an
//! identifier *is*; whether its host may be trusted with a token is azure/trust.rs's business.

use std::fmt;

/// A DNS host name, lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// `None` unless `name` is two or more labels of letters, digits and hyphens (RFC 1123),
    /// 253 bytes at most. IP addresses are no hosts: certificates are for names.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last_is_number = name.rsplit('.').next()?.bytes().all(|b| b.is_ascii_digit());
        let usable = name.len() <= 253
            && name.contains('.')
            && name.split('.').all(label)
            && !last_is_number;
        usable.then_some(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `suffix` with at least one label before it.
    pub fn is_below(&self, suffix: &Host) -> bool {
        self.0.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A vault's base URL, `https://NAME.vault.azure.net`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultUrl {
    host: Host,
}

impl VaultUrl {
    /// Parses `https://HOST[:443][/]`.
    pub fn parse(url: &str) -> Option<Self> {
        let (host, path) = split_https(url)?;
        path.is_empty().then_some(Self { host })
    }

    /// The vault at `host`.
    pub fn of(host: Host) -> Self {
        Self { host }
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl VaultUrl {
    /// The secret of that name in it, in its newest version; `None` when no secret can have it.
    pub fn secret(&self, name: &str) -> Option<SecretId> {
        let name = ObjectName::parse(name)?;
        Some(SecretId { host: self.host.clone(), name, version: None })
    }
}

impl fmt::Display for VaultUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)
    }
}

/// A secret, `https://HOST/secrets/NAME[/VERSION]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretId {
    host: Host,
    name: ObjectName,
    version: Option<Version>,
}

impl SecretId {
    /// Parses the URL; the version may be missing and then means the newest.
    pub fn parse(url: &str) -> Option<Self> {
        let (host, name, version) = split_object(url, "secrets")?;
        Some(Self { host, name, version })
    }

    /// The vault's host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The secret's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Its version, if the identifier named one.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The same secret in whatever version is the newest.
    pub fn newest(&self) -> Self {
        Self { host: self.host.clone(), name: self.name.clone(), version: None }
    }

    /// `NAME[/VERSION]`: enough where the vault is named already.
    pub fn short(&self) -> String {
        match &self.version {
            Some(version) => format!("{}/{}", self.name.as_str(), version.as_str()),
            None => self.name.as_str().to_owned(),
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_object(f, &self.host, "secrets", &self.name, self.version.as_ref())
    }
}

/// A key-encryption key in one version, `https://HOST/keys/NAME/VERSION`.
///
/// The version is mandatory: after a rotation the newest version cannot unwrap what an older one
/// wrapped (Key Vault answers 400 BadParameter).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId {
    host: Host,
    name: ObjectName,
    version: Version,
}

impl KeyId {
    /// Parses the URL; `None` also when it has no version.
    pub fn parse(url: &str) -> Option<Self> {
        let (host, name, version) = split_object(url, "keys")?;
        Some(Self { host, name, version: version? })
    }

    /// The vault's or Managed HSM's host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The key's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The version that wraps and unwraps.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_object(f, &self.host, "keys", &self.name, Some(&self.version))
    }
}

/// A key-encryption key by its name, `https://HOST/keys/NAME[/VERSION]`: what wraps a new key.
///
/// Without a version the newest wraps; its answer says which that was, and only that one unwraps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName {
    host: Host,
    name: ObjectName,
    version: Option<Version>,
}

impl KeyName {
    /// Parses the URL.
    pub fn parse(url: &str) -> Option<Self> {
        let (host, name, version) = split_object(url, "keys")?;
        Some(Self { host, name, version })
    }

    /// The vault's or Managed HSM's host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `NAME[/VERSION]`: enough where the vault is named already.
    pub fn short(&self) -> String {
        match &self.version {
            Some(version) => format!("{}/{}", self.name.as_str(), version.as_str()),
            None => self.name.as_str().to_owned(),
        }
    }

    /// The same key in whatever version is the newest.
    pub fn newest(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    /// Whether `key` is this key, in the version that was named if one was.
    pub fn names(&self, key: &KeyId) -> bool {
        self.host == key.host
            && self.name == key.name
            && self.version.as_ref().is_none_or(|version| *version == key.version)
    }
}

impl From<KeyId> for KeyName {
    fn from(key: KeyId) -> Self {
        Self { host: key.host, name: key.name, version: Some(key.version) }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_object(f, &self.host, "keys", &self.name, self.version.as_ref())
    }
}

/// Name of a key or secret: 1 to 127 of `[0-9a-zA-Z-]` (Key Vault REST, "Secrets - Get"), kept in
/// lower case because names compare without it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(String);

/// Version of a key or secret: letters and digits, in practice 32 hexadecimal ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(String);

impl ObjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(name: &str) -> Option<Self> {
        let usable = (1..=127).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        usable.then(|| Self(name.to_ascii_lowercase()))
    }
}

impl Version {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(version: &str) -> Option<Self> {
        let usable =
            (1..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_alphanumeric());
        usable.then(|| Self(version.to_ascii_lowercase()))
    }
}

/// Splits `https://HOST[:443]PATH`; the path comes back without leading and trailing slashes.
fn split_https(url: &str) -> Option<(Host, &str)> {
    let scheme = url.get(..8)?;
    if !scheme.eq_ignore_ascii_case("https://") {
        return None;
    }
    let rest = url.get(8..)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = Host::parse(authority.strip_suffix(":443").unwrap_or(authority))?;
    Some((host, path.trim_matches('/')))
}

/// Splits `https://HOST/COLLECTION/NAME[/VERSION]`.
fn split_object(url: &str, collection: &str) -> Option<(Host, ObjectName, Option<Version>)> {
    let (host, path) = split_https(url)?;
    let mut parts = path.split('/');
    if !parts.next()?.eq_ignore_ascii_case(collection) {
        return None;
    }
    let name = ObjectName::parse(parts.next()?)?;
    let version = match parts.next() {
        Some(version) => Some(Version::parse(version)?),
        None => None,
    };
    parts.next().is_none().then_some((host, name, version))
}

fn write_object(
    f: &mut fmt::Formatter<'_>,
    host: &Host,
    collection: &str,
    name: &ObjectName,
    version: Option<&Version>,
) -> fmt::Result {
    write!(f, "https://{host}/{collection}/{}", name.as_str())?;
    version.map_or(Ok(()), |version| write!(f, "/{}", version.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_key_become_one() {
        let spelled =
            "https://contoso-kv.vault.azure.net/keys/kek/89abcdef0123456789abcdef01234567";
        for url in [
            spelled,
            "https://Contoso-KV.vault.azure.net:443/keys/KEK/89ABCDEF0123456789ABCDEF01234567/",
            "HTTPS://contoso-kv.vault.azure.net./Keys/kek/89abcdef0123456789abcdef01234567",
        ] {
            assert_eq!(KeyId::parse(url).unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn a_key_without_version_is_none() {
        assert_eq!(KeyId::parse("https://v.vault.azure.net/keys/kek"), None);
        assert_eq!(KeyId::parse("https://v.vault.azure.net/keys/kek/"), None);
    }

    #[test]
    fn a_secret_may_lack_its_version() {
        let id = SecretId::parse("https://v.vault.azure.net/secrets/bek-1/").unwrap();
        assert_eq!((id.name().as_str(), id.version()), ("bek-1", None));
        assert_eq!(id.to_string(), "https://v.vault.azure.net/secrets/bek-1");
        let versioned = SecretId::parse("https://v.vault.azure.net/secrets/bek-1/0123").unwrap();
        assert_eq!(versioned.short(), "bek-1/0123");
        assert_eq!(versioned.newest(), id);
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for url in [
            "http://v.vault.azure.net/keys/kek/0123",
            "https://v.vault.azure.net:8443/keys/kek/0123",
            "https://user@v.vault.azure.net/keys/kek/0123",
            "https://v.vault.azure.net/keys/kek/0123/more",
            "https://v.vault.azure.net/keys/kek/0123?x=1",
            "https://v.vault.azure.net/secrets/kek/0123",
            "https://10.0.0.1/keys/kek/0123",
            "https://localhost/keys/kek/0123",
            "https:///keys/kek/0123",
            "https://v.vault.azure.net/keys/../0123",
            "",
            "htt\u{e9}s://",
        ] {
            assert_eq!(KeyId::parse(url), None, "{url}");
        }
    }

    #[test]
    fn a_vault_url_has_no_path() {
        let vault = VaultUrl::parse("https://V.vault.azure.net:443/").unwrap();
        assert_eq!(vault.to_string(), "https://v.vault.azure.net");
        assert_eq!(VaultUrl::parse("https://v.vault.azure.net/secrets"), None);
    }

    #[test]
    fn a_suffix_matches_whole_labels_only() {
        let suffix = Host::parse("vault.azure.net").unwrap();
        assert!(Host::parse("kv.vault.azure.net").unwrap().is_below(&suffix));
        assert!(!Host::parse("evilvault.azure.net").unwrap().is_below(&suffix));
        assert!(!Host::parse("vault.azure.net").unwrap().is_below(&suffix));
        assert!(!Host::parse("kv.vault.azure.net.evil.org").unwrap().is_below(&suffix));
    }
}
