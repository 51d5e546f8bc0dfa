//! Unwraps what another key source finds, where it is wrapped.
//!
//! With `kek=` a key file may hold the wrapped key, which is harmless at rest. ADE's platform
//! writes plain keys to the key disk even when there is a KEK, so what has no shape of a wrapped
//! key is handed on as it is, and no request is made for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Candidate, KeySource, SourceName};
use crate::azure::Azure;
use crate::azure::id::KeyId;
use crate::azure::wrapped;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::volume::KekAlgorithm;

/// A source around another one. Candidates come one per call of [`KeySource::keys`].
#[derive(Debug)]
pub struct Unwrap<S> {
    inner: S,
    azure: Rc<RefCell<Azure>>,
    kek: KeyId,
    algorithm: KekAlgorithm,
    found: VecDeque<Candidate>,
    /// Origins of all that was found so far: a source that starts over costs no second request.
    seen: Vec<String>,
    /// The first reason why one of them came to nothing.
    failure: Option<Kind>,
}

impl<S: KeySource> Unwrap<S> {
    /// Unwraps what `inner` finds with `kek`; RSA-OAEP where no algorithm is given.
    pub fn new(
        inner: S,
        azure: Rc<RefCell<Azure>>,
        kek: KeyId,
        algorithm: Option<KekAlgorithm>,
    ) -> Self {
        let algorithm = algorithm.unwrap_or(KekAlgorithm::RsaOaep);
        Self {
            inner,
            azure,
            kek,
            algorithm,
            found: VecDeque::new(),
            seen: Vec::new(),
            failure: None,
        }
    }
}

impl<S: KeySource> KeySource for Unwrap<S> {
    fn name(&self) -> SourceName {
        self.inner.name()
    }

    /// The next candidate; the inner source is only asked when none is left over.
    ///
    /// Errors: the inner source's, and those of [`Azure::unwrap_key`] when no later candidate
    /// could be used either. A candidate Azure did not answer for in time is kept.
    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        if self.found.is_empty() {
            let found = self.inner.keys(deadline)?.into_iter();
            self.found = found.filter(|key| !self.seen.contains(&key.origin)).collect();
            self.seen.extend(self.found.iter().map(|key| key.origin.clone()));
        }
        while let Some(candidate) = self.found.pop_front() {
            let Some(wrapped) = wrapped::find(self.algorithm, candidate.secret.expose()) else {
                return Ok(vec![candidate]);
            };
            let mut azure = self.azure.borrow_mut();
            match azure.unwrap_key(&self.kek, self.algorithm, wrapped.expose(), deadline) {
                Ok(secret) => {
                    let origin = format!("{}, unwrapped", candidate.origin);
                    // The newline of a wrapped file is gone with the wrapping.
                    return Ok(vec![Candidate { secret, origin, from_file: false }]);
                }
                Err(kind) if kind.is_transient() => {
                    self.found.push_front(candidate);
                    return Err(kind);
                }
                Err(kind) => {
                    log::debug!("{}: {kind}", candidate.origin);
                    self.failure.get_or_insert(kind);
                }
            }
        }
        self.failure.take().map_or(Ok(Vec::new()), Err)
    }
}

#[cfg(test)]
mod tests;
