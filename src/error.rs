//! What can go wrong, in the operator's words.
//!
//! One enum for the whole program: a variant is an outcome and carries the facts its sentence
//! needs. Its `Display` is the `cause:` line and nothing else; advice lives in hint.rs, speaking in
//! report.rs. Text that came from a disk or the network enters only through [`printable`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::azure::id::{Host, KeyId};
use crate::config::diagnostic::Diagnostic;
use crate::volume::{DeviceSpec, KeyFileName, VolumeName};

/// A failure as it is reported: what could not be done, to what, why, and what else was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was to be done.
    pub goal: Goal,
    /// The volume, where there is one.
    pub volume: Option<VolumeName>,
    /// The encrypted device, once it is known.
    pub device: Option<PathBuf>,
    /// The cause that decides the exit status and the advice.
    pub kind: Kind,
    /// Further causes: what the other key sources said, in the order they were asked.
    pub others: Vec<Kind>,
}

/// What a command is for; the first line of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// `detach`.
    Close,
    /// Anything that ends before a volume is known.
    Run,
    /// `status`.
    Show,
    /// `attach`.
    Unlock,
}

impl Error {
    /// A failure with one cause.
    pub fn new(goal: Goal, kind: Kind) -> Self {
        Self { goal, volume: None, device: None, kind, others: Vec::new() }
    }

    /// A failure with one cause for each key source asked, in that order.
    ///
    /// A source that was unreachable decides, because a retry can mend it; else the last one does:
    /// it is the one that had the best chance to know.
    pub fn of_sources(goal: Goal, mut kinds: Vec<Kind>) -> Self {
        let last = kinds.len().checked_sub(1);
        match kinds.iter().position(Kind::is_transient).or(last) {
            Some(index) => {
                let kind = kinds.remove(index);
                Self { others: kinds, ..Self::new(goal, kind) }
            }
            None => {
                let reason = "no key source is configured".to_owned();
                Self::new(goal, Kind::Internal { call: "choosing key sources", reason })
            }
        }
    }

    /// Says which volume it is about.
    pub fn volume(mut self, name: &VolumeName) -> Self {
        self.volume = Some(name.clone());
        self
    }

    /// Says which device it is about.
    pub fn device(mut self, device: Option<&Path>) -> Self {
        self.device = device.map(Path::to_owned);
        self
    }
}

/// The `error:` line: goal and object, always of one shape.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.goal {
            Goal::Close => "cannot close",
            Goal::Run => "cannot run",
            Goal::Show => "cannot show",
            Goal::Unlock => "cannot unlock",
        })?;
        if let Some(volume) = &self.volume {
            write!(f, " {volume}")?;
        }
        match &self.device {
            Some(device) => write!(f, " ({})", device.display()),
            None => Ok(()),
        }
    }
}

/// Why something failed. Each variant has one word ([`Kind::name`]), used as journal field, man
/// page heading and test name, and one exit status ([`Kind::exit_status`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line of bektab or crypttab, or an option, does not parse. Blame: whoever wrote it.
    Configuration(Box<Diagnostic>),
    /// A configuration file is there and cannot be read.
    ConfigurationUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Opened with a detached header, but the plaintext is nothing known; closed again.
    ContentUnrecognized,
    /// No LUKS header where one should be, or one this libcryptsetup cannot use.
    HeaderUnusable {
        /// The device or header file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// IMDS has no (such) managed identity for this VM, or cannot choose one.
    IdentityMissing {
        /// HTTP status of IMDS.
        status: u16,
        /// IMDS's own words.
        text: String,
    },
    /// A call failed in a way nobody foresaw. Blame: bek-unlock; please report it.
    Internal {
        /// What was being done.
        call: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The KEK, or the version that wrapped the key, is not in the vault: HTTP 404.
    KekMissing {
        /// The key that was named.
        kek: KeyId,
    },
    /// No vfat file system labelled `BEK VOLUME` showed up.
    KeyDiskMissing {
        /// How long it was waited for.
        waited: Duration,
    },
    /// A key disk is there and neither the kernel nor the FAT reader can read it.
    KeyDiskUnreadable {
        /// Its block device.
        device: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A key file is missing, empty, too large or unreadable.
    KeyFileUnusable {
        /// Where it was looked for: `key disk /dev/sdc1`, or its own absolute path.
        place: String,
        /// Its name on the key disk, where it is on one and has one.
        file: Option<KeyFileName>,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// A wrapped key or an answer with a key in it cannot be what it should be.
    KeyMalformed {
        /// Which one.
        what: String,
        /// Why.
        reason: String,
    },
    /// Keys were found and none of them opens a keyslot.
    KeyRejected {
        /// Where they came from.
        place: String,
        /// How many were tried.
        tried: usize,
        /// How many keyslots the header has.
        keyslots: usize,
    },
    /// The keyslot's KDF asks for more memory than the machine has.
    MemoryShort {
        /// What it asks for, in KiB.
        needed_kib: u64,
        /// MemAvailable, in KiB.
        available_kib: u64,
    },
    /// IMDS did not answer in time.
    MetadataUnreachable(Unreachable),
    /// IMDS answered something that cannot be understood.
    MetadataUntrusted {
        /// Why.
        reason: String,
    },
    /// The mapping's name is taken by another device.
    NameInUse {
        /// The name.
        name: VolumeName,
        /// What it maps.
        device: String,
    },
    /// No line of bektab, and no ADE line of crypttab, has this name.
    NotConfigured {
        /// The name.
        name: VolumeName,
    },
    /// The caller may not do this; bek-unlock needs root for devices and mappings.
    NotPermitted {
        /// What was refused.
        action: &'static str,
        /// What the system said.
        reason: String,
    },
    /// A passphrase was asked for and nobody gave one.
    PromptUnanswered {
        /// Why.
        reason: String,
    },
    /// The secret is not in the vault, or not usable.
    SecretMissing {
        /// The vault's host.
        vault: Host,
        /// What was looked for.
        what: String,
        /// Why it is no use.
        problem: SecretProblem,
    },
    /// The command line does not make sense.
    Usage(String),
    /// Key Vault refused: permission, firewall, disabled key, wrong tenant.
    VaultDenied(Box<Denied>),
    /// Key Vault did not answer in time.
    VaultUnreachable {
        /// The vault's host.
        vault: Host,
        /// How it failed.
        unreachable: Unreachable,
    },
    /// The host may not be given a token, or its certificate or answer cannot be trusted.
    VaultUntrusted {
        /// The host.
        host: Host,
        /// Why.
        problem: TrustProblem,
    },
    /// The mapping is in use and was not closed.
    VolumeBusy {
        /// Who uses it: mount points, mappings, processes.
        holders: Vec<String>,
    },
    /// The encrypted device did not show up.
    VolumeMissing {
        /// How it was looked for.
        device: DeviceSpec,
        /// How long.
        waited: Duration,
    },
}

/// What is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// Zero bytes; Azure's KEK rotation has done that (azure-linux-extensions #2035).
    Empty,
    /// Not there.
    Missing,
    /// Longer than a key can be.
    TooLarge,
    /// The system's words.
    Unreadable(String),
}

/// How a service was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The last try's failure.
    pub problem: TransportProblem,
    /// How often it was tried.
    pub tries: u32,
    /// For how long.
    pub elapsed: Duration,
}

/// One try that got no usable answer; all of these are worth another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportProblem {
    /// No connection: refused, no route, network unreachable; the system's words.
    Connect(String),
    /// The connection broke before the answer was whole.
    Interrupted(String),
    /// The host name did not resolve; the resolver's words.
    Resolve(String),
    /// An answer that says "later": 404 and 410 of IMDS, 429, 5xx.
    Status(u16),
    /// Nothing within the try's own time limit.
    TimedOut,
}

/// Why a secret is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretProblem {
    /// Every version that matches is disabled.
    Disabled,
    /// 404.
    NotFound,
    /// No secret of the vault carries matching tags; how many were looked at.
    NoneMatches(usize),
}

/// A refusal by Key Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The vault's host.
    pub vault: Host,
    /// HTTP status: 401 or 403.
    pub status: u16,
    /// The inner error code (`AccessDenied`, `ForbiddenByFirewall`, `KeyDisabled`), or the outer.
    pub code: String,
    /// The permission the refused call needs, as access policies spell it.
    pub permission: &'static str,
    /// Who asked, when the answer says so: an object id.
    pub object_id: Option<String>,
    /// The client address, when a firewall's answer says so.
    pub address: Option<String>,
    /// Key Vault's own message: its first sentence for 403, its first line for 401.
    pub text: String,
    /// `x-ms-request-id`, which Microsoft's support asks for.
    pub request_id: Option<String>,
}

/// Why a host or its answer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustProblem {
    /// The answer is not what the protocol says.
    Answer(String),
    /// The certificate was refused; the verifier's words.
    Certificate(String),
    /// The certificate is not valid yet or any more; the verifier's words.
    CertificateTime(String),
    /// The host is under no known Key Vault or Managed HSM suffix.
    HostNotAllowed,
    /// No certificate authorities could be loaded from this file.
    NoAuthorities(PathBuf),
    /// It answered with a redirect.
    Redirect,
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

impl Kind {
    /// The word for it, everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configuration(_) => "configuration",
            Self::ConfigurationUnreadable { .. } => "configuration-unreadable",
            Self::ContentUnrecognized => "content-unrecognized",
            Self::HeaderUnusable { .. } => "header-unusable",
            Self::IdentityMissing { .. } => "identity-missing",
            Self::Internal { .. } => "internal",
            Self::KekMissing { .. } => "kek-missing",
            Self::KeyDiskMissing { .. } => "key-disk-missing",
            Self::KeyDiskUnreadable { .. } => "key-disk-unreadable",
            Self::KeyFileUnusable { .. } => "key-file-unusable",
            Self::KeyMalformed { .. } => "key-malformed",
            Self::KeyRejected { .. } => "key-rejected",
            Self::MemoryShort { .. } => "memory-short",
            Self::MetadataUnreachable(_) => "metadata-unreachable",
            Self::MetadataUntrusted { .. } => "metadata-untrusted",
            Self::NameInUse { .. } => "name-in-use",
            Self::NotConfigured { .. } => "not-configured",
            Self::NotPermitted { .. } => "not-permitted",
            Self::PromptUnanswered { .. } => "prompt-unanswered",
            Self::SecretMissing { .. } => "secret-missing",
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
            Self::Configuration(_)
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
            | Self::MemoryShort { .. }
            | Self::PromptUnanswered { .. }
            | Self::SecretMissing { .. }
            | Self::VolumeMissing { .. } => exit::MISSING,
            Self::NameInUse { .. } | Self::VolumeBusy { .. } => exit::IN_USE,
            Self::MetadataUnreachable(_) | Self::VaultUnreachable { .. } => exit::UNREACHABLE,
            Self::KeyMalformed { .. }
            | Self::MetadataUntrusted { .. }
            | Self::VaultUntrusted { .. } => exit::UNTRUSTED,
            Self::IdentityMissing { .. } | Self::VaultDenied(_) => exit::DENIED,
        }
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.exit_status() == exit::UNREACHABLE
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(diagnostic) => diagnostic.fmt(f),
            Self::ConfigurationUnreadable { path, reason } => {
                write!(f, "cannot read {}: {reason}", path.display())
            }
            Self::ContentUnrecognized => {
                f.write_str("it opens but holds no file system or LVM; closed again")
            }
            Self::HeaderUnusable { path, reason } => {
                write!(f, "no usable LUKS header in {}: {reason}", path.display())
            }
            Self::IdentityMissing { status, text } => {
                write!(f, "this VM has no usable managed identity: HTTP {status}: {text}")
            }
            Self::Internal { call, reason } => write!(f, "{call}: {reason}"),
            Self::KekMissing { kek } => write!(
                f,
                "key vault {}: HTTP 404 KeyNotFound ({}/{})",
                short(kek.host()),
                kek.name().as_str(),
                kek.version().as_str()
            ),
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
                let name = file.as_ref().map_or(KeyFileName::OS, KeyFileName::as_str);
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
                    (1, 1) => f.write_str(" does not fit the keyslot"),
                    (1, _) => write!(f, " fits none of the {keyslots} keyslots"),
                    (_, 1) => f.write_str(" fits the keyslot"),
                    _ => write!(f, " fits one of the {keyslots} keyslots"),
                }
            }
            Self::MemoryShort { needed_kib, available_kib } => write!(
                f,
                "the keyslot's KDF needs {} MiB of memory, {} MiB are free",
                needed_kib / 1024,
                available_kib / 1024
            ),
            Self::MetadataUnreachable(unreachable) => {
                write!(f, "metadata service 169.254.169.254: {unreachable}")
            }
            Self::MetadataUntrusted { reason } => {
                write!(f, "metadata service 169.254.169.254: {reason}")
            }
            Self::NameInUse { name, device } => {
                write!(f, "/dev/mapper/{name} already maps {device}")
            }
            Self::NotConfigured { name } => {
                write!(f, "no line for {name} in /etc/bektab, no ADE line in /etc/crypttab")
            }
            Self::NotPermitted { action, reason } => write!(f, "cannot {action}: {reason}"),
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
                }
            }
            Self::Usage(text) => f.write_str(text),
            Self::VaultDenied(denied) => denied.fmt(f),
            Self::VaultUnreachable { vault, unreachable } => {
                write!(f, "key vault {}: {unreachable}", short(vault))
            }
            Self::VaultUntrusted { host, problem } => match problem {
                TrustProblem::Answer(reason)
                | TrustProblem::Certificate(reason)
                | TrustProblem::CertificateTime(reason) => write!(f, "{host}: {reason}"),
                TrustProblem::HostNotAllowed => {
                    write!(f, "{host} is no Key Vault host; no token was sent")
                }
                TrustProblem::NoAuthorities(path) => {
                    write!(f, "{host}: no CA certificates in {}", path.display())
                }
                TrustProblem::Redirect => write!(f, "{host}: answered with a redirect"),
            },
            Self::VolumeBusy { holders } if holders.is_empty() => f.write_str("it is in use"),
            Self::VolumeBusy { holders } => write!(f, "in use by {}", holders.join(", ")),
            Self::VolumeMissing { device, waited } => {
                match device {
                    DeviceSpec::Path(path) => write!(f, "{} is not there", path.display())?,
                    tag => write!(f, "no disk has {tag}")?,
                }
                write!(f, "; gave up after {}", seconds(*waited))
            }
        }
    }
}

impl fmt::Display for TransportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(reason) | Self::Interrupted(reason) => f.write_str(reason),
            Self::Resolve(reason) => write!(f, "name lookup failed: {reason}"),
            Self::Status(status) => write!(f, "HTTP {status}"),
            Self::TimedOut => f.write_str("no answer"),
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        let times = if self.tries == 1 { "try" } else { "tries" };
        write!(f, "; gave up after {} {times} in {}", self.tries, seconds(self.elapsed))
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key vault {}: HTTP {} {}", short(&self.vault), self.status, self.code)?;
        // The vault says this in three lines of identifiers; the hint names who and what.
        if matches!(self.code.as_str(), "AccessDenied" | "ForbiddenByPolicy" | "ForbiddenByRbac") {
            return write!(f, ": no permission {}", self.permission);
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

/// A vault's name: the first label of its host.
pub fn short(host: &Host) -> &str {
    host.as_str().split('.').next().unwrap_or_default()
}

/// A duration as people say it: `90 s`, `1.2 s`.
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} s", duration.as_secs())
    }
}

/// Untrusted text made fit for a console: printable ASCII, at most `limit` characters.
///
/// Everything else becomes `?`, runs of white space one blank; a cut is marked by `...`.
pub fn printable(text: &str, limit: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let clean: String =
        words.join(" ").chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    match clean.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_cannot_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31m\r\n b\u{202e}c", 99), "a?[31m b?c");
        assert_eq!(printable("abcdef", 3), "abc...");
        assert_eq!(printable("abc", 3), "abc");
    }

    #[test]
    fn only_unreachable_is_transient() {
        let unreachable =
            Unreachable { problem: TransportProblem::TimedOut, tries: 1, elapsed: Duration::ZERO };
        assert!(Kind::MetadataUnreachable(unreachable).is_transient());
        assert!(!Kind::ContentUnrecognized.is_transient());
    }

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
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(90)), "90 s");
    }
}
