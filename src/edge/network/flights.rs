//! One question to the metadata service, however many ask it at once.
//!
//! IMDS takes 20 requests a second and five at a time ("Azure Instance Metadata Service for virtual
//! machines", rate limiting), and 64 volumes of one VM all want the same token in the same second. So
//! the first one asks and the others wait for what it is told, refusals and failures included: each
//! of them decides by itself whether to try again, and those who do so together are one again.
//!
//! An answer 200 is kept for a minute, which is a boot. Tokens say how long they live from the moment
//! they are given; a minute is nothing to the five that are left unused (azure.rs).

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wire::Answer;
use crate::azure::http::{HttpError, Response};
use crate::secret::Secret;

/// How long an answer is good for.
const KEPT: Duration = Duration::from_secs(60);

/// What was asked, by path and query.
#[derive(Debug, Default)]
pub struct Flights {
    flights: Mutex<HashMap<String, Arc<Flight>>>,
}

/// One question under way, or answered.
#[derive(Debug, Default)]
struct Flight {
    answer: Mutex<Option<(Instant, Answer)>>,
    landed: Condvar,
}

impl Flights {
    /// The answer to `target`: one that was given a moment ago unless `anew`, the one that somebody
    /// is already waiting for, or what `ask` comes back with.
    pub fn answer(
        &self,
        target: &str,
        anew: bool,
        timeout: Duration,
        ask: impl FnOnce() -> Answer,
    ) -> Answer {
        let (flight, ours) = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(target) {
                Some(flight) if flight.is_good(anew) => (Arc::clone(flight), false),
                _ => {
                    let flight = Arc::new(Flight::default());
                    flights.insert(target.to_owned(), Arc::clone(&flight));
                    (flight, true)
                }
            }
        };
        if !ours {
            return flight.wait(timeout);
        }
        let answer = ask();
        let told = copy(&answer);
        *flight.answer() = Some((Instant::now(), answer));
        flight.landed.notify_all();
        told
    }
}

impl Flight {
    fn answer(&self) -> MutexGuard<'_, Option<(Instant, Answer)>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one who asks now is served by it. What failed is for those who waited.
    fn is_good(&self, anew: bool) -> bool {
        match &*self.answer() {
            None => true,
            Some((since, Ok(response))) => {
                !anew && response.status == 200 && since.elapsed() < KEPT
            }
            Some((_, Err(_))) => false,
        }
    }

    fn wait(&self, timeout: Duration) -> Answer {
        let (answer, _) = self
            .landed
            .wait_timeout_while(self.answer(), timeout, |answer| answer.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        answer.as_ref().map_or(Err(HttpError::TimedOut), |(_, answer)| copy(answer))
    }
}

/// The one place where a token is in memory twice: every volume gets its own.
fn copy(answer: &Answer) -> Answer {
    answer.as_ref().map_err(HttpError::clone).map(|response| Response {
        status: response.status,
        retry_after: response.retry_after,
        request_id: response.request_id.clone(),
        challenge: response.challenge.clone(),
        body: Secret::new(response.body.expose().to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn response(status: u16) -> Answer {
        let body = Secret::new(b"eyJ0".to_vec());
        Ok(Response { status, retry_after: None, request_id: None, challenge: None, body })
    }

    #[test]
    fn those_who_ask_at_once_are_one() {
        let (flights, asked, together) = (Flights::default(), AtomicU32::new(0), Barrier::new(64));
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    together.wait();
                    let answer = flights.answer("/token", false, LONG, || {
                        asked.fetch_add(1, Ordering::SeqCst);
                        response(200)
                    });
                    assert_eq!(answer.unwrap().body.expose(), b"eyJ0");
                });
            }
        });
        assert_eq!(asked.into_inner(), 1);
    }

    #[test]
    fn another_question_is_another_one() {
        let flights = Flights::default();
        for target in ["/token", "/name", "/token"] {
            flights.answer(target, false, LONG, || response(200)).unwrap();
        }
        let mut asked = false;
        let ask = || {
            asked = true;
            response(200)
        };
        flights.answer("/name?x", false, LONG, ask).unwrap();
        assert!(asked);
    }

    #[test]
    fn what_failed_or_is_refused_as_stale_is_asked_again() {
        let flights = Flights::default();
        let refused = || flights.answer("/token", false, LONG, || response(429)).unwrap().status;
        assert_eq!((refused(), refused()), (429, 429));
        let failed = flights.answer("/token", false, LONG, || Err(HttpError::TimedOut));
        assert_eq!(failed.unwrap_err(), HttpError::TimedOut);
        assert_eq!(flights.answer("/token", false, LONG, || response(200)).unwrap().status, 200);
        assert_eq!(flights.answer("/token", true, LONG, || response(403)).unwrap().status, 403);
    }

    #[test]
    fn nobody_waits_longer_than_their_time() {
        let flights = Flights::default();
        let (begun, over) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                flights.answer("/token", false, LONG, || {
                    begun.wait();
                    over.wait();
                    response(200)
                })
            });
            begun.wait();
            let waited = flights.answer("/token", false, Duration::from_millis(1), || {
                panic!("somebody asks already")
            });
            assert_eq!(waited.unwrap_err(), HttpError::TimedOut);
            over.wait();
        });
    }
}
