//! MESSAGE_IDs: what ties a journal entry to its explanation in systemd/bek-unlock.catalog.
//!
//! One identifier for each kind of error and each event worth explaining; journald stores it with
//! the message and `journalctl -x` shows the catalog's text. An identifier is never changed or used
//! again, because people filter on it (systemd.journal-fields(7), MESSAGE_ID=). Random ones, as
//! `systemd-id128 new` makes them.

#![forbid(unsafe_code)]

use crate::error::Kind;

/// A volume was opened.
pub const UNLOCKED: &str = "cae35fc4a18c490fb7adce87af2e739e";
/// A volume was open already, on the same device.
pub const ALREADY_OPEN: &str = "46e79c7db1e142a8bfff67e84d309881";
/// A volume was closed.
pub const DETACHED: &str = "b70392f16c034b8b942f66f4a54bba62";
/// A try failed and another one follows.
pub const RETRY: &str = "7c39ebe8190e40c8bb1b1e4a5b9d527f";
/// Where the time of a run went.
pub const TIMES: &str = "fa9fcba6a15ff931f94f11660b144eff";

/// One list for both directions: the identifier of a kind, and all of them for the test.
macro_rules! kinds {
    ($($pattern:pat => $name:literal $id:literal,)*) => {
        /// The MESSAGE_ID of `kind`. No wildcard: a new kind needs an entry in the catalog.
        pub fn for_kind(kind: &Kind) -> &'static str {
            match kind {
                $($pattern => $id,)*
            }
        }

        /// [`Kind::name`] and MESSAGE_ID of each kind.
        pub const KINDS: &[(&str, &str)] = &[$(($name, $id),)*];
    };
}

kinds! {
    Kind::BootNotReady { .. } => "boot-not-ready"
        "7edbe1395688185a51bff7d13c905618",
    Kind::Configuration(_) => "configuration"
        "c963b97c02ff400b83c022806b648a17",
    Kind::ConfigurationUnreadable { .. } => "configuration-unreadable"
        "dc3af3e434ff424aa909e0ca463ceaab",
    Kind::ContentUnrecognized => "content-unrecognized"
        "f604b9e2134b410393ff01efab2598cb",
    Kind::DeviceInUse { .. } => "device-in-use"
        "82b4caa24dc83f7f01eccb805d542d81",
    Kind::HeaderRefused { .. } => "header-refused"
        "acfa021f7d02d1bc05d46281c7945f12",
    Kind::HeaderUnusable { .. } => "header-unusable"
        "58af0d5eaa3346809d312eee03425428",
    Kind::IdentityMissing { .. } => "identity-missing"
        "0b84681878b74080b90bd5768b3b8839",
    Kind::Internal { .. } => "internal"
        "2e8c95362e9945cd82fe19a18e16743e",
    Kind::KekMissing { .. } => "kek-missing"
        "23961c78c01ca95bd2733063a66a12c5",
    Kind::KeyDiskMissing { .. } => "key-disk-missing"
        "8e3de66721274748bd64dce31fe7835b",
    Kind::KeyDiskUnreadable { .. } => "key-disk-unreadable"
        "0dc9a0b8299e4ace978d18138a8cfd35",
    Kind::KeyFileUnusable { .. } => "key-file-unusable"
        "12bbcaa19e484a979f9dbe6ff616d54e",
    Kind::KeyMalformed { .. } => "key-malformed"
        "93c14cb7a828412c9fd5788bd78f1ee4",
    Kind::KeyRejected { .. } => "key-rejected"
        "b6f5e1fe13ad4c37be4d7906950eb8f1",
    Kind::MaterialRefused { .. } => "material-refused"
        "5aad3ec317de41f2aaedbe0073892176",
    Kind::MemoryShort { .. } => "memory-short"
        "42d8523223064132b4ed5faeea403dd9",
    Kind::MetadataUnreachable(_) => "metadata-unreachable"
        "28c17f838e224c1f9d426bb1a925e535",
    Kind::MetadataUntrusted { .. } => "metadata-untrusted"
        "bfe900fc8fae4e0cae0aa9ef3cf2cbda",
    Kind::NameInUse { .. } => "name-in-use"
        "5658a6603e1e4d9492119c466695bc06",
    Kind::NoTarget(_) => "no-target"
        "a280fead8437e851e6d2c6b54e459b93",
    Kind::NotConfigured { .. } => "not-configured"
        "7ea470bfd37c41e78e5a448c4fb1e9a1",
    Kind::NotPermitted { .. } => "not-permitted"
        "7cb1f5ca7cf3493bb8a87856b2a42163",
    Kind::NotRekeyable { .. } => "not-rekeyable"
        "7e3587fb90b34b44bde0f72ed3626e3d",
    Kind::NotWritten { .. } => "not-written"
        "ba470202eb2a44c69109ce37b32e842b",
    Kind::PromptUnanswered { .. } => "prompt-unanswered"
        "30529d04024c4ba793aa7f376dd90cd0",
    Kind::SecretMissing { .. } => "secret-missing"
        "2f12bb13d55b4fb8910e964d9723c5bb",
    Kind::SignInRefused(_) => "sign-in-refused"
        "2df33d55d8475d20651fbbaf3d45b50c",
    Kind::SignInUnavailable(_) => "sign-in-unavailable"
        "4bc424f06c769918c10491b9d9a5721c",
    Kind::SignInUnreachable { .. } => "sign-in-unreachable"
        "6aba17b8138bf61d308410b1019fa083",
    Kind::SignInUntrusted { .. } => "sign-in-untrusted"
        "5c4eca7552fdd1cf3627697d98d8fed9",
    Kind::Usage(_) => "usage"
        "21a1432b6ff34b828b18130f4a2de431",
    Kind::VaultDenied(_) => "vault-denied"
        "87d15722dc184ddf826be12997f94f3d",
    Kind::VaultUnreachable { .. } => "vault-unreachable"
        "4cef8ddd3283433fbb9199a282e0859a",
    Kind::VaultUntrusted { .. } => "vault-untrusted"
        "c1ec4985bccb462d9bb602485d05cad5",
    Kind::VolumeBusy { .. } => "volume-busy"
        "afe7d38b5dc74a5081cde1a2d52ced70",
    Kind::VolumeMissing { .. } => "volume-missing"
        "df0bf7ffc80f4741a6e023bac039adab",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const CATALOG: &str = include_str!("../systemd/bek-unlock.catalog");

    fn ids() -> Vec<&'static str> {
        let events = [ALREADY_OPEN, DETACHED, RETRY, TIMES, UNLOCKED];
        KINDS.iter().map(|(_, id)| *id).chain(events).collect()
    }

    #[test]
    fn every_identifier_has_its_entry_and_every_entry_its_identifier() {
        let entries: Vec<&str> =
            CATALOG.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        let (wanted, found): (BTreeSet<_>, BTreeSet<_>) =
            (ids().into_iter().collect(), entries.iter().copied().collect());
        assert_eq!(found, wanted);
        assert_eq!(entries.len(), ids().len(), "an identifier is used twice");
        let is_id =
            |id: &&str| id.len() == 32 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        assert!(ids().iter().all(is_id));
    }

    #[test]
    fn entries_have_headers_and_short_lines() {
        for entry in CATALOG.split("\n-- ").skip(1) {
            for header in ["\nSubject: ", "\nDefined-By: ", "\nSupport: ", "\nDocumentation: man:"]
            {
                assert!(entry.contains(header), "no{header} in {entry}");
            }
            let prose = entry.split_once("\n\n").unwrap().1;
            assert!(prose.trim_end().ends_with('.'), "{entry}");
        }
        for line in CATALOG.lines() {
            assert!(line.is_ascii(), "{line}");
            assert!(line.len() <= 76 || line.starts_with('#'), "{line}");
        }
    }

    /// journald fills in only fields that report.rs sends.
    #[test]
    fn entries_name_known_fields_only() {
        for word in CATALOG.split('@').skip(1).step_by(2) {
            let known = ["BEK_DEVICE", "BEK_ERROR", "BEK_EXIT_STATUS", "BEK_SOURCE", "BEK_VOLUME"];
            assert!(known.contains(&word), "{word}");
        }
    }

    #[test]
    fn kinds_have_the_identifier_of_their_name() {
        let kinds = [
            Kind::ContentUnrecognized,
            Kind::Usage(String::new()),
            Kind::VolumeBusy { holders: Vec::new() },
            Kind::KeyRejected { place: String::new(), tried: 1, keyslots: 1 },
        ];
        for kind in kinds {
            let listed = KINDS.iter().find(|(name, _)| *name == kind.name());
            assert_eq!(listed.map(|(_, id)| *id), Some(for_kind(&kind)));
        }
    }
}
