//! A person made of values: types so long after each question.

use std::collections::VecDeque;
use std::time::Duration;

use super::Events;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::key::prompt::Ask;
use crate::secret::Secret;
use crate::volume::VolumeName;

/// What is typed, and how long after its question; nothing more after the last.
pub type Typed = Vec<(Duration, &'static str)>;

/// Where there is no agent, asking fails.
pub struct Typist {
    pub typed: Result<VecDeque<(Duration, &'static str)>, Kind>,
    /// Since when a question stands.
    pub since: Option<Duration>,
    pub events: Events,
}

impl Typist {
    fn say(&self, what: String) {
        self.events.borrow_mut().push(what);
    }
}

impl Ask for Typist {
    fn answer(&mut self, _: &VolumeName, deadline: &Deadline<'_>) -> Result<Option<Secret>, Kind> {
        let now = deadline.now();
        if self.since.is_none() {
            let left = deadline.remaining().as_secs();
            self.say(format!("question at {} s for {left} s", now.as_secs()));
            self.since = Some(now);
        }
        let typed = self.typed.as_mut().map_err(|kind| {
            self.since = None;
            kind.clone()
        })?;
        let since = self.since.unwrap_or(now);
        match typed.front() {
            Some((after, _)) if now - since >= *after => {
                self.since = None;
                let text = typed.pop_front().map_or("", |(_, text)| text);
                Ok(Some(Secret::new(text.as_bytes().to_vec())))
            }
            _ => Ok(None),
        }
    }

    fn withdraw(&mut self) {
        if self.since.take().is_some() {
            self.say("withdrawn".to_owned());
        }
    }
}
