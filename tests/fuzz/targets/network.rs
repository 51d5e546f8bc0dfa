//! A network that answers with what an input holds, and looks at what is asked of it.
//!
//! An input is a list of answers with 0x1e between them: a line with the status, and where there
//! is one the Retry-After in milliseconds; a line with the challenge; then the body.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bek_unlock::azure::http::{Http, HttpError, Request, Response, Service};
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::deadline::{Clock, Deadline};
use bek_unlock::error::printable;
use bek_unlock::secret::Secret;
use serde_json::Value;

use super::SENTINEL;

/// What the fake metadata service calls its token.
pub const TOKEN: &str = "eyJtokenSENTINELtoken";

/// No list has more pages, no retry takes more tries than its deadline has seconds.
const REQUESTS_MAX: usize = 600;

/// Who gives the answers of the input; the others answer as they should.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// IMDS.
    Metadata,
    /// Entra.
    SignIn,
    /// Key Vault.
    Vault,
}

/// The network. Clones share what was asked.
#[derive(Clone)]
pub struct Network {
    place: Place,
    answers: Rc<RefCell<VecDeque<Result<Response, HttpError>>>>,
    requests: Rc<Cell<usize>>,
}

impl Network {
    /// One whose `place` answers as `data` says.
    pub fn new(place: Place, data: &[u8]) -> Self {
        let answers = data.split(|byte| *byte == 0x1e).map(answer).collect();
        Self { place, answers: Rc::new(RefCell::new(answers)), requests: Rc::default() }
    }

    /// A client of it.
    pub fn azure(&self) -> Azure {
        let settings = Settings { identity: None, suffixes: Vec::new(), random: || 0.5 };
        Azure::new(Box::new(self.clone()), settings)
    }
}

impl Http for Network {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        assert!(!timeout.is_zero() && timeout <= Duration::from_secs(30));
        assert!(request.target.starts_with('/'), "{}", request.target);
        assert!(request.target.bytes().all(|byte| byte.is_ascii_graphic()), "{}", request.target);
        self.requests.set(self.requests.get() + 1);
        assert!(self.requests.get() <= REQUESTS_MAX);
        let place = match request.service {
            Service::Metadata => Place::Metadata,
            Service::SignIn(authority) => {
                assert_eq!(authority.host().as_str(), "login.microsoftonline.com");
                Place::SignIn
            }
            Service::Vault(host) => {
                assert_eq!(host.host().as_str(), "contoso-kv.vault.azure.net");
                Place::Vault
            }
        };
        // A token goes to a vault and nowhere else.
        assert_eq!(request.bearer.is_some(), place == Place::Vault);
        if place != self.place {
            let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":"86399"}}"#);
            return Ok(response(200, None, None, body.into_bytes()));
        }
        let next = self.answers.borrow_mut().pop_front();
        match next.unwrap_or_else(|| Err(HttpError::Malformed("the input ends".to_owned()))) {
            Ok(response) if response.body.len() > request.limit => {
                Err(HttpError::TooLarge(request.limit))
            }
            other => other,
        }
    }
}

fn answer(piece: &[u8]) -> Result<Response, HttpError> {
    let mut parts = piece.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (line, challenge) = (text(), text());
    let mut numbers = line.split_whitespace();
    let status = numbers.next().and_then(|status| status.parse().ok()).unwrap_or(200);
    let wait = numbers.next().and_then(|wait| wait.parse().ok()).map(Duration::from_millis);
    // The words of edge/http.rs are printable.
    let words = || printable(&challenge, 200);
    match status {
        0 => Err(HttpError::Interrupted(words())),
        1 => Err(HttpError::TimedOut),
        2 => Err(HttpError::Certificate(words())),
        _ => {
            let challenge = Some(printable(&challenge, 1000)).filter(|text| !text.is_empty());
            Ok(response(status, wait, challenge, parts.next().unwrap_or_default().to_vec()))
        }
    }
}

fn response(
    status: u16,
    retry_after: Option<Duration>,
    challenge: Option<String>,
    body: Vec<u8>,
) -> Response {
    let request_id = challenge.clone();
    Response { status, retry_after, request_id, challenge, body: Secret::new(body) }
}

/// A clock that advances only when somebody sleeps.
#[derive(Default)]
pub struct Still(Cell<Duration>);

impl Clock for Still {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, duration: Duration) {
        self.0.set(self.0.get().saturating_add(duration));
    }
}

/// Does `work` within 90 seconds of its own clock.
pub fn within<T>(work: impl FnOnce(&Deadline<'_>) -> T) -> T {
    let clock = Still::default();
    let done = work(&Deadline::start(&clock, Some(Duration::from_secs(90))));
    assert!(clock.now() <= Duration::from_secs(90), "{:?}", clock.now());
    done
}

/// What was said holds no token, and the sentinel only where the input has it in a place that is
/// shown: a challenge, or a member of JSON that holds no secret.
pub fn secret_is_kept(data: &[u8], said: &str) {
    assert!(!said.contains(TOKEN), "{said}");
    if said.contains(SENTINEL) {
        assert!(data.split(|byte| *byte == 0x1e).any(may_be_shown), "{said}");
    }
}

/// Whether the sentinel stands in an answer where it is shown: in the words of a failure, in a
/// challenge, or in a member of JSON that holds no secret.
pub fn may_be_shown(answer: &[u8]) -> bool {
    let mut parts = answer.splitn(3, |byte| *byte == b'\n');
    let head = [parts.next(), parts.next()].concat_text();
    // Readers skip what they do not know, whether it is UTF-8 or not.
    let body = String::from_utf8_lossy(parts.next().unwrap_or_default());
    head.contains(SENTINEL) || serde_json::from_str(&body).is_ok_and(|body| is_shown(&body))
}

trait ConcatText {
    fn concat_text(&self) -> String;
}

impl ConcatText for [Option<&[u8]>; 2] {
    fn concat_text(&self) -> String {
        self.iter().flatten().map(|part| String::from_utf8_lossy(part)).collect()
    }
}

/// Whether the sentinel stands outside of members that hold secrets.
fn is_shown(value: &Value) -> bool {
    const SECRET: [&str; 6] =
        ["value", "access_token", "accessToken", "refresh_token", "device_code", "id_token"];
    match value {
        Value::String(text) => text.contains(SENTINEL),
        Value::Array(items) => items.iter().any(is_shown),
        Value::Object(members) => members.iter().any(|(name, value)| {
            name.contains(SENTINEL) || (!SECRET.contains(&name.as_str()) && is_shown(value))
        }),
        _ => false,
    }
}
