//! What can go wrong, in the operator's words.
//!
//! One enum for the whole program: a variant is an outcome and carries the facts its sentence
//! needs. Its `Display` (cause.rs) is the `cause:` line and nothing else; advice lives in hint.rs,
//! speaking in report.rs. Text that came from a disk or the network enters only through
//! [`printable`].

#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::azure::id::{Host, KeyName};
use crate::config::diagnostic::Diagnostic;
use crate::recovery::no_target::NoTarget;
use crate::recovery::refusal::Refusal;
use crate::volume::{DeviceSpec, KeyFileName, VolumeName};

pub use facts::{
    Denied, FileProblem, PassedOver, SecretProblem, Shortage, SignInRefusal, TransportProblem,
    TrustProblem, Unreachable,
};
pub use status::exit;
pub use text::{printable, seconds, short};

mod cause;
mod facts;
mod status;
mod text;

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
    /// `adopt`.
    Adopt,
    /// `check`.
    Check,
    /// `detach`.
    Close,
    /// `decode`.
    Decode,
    /// `enroll`.
    Enroll,
    /// `recover`.
    Recover,
    /// `rotate`.
    Rotate,
    /// `secrets`.
    List,
    /// Anything that ends before a volume is known.
    Run,
    /// `status`, `token show`.
    Show,
    /// `token assign`, `token import`, `token remove`.
    Token,
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
            Goal::Adopt => "cannot take over the lines of Azure Disk Encryption",
            Goal::Check if self.volume.is_none() => "cannot vouch for the next boot",
            Goal::Check => "cannot vouch for the next boot of",
            Goal::Close => "cannot close",
            Goal::Decode => "cannot decode",
            Goal::Enroll => "cannot enroll",
            Goal::Recover => "cannot recover",
            Goal::Rotate => "cannot rotate the key of",
            Goal::List => "cannot list the disk secrets",
            Goal::Run => "cannot run",
            Goal::Show => "cannot show",
            Goal::Token => "cannot change the tokens",
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
    /// The next boot will not open a volume, for a reason that no unlock has: its unit, its image.
    BootNotReady {
        /// What was looked at, and what is wrong with it.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A line of bektab or crypttab, or an option, does not parse. Blame: whoever wrote it.
    Configuration(Box<Diagnostic>),
    /// A configuration file is there and cannot be read.
    ConfigurationUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Opened with a detached header or as BitLocker, but the plaintext is nothing known; closed
    /// again.
    ContentUnrecognized,
    /// A disk to be recovered is one that this machine works with.
    DeviceInUse {
        /// What was named.
        device: PathBuf,
        /// Who uses it: mount points, mappings, swap.
        holders: Vec<String>,
    },
    /// The header asks for what `header-policy=strict` does not allow. Blame: whoever wrote it.
    HeaderRefused {
        /// The device or header file.
        path: PathBuf,
        /// What it asks for.
        reason: String,
    },
    /// No LUKS header or BitLocker metadata where they should be, or such as this libcryptsetup
    /// cannot use.
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
        kek: KeyName,
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
        /// How many keyslots the header has; 0 for BitLocker, which has protectors instead.
        keyslots: usize,
    },
    /// What was given as a key, or to find one in, is none or holds none.
    MaterialRefused {
        /// What was given: `standard input`, or a path.
        what: String,
        /// Why.
        refusal: Refusal,
    },
    /// The keyslot's KDF asks for more memory than the machine has.
    MemoryShort {
        /// What it asks for, in KiB.
        needed_kib: u64,
        /// What there is.
        shortage: Shortage,
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
    /// On the disk that was named is nothing to open, or nobody can tell what. Blame: whoever
    /// named it.
    NoTarget(Box<NoTarget>),
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
    /// A volume's key cannot be made anew, and nothing was changed.
    NotRekeyable {
        /// Why, about the volume: `its key comes from the key disk alone, …`.
        reason: String,
    },
    /// A file could not be written; what was there is there still.
    NotWritten {
        /// The file.
        path: PathBuf,
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
    /// Entra refused whoever signed in: wrong secret, unknown application, blocked by policy.
    SignInRefused(Box<SignInRefusal>),
    /// No way to sign in to Azure is set up, or the one that was chosen is not; each with why.
    SignInUnavailable(Vec<PassedOver>),
    /// Entra did not answer in time.
    SignInUnreachable {
        /// Its host.
        authority: Host,
        /// How it failed.
        unreachable: Unreachable,
    },
    /// The host may not be given a secret, or what answered there cannot be trusted or understood.
    SignInUntrusted {
        /// The host, or whatever else answered: `az`.
        place: String,
        /// Why.
        problem: TrustProblem,
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
