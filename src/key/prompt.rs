//! A person as the key source: only for volumes with `prompt`, when all else failed, or takes long.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::error::Kind;
use crate::key::{Candidate, KeySource, SourceName};
use crate::secret::Secret;
use crate::volume::VolumeName;

/// How often somebody may mistype; crypttab(5) gives three tries too.
const TRIES: u32 = 3;

/// How often is looked for an answer: nobody types faster.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Asks somebody for a passphrase.
pub trait Ask {
    /// Puts the question for `volume`, unless it stands, and looks whether it was answered; never
    /// waits. The answer is one passphrase without its newline, typed without echo; the question
    /// is gone with it. It ends with `deadline` by itself, too.
    ///
    /// Errors: `PromptUnanswered` when nobody answered in time or nothing can ask.
    fn answer(
        &mut self,
        volume: &VolumeName,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Secret>, Kind>;

    /// Takes back the question, if one stands.
    fn withdraw(&mut self);
}

/// The prompt of one volume.
pub struct Prompt<'a> {
    ask: &'a mut dyn Ask,
    volume: &'a VolumeName,
    answered: u32,
    beside: bool,
}

impl<'a> Prompt<'a> {
    /// A prompt that has not been asked yet.
    pub fn new(ask: &'a mut dyn Ask, volume: &'a VolumeName) -> Self {
        Self { ask, volume, answered: 0, beside: false }
    }

    /// The same, beside other sources.
    pub fn beside_others(mut self) -> Self {
        self.beside = true;
        self
    }
}

impl KeySource for Prompt<'_> {
    fn name(&self) -> SourceName {
        SourceName::Prompt
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        if self.answered == TRIES {
            return Ok(Vec::new());
        }
        let span = deadline.begin(Doing::Question);
        let found = deadline.poll(LOOK_AGAIN, || self.look(deadline));
        if !matches!(found, Ok(Some(_))) {
            self.ask.withdraw();
        }
        let nobody = || Kind::PromptUnanswered { reason: "nobody answered in time".to_owned() };
        span.ended(found.and_then(|found| found.ok_or_else(nobody)))
    }

    fn is_beside(&self) -> bool {
        self.beside
    }

    fn look(&mut self, deadline: &Deadline<'_>) -> Result<Option<Vec<Candidate>>, Kind> {
        if self.answered == TRIES {
            return Ok(Some(Vec::new()));
        }
        let Some(secret) = self.ask.answer(self.volume, deadline)? else { return Ok(None) };
        self.answered += 1;
        let origin = "the prompt".to_owned();
        Ok(Some(vec![Candidate { secret, origin, from_file: false }]))
    }
}

/// Another source won, or all is lost: nobody has to answer any more.
impl Drop for Prompt<'_> {
    fn drop(&mut self) {
        self.ask.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::VirtualClock;
    use crate::deadline::trace::Trace;

    /// Answers each question after so many looks.
    struct Typist {
        looks: u32,
        after: u32,
        answered: u32,
        withdrawn: u32,
    }

    impl Typist {
        fn new(after: u32) -> Self {
            Self { looks: 0, after, answered: 0, withdrawn: 0 }
        }
    }

    impl Ask for Typist {
        fn answer(&mut self, _: &VolumeName, _: &Deadline<'_>) -> Result<Option<Secret>, Kind> {
            self.looks += 1;
            if self.looks <= self.after {
                return Ok(None);
            }
            (self.looks, self.answered) = (0, self.answered + 1);
            Ok(Some(Secret::new(b"typed".to_vec())))
        }

        fn withdraw(&mut self) {
            self.withdrawn += 1;
        }
    }

    #[test]
    fn three_tries_and_no_more() {
        let clock = VirtualClock::default();
        let trace = Trace::start(&clock);
        let deadline = Deadline::start(&clock, None).traced(&trace);
        let name = VolumeName::parse("data1").unwrap();
        let mut typist = Typist::new(0);
        let mut prompt = Prompt::new(&mut typist, &name);
        for _ in 0..3 {
            assert_eq!(prompt.keys(&deadline).unwrap().len(), 1);
        }
        assert!(prompt.keys(&deadline).unwrap().is_empty());
        drop(prompt);
        assert_eq!(typist.answered, 3);
        let questions = trace.steps().iter().filter(|it| it.doing == Doing::Question).count();
        assert_eq!(questions, 3);
    }

    #[test]
    fn an_answer_is_waited_for_until_the_deadline() {
        let clock = VirtualClock::default();
        let name = VolumeName::parse("data1").unwrap();
        let mut typist = Typist::new(30);
        let mut prompt = Prompt::new(&mut typist, &name);
        let short = Deadline::start(&clock, Some(Duration::from_secs(1)));
        assert_eq!(prompt.keys(&short).unwrap_err().name(), "prompt-unanswered");
        let long = Deadline::start(&clock, Some(Duration::from_secs(90)));
        assert_eq!(prompt.keys(&long).unwrap().len(), 1);
    }

    #[test]
    fn a_look_does_not_wait_and_a_dropped_prompt_takes_its_question_back() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
        let name = VolumeName::parse("data1").unwrap();
        let mut typist = Typist::new(1);
        let mut prompt = Prompt::new(&mut typist, &name).beside_others();
        assert!(prompt.is_beside());
        assert!(prompt.look(&deadline).unwrap().is_none());
        assert_eq!(prompt.look(&deadline).unwrap().unwrap().len(), 1);
        assert!(prompt.look(&deadline).unwrap().is_none());
        drop(prompt);
        assert_eq!((typist.withdrawn, deadline.elapsed()), (1, Duration::ZERO));
    }
}
