//! Refuses damaged .BEK files before a BitLocker volume is tried with them.
//!
//! libcryptsetup would call one a wrong key, after it has spent seconds on every protector that a
//! passphrase could open.

use super::{Candidate, KeySource, SourceName};
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::recovery::bek;
use crate::recovery::refusal::Refusal;

/// A source around another one. What is no .BEK file is handed on as it is: it may be a passphrase.
#[derive(Debug)]
pub struct Checked<S> {
    inner: S,
    /// The first file that was damaged.
    failure: Option<Kind>,
}

impl<S: KeySource> Checked<S> {
    /// Checks what `inner` finds.
    pub fn new(inner: S) -> Self {
        Self { inner, failure: None }
    }

    fn is_whole(&mut self, candidate: &Candidate) -> bool {
        match bek::read(candidate.secret.expose()) {
            None | Some(Ok(_)) => true,
            Some(Err(problem)) => {
                let what = candidate.origin.clone();
                let refusal = Refusal::Bek(problem);
                self.failure.get_or_insert(Kind::MaterialRefused { what, refusal });
                false
            }
        }
    }
}

impl<S: KeySource> KeySource for Checked<S> {
    fn name(&self) -> SourceName {
        self.inner.name()
    }

    /// The inner source's keys that are whole.
    ///
    /// Errors: the inner source's; `MaterialRefused` when there is no other key and one was damaged.
    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        loop {
            let found = self.inner.keys(deadline)?;
            let is_last = found.is_empty();
            let whole: Vec<Candidate> =
                found.into_iter().filter(|candidate| self.is_whole(candidate)).collect();
            match (is_last, self.failure.take()) {
                (true, Some(kind)) => return Err(kind),
                (false, failure) if whole.is_empty() => self.failure = failure,
                (_, failure) => {
                    self.failure = failure;
                    return Ok(whole);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::deadline::VirtualClock;
    use crate::recovery::fake::bek_file;
    use crate::secret::Secret;

    /// Hands out one key at a time.
    struct Keys(VecDeque<Vec<u8>>);

    impl KeySource for Keys {
        fn name(&self) -> SourceName {
            SourceName::KeyVault
        }

        fn keys(&mut self, _: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
            let next = self.0.pop_front().into_iter();
            let origin = || "key vault contoso-kv: win/0123".to_owned();
            Ok(next
                .map(|key| Candidate {
                    secret: Secret::new(key),
                    origin: origin(),
                    from_file: false,
                })
                .collect())
        }
    }

    fn handed(keys: &[&[u8]]) -> (Vec<Vec<u8>>, Option<String>) {
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        let (mut source, clock) = (Checked::new(Keys(keys)), VirtualClock::default());
        let deadline = Deadline::start(&clock, None);
        let mut handed = Vec::new();
        loop {
            match source.keys(&deadline) {
                Ok(found) if found.is_empty() => return (handed, None),
                Ok(found) => {
                    handed.extend(found.into_iter().map(|key| key.secret.expose().to_vec()));
                }
                Err(kind) => return (handed, Some(kind.to_string())),
            }
        }
    }

    #[test]
    fn a_damaged_file_is_passed_over_and_told_of_when_nothing_else_is_there() {
        let whole = bek_file("ExternalKey", 7);
        let damaged = &whole[..whole.len() - 1];
        let (keys, failure) = handed(&[damaged, &whole, b"a passphrase"]);
        assert_eq!(keys, [whole.clone(), b"a passphrase".to_vec()]);
        let words = "key vault contoso-kv: win/0123 is a damaged .BEK file: its header says";
        assert!(failure.unwrap().starts_with(words));
        assert_eq!(handed(&[&whole]), (vec![whole.clone()], None));
        assert_eq!(handed(&[damaged]).0, Vec::<Vec<u8>>::new());
        assert_eq!(handed(&[]), (Vec::new(), None));
    }
}
