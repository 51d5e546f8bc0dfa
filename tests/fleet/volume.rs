//! One volume of the fleet: the program's own client, run up to the first answer it has not got.
//!
//! The client blocks, and ten thousand of it cannot wait on one thread. But with its clock, its
//! dice and its network given, what it does is the same each time. So it is run; its first request
//! that has no answer yet ends the run and is the next event of the simulation; and with one more
//! answer it is run again. A run begins at the last 200, since the client keeps token and secret
//! itself. Nothing of it is modelled: key source, tokens, retries, Retry-After, deadline and parsing
//! are the code that runs at boot.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bek_unlock::azure::http::{Http, HttpError, Request, Response, Service};
use bek_unlock::azure::id::SecretId;
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::deadline::{Clock, Deadline};
use bek_unlock::error::Kind;
use bek_unlock::key::KeySource;
use bek_unlock::key::vault::{Kek, KeyVault, Lookup};
use bek_unlock::secret::Secret;

use super::answers;
use super::dice;

/// A volume that is being unlocked.
pub struct Volume {
    start: Duration,
    timeout: Duration,
    azure: Rc<RefCell<Azure>>,
    secret: SecretId,
    wire: Rc<Wire>,
    /// Where the next run begins: clock and dice at the last 200.
    begin: Cell<(Duration, u64)>,
}

/// How far a volume has got.
pub enum State {
    /// It asks for this at that moment.
    Asks(Ask, Duration),
    /// It has its key since then.
    Opened(Duration),
    /// It gave up.
    Failed(Kind),
}

/// What a volume asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// IMDS for a token.
    Token,
    /// Key Vault for the secret.
    Secret,
    /// Key Vault to unwrap it.
    Unwrap,
}

/// An answer and when it is there.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// On the clock of the whole fleet.
    pub at: Duration,
    /// Whether it is what was asked for, or 429.
    pub granted: bool,
    /// Of a 429.
    pub retry_after: Option<Duration>,
}

/// Network and clock of a volume; its client holds one end.
#[derive(Default)]
struct Wire {
    clock: Cell<Duration>,
    /// Since the last 200, which can only be the last one of them.
    answers: RefCell<Vec<Answer>>,
    /// How many of them this run was given.
    given: Cell<usize>,
    /// What it asked for beyond them, and when.
    open: Cell<Option<(Ask, Duration)>>,
}

impl Volume {
    /// A volume whose unlock begins at `start` with this `timeout=`.
    pub fn new(start: Duration, timeout: Duration, seed: u64) -> Self {
        let wire = Rc::new(Wire::default());
        let settings = Settings { identity: None, suffixes: Vec::new(), random: dice::roll };
        let azure = Azure::new(Box::new(Network(Rc::clone(&wire))), settings);
        Self {
            start,
            timeout,
            azure: Rc::new(RefCell::new(azure)),
            secret: SecretId::parse(answers::SECRET).expect("the URL of a secret"),
            wire,
            begin: Cell::new((start, seed)),
        }
    }

    /// When its unlock began.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// It gets this answer to what it asked last.
    pub fn answer(&self, answer: Answer) {
        self.wire.answers.borrow_mut().push(answer);
    }

    /// Runs it up to where it cannot go on.
    pub fn run(&self) -> State {
        let (now, dice) = self.begin.get();
        dice::set(dice);
        self.wire.clock.set(self.start);
        let deadline = Deadline::start(&*self.wire, Some(self.timeout));
        self.wire.clock.set(now);
        self.wire.given.set(0);
        let lookup = Lookup::Secret(self.secret.clone());
        let keys = KeyVault::new(Rc::clone(&self.azure), lookup, Kek::default()).keys(&deadline);
        match (self.wire.open.take(), keys) {
            (Some((ask, at)), Err(Kind::Internal { .. })) => {
                if self.wire.answers.borrow().last().is_some_and(|last| last.granted) {
                    self.begin.set((at, dice::get()));
                    self.wire.answers.borrow_mut().clear();
                }
                State::Asks(ask, at)
            }
            (None, Ok(keys)) => {
                assert_eq!(keys.len(), 1, "one secret holds one key");
                State::Opened(self.wire.clock.get())
            }
            (None, Err(kind)) => State::Failed(kind),
            (Some((ask, _)), _) => panic!("went on without an answer to {ask:?}"),
        }
    }
}

impl Clock for Wire {
    fn now(&self) -> Duration {
        self.clock.get()
    }

    fn sleep(&self, duration: Duration) {
        self.clock.set(self.clock.get() + duration);
    }
}

struct Network(Rc<Wire>);

impl Http for Network {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let ask = match request.service {
            Service::Metadata => Ask::Token,
            _ if request.target.contains("/unwrapkey") => Ask::Unwrap,
            _ => Ask::Secret,
        };
        let wire = &*self.0;
        let now = wire.clock.get();
        let Some(answer) = wire.answers.borrow().get(wire.given.get()).copied() else {
            wire.open.set(Some((ask, now)));
            // The one failure that is never tried again.
            return Err(HttpError::Internal("not answered yet".to_owned()));
        };
        wire.given.set(wire.given.get() + 1);
        assert!(now <= answer.at && answer.at <= now + timeout, "{ask:?} {answer:?} at {now:?}");
        wire.clock.set(answer.at);
        // What a 429 says is not read.
        let (status, body) =
            if answer.granted { (200, answers::body(ask)) } else { (429, String::new()) };
        Ok(Response {
            status,
            retry_after: answer.retry_after,
            request_id: None,
            challenge: None,
            body: Secret::new(body.into_bytes()),
        })
    }
}
