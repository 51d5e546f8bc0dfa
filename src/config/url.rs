//! What exactly is wrong with a Key Vault URL.
//!
//! azure/id.rs decides what an identifier is and only answers yes or no. This file is asked after a
//! no, and finds the part to mark; it accepts nothing.

use std::ops::Range;

use super::line::{Fault, Value};
use crate::azure::id::Host;

/// What a URL should have named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `https://HOST/keys/NAME/VERSION`.
    Key,
    /// `https://HOST/secrets/NAME[/VERSION]`.
    Secret,
    /// `https://HOST`.
    Vault,
}

impl Wanted {
    fn shape(self) -> &'static str {
        match self {
            Self::Key => "https://HOST/keys/NAME/VERSION",
            Self::Secret => "https://HOST/secrets/NAME",
            Self::Vault => "https://HOST",
        }
    }

    fn collection(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Secret => "secrets",
            Self::Vault => "",
        }
    }
}

/// Why `url` is not what is `wanted`.
pub(super) fn explain(url: &Value, wanted: Wanted) -> Fault {
    let text = url.as_str();
    let fallback = || url.fault(format!("not a URL of the form {}", wanted.shape()));
    let Some((scheme, _)) = text.split_once("://") else { return fallback() };
    if !scheme.eq_ignore_ascii_case("https") {
        let fault =
            url.part(0..scheme.len(), format!("{scheme}: is not allowed, https: is needed"));
        return fault.suggest((scheme.eq_ignore_ascii_case("http")).then_some("https"));
    }
    let start = scheme.len() + "://".len();
    if let Some(at) = text.find(['?', '#']) {
        return url.part(at..text.len(), "a URL without query or fragment is needed");
    }
    let rest = text.get(start..).unwrap_or_default();
    let path_start = start + rest.find('/').unwrap_or(rest.len());
    authority(url, start..path_start)
        .or_else(|| path(url, path_start, wanted))
        .unwrap_or_else(fallback)
}

/// What is wrong with `HOST[:443]` at `range`.
fn authority(url: &Value, range: Range<usize>) -> Option<Fault> {
    let text = url.as_str().get(range.clone())?;
    if let Some(at) = text.rfind('@') {
        let user = range.start..range.start + at + 1;
        return Some(url.part(user, "no user name belongs in this URL"));
    }
    let host = match text.split_once(':') {
        Some((_, "443")) | None => text.strip_suffix(":443").unwrap_or(text),
        Some((host, port)) => {
            let start = range.start + host.len() + 1;
            let message = "Key Vault answers on port 443 only";
            return Some(url.part(start..start + port.len(), message));
        }
    };
    if Host::parse(host).is_some() {
        return None;
    }
    Some(url.part(range.start..range.start + host.len(), "not a host name"))
}

/// What is wrong with the path that starts at byte `start`.
fn path(url: &Value, start: usize, wanted: Wanted) -> Option<Fault> {
    let text = url.as_str();
    let trimmed = text.get(start..)?.trim_start_matches('/');
    let mut at = text.len() - trimmed.len();
    let trimmed = trimmed.trim_end_matches('/');
    let segments: Vec<(Range<usize>, &str)> = trimmed
        .split('/')
        .map(|segment| {
            let range = at..at + segment.len();
            at = range.end + 1;
            (range, segment)
        })
        .collect();
    if wanted == Wanted::Vault {
        let path = start..text.len();
        return Some(url.part(path, "a vault is its host alone, without a path"));
    }
    let (range, collection) = segments.first()?.clone();
    if !collection.eq_ignore_ascii_case(wanted.collection()) {
        return Some(match (wanted, collection.to_ascii_lowercase().as_str()) {
            (_, "") => url.fault(format!("names nothing; needs {}", wanted.shape())),
            (Wanted::Secret, "keys") => url.part(range, "this names a key; a KEK belongs in kek="),
            (Wanted::Key, "secrets") => url.part(range, "this names a secret, a key is needed"),
            _ => url.part(range, format!("unknown path, needs {}", wanted.shape())),
        });
    }
    let end = url.part(text.len()..text.len(), "");
    let Some((range, name)) = segments.get(1).cloned() else {
        return Some(Fault { message: "the name is missing".to_owned(), ..url.part(range, "") });
    };
    let good = |text: &str, hyphen: bool, most: usize| {
        (1..=most).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || (hyphen && b == b'-'))
    };
    if !good(name, true, 127) {
        return Some(url.part(range, "not a name in Key Vault: letters, digits and -"));
    }
    match segments.get(2).cloned() {
        Some((range, version)) if !good(version, false, 64) => {
            Some(url.part(range, "not a version: letters and digits only"))
        }
        Some(_) => {
            let (more, _) = segments.get(3)?;
            Some(url.part(more.start..text.len(), "nothing may follow the version"))
        }
        None => Some(Fault {
            message: "the version of the key is missing: .../keys/NAME/VERSION".to_owned(),
            ..if wanted == Wanted::Key { end } else { return None }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::id::{KeyId, SecretId, VaultUrl};
    use crate::config::line::Word;

    fn explained(text: &str, wanted: Wanted) -> (usize, usize, String) {
        let value = Word { raw: text, column: 0 }.decode().unwrap();
        let fault = explain(&value, wanted);
        (fault.column, fault.length, fault.message)
    }

    #[test]
    fn the_wrong_part_of_a_key_url_is_found() {
        for (url, column, length, words) in [
            ("http://v.vault.azure.net/keys/k/0", 0, 4, "https: is needed"),
            ("ftp://v.vault.azure.net/keys/k/0", 0, 3, "https: is needed"),
            ("v.vault.azure.net/keys/k/0", 0, 26, "of the form"),
            ("https://v.vault.azure.net/keys/k", 32, 1, "version of the key is missing"),
            ("https://v.vault.azure.net/keys/k/", 33, 1, "version of the key is missing"),
            ("https://v.vault.azure.net/keys", 26, 4, "name is missing"),
            ("https://v.vault.azure.net/secrets/k/0", 26, 7, "names a secret"),
            ("https://v.vault.azure.net/key/k/0", 26, 3, "unknown path"),
            ("https://v.vault.azure.net", 0, 25, "names nothing"),
            ("https://v.vault.azure.net:8443/keys/k/0", 26, 4, "port 443"),
            ("https://me@v.vault.azure.net/keys/k/0", 8, 3, "user name"),
            ("https://10.0.0.1/keys/k/0", 8, 8, "host name"),
            ("https:///keys/k/0", 8, 1, "host name"),
            ("https://v.vault.azure.net/keys/k_1/0", 31, 3, "not a name"),
            ("https://v.vault.azure.net/keys//0", 31, 1, "not a name"),
            ("https://v.vault.azure.net/keys/k/0-1", 33, 3, "not a version"),
            ("https://v.vault.azure.net/keys/k/0/x/y", 35, 3, "may follow"),
            ("https://v.vault.azure.net/keys/k/0?api=7", 34, 6, "query"),
        ] {
            assert_eq!(KeyId::parse(url), None, "{url}");
            let (c, l, message) = explained(url, Wanted::Key);
            assert_eq!((c, l), (column, length), "{url}: {message}");
            assert!(message.contains(words), "{url}: {message}");
        }
    }

    #[test]
    fn secrets_and_vaults_have_their_own_words() {
        let url = "https://v.vault.azure.net/keys/k/0";
        assert_eq!(SecretId::parse(url), None);
        assert_eq!(explained(url, Wanted::Secret).2, "this names a key; a KEK belongs in kek=");
        let url = "https://v.vault.azure.net/secrets";
        assert_eq!(VaultUrl::parse(url), None);
        assert_eq!(explained(url, Wanted::Vault).0, 25);
    }

    #[test]
    fn every_refused_prefix_is_explained() {
        let url = "https://v.vault.azure.net:443/keys/kek/89abcdef0123456789abcdef01234567/x";
        for end in 0..url.len() {
            for wanted in [Wanted::Key, Wanted::Secret, Wanted::Vault] {
                let (column, _, message) = explained(&url[..end], wanted);
                assert!(column <= end && !message.is_empty(), "{end}");
            }
        }
    }
}
