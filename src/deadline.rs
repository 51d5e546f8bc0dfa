//! One deadline for a whole unlock, and the waits inside it.
//!
//! Every wait of the program (device, key disk, network, lock, busy mapping) is taken from one
//! [`Deadline`], so that `timeout=` in bektab(5) means what it says. Time itself comes through
//! [`Clock`]: tests count attempts on a virtual one and never sleep.

#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

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
    /// `None` never passes (`timeout=0`).
    end: Option<Duration>,
}

impl<'a> Deadline<'a> {
    /// `limit` from now; `None` never passes.
    pub fn start(clock: &'a dyn Clock, limit: Option<Duration>) -> Self {
        let start = clock.now();
        Self { clock, start, end: limit.map(|limit| start.saturating_add(limit)) }
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
        self.end.map_or(Duration::MAX, |end| end.saturating_sub(self.clock.now()))
    }

    /// Whether no time is left.
    pub fn passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// A part of this deadline: `limit` from now, or this deadline's end if that is sooner.
    pub fn within(&self, limit: Duration) -> Self {
        let now = self.clock.now();
        let end = now.saturating_add(limit);
        Self { clock: self.clock, start: now, end: Some(self.end.map_or(end, |own| own.min(end))) }
    }

    /// Waits for `duration` or until the deadline, whichever is sooner; false when time is up.
    pub fn sleep(&self, duration: Duration) -> bool {
        let wait = duration.min(self.remaining());
        if !wait.is_zero() {
            self.clock.sleep(wait);
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
}

impl Backoff {
    /// First wait is drawn below `first`, later ones below its doubles, never above `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { ceiling: first, cap }
    }

    /// The next wait; `random` is uniform in `0.0..1.0`. At least `floor` (a Retry-After).
    pub fn next(&mut self, random: f64, floor: Option<Duration>) -> Duration {
        let wait = self.ceiling.min(self.cap).mul_f64(random.clamp(0.0, 1.0));
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
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn sleeping_stops_at_the_deadline() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(3 * SECOND));
        assert!(deadline.sleep(2 * SECOND));
        assert!(!deadline.sleep(2 * SECOND));
        assert_eq!(clock.now(), 3 * SECOND);
        assert_eq!(deadline.elapsed(), 3 * SECOND);
    }

    #[test]
    fn without_an_end_nothing_passes() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, None);
        assert!(deadline.sleep(1_000_000 * SECOND));
        assert_eq!(deadline.remaining(), Duration::MAX);
    }

    #[test]
    fn a_part_never_outlives_the_whole() {
        let clock = VirtualClock::default();
        let whole = Deadline::start(&clock, Some(5 * SECOND));
        assert_eq!(whole.within(SECOND).remaining(), SECOND);
        assert_eq!(whole.within(9 * SECOND).remaining(), 5 * SECOND);
        assert_eq!(Deadline::start(&clock, None).within(SECOND).remaining(), SECOND);
    }

    #[test]
    fn poll_looks_once_more_at_the_end() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(SECOND));
        let mut looks = 0;
        let found: Result<Option<()>, ()> = deadline.poll(SECOND / 4, || {
            looks += 1;
            Ok(None)
        });
        assert_eq!(found, Ok(None));
        assert_eq!(looks, 5);
    }

    #[test]
    fn poll_ends_with_the_first_find_and_the_first_error() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(SECOND));
        assert_eq!(deadline.poll(SECOND, || Ok::<_, ()>(Some(1))), Ok(Some(1)));
        assert_eq!(deadline.poll(SECOND, || Err::<Option<()>, _>("no")), Err("no"));
        assert_eq!(clock.now(), Duration::ZERO);
    }

    #[test]
    fn backoff_doubles_to_its_cap_and_honours_retry_after() {
        let mut backoff = Backoff::new(SECOND, 4 * SECOND);
        let waits: Vec<_> = (0..4).map(|_| backoff.next(1.0, None)).collect();
        assert_eq!(waits, [SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND]);
        assert_eq!(backoff.next(0.0, Some(7 * SECOND)), 7 * SECOND);
        assert_eq!(backoff.next(0.5, Some(7 * SECOND)), 9 * SECOND);
    }
}
