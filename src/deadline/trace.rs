//! Where the time of a run goes: its steps, with begin and end on the deadline's clock.
//!
//! A trace is kept by whoever starts a run, and travels with the [`Deadline`](super::Deadline):
//! what waits holds that anyway. It holds no text that is secret: words of ours, names of hosts, and
//! why a try failed, as the log has it. One that is full keeps the first steps and counts no more.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::Clock;
use crate::error::Kind;
use crate::key::SourceName;

pub use step::{Asked, Doing, Step};

mod step;

/// More steps than a run has that somebody would read: a vault with many keys repeats a few.
const MOST: usize = 100;

/// Told what is waited for, as long as it is.
pub trait Watch {
    /// One turn of a wait.
    fn waiting(&self, wait: &Wait<'_>);

    /// Somebody is asked: what stands in the place of the question has to go.
    fn make_room(&self) {}
}

/// A wait that goes on.
#[derive(Debug)]
pub struct Wait<'a> {
    /// What is waited for.
    pub doing: &'a Doing,
    /// Which try it is.
    pub tries: u32,
    /// Time since the run began.
    pub elapsed: Duration,
    /// Time until this wait is given up; `None` for ever.
    pub left: Option<Duration>,
}

/// The steps of a run so far.
#[derive(Default)]
pub struct Trace {
    start: Duration,
    steps: RefCell<Vec<Step>>,
    /// Those that have not ended, the innermost last.
    open: RefCell<Vec<Open>>,
    asking: Cell<bool>,
    watch: Option<Box<dyn Watch>>,
}

#[derive(Debug)]
struct Open {
    /// Its place in the steps, where it has one.
    step: Option<usize>,
    doing: Doing,
    start: Duration,
    tries: u32,
    until: Option<Duration>,
}

impl Trace {
    /// The trace of a run that starts now.
    pub fn start(clock: &dyn Clock) -> Self {
        Self { start: clock.now(), ..Self::default() }
    }

    /// The same, telling `watch` of all that is waited for.
    pub fn watched(self, watch: Box<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// The steps, in the order in which they began.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.borrow().clone()
    }

    /// When the run began.
    pub fn began(&self) -> Duration {
        self.start
    }

    /// Whether a service is being asked.
    pub fn is_asking_network(&self) -> bool {
        self.open.borrow().last().is_some_and(|open| matches!(open.doing, Doing::Request(..)))
    }

    /// Keeps silent as long as a question stands where the lines would go.
    pub fn hush(&self, quiet: bool) {
        if quiet && !self.asking.replace(quiet) {
            self.make_room();
        }
        self.asking.set(quiet);
    }

    fn make_room(&self) {
        if let Some(watch) = &self.watch {
            watch.make_room();
        }
    }

    /// A question to a person that stood from `start` to `end`, while other sources were asked.
    pub fn question(&self, start: Duration, end: Duration) {
        let mut step = Step::new(Doing::Question, Some(SourceName::Prompt), start);
        (step.end, step.spent) = (Some(end), end.saturating_sub(start));
        let mut steps = self.steps.borrow_mut();
        if steps.len() < MOST {
            steps.push(step);
        }
    }

    pub(super) fn turn(&self, now: Duration) {
        let (Some(watch), false) = (&self.watch, self.asking.get()) else { return };
        let open = self.open.borrow();
        let Some(open) = open.last().filter(|open| open.doing != Doing::Question) else { return };
        watch.waiting(&Wait {
            doing: &open.doing,
            tries: open.tries,
            elapsed: now.saturating_sub(self.start),
            left: open.until.map(|until| until.saturating_sub(now)),
        });
    }

    fn begin(&self, doing: Doing, now: Duration, until: Option<Duration>) {
        if doing == Doing::Question {
            self.make_room();
        }
        let mut steps = self.steps.borrow_mut();
        let mut open = self.open.borrow_mut();
        let source = open.iter().rev().find_map(|open| match open.doing {
            Doing::Source(source) => Some(source),
            _ => None,
        });
        let same = |step: &Step| step.doing == doing && step.source == source;
        let known = steps.iter().rposition(same).filter(|_| doing.adds_up());
        let step = match known {
            Some(known) => Some(known),
            None if steps.len() < MOST => {
                steps.push(Step::new(doing.clone(), source, now));
                Some(steps.len() - 1)
            }
            None => None,
        };
        if let Some(step) = known.and_then(|known| steps.get_mut(known)) {
            step.tries += 1;
        }
        open.push(Open { step, doing, start: now, tries: 1, until });
    }

    /// Ends the innermost one.
    fn end(&self, now: Duration, failure: Option<&'static str>) {
        let Some(open) = self.open.borrow_mut().pop() else { return };
        let mut steps = self.steps.borrow_mut();
        if let Some(step) = open.step.and_then(|step| steps.get_mut(step)) {
            step.end = Some(now);
            step.spent += now.saturating_sub(open.start);
            step.failure = failure;
        }
    }

    /// The innermost one failed and will be tried again.
    fn again(&self, problem: String) {
        let mut open = self.open.borrow_mut();
        let Some(open) = open.last_mut() else { return };
        open.tries += 1;
        let mut steps = self.steps.borrow_mut();
        if let Some(step) = open.step.and_then(|step| steps.get_mut(step)) {
            step.tries = open.tries;
            step.problem = Some(problem);
        }
    }

    /// It is tried again `now`; the try before had begun at `from`.
    fn resumed(&self, from: Duration, now: Duration, offline: bool) {
        let open = self.open.borrow();
        let Some(open) = open.last() else { return };
        let mut steps = self.steps.borrow_mut();
        if let Some(step) = open.step.and_then(|step| steps.get_mut(step)) {
            step.retrying = now.saturating_sub(open.start);
            if offline {
                step.offline += now.saturating_sub(from);
            }
        }
    }
}

/// A step that goes on; dropped, it has ended. Spans end in the reverse order of their beginning.
pub struct Span<'a> {
    trace: Option<&'a Trace>,
    clock: &'a dyn Clock,
    failure: Option<&'static str>,
    /// When the try began that goes on.
    try_began: Duration,
}

impl<'a> Span<'a> {
    pub(super) fn begin(
        trace: Option<&'a Trace>,
        clock: &'a dyn Clock,
        doing: Doing,
        until: Option<Duration>,
    ) -> Self {
        let now = clock.now();
        if let Some(trace) = trace {
            trace.begin(doing, now, until);
        }
        Self { trace, clock, failure: None, try_began: now }
    }

    /// Ends it with what it came to.
    pub fn ended<T>(mut self, result: Result<T, Kind>) -> Result<T, Kind> {
        self.failure = result.as_ref().err().map(Kind::name);
        result
    }

    /// Ends it as a failure that has this word.
    pub fn failed(mut self, word: &'static str) {
        self.failure = Some(word);
    }

    /// This try failed for `problem`; `wait` goes by until the next one. `offline` when there was
    /// no connection.
    pub fn again(&mut self, problem: String, offline: bool, wait: impl FnOnce()) {
        if let Some(trace) = self.trace {
            trace.again(problem);
        }
        wait();
        let now = self.clock.now();
        if let Some(trace) = self.trace {
            trace.resumed(self.try_began, now, offline);
        }
        self.try_began = now;
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        if let Some(trace) = self.trace {
            trace.end(self.clock.now(), self.failure);
        }
    }
}

#[cfg(test)]
mod tests;
