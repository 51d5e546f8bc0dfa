//! The word and the exit status of each kind of failure.

use super::Kind;
use crate::recovery::refusal::Refusal;

impl Kind {
    /// The word for it, everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BootNotReady { .. } => "boot-not-ready",
            Self::Configuration(_) => "configuration",
            Self::ConfigurationUnreadable { .. } => "configuration-unreadable",
            Self::ContentUnrecognized => "content-unrecognized",
            Self::DeviceInUse { .. } => "device-in-use",
            Self::HeaderRefused { .. } => "header-refused",
            Self::HeaderUnusable { .. } => "header-unusable",
            Self::IdentityMissing { .. } => "identity-missing",
            Self::Internal { .. } => "internal",
            Self::KekMissing { .. } => "kek-missing",
            Self::KeyDiskMissing { .. } => "key-disk-missing",
            Self::KeyDiskUnreadable { .. } => "key-disk-unreadable",
            Self::KeyFileUnusable { .. } => "key-file-unusable",
            Self::KeyMalformed { .. } => "key-malformed",
            Self::KeyRejected { .. } => "key-rejected",
            Self::MaterialRefused { .. } => "material-refused",
            Self::MemoryShort { .. } => "memory-short",
            Self::MetadataUnreachable(_) => "metadata-unreachable",
            Self::MetadataUntrusted { .. } => "metadata-untrusted",
            Self::NameInUse { .. } => "name-in-use",
            Self::NoTarget(_) => "no-target",
            Self::NotConfigured { .. } => "not-configured",
            Self::NotPermitted { .. } => "not-permitted",
            Self::NotRekeyable { .. } => "not-rekeyable",
            Self::NotWritten { .. } => "not-written",
            Self::PromptUnanswered { .. } => "prompt-unanswered",
            Self::SecretMissing { .. } => "secret-missing",
            Self::SignInRefused(_) => "sign-in-refused",
            Self::SignInUnavailable(_) => "sign-in-unavailable",
            Self::SignInUnreachable { .. } => "sign-in-unreachable",
            Self::SignInUntrusted { .. } => "sign-in-untrusted",
            Self::Usage(_) => "usage",
            Self::VaultDenied(_) => "vault-denied",
            Self::VaultUnreachable { .. } => "vault-unreachable",
            Self::VaultUntrusted { .. } => "vault-untrusted",
            Self::VolumeBusy { .. } => "volume-busy",
            Self::VolumeMissing { .. } => "volume-missing",
        }
    }

    /// The process's exit status for it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::BootNotReady { .. }
            | Self::Configuration(_)
            | Self::ConfigurationUnreadable { .. }
            | Self::NotConfigured { .. }
            | Self::NotPermitted { .. }
            | Self::Usage(_) => exit::CONFIGURATION,
            Self::KeyRejected { .. } => exit::KEY_REJECTED,
            Self::ContentUnrecognized
            | Self::HeaderUnusable { .. }
            | Self::Internal { .. }
            | Self::KekMissing { .. }
            | Self::KeyDiskMissing { .. }
            | Self::KeyDiskUnreadable { .. }
            | Self::KeyFileUnusable { .. }
            | Self::MaterialRefused {
                refusal:
                    Refusal::KeyslotMissing { .. }
                    | Refusal::NoToken
                    | Refusal::NoTokens { .. }
                    | Refusal::TokenMissing { .. }
                    | Refusal::TokenTwice { .. },
                ..
            }
            | Self::MemoryShort { .. }
            | Self::NoTarget(_)
            | Self::NotRekeyable { .. }
            | Self::NotWritten { .. }
            | Self::PromptUnanswered { .. }
            | Self::SecretMissing { .. }
            | Self::SignInUnavailable(_)
            | Self::VolumeMissing { .. } => exit::MISSING,
            Self::DeviceInUse { .. } => exit::IN_USE,
            Self::NameInUse { .. } | Self::VolumeBusy { .. } => exit::IN_USE,
            Self::MetadataUnreachable(_)
            | Self::SignInUnreachable { .. }
            | Self::VaultUnreachable { .. } => exit::UNREACHABLE,
            Self::HeaderRefused { .. }
            | Self::KeyMalformed { .. }
            | Self::MaterialRefused { .. }
            | Self::MetadataUntrusted { .. }
            | Self::SignInUntrusted { .. }
            | Self::VaultUntrusted { .. } => exit::UNTRUSTED,
            Self::IdentityMissing { .. } | Self::VaultDenied(_) => exit::DENIED,
            Self::SignInRefused(_) => exit::DENIED,
        }
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.exit_status() == exit::UNREACHABLE
    }
}

/// Exit statuses of bek-unlock(8), extending those of cryptsetup(8).
pub mod exit {
    /// Done, or already open on the same device.
    pub const OK: u8 = 0;
    /// Usage or configuration.
    pub const CONFIGURATION: u8 = 1;
    /// No key fits.
    pub const KEY_REJECTED: u8 = 2;
    /// A named thing does not exist or is unusable.
    pub const MISSING: u8 = 4;
    /// The name is in use.
    pub const IN_USE: u8 = 5;
    /// Unreachable in time; the only one worth a retry (EX_UNAVAILABLE of sysexits.h).
    pub const UNREACHABLE: u8 = 69;
    /// An answer could not be trusted or understood (EX_PROTOCOL).
    pub const UNTRUSTED: u8 = 76;
    /// Refused by Azure (EX_NOPERM).
    pub const DENIED: u8 = 77;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{TransportProblem, Unreachable};

    #[test]
    fn only_unreachable_is_transient() {
        let unreachable =
            Unreachable { problem: TransportProblem::TimedOut, tries: 1, elapsed: Duration::ZERO };
        assert!(Kind::MetadataUnreachable(unreachable).is_transient());
        assert!(!Kind::ContentUnrecognized.is_transient());
    }
}
