//! The `cause:` line of each kind of failure: the object first, then what is wrong with it.
//!
//! Every sentence that says why something failed is written here or beside the fact it tells
//! (facts.rs); what to do about it is hint.rs's.

use std::fmt;
use std::time::Duration;

use super::{FileProblem, Kind, SecretProblem, Shortage, TrustProblem, seconds, short};
use crate::volume::{DeviceSpec, KeyFileName};

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootNotReady { reason, .. } => f.write_str(reason),
            Self::Configuration(diagnostic) => diagnostic.fmt(f),
            Self::ConfigurationUnreadable { path, reason } => {
                write!(f, "cannot read {}: {reason}", path.display())
            }
            Self::ContentUnrecognized => {
                f.write_str("it opens but holds no file system or LVM; closed again")
            }
            Self::DeviceInUse { device, holders } => {
                write!(f, "this machine uses {}: {}", device.display(), holders.join(", "))
            }
            Self::HeaderRefused { path, reason } => {
                write!(f, "header-policy=strict refuses the header in {}: {reason}", path.display())
            }
            Self::HeaderUnusable { path, reason } => {
                write!(f, "no usable header in {}: {reason}", path.display())
            }
            Self::IdentityMissing { status, text } => {
                write!(f, "this VM has no usable managed identity: HTTP {status}: {text}")
            }
            Self::Internal { call, reason } => write!(f, "{call}: {reason}"),
            Self::KekMissing { kek } => {
                write!(f, "key vault {}: HTTP 404 KeyNotFound ({})", short(kek.host()), kek.short())
            }
            // Somebody who only looked has not waited.
            Self::KeyDiskMissing { waited } if *waited < Duration::from_secs(1) => {
                f.write_str("no key disk (vfat, label \"BEK VOLUME\") is attached")
            }
            Self::KeyDiskMissing { waited } => write!(
                f,
                "no key disk (vfat, label \"BEK VOLUME\") appeared in {}",
                seconds(*waited)
            ),
            Self::KeyDiskUnreadable { device, reason } => {
                write!(f, "cannot read key disk {} as vfat: {reason}", device.display())
            }
            Self::KeyFileUnusable { place, file: None, problem } if place.starts_with('/') => {
                match problem {
                    FileProblem::Empty => write!(f, "{place} has 0 bytes"),
                    FileProblem::Missing => write!(f, "{place} does not exist"),
                    FileProblem::TooLarge => write!(f, "{place} is too large for a key"),
                    FileProblem::Unreadable(reason) => write!(f, "{place}: {reason}"),
                }
            }
            Self::KeyFileUnusable { place, file, problem } => {
                let name = file.as_ref().map_or(KeyFileName::OS.to_owned(), ToString::to_string);
                let star = if file.is_none() { "*" } else { "" };
                match problem {
                    FileProblem::Empty => write!(f, "{place}: {name} has 0 bytes"),
                    FileProblem::Missing => write!(f, "{place} has no file {name}{star}"),
                    FileProblem::TooLarge => write!(f, "{place}: {name} is too large for a key"),
                    FileProblem::Unreadable(reason) => write!(f, "{place}: {name}: {reason}"),
                }
            }
            Self::KeyMalformed { what, reason } => write!(f, "{what}: {reason}"),
            Self::KeyRejected { place, tried, keyslots } => {
                match tried {
                    1 => write!(f, "the key from {place}")?,
                    _ => write!(f, "none of the {tried} keys from {place}")?,
                }
                match (tried, keyslots) {
                    (1, 0) => f.write_str(" fits none of the volume's protectors"),
                    (_, 0) => f.write_str(" fits one of the volume's protectors"),
                    (1, 1) => f.write_str(" does not fit the keyslot"),
                    (1, _) => write!(f, " fits none of the {keyslots} keyslots"),
                    (_, 1) => f.write_str(" fits the keyslot"),
                    _ => write!(f, " fits one of the {keyslots} keyslots"),
                }
            }
            Self::MaterialRefused { what, refusal } => write!(f, "{what} {refusal}"),
            // The kernel's word instead of a comparison: how much would have done is not known.
            Self::MemoryShort { shortage: Shortage::Kernel | Shortage::Busy, .. } => {
                f.write_str("the keyslot's KDF got not enough memory")
            }
            Self::MemoryShort { needed_kib, shortage } => {
                let needed = needed_kib.div_ceil(1024);
                write!(f, "the keyslot's KDF needs {needed} MiB of memory, {shortage}")
            }
            Self::MetadataUnreachable(unreachable) => {
                write!(f, "metadata service 169.254.169.254: {unreachable}")
            }
            Self::MetadataUntrusted { reason } => {
                write!(f, "metadata service 169.254.169.254: {reason}")
            }
            Self::NameInUse { name, device } => {
                write!(f, "/dev/mapper/{name} already maps {device}")
            }
            Self::NoTarget(no_target) => no_target.fmt(f),
            Self::NotConfigured { name } => {
                write!(f, "no line for {name} in /etc/bektab, no ADE line in /etc/crypttab")
            }
            Self::NotPermitted { action, reason } => write!(f, "cannot {action}: {reason}"),
            Self::NotRekeyable { reason } => f.write_str(reason),
            Self::NotWritten { path, reason } => {
                write!(f, "cannot write {}: {reason}", path.display())
            }
            Self::PromptUnanswered { reason } => write!(f, "no passphrase was typed: {reason}"),
            Self::SecretMissing { vault, what, problem } => {
                let vault = short(vault);
                match problem {
                    SecretProblem::Disabled => {
                        write!(f, "key vault {vault}: secret {what} is disabled")
                    }
                    SecretProblem::NotFound => {
                        write!(f, "key vault {vault}: HTTP 404 SecretNotFound ({what})")
                    }
                    SecretProblem::NoneMatches(seen) => {
                        write!(f, "key vault {vault}: none of {seen} secrets has tags for {what}")
                    }
                    SecretProblem::TooMany(found) => {
                        write!(f, "key vault {vault}: {found} secrets may be those of {what}")
                    }
                    SecretProblem::OthersMatch { seen, machines } => {
                        write!(f, "key vault {vault}: none of {seen} secrets has tags for {what}")?;
                        write!(f, "; machines there: {}", some_of(machines))
                    }
                }
            }
            Self::SignInRefused(refusal) => refusal.fmt(f),
            Self::SignInUnavailable(ways) => match ways.as_slice() {
                [only] => write!(f, "cannot sign in by {only}"),
                ways => {
                    let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
                    write!(f, "no way to sign in to Azure: {}", ways.join("; "))
                }
            },
            Self::SignInUnreachable { authority, unreachable } => {
                write!(f, "{authority}: {unreachable}")
            }
            Self::SignInUntrusted { place, problem } => match problem {
                TrustProblem::HostNotAllowed => {
                    write!(f, "{place} is no sign-in host of Azure; nothing was sent")
                }
                problem => distrust(f, place, problem),
            },
            Self::Usage(text) => f.write_str(text),
            Self::VaultDenied(denied) => denied.fmt(f),
            Self::VaultUnreachable { vault, unreachable } => {
                write!(f, "key vault {}: {unreachable}", short(vault))
            }
            Self::VaultUntrusted { host, problem } => match problem {
                TrustProblem::HostNotAllowed => {
                    write!(f, "{host} is no Key Vault host; no token was sent")
                }
                problem => distrust(f, host, problem),
            },
            Self::VolumeBusy { holders } if holders.is_empty() => f.write_str("it is in use"),
            Self::VolumeBusy { holders } => write!(f, "in use by {}", holders.join(", ")),
            Self::VolumeMissing { device, waited } => {
                match device {
                    DeviceSpec::Path(path) => write!(f, "{} is not there", path.display())?,
                    tag => write!(f, "no disk has {tag}")?,
                }
                // Not everybody waits for it.
                if waited.is_zero() {
                    return Ok(());
                }
                write!(f, "; gave up after {}", seconds(*waited))
            }
        }
    }
}

/// The first names of a list, and how many more it has: a line is not a page.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Why `place` is not trusted; that a host is not one of Azure's is said in its own words.
fn distrust(
    f: &mut fmt::Formatter<'_>,
    place: &dyn fmt::Display,
    problem: &TrustProblem,
) -> fmt::Result {
    match problem {
        TrustProblem::Answer(reason)
        | TrustProblem::Certificate(reason)
        | TrustProblem::CertificateTime(reason) => write!(f, "{place}: {reason}"),
        TrustProblem::HostNotAllowed => write!(f, "{place} is not trusted"),
        TrustProblem::NoAuthorities(path) => {
            write!(f, "{place}: no CA certificates in {}", path.display())
        }
        TrustProblem::Redirect => write!(f, "{place}: answered with a redirect"),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::azure::id::Host;
    use crate::error::{TransportProblem, Unreachable};

    #[test]
    fn an_unusable_key_file_is_named_by_its_path_or_its_disk() {
        let unusable = |place: &str, file, problem| {
            Kind::KeyFileUnusable { place: place.to_owned(), file, problem }.to_string()
        };
        assert_eq!(unusable("/etc/x.key", None, FileProblem::Empty), "/etc/x.key has 0 bytes");
        assert_eq!(
            unusable("key disk /dev/sdc1", None, FileProblem::Missing),
            "key disk /dev/sdc1 has no file LinuxPassPhraseFileName*"
        );
        let name = KeyFileName::parse("own");
        assert_eq!(
            unusable("key disk /dev/sdc1", name, FileProblem::TooLarge),
            "key disk /dev/sdc1: own is too large for a key"
        );
    }

    #[test]
    fn a_long_list_of_machines_is_counted() {
        let missing = |count: usize| {
            Kind::SecretMissing {
                vault: Host::parse("kv.vault.azure.net").unwrap(),
                what: "machine web9".to_owned(),
                problem: SecretProblem::OthersMatch {
                    seen: 75,
                    machines: (0..count).map(|number| format!("db{number}")).collect(),
                },
            }
            .to_string()
        };
        let start =
            "key vault kv: none of 75 secrets has tags for machine web9; machines there: db0";
        assert_eq!(missing(1), start);
        assert!(missing(12).ends_with(", db10, db11"), "{}", missing(12));
        assert!(missing(14).ends_with(", db11 and 2 more"), "{}", missing(14));
    }

    #[test]
    fn no_memory_is_not_said_to_be_0_mib() {
        let text = |shortage| Kind::MemoryShort { needed_kib: 65_537, shortage }.to_string();
        assert_eq!(text(Shortage::Kernel), "the keyslot's KDF got not enough memory");
        for (shortage, words) in [
            (Shortage::Free { kib: 2047, others: 0 }, "1 MiB are free"),
            (Shortage::Free { kib: 0, others: 2 }, "0 MiB are free beside 2 other KDFs"),
            (Shortage::Machine { kib: 4096 }, "the machine has 4 MiB"),
            (Shortage::Group { kib: 4096 }, "its control group may have 4 MiB"),
        ] {
            let expected = format!("the keyslot's KDF needs 65 MiB of memory, {words}");
            assert_eq!(text(shortage), expected);
        }
    }

    #[test]
    fn who_was_not_asked_is_not_said_to_be_silent() {
        let (problem, elapsed) = (TransportProblem::TimedOut, Duration::ZERO);
        let text = Unreachable { problem, tries: 0, elapsed }.to_string();
        assert_eq!(text, "not asked; timeout= was over before");
    }
}
