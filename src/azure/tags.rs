//! The tags ADE writes on its secrets, and which secret they make a candidate for which volume.
//!
//! Spellings differ by tool and year: names compare without case, both names of the KEK tag count
//! (azure-linux-extensions EncryptionSettingsUtil.py; "Restore Key Vault key and secret for
//! encrypted VM using Azure Backup"). The algorithm tag is there without a KEK too, so it never
//! says that a secret is wrapped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::id::KeyId;
use super::list::ListedSecret;
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

/// The machine a secret has to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine<'a> {
    /// Whatever the tag says.
    Any,
    /// The tag names it, without regard to case.
    Named(&'a str),
    /// The tag is empty or missing: ADE leaves it out when the host name is an FQDN.
    Unnamed,
}

/// The secrets that may hold the key in one of `files` of `machine`: by the order of `files`, then
/// the newest first by `attributes.created`; disabled ones last, as they can only be reported.
pub fn matching<'a>(
    secrets: &'a [ListedSecret],
    files: &[KeyFileName],
    machine: Machine<'_>,
) -> Vec<&'a ListedSecret> {
    let mut found: Vec<(usize, &ListedSecret)> = secrets
        .iter()
        .filter(|secret| match (machine, &secret.tags.machine) {
            (Machine::Named(name), Some(tag)) => tag.eq_ignore_ascii_case(name),
            (Machine::Unnamed, None) | (Machine::Any, _) => true,
            (Machine::Named(_), None) | (Machine::Unnamed, Some(_)) => false,
        })
        .filter_map(|secret| {
            let file = secret.tags.file.as_ref()?;
            // The key disk is vfat, whose names have no case.
            let place =
                files.iter().position(|name| name.as_str().eq_ignore_ascii_case(file.as_str()))?;
            Some((place, secret))
        })
        .collect();
    found.sort_by_key(|(place, secret)| {
        (!secret.attributes.enabled, *place, std::cmp::Reverse(secret.attributes.created))
    });
    found.into_iter().map(|(_, secret)| secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::id::SecretId;
    use crate::azure::list::Attributes;

    const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

    fn tags(pairs: &[(&'static str, &'static str)]) -> DiskTags {
        let raw = pairs.iter().map(|(name, value)| (Cow::from(*name), Some(Cow::from(*value))));
        DiskTags::parse(&raw.collect())
    }

    fn secret(name: &str, file: &str, machine: &str, created: u64) -> ListedSecret {
        ListedSecret {
            id: SecretId::parse(&format!("https://kv.vault.azure.net/secrets/{name}")).unwrap(),
            attributes: Attributes {
                enabled: !name.starts_with("off"),
                created: Some(created),
                not_before: None,
                expires: None,
            },
            content_type: None,
            tags: DiskTags {
                file: KeyFileName::parse(file),
                machine: (!machine.is_empty()).then(|| machine.to_owned()),
                ..DiskTags::default()
            },
        }
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

    #[test]
    fn secrets_match_by_file_and_machine() {
        let os = "LinuxPassPhraseFileName";
        let data = "LinuxPassPhraseFileName_1_0";
        let secrets = [
            secret("old", data, "vm-1", 10),
            secret("new", data, "VM-1", 30),
            secret("off", data, "vm-1", 40),
            secret("os", os, "vm-1", 99),
            secret("other", data, "vm-2", 50),
            secret("nobody", data, "", 60),
            secret("slot2", "LinuxPassPhraseFileName_1_2", "vm-1", 70),
        ];
        let files: Vec<KeyFileName> =
            [data, os].iter().map(|name| KeyFileName::parse(name).unwrap()).collect();
        let found = |machine| -> Vec<&str> {
            matching(&secrets, &files, machine).iter().map(|s| s.id.name().as_str()).collect()
        };
        assert_eq!(found(Machine::Named("vm-1")), ["new", "old", "os", "off"]);
        assert_eq!(found(Machine::Unnamed), ["nobody"]);
        assert_eq!(found(Machine::Named("vm")), Vec::<&str>::new());
    }
}
