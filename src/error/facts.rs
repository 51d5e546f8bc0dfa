//! The facts inside the kinds of failure: what a file, a connection, a secret or a host did.
//!
//! Only what a sentence or a hint needs and the outcome alone does not say. Foreign text went
//! through [`printable`](super::printable) before it came here; cause.rs puts most of the sentences
//! together.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::text::{seconds, short};
use crate::azure::id::Host;
use crate::azure::way::Way;

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

/// Why a KDF does not have the memory that it needs; in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Another process is just being given memory.
    Busy,
    /// So much is free now, beside what KDFs of other processes have set aside.
    Free {
        /// How much.
        kib: u64,
        /// How many they are.
        others: usize,
    },
    /// A control group of this process may not have more: `MemoryMax=` of systemd.
    Group {
        /// Than this.
        kib: u64,
    },
    /// The kernel refused it; how much would have done is not known.
    Kernel,
    /// The machine has not more.
    Machine {
        /// Than this.
        kib: u64,
    },
}

impl Shortage {
    /// Whether it may be otherwise in a moment.
    pub fn may_end(self) -> bool {
        matches!(self, Self::Busy | Self::Free { .. })
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy | Self::Kernel => f.write_str("which it did not get"),
            Self::Free { kib, others: 0 } => write!(f, "{} MiB are free", kib / 1024),
            Self::Free { kib, others } => {
                let s = if *others == 1 { "" } else { "s" };
                write!(f, "{} MiB are free beside {others} other KDF{s}", kib / 1024)
            }
            Self::Group { kib } => write!(f, "its control group may have {} MiB", kib / 1024),
            Self::Machine { kib } => write!(f, "the machine has {} MiB", kib / 1024),
        }
    }
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

impl Unreachable {
    /// This and an earlier failure to reach the same service, as one.
    pub fn after(self, earlier: &Self) -> Self {
        Self {
            problem: if self.tries == 0 { earlier.problem.clone() } else { self.problem },
            tries: self.tries.saturating_add(earlier.tries),
            elapsed: self.elapsed.saturating_add(earlier.elapsed),
        }
    }
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
    /// More secrets may be the disk's than are tried; how many.
    TooMany(usize),
    /// None carries the tags that were asked for; how many were looked at, and the machines that
    /// the disk secrets among them name.
    OthersMatch {
        /// As above.
        seen: usize,
        /// At least one.
        machines: Vec<String>,
    },
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
    /// How the one who asked signed in.
    pub way: Way,
    /// Who asked, when the answer says so: an object id.
    pub object_id: Option<String>,
    /// The client address, when a firewall's answer says so.
    pub address: Option<String>,
    /// Key Vault's own message: its first sentence for 403, its first line for 401.
    pub text: String,
    /// `x-ms-request-id`, which Microsoft's support asks for.
    pub request_id: Option<String>,
}

/// A way to sign in that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The way.
    pub way: Way,
    /// Why; printable.
    pub reason: String,
}

/// A refusal by Entra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRefusal {
    /// How somebody tried to sign in.
    pub way: Way,
    /// Entra's host, where it was asked by bek-unlock itself.
    pub authority: Option<Host>,
    /// HTTP status, if so.
    pub status: Option<u16>,
    /// The number after `AADSTS`.
    pub code: Option<u32>,
    /// The OAuth error: `invalid_client`, `access_denied`.
    pub error: String,
    /// The first sentence of Entra's own text.
    pub text: String,
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
    /// The host is under no known Key Vault or Managed HSM suffix, or no host of Entra.
    HostNotAllowed,
    /// No certificate authorities could be loaded from this file.
    NoAuthorities(PathBuf),
    /// It answered with a redirect.
    Redirect,
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
        if self.tries == 0 {
            return f.write_str("not asked; timeout= was over before");
        }
        self.problem.fmt(f)?;
        let times = if self.tries == 1 { "try" } else { "tries" };
        write!(f, "; gave up after {} {times} in {}", self.tries, seconds(self.elapsed))
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.way, self.reason)
    }
}

impl fmt::Display for SignInRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sign-in by {}: ", self.way)?;
        if let Some(code) = self.code {
            write!(f, "AADSTS{code}: ")?;
        }
        f.write_str(if self.text.is_empty() { &self.error } else { &self.text })
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
