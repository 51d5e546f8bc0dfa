//! Key Vault as a key source: one secret by its URL, or the disk's secrets by their tags.
//!
//! Works through a short plan, one secret at a time: the next one is only read and unwrapped after
//! the volume refused the one before. What a secret is (wrapped or not, by which key) is decided
//! in vault/form.rs, how Azure is asked in azure.rs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::SystemTime;

use super::{Candidate, KeySource, SourceName};
use crate::azure::Azure;
use crate::azure::id::{Host, KeyId, SecretId};
use crate::azure::matching::Machine;
use crate::azure::vault::VaultSecret;
use crate::deadline::Deadline;
use crate::error::{Kind, SecretProblem, short};
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

use form::Form;
pub use plan::{Lookup, MachineName};
use plan::{Step, plan};

mod form;
mod plan;
mod search;
#[cfg(test)]
mod tests;

/// What bektab says about the KEK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kek {
    /// `kek=`.
    pub key: Option<KeyId>,
    /// `kek-algorithm=`.
    pub algorithm: Option<KekAlgorithm>,
}

/// The source. Candidates come one per call of [`KeySource::keys`].
#[derive(Debug)]
pub struct KeyVault {
    azure: Rc<RefCell<Azure>>,
    lookup: Lookup,
    kek: Kek,
    plan: VecDeque<Step>,
    /// Read already, with their versions.
    seen: Vec<SecretId>,
    /// The first reason why something came to nothing.
    failure: Option<Kind>,
}

impl KeyVault {
    /// A source for `lookup`; asks nobody yet.
    pub fn new(azure: Rc<RefCell<Azure>>, lookup: Lookup, kek: Kek) -> Self {
        let plan = plan(&lookup);
        Self { azure, lookup, kek, plan, seen: Vec::new(), failure: None }
    }

    /// The secret that was read last, in the version that was.
    pub fn last_read(&self) -> Option<Rc<VaultSecret>> {
        self.azure.borrow().known_secret(self.seen.last()?)
    }

    fn vault(&self) -> &Host {
        match &self.lookup {
            Lookup::Secret(id) => id.host(),
            Lookup::Rescue { vault, .. } | Lookup::Tags { vault, .. } => vault.host(),
        }
    }

    fn step(&mut self, step: &Step, deadline: &Deadline<'_>) -> Result<Option<Candidate>, Kind> {
        match step {
            Step::Read(id) => self.read(id, deadline),
            Step::SearchRescue => self.search_rescue(deadline),
            Step::SearchNamed(name) => self.search(Machine::Named(name), deadline),
            Step::SearchUnnamed => self.search(Machine::Unnamed, deadline),
            Step::SearchVmName => match self.vm_name(deadline)? {
                Some(name) => self.search(Machine::Named(&name), deadline),
                None => Ok(None),
            },
            Step::Versions(id) => self.versions(id, deadline),
        }
    }

    fn read(&mut self, id: &SecretId, deadline: &Deadline<'_>) -> Result<Option<Candidate>, Kind> {
        let secret = self.azure.borrow_mut().secret(id, deadline)?;
        if self.seen.contains(&secret.id) {
            return Ok(None);
        }
        let key = self.open(&secret, deadline);
        // Only now: a try that Azure did not answer in time is made again.
        if !key.as_ref().is_err_and(Kind::is_transient) {
            self.seen.push(secret.id.clone());
        }
        warn_of_window(&secret);
        let (vault, name) = (short(secret.id.host()), secret.id.name().as_str());
        let version = secret.id.version().map_or("", |version| version.as_str());
        let version = version.get(..8).unwrap_or(version);
        Ok(Some(Candidate {
            secret: key?,
            origin: format!("key vault {vault}: {name}/{version}"),
            from_file: false,
        }))
    }

    /// The key in `secret`: decoded once, or unwrapped.
    fn open(&self, secret: &VaultSecret, deadline: &Deadline<'_>) -> Result<Secret, Kind> {
        let (wrapped, algorithm, keks) = match form::judge(secret, &self.kek)? {
            Form::Plain(key) => return Ok(key),
            Form::Wrapped { wrapped, algorithm, keks } => (wrapped, algorithm, keks),
        };
        let mut azure = self.azure.borrow_mut();
        let mut unwrap = |kek| azure.unwrap_key(kek, algorithm, wrapped.expose(), deadline);
        let Some((first, others)) = keks.split_first() else {
            return Err(Kind::Internal { call: "unwrap", reason: "no KEK to try".to_owned() });
        };
        let failure = match unwrap(first) {
            Err(kind) if !kind.is_transient() => kind,
            outcome => return outcome,
        };
        for kek in others {
            match unwrap(kek) {
                Err(kind) if !kind.is_transient() => log::debug!("{kek}: {kind}"),
                outcome => return outcome,
            }
        }
        Err(failure)
    }

    fn remember(&mut self, kind: Kind) {
        log::debug!("key vault: {kind}");
        self.failure.get_or_insert(kind);
    }

    /// Whether a failure is about one secret or KEK, so that another secret may still do.
    fn is_about_one_secret(&self, kind: &Kind) -> bool {
        match kind {
            Kind::KekMissing { .. } | Kind::KeyMalformed { .. } | Kind::SecretMissing { .. } => {
                true
            }
            Kind::VaultDenied(denied) => denied.permission == "keys/unwrapKey",
            Kind::VaultUntrusted { host, .. } => host != self.vault(),
            _ => false,
        }
    }
}

impl KeySource for KeyVault {
    fn name(&self) -> SourceName {
        SourceName::KeyVault
    }

    /// The next candidate; none when the last one was handed over and nothing went wrong.
    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        while let Some(step) = self.plan.pop_front() {
            match self.step(&step, deadline) {
                Ok(Some(candidate)) => return Ok(vec![candidate]),
                Ok(None) => {}
                Err(kind) if kind.is_transient() => {
                    self.plan.push_front(step);
                    return Err(kind);
                }
                Err(kind) if self.is_about_one_secret(&kind) => {
                    if let Kind::SecretMissing { problem: SecretProblem::NotFound, .. } = kind {
                        self.plan.retain(|other| !other.is_versions_of(&step));
                    }
                    self.remember(kind);
                }
                Err(kind) => {
                    self.plan.clear();
                    self.failure.get_or_insert(kind);
                }
            }
        }
        match (&self.failure, &self.lookup) {
            (Some(kind), _) => Err(kind.clone()),
            (None, Lookup::Rescue { vault, .. } | Lookup::Tags { vault, .. })
                if self.seen.is_empty() =>
            {
                let listing = self.azure.borrow_mut().disk_secrets(vault, deadline)?;
                Err(Kind::SecretMissing {
                    vault: vault.host().clone(),
                    what: self.wanted(),
                    problem: SecretProblem::NoneMatches(listing.seen),
                })
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn missing(id: &SecretId, problem: SecretProblem) -> Kind {
    Kind::SecretMissing { vault: id.host().clone(), what: id.short(), problem }
}

/// Key Vault hands out expired secrets on purpose; somebody should still know.
fn warn_of_window(secret: &VaultSecret) {
    // A machine without a clock gets no warning rather than a wrong one.
    let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else { return };
    if let Some(odd) = secret.attributes.outside_window(now.as_secs()) {
        log::warn!(
            "{}: secret {} is {odd}; used all the same",
            short(secret.id.host()),
            secret.id.short()
        );
    }
}
