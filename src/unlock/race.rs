//! A person may type while the network is still tried: the prompt beside the other sources.
//!
//! The question is put once a source has asked the network for a while, not before: one that came
//! up at each boot and vanished with the answer a moment later would only startle. From then on
//! every wait looks for what was typed, also that for a pending answer, and tries it there and then;
//! when a key fits, the wait is over. When another source wins, the prompt is dropped, and takes its
//! question back.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::attempt::{Attempt, Fit, Refusal};
use crate::deadline::Meanwhile;
use crate::deadline::trace::Doing;
use crate::error::Kind;
use crate::key::{KeySource, SourceName};

/// How long the network is left to itself: what a metadata service and a vault take that are well.
pub(super) const NETWORK_ALONE: Duration = Duration::from_secs(5);

/// The prompt of a volume whose other sources are being asked.
pub(super) struct Race<'r, 'a, 'd, 's> {
    attempt: &'r Attempt<'a, 'd>,
    prompt: RefCell<Box<dyn KeySource + 's>>,
    /// When the network was first waited for.
    since: Cell<Option<Duration>>,
    /// When the question was put that stands.
    asked: Cell<Option<Duration>>,
    /// There is nobody to ask, or they were asked often enough.
    silent: Cell<bool>,
    /// Where the keys came from that did not fit.
    tried: RefCell<Vec<String>>,
    /// What ended it.
    end: RefCell<Option<Result<Fit, Kind>>>,
    over: Cell<bool>,
}

impl<'r, 'a, 'd, 's> Race<'r, 'a, 'd, 's> {
    /// Nobody is asked yet.
    pub fn new(attempt: &'r Attempt<'a, 'd>, prompt: Box<dyn KeySource + 's>) -> Self {
        Self {
            attempt,
            prompt: RefCell::new(prompt),
            since: Cell::default(),
            asked: Cell::default(),
            silent: Cell::default(),
            tried: RefCell::default(),
            end: RefCell::default(),
            over: Cell::default(),
        }
    }

    /// What the person's key came to, where one ended it.
    pub fn end(&self) -> Option<Result<Fit, Kind>> {
        self.end.borrow_mut().take()
    }

    /// Asks the person alone, for all the time that is left: nobody else is there any more. A
    /// question that stands is the same one.
    pub fn ask_alone(&self) -> Result<Fit, Refusal> {
        self.note_question();
        let tried = self.tried.take();
        self.attempt.ask(&mut **self.prompt.borrow_mut(), self.attempt.deadline, tried)
    }

    /// Whether it is time to ask.
    fn is_due(&self) -> bool {
        let deadline = self.attempt.deadline;
        if self.since.get().is_none() && deadline.trace().is_some_and(|it| it.is_asking_network()) {
            self.since.set(Some(deadline.now()));
        }
        let since = self.since.get();
        since.is_some_and(|since| deadline.now().saturating_sub(since) >= NETWORK_ALONE)
    }

    /// Puts the question, or looks for its answer, and tries that.
    fn look(&self, prompt: &mut dyn KeySource) -> Result<Option<Fit>, Refusal> {
        let deadline = self.attempt.deadline;
        self.hush(true);
        self.asked.set(self.asked.get().or(Some(deadline.now())));
        let keys = match prompt.look(deadline) {
            Ok(None) => return Ok(None),
            Ok(Some(keys)) if !keys.is_empty() => keys,
            // What there is to say about it is said when all the others have failed, too.
            Ok(Some(_)) | Err(_) => {
                self.silent.set(true);
                self.asked.set(None);
                self.hush(false);
                return Ok(None);
            }
        };
        self.note_question();
        let span = deadline.begin(Doing::Source(SourceName::Prompt));
        let fit = self.attempt.try_all(&keys, SourceName::Prompt)?;
        if fit.is_none() {
            span.failed("key-rejected");
        }
        self.tried.borrow_mut().extend(keys.into_iter().map(|key| key.origin));
        Ok(fit)
    }

    fn hush(&self, quiet: bool) {
        if let Some(trace) = self.attempt.deadline.trace() {
            trace.hush(quiet);
        }
    }

    /// Leaves the question that stood until now in the trace.
    fn note_question(&self) {
        let deadline = self.attempt.deadline;
        if let (Some(trace), Some(asked)) = (deadline.trace(), self.asked.take()) {
            trace.question(asked, deadline.now());
        }
    }
}

impl Meanwhile for Race<'_, '_, '_, '_> {
    fn turn(&self) {
        if self.over.get() || self.silent.get() || !self.is_due() {
            return;
        }
        // Its own tries wait for memory, and those waits have turns, too.
        let Ok(mut prompt) = self.prompt.try_borrow_mut() else { return };
        let end = match self.look(&mut **prompt) {
            Ok(None) => return,
            Ok(Some(fit)) => Ok(fit),
            Err(Refusal::Final(kind) | Refusal::TryNext(kind)) => Err(kind),
        };
        self.end.replace(Some(end));
        self.over.set(true);
    }

    fn over(&self) -> bool {
        self.over.get()
    }
}

impl Drop for Race<'_, '_, '_, '_> {
    fn drop(&mut self) {
        self.note_question();
    }
}

#[cfg(test)]
mod tests;
