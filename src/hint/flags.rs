//! Advice of commands that take flags where a volume has its line in bektab.

use crate::error::{FileProblem, Kind, SecretProblem, TransportProblem, TrustProblem};
use crate::recovery::refusal::Refusal;

/// What to do next at the command line; `None` where the general advice holds there, too.
pub(super) fn advice(kind: &Kind) -> Option<&'static [&'static str]> {
    Some(match kind {
        Kind::ContentUnrecognized => &[
            "the header may be out of date or belong to another disk",
            "try another partition of it, or another --header",
        ],
        Kind::HeaderUnusable { reason, .. } if super::is_absent(reason) => {
            &["does --header name the right file and disk?"]
        }
        Kind::IdentityMissing { text, .. } if text.contains("Multiple") => {
            &["choose one with --identity client-id:UUID"]
        }
        Kind::IdentityMissing { .. } => &[
            "sign in another way: --auth az, or --auth device-code",
            "or assign one: az vm identity assign -n VM -g GROUP",
        ],
        Kind::KekMissing { .. } => &[
            "was the KEK's version deleted? recover it: az keyvault key recover --help",
            "--kek names another KEK than the secret's tag",
        ],
        Kind::KeyDiskMissing { .. } => &[
            "give the key, or where it is: --secret URL, --vault URL, --key-disk DISK,",
            "--unwrapped FILE, --wrapped FILE, --key-file FILE; see bek-unlock-recover(8)",
        ],
        Kind::KeyDiskUnreadable { .. } => &["is it a key disk, or an image of one? see: lsblk -f"],
        Kind::KeyFileUnusable { place, problem, .. } if place.starts_with("key disk") => {
            match problem {
                FileProblem::Empty | FileProblem::Missing => {
                    &["take the key from Key Vault: --vault URL or --secret URL"]
                }
                FileProblem::TooLarge => &["is this the key disk? a key has 65,536 bytes at most"],
                FileProblem::Unreadable(_) => &[
                    "the key disk is damaged; take the key from Key Vault:",
                    "--vault URL or --secret URL",
                ],
            }
        }
        Kind::KeyFileUnusable { problem: FileProblem::Empty | FileProblem::Missing, .. } => {
            &["is it the right file? a key may also come through a pipe: FILE is then -"]
        }
        Kind::KeyMalformed { .. } => &[
            "another key or algorithm may have wrapped it; check the secret's tags",
            "--kek and --kek-algorithm say which KEK to use",
        ],
        Kind::KeyRejected { .. } => &[
            "is it the key of this disk? each disk of a VM may have its own",
            "the vault's secrets: bek-unlock secrets --vault URL",
        ],
        Kind::MaterialRefused { refusal: Refusal::StillWrapped { .. }, .. } => {
            &["only its KEK can open it: give it with --wrapped, and --kek if need be"]
        }
        Kind::MetadataUnreachable(unreachable) if unreachable.tries > 0 => {
            match unreachable.problem {
                TransportProblem::Status(404 | 410 | 429 | 500..) => return None,
                _ => &["not on an Azure VM? sign in another way: --auth az, --auth device-code"],
            }
        }
        Kind::NameInUse { .. } => &["open it under another name: --name NAME"],
        Kind::SecretMissing { problem: SecretProblem::NoneMatches(_), .. } => &[
            "is it the right vault? what it has: bek-unlock secrets --vault URL",
            "a secret without tags has to be named: --secret URL",
        ],
        Kind::VaultUntrusted { problem, .. } => match problem {
            TrustProblem::Answer(_) | TrustProblem::Redirect => {
                &["is something between here and the vault? no token is sent elsewhere"]
            }
            TrustProblem::Certificate(_) => {
                &["is something between here and the vault? --ca FILE trusts a private CA"]
            }
            TrustProblem::HostNotAllowed => {
                &["in a private cloud name its suffix: --vault-suffix DNS"]
            }
            TrustProblem::NoAuthorities(_) => {
                &["install the package ca-certificates", "with --ca: is it the right file, in PEM?"]
            }
            TrustProblem::CertificateTime(_) => return None,
        },
        Kind::VaultUnreachable { unreachable, .. }
        | Kind::SignInUnreachable { unreachable, .. }
        | Kind::MetadataUnreachable(unreachable)
            if unreachable.tries == 0 =>
        {
            &["give it more time with --timeout"]
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, Goal, Unreachable};
    use crate::hint::for_error;
    use crate::volume::VolumeName;

    /// The same failures where a line of bektab is to be changed, and where flags are.
    fn kinds() -> Vec<Kind> {
        let key_file = |place: &str, problem| Kind::KeyFileUnusable {
            place: place.to_owned(),
            file: None,
            problem,
        };
        let untrusted = |problem| Kind::VaultUntrusted {
            host: crate::azure::id::Host::parse("kv.example.org").unwrap(),
            problem,
        };
        let not_asked = || Unreachable {
            problem: TransportProblem::TimedOut,
            tries: 0,
            elapsed: Duration::ZERO,
        };
        vec![
            Kind::ContentUnrecognized,
            Kind::HeaderUnusable { path: "/h".into(), reason: "its device is not there".into() },
            Kind::IdentityMissing { status: 400, text: "Multiple user assigned".to_owned() },
            Kind::KeyDiskMissing { waited: Duration::ZERO },
            key_file("/root/key", FileProblem::Missing),
            key_file("key disk /dev/sdc1", FileProblem::Empty),
            Kind::KeyMalformed { what: "x".to_owned(), reason: "y".to_owned() },
            Kind::KeyRejected { place: "x".to_owned(), tried: 1, keyslots: 1 },
            Kind::MetadataUnreachable(not_asked()),
            Kind::NameInUse {
                name: VolumeName::parse("data1").unwrap(),
                device: "/dev/sdb".to_owned(),
            },
            untrusted(TrustProblem::HostNotAllowed),
            untrusted(TrustProblem::Certificate("x".to_owned())),
            untrusted(TrustProblem::NoAuthorities("/x".into())),
        ]
    }

    #[test]
    fn who_uses_flags_is_not_sent_to_bektab() {
        for kind in kinds() {
            let hints = for_error(&Error::new(Goal::Recover, kind.clone())).join(" ");
            assert!(!hints.is_empty() && !hints.contains("bektab"), "{kind}: {hints}");
            assert!(!hints.contains("third field") && !hints.contains("VM's"), "{kind}: {hints}");
            let at_boot = for_error(&Error::new(Goal::Unlock, kind.clone())).join(" ");
            assert!(!at_boot.contains("--vault ") && !at_boot.contains("--kek "), "{at_boot}");
        }
    }

    #[test]
    fn lines_fit_the_console() {
        for kind in kinds() {
            for line in for_error(&Error::new(Goal::Recover, kind)) {
                assert!(line.len() <= 79 && line.is_ascii(), "{line}");
            }
        }
    }
}
