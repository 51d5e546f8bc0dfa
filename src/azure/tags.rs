//! The tags ADE writes on its secrets.
//!
//! Spellings differ by tool and year: names compare without case, both names of the KEK tag count
//! (azure-linux-extensions EncryptionSettingsUtil.py; "Restore Key Vault key and secret for
//! encrypted VM using Azure Backup"). The algorithm tag is there without a KEK too, so it never
//! says that a secret is wrapped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::id::KeyId;
use crate::error::printable;
use crate::volume::{KekAlgorithm, KeyFileName};

/// The tags of one secret, parsed; an empty value is a missing tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskTags {
    /// `DiskEncryptionKeyFileName`; `None` also when it is no file name.
    pub file: Option<KeyFileName>,
    /// `MachineName`: the guest's host name when the disk was encrypted, empty for an FQDN.
    pub machine: Option<String>,
    /// `DiskEncryptionKeyEncryptionKeyURL` or `…KeyEncryptionUrl`; `Err` is what else stands there,
    /// printable.
    pub kek: Option<Result<KeyId, String>>,
    /// `DiskEncryptionKeyEncryptionAlgorithm`; `Err` as above.
    pub algorithm: Option<Result<KekAlgorithm, String>>,
}

/// Tags as they are in an answer; a value may be null.
pub type RawTags<'a> = BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>;

impl DiskTags {
    /// Picks the four tags out of `raw`.
    pub fn parse(raw: &RawTags<'_>) -> Self {
        let value = |names: &[&str]| {
            raw.iter()
                .find(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
                .and_then(|(_, value)| value.as_deref())
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        let shown = |value: &str| printable(value, 120);
        Self {
            file: value(&["DiskEncryptionKeyFileName"]).and_then(KeyFileName::parse),
            machine: value(&["MachineName"]).map(|name| printable(name, 255)),
            kek: value(&["DiskEncryptionKeyEncryptionKeyURL", "DiskEncryptionKeyEncryptionUrl"])
                .map(|url| KeyId::parse(url).ok_or_else(|| shown(url))),
            algorithm: value(&["DiskEncryptionKeyEncryptionAlgorithm"])
                .map(|name| KekAlgorithm::parse(name).ok_or_else(|| shown(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

    fn tags(pairs: &[(&'static str, &'static str)]) -> DiskTags {
        let raw = pairs.iter().map(|(name, value)| (Cow::from(*name), Some(Cow::from(*value))));
        DiskTags::parse(&raw.collect())
    }

    #[test]
    fn both_kek_tags_count_in_any_case() {
        for name in [
            "DiskEncryptionKeyEncryptionKeyURL",
            "DiskEncryptionKeyEncryptionUrl",
            "DISKENCRYPTIONKEYENCRYPTIONKEYURL",
            "diskencryptionkeyencryptionurl",
        ] {
            assert_eq!(tags(&[(name, KEK)]).kek, Some(Ok(KeyId::parse(KEK).unwrap())), "{name}");
        }
        assert_eq!(tags(&[("DiskEncryptionKeyEncryptionKey", KEK)]).kek, None);
    }

    #[test]
    fn empty_and_null_values_are_missing_tags() {
        let empty = tags(&[
            ("MachineName", " "),
            ("DiskEncryptionKeyFileName", ""),
            ("DiskEncryptionKeyEncryptionKeyURL", ""),
            ("DiskEncryptionKeyEncryptionAlgorithm", ""),
        ]);
        assert_eq!(empty, DiskTags::default());
        let raw = RawTags::from([(Cow::from("MachineName"), None)]);
        assert_eq!(DiskTags::parse(&raw), DiskTags::default());
    }

    #[test]
    fn values_that_do_not_parse_are_kept_printable() {
        let odd = tags(&[
            ("DiskEncryptionKeyEncryptionKeyURL", "https://kv.evil.org/keys\u{1b}"),
            ("DiskEncryptionKeyEncryptionAlgorithm", "ROT13"),
            ("DiskEncryptionKeyFileName", "../shadow"),
        ]);
        assert_eq!(odd.kek, Some(Err("https://kv.evil.org/keys?".to_owned())));
        assert_eq!(odd.algorithm, Some(Err("ROT13".to_owned())));
        assert_eq!(odd.file, None);
    }
}
