//! A person as the key source: only for volumes with `prompt`, and only when all else failed.

use crate::deadline::Deadline;
use crate::error::Kind;
use crate::key::{Candidate, KeySource, SourceName};
use crate::secret::Secret;
use crate::volume::VolumeName;

/// How often somebody may mistype; crypttab(5) gives three tries too.
const TRIES: u32 = 3;

/// Asks somebody for a passphrase.
pub trait Ask {
    /// One passphrase for `volume`, without its newline, typed without echo.
    ///
    /// Errors: `PromptUnanswered` when nobody answered in time or nothing can ask.
    fn ask(&mut self, volume: &VolumeName, deadline: &Deadline<'_>) -> Result<Secret, Kind>;
}

/// The prompt of one volume.
pub struct Prompt<'a> {
    ask: &'a mut dyn Ask,
    volume: &'a VolumeName,
    asked: u32,
}

impl<'a> Prompt<'a> {
    /// A prompt that has not been asked yet.
    pub fn new(ask: &'a mut dyn Ask, volume: &'a VolumeName) -> Self {
        Self { ask, volume, asked: 0 }
    }
}

impl KeySource for Prompt<'_> {
    fn name(&self) -> SourceName {
        SourceName::Prompt
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        if self.asked == TRIES {
            return Ok(Vec::new());
        }
        self.asked += 1;
        let secret = self.ask.ask(self.volume, deadline)?;
        Ok(vec![Candidate { secret, origin: "the prompt".to_owned(), from_file: false }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::VirtualClock;

    struct Typist(u32);

    impl Ask for Typist {
        fn ask(&mut self, _: &VolumeName, _: &Deadline<'_>) -> Result<Secret, Kind> {
            self.0 += 1;
            Ok(Secret::new(b"typed".to_vec()))
        }
    }

    #[test]
    fn three_tries_and_no_more() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, None);
        let name = VolumeName::parse("data1").unwrap();
        let mut typist = Typist(0);
        let mut prompt = Prompt::new(&mut typist, &name);
        for _ in 0..3 {
            assert_eq!(prompt.keys(&deadline).unwrap().len(), 1);
        }
        assert!(prompt.keys(&deadline).unwrap().is_empty());
        assert_eq!(typist.0, 3);
    }
}
