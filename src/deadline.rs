//! One deadline for a whole unlock, and the waits inside it.
//!
//! Every wait of the program (device, key disk, network, lock, busy mapping) is taken from one
//! [`Deadline`], so that `timeout=` in bektab(5) means what it says. Time itself comes through
//! [`Clock`]: tests count attempts on a virtual one and never sleep.
//!
//! Whoever holds a deadline can also say what its time goes into ([`trace`]), and during its waits
//! others get their turn: somebody is told what is waited for, somebody types ([`Meanwhile`]).

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use trace::{Doing, Span, Trace};

pub mod trace;

/// How long a wait goes on at the most before the others have their turn: what somebody typed is
/// tried at once, as they see it, and one second more on a countdown is one second.
pub const TURN: Duration = Duration::from_millis(200);

/// A monotonic clock and the only way to wait.
pub trait Clock {
    /// Time since some fixed, arbitrary moment; never goes back, also when the wall clock does.
    fn now(&self) -> Duration;

    /// Waits for `duration`.
    fn sleep(&self, duration: Duration);
}

/// When to give up; carries its clock, so holding one is enough to wait.
#[derive(Clone, Copy)]
pub struct Deadline<'a> {
    clock: &'a dyn Clock,
    start: Duration,
    /// Without the pauses; `None` never passes (`timeout=0`).
    end: Option<Duration>,
    pauses: Option<&'a Pauses>,
    trace: Option<&'a Trace>,
    meanwhile: Option<&'a dyn Meanwhile>,
}

/// What is done while something else is waited for.
pub trait Meanwhile {
    /// One turn, in every wait and every [`TURN`]; takes no time of its own where nothing happens.
    fn turn(&self);

    /// Whether what is waited for is not needed any more: the deadline has passed then.
    fn over(&self) -> bool;
}

/// Time that counts for nobody's deadline, up to now: a person was waited for, or what took so long
/// got somewhere.
#[derive(Debug, Default)]
pub struct Pauses(Cell<Duration>);

impl<'a> Deadline<'a> {
    /// `limit` from now; `None` never passes.
    pub fn start(clock: &'a dyn Clock, limit: Option<Duration>) -> Self {
        let start = clock.now();
        let end = limit.map(|limit| start.saturating_add(limit));
        Self { clock, start, end, pauses: None, trace: None, meanwhile: None }
    }

    /// The same deadline, whose steps `trace` keeps; parts of it share it.
    pub fn traced(self, trace: &'a Trace) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// The same deadline, in whose waits `meanwhile` has its turn, and which has passed once that
    /// says so; parts of it share it.
    pub fn beside<'b>(&self, meanwhile: &'b dyn Meanwhile) -> Deadline<'b>
    where
        'a: 'b,
    {
        Deadline { meanwhile: Some(meanwhile), ..*self }
    }

    /// Begins a step of the run, for the trace and for whoever watches; it ends with the span.
    pub fn begin(&self, doing: Doing) -> Span<'a> {
        let left = Some(self.remaining()).filter(|left| *left != Duration::MAX);
        let until = left.map(|left| self.now().saturating_add(left));
        Span::begin(self.trace, self.clock, doing, until)
    }

    /// The trace, where somebody keeps one.
    pub fn trace(&self) -> Option<&'a Trace> {
        self.trace
    }

    /// Lets those have their turn who have something to do meanwhile; for waits that are not made
    /// by [`Deadline::sleep`].
    pub fn turn(&self) {
        if let Some(trace) = self.trace {
            trace.turn(self.now());
        }
        if let Some(meanwhile) = self.meanwhile {
            meanwhile.turn();
        }
    }

    /// The same deadline, later by what `pauses` holds, which is its own; parts of it share them.
    ///
    /// For commands that a person runs. At boot nobody is there, and a deadline is one.
    pub fn pausing(self, pauses: &'a Pauses) -> Self {
        Self { pauses: Some(pauses), ..self }
    }

    /// The moment on the deadline's clock; parts of one deadline share it.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Time since the deadline was started.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.start)
    }

    /// Time left; [`Duration::MAX`] when there is no end.
    pub fn remaining(&self) -> Duration {
        if self.is_cut() {
            return Duration::ZERO;
        }
        self.end.map_or(Duration::MAX, |end| {
            end.saturating_add(self.paused()).saturating_sub(self.clock.now())
        })
    }

    /// Whether somebody beside it said that it is over.
    pub fn is_cut(&self) -> bool {
        self.meanwhile.is_some_and(|meanwhile| meanwhile.over())
    }

    /// Whether no time is left.
    pub fn passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// A part of this deadline: `limit` from now, or this deadline's end if that is sooner.
    pub fn within(&self, limit: Duration) -> Self {
        let now = self.clock.now();
        let end = now.saturating_sub(self.paused()).saturating_add(limit);
        Self { start: now, end: Some(self.end.map_or(end, |own| own.min(end))), ..*self }
    }

    /// Lets a person `act` for `limit` at most, whatever is left of this deadline, which stands
    /// still meanwhile. Where it cannot, because it is not [`Deadline::pausing`], the person has no
    /// longer than it.
    pub fn pause<T>(&self, limit: Duration, act: impl FnOnce(&Deadline<'_>) -> T) -> T {
        let Some(pauses) = self.pauses else { return act(&self.within(limit)) };
        let own = Deadline::start(self.clock, Some(limit));
        let result = act(&own);
        pauses.0.set(self.paused().saturating_add(own.elapsed()));
        result
    }

    /// Begins a [`Deadline::pausing`] one anew: its limit is for each step of a work that goes on.
    pub fn renew(&self) {
        if let Some(pauses) = self.pauses {
            pauses.0.set(self.elapsed().max(self.paused()));
        }
    }

    fn paused(&self) -> Duration {
        self.pauses.map_or(Duration::ZERO, |pauses| pauses.0.get())
    }

    /// Waits for `duration` or until the deadline, whichever is sooner; false when time is up.
    pub fn sleep(&self, duration: Duration) -> bool {
        let mut wait = duration.min(self.remaining());
        if self.trace.is_none() && self.meanwhile.is_none() && !wait.is_zero() {
            self.clock.sleep(wait);
            return !self.passed();
        }
        let end = self.now().saturating_add(wait);
        while !wait.is_zero() {
            self.clock.sleep(wait.min(TURN));
            self.turn();
            wait = end.saturating_sub(self.now()).min(self.remaining());
        }
        !self.passed()
    }

    /// Calls `look` until it finds something, every `interval`, the last time at the deadline.
    ///
    /// `Ok(None)` means: not there when time was up. An error ends the wait at once.
    pub fn poll<T, E>(
        &self,
        interval: Duration,
        mut look: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        loop {
            // Asked before looking, so that the last look happens after the last wait.
            let last = self.passed();
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if last {
                return Ok(None);
            }
            self.sleep(interval);
        }
    }
}

impl fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deadline({:?} left)", self.remaining())
    }
}

/// Exponential back-off with full jitter: a wait is drawn from zero to the doubled ceiling.
///
/// Full jitter spreads a scale set that boots in one second best (Amazon's "Exponential Backoff
/// and Jitter"; Key Vault throttling guidance doubles from 1 s).
#[derive(Clone, Debug)]
pub struct Backoff {
    ceiling: Duration,
    cap: Duration,
    sparing: bool,
}

impl Backoff {
    /// First wait is drawn below `first`, later ones below its doubles, never above `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { ceiling: first, cap, sparing: false }
    }

    /// The same, and once the ceiling is `cap` the lower half of it is not drawn any more: by then
    /// everybody is spread, and a service that is still busy is spared a third of the tries.
    pub fn sparing(first: Duration, cap: Duration) -> Self {
        Self { sparing: true, ..Self::new(first, cap) }
    }

    /// The next wait; `random` is uniform in `0.0..1.0`. At least `floor` (a Retry-After).
    pub fn next(&mut self, random: f64, floor: Option<Duration>) -> Duration {
        let ceiling = self.ceiling.min(self.cap);
        let least = if self.sparing && ceiling == self.cap { ceiling / 2 } else { Duration::ZERO };
        let wait = least + (ceiling - least).mul_f64(random.clamp(0.0, 1.0));
        self.ceiling = self.ceiling.saturating_mul(2).min(self.cap);
        // Jitter comes on top of a Retry-After: all who were told "5 s" must not return together.
        floor.map_or(wait, |floor| floor.saturating_add(wait))
    }
}

/// A clock for tests that advances only when somebody sleeps.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct VirtualClock(std::cell::Cell<Duration>);

#[cfg(test)]
impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, duration: Duration) {
        self.0.set(self.0.get().saturating_add(duration));
    }
}

#[cfg(test)]
mod tests;
