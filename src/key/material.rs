//! What people have in hand as a key source: a pasted answer of unwrapKey, a saved secret, Azure
//! Backup's file, the LUKS2 token of a confidential VM.
//!
//! [`crate::recovery`] finds the keys in it, and says in their origin what it recognised and took
//! off. What is still wrapped goes to unwrapKey here, with the KEK that was given or that stands
//! beside it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::vault::Kek;
use super::{Candidate, KeySource, SourceName};
use crate::azure::Azure;
use crate::azure::id::KeyId;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::recovery::refusal::Refusal;
use crate::recovery::{self, Form, Wrapped};
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// Something that was given to find keys in.
pub trait Given {
    /// All of it, at most [`recovery::LIMIT`] bytes.
    ///
    /// Errors: [`Kind::KeyFileUnusable`], [`Kind::MaterialRefused`].
    fn read(&mut self) -> Result<Secret, Kind>;
}

impl<G: Given + ?Sized> Given for Box<G> {
    fn read(&mut self) -> Result<Secret, Kind> {
        (**self).read()
    }
}

/// What may be done with what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Only keys that are not wrapped: nobody is asked.
    Keys,
    /// The bytes as they are; a recovery password of BitLocker also in the one way it is written.
    Verbatim,
    /// Keys, and wrapped keys after unwrapKey.
    WrappedKeys,
}

/// The source. Candidates come one per call of [`KeySource::keys`].
pub struct Material<G> {
    given: G,
    name: SourceName,
    /// For people: `file answer.json`, `standard input`.
    place: String,
    usage: Use,
    azure: Rc<RefCell<Azure>>,
    kek: Kek,
    /// `None` until it was read.
    found: Option<VecDeque<Found>>,
    /// The first reason why something in it came to nothing.
    failure: Option<Kind>,
}

enum Found {
    Key(Candidate),
    Wrapped { wrapped: Wrapped, origin: String },
}

impl<G: Given> Material<G> {
    /// A source for `given`, which messages call `place`; reads nothing yet.
    pub fn new(
        (given, place): (G, String),
        (name, usage): (SourceName, Use),
        azure: Rc<RefCell<Azure>>,
        kek: Kek,
    ) -> Self {
        Self { given, name, place, usage, azure, kek, found: None, failure: None }
    }

    /// What is in it; keys first, because they cost no request.
    fn look(&mut self) -> Result<VecDeque<Found>, Kind> {
        let input = self.given.read()?;
        let found = match self.usage {
            Use::Verbatim => self.verbatim(input),
            Use::Keys | Use::WrappedKeys => self.recognised(&input),
        };
        found.map_err(|refusal| Kind::MaterialRefused {
            what: self.place.clone(),
            refusal: match (self.name, refusal) {
                // What was read is the header's JSON, which always is whole.
                (SourceName::Token, Refusal::NoMember) => Refusal::NoToken,
                (_, refusal) => refusal,
            },
        })
    }

    fn recognised(&self, input: &Secret) -> Result<VecDeque<Found>, Refusal> {
        let materials = recovery::recognise(input)?;
        let is_wrapped = |form: &Form| matches!(form, Form::Wrapped(_));
        if self.usage == Use::Keys && materials.iter().all(|material| is_wrapped(&material.form)) {
            // It knows how to say that.
            return recovery::only_key(materials).map(|_| VecDeque::new());
        }
        let (mut keys, mut wrapped) = (VecDeque::new(), VecDeque::new());
        for material in materials {
            let origin = format!("{}: {}", self.place, material.origin);
            match material.form {
                Form::Key(key) => keys.push_back(found(key.secret, origin, false)),
                Form::Wrapped(key) => wrapped.push_back(Found::Wrapped { wrapped: key, origin }),
            }
        }
        if self.usage == Use::WrappedKeys {
            keys.append(&mut wrapped);
        }
        Ok(keys)
    }

    fn verbatim(&self, input: Secret) -> Result<VecDeque<Found>, Refusal> {
        if input.is_empty() {
            return Err(Refusal::Empty);
        }
        let password = recovery::recovery_password(&input);
        let as_given = found(input, self.place.clone(), true);
        let written = password.map(|password| {
            found(password, format!("{}, as BitLocker writes it", self.place), false)
        });
        Ok([Some(as_given), written].into_iter().flatten().collect())
    }

    fn unwrap(&self, key: &Wrapped, deadline: &Deadline<'_>) -> Result<(Secret, KeyId), Kind> {
        let malformed = |reason: String| Kind::KeyMalformed { what: self.place.clone(), reason };
        let algorithm = match (self.kek.algorithm.or(key.algorithm), &key.no_algorithm) {
            (Some(algorithm), _) => algorithm,
            (None, None) => KekAlgorithm::RsaOaep,
            (None, Some(name)) => {
                return Err(malformed(format!("wrapped with \"{name}\", no known algorithm")));
            }
        };
        let beside = key.kek.as_ref();
        let keks =
            self.kek.key.iter().chain(beside.filter(|kek| Some(*kek) != self.kek.key.as_ref()));
        let mut failure = None;
        for kek in keks {
            let mut azure = self.azure.borrow_mut();
            let unwrapped = azure.as_identity(key.identity.as_ref(), |azure| {
                azure.unwrap_key(kek, algorithm, key.bytes.expose(), deadline)
            });
            match unwrapped {
                Ok(secret) => return Ok((secret, kek.clone())),
                Err(kind) if kind.is_transient() => return Err(kind),
                Err(kind) => {
                    log::debug!("{kek}: {kind}");
                    failure.get_or_insert(kind);
                }
            }
        }
        Err(failure.unwrap_or_else(|| match &key.no_kek {
            Some(url) => malformed(format!("names no KEK in one version: {url}")),
            None => malformed("is wrapped, and nothing in it names its KEK".to_owned()),
        }))
    }
}

impl<G: Given> KeySource for Material<G> {
    fn name(&self) -> SourceName {
        self.name
    }

    /// The next key; none when the last one was handed over and nothing went wrong.
    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        let mut left = match self.found.take() {
            Some(left) => left,
            None => self.look()?,
        };
        let mut next = None;
        while let Some(found) = left.pop_front() {
            let (wrapped, origin) = match found {
                Found::Key(candidate) => {
                    next = Some(Ok(candidate));
                    break;
                }
                Found::Wrapped { wrapped, origin } => (wrapped, origin),
            };
            match self.unwrap(&wrapped, deadline) {
                Ok((secret, kek)) => {
                    let kek = format!("{}/{}", kek.name().as_str(), kek.version().as_str());
                    let origin = format!("{origin}; unwrapped by {kek}");
                    next = Some(Ok(Candidate { secret, origin, from_file: false }));
                    break;
                }
                Err(kind) if kind.is_transient() => {
                    left.push_front(Found::Wrapped { wrapped, origin });
                    next = Some(Err(kind));
                    break;
                }
                Err(kind) => {
                    self.failure.get_or_insert(kind);
                }
            }
        }
        self.found = Some(left);
        match (next, self.failure.take()) {
            (Some(next), failure) => {
                self.failure = failure;
                next.map(|candidate| vec![candidate])
            }
            (None, Some(kind)) => Err(kind),
            (None, None) => Ok(Vec::new()),
        }
    }
}

fn found(secret: Secret, origin: String, from_file: bool) -> Found {
    Found::Key(Candidate { secret, origin, from_file })
}

#[cfg(test)]
mod tests;
