//! One loop around everything that is asked of Azure: try, wait with jitter, try again.
//!
//! "Later" and "never" are told apart by type, so no caller can retry a refusal. Every wait comes
//! out of the [`Deadline`]; every retry is one line of log at `warn`, from the library itself,
//! because a boot that stands still must say why while it stands still.

use std::fmt;
use std::time::Duration;

use super::http::HttpError;
use crate::deadline::trace::{Asked, Doing, Span};
use crate::deadline::{Backoff, Deadline};
use crate::error::{Kind, TransportProblem, TrustProblem, Unreachable, seconds};
use crate::message_id;

/// First and largest ceiling of the drawn waits. Key Vault's throttling guidance doubles from 1 s
/// to 16 s; but a vault counts over 10 s ("Azure Key Vault service limits"), and whoever waits longer
/// lets a whole period go by in which it would have been served.
const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(8);
/// Ceiling while there is no connection at all: nobody is burdened by asking, and a boot should
/// not wait long seconds after its network came up.
const CAP_OFFLINE: Duration = Duration::from_secs(2);
/// A Retry-After longer than this ends it, also where `timeout=0` sets no end: throttling asks for
/// seconds, and a header of years would keep a boot silent.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Less time than this is no fair try.
const SHORTEST_TRY: Duration = Duration::from_secs(1);

/// What one try came to.
pub enum Verdict<T> {
    /// Not now; try again, not before the given wait (a Retry-After).
    Again(TransportProblem, Option<Duration>),
    /// This is the answer.
    Done(T),
    /// It failed and would fail again.
    Final(Kind),
    /// It failed and hardly anything will change; one more try after this wait, by the caller's
    /// count.
    Hardly(Kind, Duration),
}

/// How one service is asked.
pub struct Policy<'a> {
    /// What it is asked for.
    pub what: Asked,
    /// Its name in the log: `contoso-kv`, `metadata service`.
    pub who: &'a str,
    /// Time limit of each try.
    pub try_timeout: Duration,
    /// Shortest wait after an answer that says "later".
    pub floor: Duration,
    /// Uniform in `0.0..1.0`.
    pub random: fn() -> f64,
}

/// Calls `attempt` with its own deadline until it is done, final, or the deadline is near.
///
/// A Retry-After is never cut short: when it leads past the deadline, or is longer than ten minutes,
/// it ends here at once. Drawn waits are cut so that the last try still gets a fair time. `gave_up`
/// makes the error of it.
pub fn retry<T>(
    policy: &Policy<'_>,
    deadline: &Deadline<'_>,
    gave_up: impl FnOnce(Unreachable) -> Kind,
    attempt: impl FnMut(&Deadline<'_>) -> Verdict<T>,
) -> Result<T, Kind> {
    let mut span = deadline.begin(Doing::Request(policy.what, policy.who.to_owned()));
    let result = tries(policy, deadline, gave_up, attempt, &mut span);
    span.ended(result)
}

/// [`retry`], whose tries `span` is told of.
fn tries<T>(
    policy: &Policy<'_>,
    deadline: &Deadline<'_>,
    gave_up: impl FnOnce(Unreachable) -> Kind,
    mut attempt: impl FnMut(&Deadline<'_>) -> Verdict<T>,
    span: &mut Span<'_>,
) -> Result<T, Kind> {
    let start = deadline.now();
    let mut waits = Waits::default();
    let mut tries = 0;
    let mut last = None;
    while !deadline.passed() {
        tries += 1;
        let (wait, problem, offline) = match attempt(&deadline.within(policy.try_timeout)) {
            Verdict::Done(answer) => return Ok(answer),
            Verdict::Final(kind) => return Err(kind),
            Verdict::Hardly(kind, wait) => {
                if wait.saturating_add(SHORTEST_TRY) > deadline.remaining() {
                    return Err(kind);
                }
                announce(log::Level::Warn, policy.who, &kind, tries, wait, deadline);
                (wait, kind.to_string(), false)
            }
            Verdict::Again(problem, after) => {
                let Some(wait) = waits.next(&problem, after, policy, deadline.remaining()) else {
                    last = Some(problem);
                    break;
                };
                // Without a network every second brings the same line; once is enough.
                let level = if is_offline(&problem) && last.as_ref() == Some(&problem) {
                    log::Level::Debug
                } else {
                    log::Level::Warn
                };
                announce(level, policy.who, &problem, tries, wait, deadline);
                let told = (wait, problem.to_string(), is_offline(&problem));
                last = Some(problem);
                told
            }
        };
        span.again(problem, offline, || {
            deadline.sleep(wait);
        });
    }
    Err(gave_up(Unreachable {
        problem: last.unwrap_or(TransportProblem::TimedOut),
        tries,
        elapsed: deadline.now().saturating_sub(start),
    }))
}

/// How every service treats a failed exchange; what the status of an answer means is its own.
///
/// `untrusted` makes the error of an answer that cannot be trusted or understood.
pub fn failed<T>(error: HttpError, untrusted: impl FnOnce(TrustProblem) -> Kind) -> Verdict<T> {
    let problem = match error {
        HttpError::Connect(reason) => return again(TransportProblem::Connect(reason)),
        HttpError::Interrupted(reason) => return again(TransportProblem::Interrupted(reason)),
        HttpError::Resolve(reason) => return again(TransportProblem::Resolve(reason)),
        HttpError::TimedOut => return again(TransportProblem::TimedOut),
        HttpError::Internal(reason) => {
            return Verdict::Final(Kind::Internal { call: "HTTP client", reason });
        }
        HttpError::Certificate(reason) => TrustProblem::Certificate(reason),
        HttpError::CertificateTime(reason) => TrustProblem::CertificateTime(reason),
        HttpError::Malformed(reason) => TrustProblem::Answer(reason),
        HttpError::NoAuthorities(path) => TrustProblem::NoAuthorities(path),
        HttpError::TooLarge(limit) => {
            TrustProblem::Answer(format!("answer is larger than {} KiB", limit / 1024))
        }
    };
    Verdict::Final(untrusted(problem))
}

fn again<T>(problem: TransportProblem) -> Verdict<T> {
    Verdict::Again(problem, None)
}

/// The two ladders of waits: for a service that is busy, and for a network that is not there.
struct Waits {
    busy: Backoff,
    offline: Backoff,
}

impl Default for Waits {
    fn default() -> Self {
        Self { busy: Backoff::sparing(FIRST, CAP), offline: Backoff::new(FIRST, CAP_OFFLINE) }
    }
}

impl Waits {
    /// The wait before the next try; `None` when it would leave no fair time for that try.
    fn next(
        &mut self,
        problem: &TransportProblem,
        after: Option<Duration>,
        policy: &Policy<'_>,
        remaining: Duration,
    ) -> Option<Duration> {
        let random = (policy.random)();
        let (floor, drawn) = if is_offline(problem) {
            (Duration::ZERO, self.offline.next(random, None))
        } else {
            let floor = after.unwrap_or(policy.floor);
            (floor, self.busy.next(random, Some(floor)))
        };
        let latest = remaining.checked_sub(SHORTEST_TRY)?.min(LONGEST_WAIT);
        (!latest.is_zero() && floor <= latest).then(|| drawn.min(latest))
    }
}

fn is_offline(problem: &TransportProblem) -> bool {
    matches!(problem, TransportProblem::Connect(_) | TransportProblem::Resolve(_))
}

/// `contoso-kv: HTTP 429; try 3 in 4.0 s, gives up in 41 s`; `journalctl -x` explains the line.
fn announce(
    level: log::Level,
    who: &str,
    what: &dyn fmt::Display,
    tries: u32,
    wait: Duration,
    deadline: &Deadline<'_>,
) {
    let next = tries.saturating_add(1);
    let end = match deadline.remaining() {
        Duration::MAX => String::new(),
        left => format!(", gives up in {}", seconds(left)),
    };
    log::log!(
        level,
        MESSAGE_ID = message_id::RETRY;
        "{who}: {what}; try {next} in {}{end}",
        seconds(wait)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::VirtualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn run(
        limit: Option<Duration>,
        floor: Duration,
        mut script: Vec<Verdict<u32>>,
    ) -> (Result<u32, Kind>, Vec<Duration>) {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, limit);
        let policy = Policy {
            what: Asked::Secret,
            who: "contoso-kv",
            try_timeout: 10 * SECOND,
            floor,
            random: || 1.0,
        };
        script.reverse();
        let mut at = Vec::new();
        let result = retry(&policy, &deadline, Kind::MetadataUnreachable, |_| {
            at.push(deadline.elapsed());
            script.pop().unwrap_or(Verdict::Again(TransportProblem::Status(503), None))
        });
        (result, at)
    }

    fn busy() -> Verdict<u32> {
        Verdict::Again(TransportProblem::Status(429), None)
    }

    fn seconds_of(at: &[Duration]) -> Vec<u64> {
        at.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn waits_double_to_their_cap() {
        let (result, at) = run(Some(90 * SECOND), Duration::ZERO, vec![]);
        // The last wait is cut so that one second is left for the last try.
        assert_eq!(seconds_of(&at), [0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63, 71, 79, 87, 89]);
        let Err(Kind::MetadataUnreachable(unreachable)) = result else { panic!("{result:?}") };
        assert_eq!(unreachable.tries, 15);
        assert_eq!(unreachable.problem, TransportProblem::Status(503));
        assert_eq!(unreachable.elapsed, 89 * SECOND);
    }

    #[test]
    fn without_a_network_waits_stay_short() {
        let offline =
            || Verdict::Again(TransportProblem::Connect("Network is unreachable".into()), None);
        let (result, at) =
            run(None, SECOND, vec![offline(), offline(), offline(), offline(), Verdict::Done(7)]);
        assert_eq!(result, Ok(7));
        assert_eq!(seconds_of(&at), [0, 1, 3, 5, 7]);
    }

    #[test]
    fn retry_after_is_kept_and_jitter_comes_on_top() {
        let after = Verdict::Again(TransportProblem::Status(429), Some(20 * SECOND));
        let (result, at) = run(Some(90 * SECOND), Duration::ZERO, vec![after, Verdict::Done(1)]);
        assert_eq!(result, Ok(1));
        assert_eq!(seconds_of(&at), [0, 21]);
    }

    #[test]
    fn retry_after_beyond_the_deadline_ends_at_once() {
        let after = Verdict::Again(TransportProblem::Status(429), Some(90 * SECOND));
        let (result, at) = run(Some(90 * SECOND), Duration::ZERO, vec![after]);
        assert_eq!(at.len(), 1);
        let Err(Kind::MetadataUnreachable(unreachable)) = result else { panic!("{result:?}") };
        assert_eq!((unreachable.tries, unreachable.elapsed), (1, Duration::ZERO));
    }

    #[test]
    fn retry_after_of_years_ends_at_once_without_a_deadline_too() {
        for after in [601 * SECOND, Duration::from_secs(u64::MAX)] {
            let after = Verdict::Again(TransportProblem::Status(429), Some(after));
            let (result, at) = run(None, Duration::ZERO, vec![after, Verdict::Done(1)]);
            assert!(result.is_err());
            assert_eq!(at.len(), 1);
        }
    }

    #[test]
    fn a_floor_is_waited_for_even_without_luck_in_the_draw() {
        let (_, at) = run(Some(90 * SECOND), SECOND, vec![busy(), Verdict::Done(1)]);
        assert_eq!(seconds_of(&at), [0, 2]);
    }

    #[test]
    fn a_final_failure_is_tried_once() {
        let (result, at) =
            run(None, SECOND, vec![Verdict::Final(Kind::ContentUnrecognized), Verdict::Done(1)]);
        assert_eq!(result, Err(Kind::ContentUnrecognized));
        assert_eq!(at.len(), 1);
    }

    #[test]
    fn a_slow_second_chance_is_taken_only_with_time_for_it() {
        let chance = || Verdict::Hardly(Kind::ContentUnrecognized, 5 * SECOND);
        let (result, at) = run(Some(90 * SECOND), SECOND, vec![chance(), Verdict::Done(1)]);
        assert_eq!((result, seconds_of(&at)), (Ok(1), vec![0, 5]));
        let (result, at) = run(Some(5 * SECOND), SECOND, vec![chance(), Verdict::Done(1)]);
        assert_eq!((result, at.len()), (Err(Kind::ContentUnrecognized), 1));
    }

    #[test]
    fn a_passed_deadline_allows_no_try() {
        let (result, at) = run(Some(Duration::ZERO), SECOND, vec![Verdict::Done(1)]);
        assert!(at.is_empty());
        let Err(Kind::MetadataUnreachable(unreachable)) = result else { panic!("{result:?}") };
        assert_eq!(unreachable.tries, 0);
    }

    #[test]
    fn a_try_never_gets_more_time_than_is_left() {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(4 * SECOND));
        let policy = Policy {
            what: Asked::Secret,
            who: "v",
            try_timeout: 10 * SECOND,
            floor: Duration::ZERO,
            random: || 0.5,
        };
        let given = retry(&policy, &deadline, Kind::MetadataUnreachable, |limit| {
            Verdict::Done(limit.remaining())
        });
        assert_eq!(given, Ok(4 * SECOND));
    }
}
