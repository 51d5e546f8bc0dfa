//! From a failure to the operator's next step: all advice of the program, in one match; what there
//! is to say about signing in is in hint/sign_in.rs.
//!
//! No wildcard arm: a new [`Kind`] does not compile until somebody has decided what to advise.
//! Lines are imperative, without a full stop, and can be pasted where they are commands.

#![forbid(unsafe_code)]

use crate::azure::way::Way;
use crate::error::{
    Denied, Error, FileProblem, Goal, Kind, SecretProblem, Shortage, TransportProblem, TrustProblem,
};

mod flags;
mod material;
mod no_target;
mod sign_in;

/// What to do next about a failure, where it happened: with bektab's lines, or with flags.
pub fn for_error(error: &Error) -> Vec<String> {
    let own = match error.goal {
        Goal::Enroll | Goal::List | Goal::Recover | Goal::Token => flags::advice(&error.kind),
        Goal::Adopt | Goal::Close | Goal::Decode => None,
        Goal::Check | Goal::Rotate | Goal::Run | Goal::Show | Goal::Unlock => None,
    };
    own.map_or_else(
        || for_kind(&error.kind),
        |lines| lines.iter().map(|&line| line.to_owned()).collect(),
    )
}

/// What to do next, one to three lines; none only where the cause line says it already.
pub fn for_kind(kind: &Kind) -> Vec<String> {
    let fixed: &[&str] = match kind {
        Kind::BootNotReady { advice, .. } => return vec![advice.clone()],
        Kind::Configuration(diagnostic) => {
            let page = match diagnostic.file.to_str() {
                Some("/proc/cmdline") => "bek-unlock-initramfs(7)",
                _ if diagnostic.text.starts_with("--") => "bek-unlock(8)",
                _ => "bektab(5)",
            };
            return diagnostic
                .suggestion
                .iter()
                .map(|word| format!("did you mean {word}?"))
                .chain([format!("see {page}")])
                .collect();
        }
        Kind::ConfigurationUnreadable { .. } => &["its owner must be root, its mode 0644"],
        Kind::ContentUnrecognized => &[
            "the header may be out of date or belong to another disk",
            "not formatted yet? add content=any to its line in /etc/bektab",
        ],
        Kind::DeviceInUse { .. } => &[
            "is it a disk of this machine? see: lsblk -o NAME,SIZE,FSTYPE,MOUNTPOINTS",
            "if not, unmount it and close what is open on it, then try again",
        ],
        Kind::HeaderRefused { reason, .. }
            if reason.starts_with("it requires online-reencrypt") =>
        {
            &["let its reencryption end first: cryptsetup reencrypt --resume-only"]
        }
        Kind::HeaderRefused { .. } => &[
            "did somebody change it? compare: cryptsetup luksDump, and a backup of it",
            "if it is meant to be so, take header-policy= out of its line in /etc/bektab",
        ],
        Kind::HeaderUnusable { reason, .. } if is_absent(reason) => &[
            "is its disk attached? see: lsblk -o NAME,SIZE,FSTYPE,UUID",
            "does header= in /etc/bektab name the right file and disk?",
        ],
        Kind::HeaderUnusable { reason, .. } if reason.contains("line says") => {
            &["correct luks, bitlk, header= or key-slot= in its line of /etc/bektab"]
        }
        Kind::HeaderUnusable { reason, .. } if reason.starts_with("Windows") => &[
            "attach it to Windows and see its state and keys: manage-bde -status",
            "let Windows finish; add a password: manage-bde -protectors -add",
        ],
        Kind::HeaderUnusable { reason, .. } if reason.contains("does not know") => &[
            "the header is in order: neither reformat nor repair it",
            "open it with a newer libcryptsetup, here or on another system",
        ],
        Kind::HeaderUnusable { reason, .. } if reason.contains("I/O error") => &[
            "does the disk fail? see: journalctl -k, and the disk in the Azure portal",
            "a disk made of a snapshot of it opens with the same key",
        ],
        Kind::HeaderUnusable { .. } => &[
            "is it the right device? compare with: blkid, lsblk -f",
            "does the kernel lack something? see: dmesg, modprobe dm_crypt",
            "never reformat; restore a header backup if it is damaged",
        ],
        Kind::IdentityMissing { text, .. } if text.contains("Multiple") => {
            &["choose one with identity=client-id:UUID in /etc/bektab"]
        }
        Kind::IdentityMissing { .. } => &[
            "assign one: az vm identity assign -n VM -g GROUP",
            "then give it access to the vault",
        ],
        Kind::Internal { .. } => &[
            "is the disk in order? see: dmesg",
            "if so, please report a bug in bek-unlock, with the journal",
        ],
        Kind::KekMissing { .. } => &[
            "was the KEK's version deleted? recover it: az keyvault key recover --help",
            "kek= in /etc/bektab and the secret's tag say which KEK wrapped the key",
        ],
        Kind::KeyDiskMissing { .. } => &[
            "deallocate the VM, then start it; a reboot does not help",
            "still missing? the vault must be enabled for disk encryption",
            "or let Key Vault be asked: vault=URL in /etc/bektab",
        ],
        Kind::KeyDiskUnreadable { .. } => &[
            "is vfat blocked in /etc/modprobe.d? then allow it",
            "else the disk is damaged: deallocate the VM, then start it",
        ],
        Kind::KeyFileUnusable {
            place, problem: FileProblem::Empty | FileProblem::Missing, ..
        } if place.starts_with('/') => {
            &["put the key there, or correct the third field of its line in /etc/bektab"]
        }
        Kind::KeyFileUnusable { place, problem, file } => match (problem, file) {
            (FileProblem::Empty | FileProblem::Missing, None) => {
                &["deallocate and start the VM; Azure writes the key files again"]
            }
            (FileProblem::Empty | FileProblem::Missing, Some(_)) => &[
                "deallocate and start the VM; Azure writes the key files again",
                "or name another key in the third field of its line in /etc/bektab",
            ],
            (FileProblem::TooLarge, _) => &["is this the key file? a key has 65,536 bytes at most"],
            (FileProblem::Unreadable(_), _) if place.starts_with('/') => {
                &["make it a regular file that root can read, mode 0400"]
            }
            (FileProblem::Unreadable(_), _) => {
                &["the key disk is damaged: deallocate the VM, then start it"]
            }
        },
        Kind::KeyMalformed { .. } => &[
            "another key or algorithm may have wrapped it; check the secret's tags",
            "kek= and kek-algorithm= in /etc/bektab say which KEK to use",
        ],
        Kind::KeyRejected { .. } => &[
            "was the secret rotated, or the disk moved from another VM?",
            "to try another key name it in the third field; see bektab(5)",
        ],
        Kind::MaterialRefused { refusal, .. } => material::refused(refusal),
        Kind::MemoryShort { shortage: Shortage::Group { .. }, .. } => {
            &["raise MemoryMax= of its unit or slice; see: systemctl cat, systemd-cgls"]
        }
        Kind::MemoryShort { .. } => &[
            "start the VM in a size with more memory, then lower the cost:",
            "cryptsetup luksConvertKey --pbkdf-memory KIB DEVICE",
        ],
        Kind::MetadataUnreachable(unreachable) => match unreachable.problem {
            _ if unreachable.tries == 0 => MORE_TIME,
            TransportProblem::Status(404) => &[
                "the metadata service may be in an update; try again",
                "is this an Azure VM? no other cloud has this service",
            ],
            TransportProblem::Status(_) => &["the metadata service is busy; it will recover"],
            _ => &["no network? see: networkctl, ip route get 169.254.169.254"],
        },
        Kind::MetadataUntrusted { .. } => &["is something else answering at 169.254.169.254?"],
        Kind::NameInUse { .. } => &["give one of the two another name in /etc/bektab"],
        Kind::NoTarget(no_target) => return no_target::next(no_target),
        Kind::NotConfigured { .. } => {
            &["add a line to /etc/bektab; see bektab(5)", "names so far: bek-unlock status"]
        }
        Kind::NotPermitted { .. } => {
            &["run it as root", "root already? SELinux, AppArmor or a sandbox refused it"]
        }
        Kind::NotRekeyable { .. } => &["what can be renewed, and how: bek-unlock-enroll(8)"],
        Kind::NotWritten { .. } => &["is its file system full or read-only? see: df, mount"],
        Kind::PromptUnanswered { .. } => &["to type one, see: systemd-tty-ask-password-agent"],
        Kind::SecretMissing { problem, .. } => match problem {
            SecretProblem::Disabled => {
                &["enable it: az keyvault secret set-attributes --enabled true --help"]
            }
            SecretProblem::NotFound => {
                &["if deleted, recover it: az keyvault secret recover --help"]
            }
            SecretProblem::NoneMatches(_) => &[
                "is it the right vault? see: bek-unlock secrets --vault URL",
                "tag MachineName: the host name, or machine-name= of its line",
            ],
            SecretProblem::TooMany(_) => &[
                "name the machine with --machine-name, or the secret with --secret",
                "list them: bek-unlock secrets --vault URL",
            ],
            SecretProblem::OthersMatch { .. } => {
                &["without --machine-name and --file all disk secrets are shown"]
            }
        },
        Kind::SignInRefused(refusal) => sign_in::refused(refusal),
        Kind::SignInUnavailable(ways) => sign_in::unavailable(ways),
        Kind::SignInUnreachable { unreachable, .. } => match unreachable.tries {
            0 => MORE_TIME,
            _ => sign_in::unreachable(&unreachable.problem),
        },
        Kind::SignInUntrusted { problem, .. } => sign_in::untrusted(problem),
        Kind::Usage(_) => &["see: bek-unlock --help"],
        Kind::VaultDenied(denied) => return denied_hints(denied),
        Kind::VaultUnreachable { unreachable, .. } => match unreachable.problem {
            _ if unreachable.tries == 0 => MORE_TIME,
            TransportProblem::TimedOut => &[
                "does the vault's name resolve? see: resolvectl query HOST",
                "is port 443 to the vault open (route, network security group)?",
            ],
            TransportProblem::Resolve(_) => {
                &["is the vault's name right? with a private link: is its DNS zone linked?"]
            }
            TransportProblem::Status(_) => &["the vault is busy or throttled; try again later"],
            _ => &["is port 443 to the vault open (route, network security group)?"],
        },
        Kind::VaultUntrusted { problem, .. } => match problem {
            TrustProblem::Answer(_) | TrustProblem::Redirect => {
                &["is something between this VM and the vault? no token is sent elsewhere"]
            }
            TrustProblem::Certificate(_) => {
                &["is something between this VM and the vault? ca=FILE trusts a private CA"]
            }
            TrustProblem::CertificateTime(_) => {
                &["is the clock right? see: timedatectl; TLS needs the right time"]
            }
            TrustProblem::HostNotAllowed => {
                &["in a private cloud name its suffix: vault-suffix= or --vault-suffix"]
            }
            TrustProblem::NoAuthorities(_) => &[
                "install the package ca-certificates",
                "with ca= or --ca: is it the right file, in PEM?",
            ],
        },
        Kind::VolumeBusy { .. } => &["unmount it and stop who uses it, then try again"],
        Kind::VolumeMissing { .. } => &[
            "is the disk attached? see: lsblk -o NAME,SIZE,UUID,PARTUUID",
            "and ls /dev/disk/by-*",
        ],
    };
    fixed.iter().map(|&line| line.to_owned()).collect()
}

/// What took the time was another step; its own message is there when it failed.
const MORE_TIME: &[&str] = &["give it more time with timeout= in /etc/bektab"];

/// Whether a header, or the disk it is on, was not found; as unlock/header.rs and the system say it.
fn is_absent(reason: &str) -> bool {
    ["device is not there", "o such file or d"].iter().any(|words| reason.contains(words))
}

/// A refusal of Key Vault means one of seven things; the inner code tells which.
fn denied_hints(denied: &Denied) -> Vec<String> {
    let on_vm = denied.way == Way::ManagedIdentity;
    let identity = if on_vm { "the VM's identity" } else { "this identity" };
    let who = match &denied.object_id {
        Some(id) => format!("identity {id}"),
        None => identity.to_owned(),
    };
    let permission = denied.permission;
    match denied.code.as_str() {
        "AccessDenied" | "ForbiddenByPolicy" => vec![format!("give {who} {permission}")],
        "ForbiddenByRbac" => vec![
            format!("give {who} a role with {permission}"),
            format!("such a role is {}", role(permission)),
            "a new role assignment can take ten minutes to work".to_owned(),
        ],
        "ForbiddenByFirewall" => match &denied.address {
            Some(address) => vec![format!("allow {address} in the vault's network rules")],
            None if on_vm => vec!["allow this VM's subnet in the vault's network rules".to_owned()],
            None => vec!["allow this machine's address in the vault's network rules".to_owned()],
        },
        "ForbiddenByConnection" => {
            vec!["the vault takes private links only: is its DNS zone linked here?".to_owned()]
        }
        "KeyDisabled" => vec!["enable the KEK: az keyvault key set-attributes --help".to_owned()],
        "KeyExpired" | "KeyNotYetValid" => vec![
            "outside its dates a KEK unwraps, but wraps nothing new".to_owned(),
            "make a new version of it: az keyvault key rotate --help".to_owned(),
        ],
        "KeyOperationForbidden" => {
            let operation = permission.trim_start_matches("keys/");
            vec![format!("the KEK's permitted operations lack {operation}")]
        }
        "SecretDisabled" => {
            vec!["enable it: az keyvault secret set-attributes --enabled true --help".to_owned()]
        }
        _ if denied.status == 409 => vec![
            "a deleted secret still has this name: az keyvault secret recover --help".to_owned(),
        ],
        _ if denied.status == 401 => {
            vec![format!("are the vault and {identity} in the same tenant?")]
        }
        _ => vec![format!("{who} needs {permission} on this vault")],
    }
}

/// The smallest built-in role with a permission ("Azure built-in roles", Security).
fn role(permission: &str) -> &'static str {
    match permission {
        "keys/unwrapKey" | "keys/wrapKey" => "Key Vault Crypto Service Encryption User",
        "secrets/list" => "Key Vault Reader, or Key Vault Secrets User",
        "secrets/set" => "Key Vault Secrets Officer",
        _ => "Key Vault Secrets User",
    }
}

#[cfg(test)]
mod tests;
