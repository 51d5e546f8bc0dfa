//! A network for tests: a list of answers, and the requests that were made for them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::http::{Http, HttpError, Method, Request, Response, Service};
use super::{Azure, Settings};
use crate::secret::Secret;

/// What a fake IMDS calls its tokens; no error or log line may hold it.
pub const TOKEN: &str = "eyJtokenSENTINEL";

/// The script and its record; clones share both.
#[derive(Clone, Debug, Default)]
pub struct Fake(Rc<RefCell<Script>>);

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Result<Response, HttpError>>,
    requests: Vec<Recorded>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// `GET imds/metadata/…`, `POST contoso-kv.vault.azure.net/keys/…`.
    pub line: String,
    /// The token, without `Bearer`.
    pub bearer: Option<String>,
    /// The JSON or form that was sent.
    pub body: Option<String>,
}

impl Fake {
    /// A network that gives these answers, one per request.
    pub fn new(answers: impl IntoIterator<Item = Result<Response, HttpError>>) -> Self {
        let fake = Self::default();
        fake.0.borrow_mut().answers.extend(answers);
        fake
    }

    /// A client that asks this network, with the VM's only identity.
    pub fn azure(&self) -> Azure {
        let settings = Settings { identity: None, suffixes: Vec::new(), random: || 0.5 };
        Azure::new(Box::new(self.clone()), settings)
    }

    /// Everything that was asked.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.borrow().requests.clone()
    }

    /// Method and place of each request, without queries.
    pub fn lines(&self) -> Vec<String> {
        let plain = |line: &str| line.split('?').next().unwrap_or_default().to_owned();
        self.requests().iter().map(|request| plain(&request.line)).collect()
    }
}

impl Http for Fake {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        assert!(!timeout.is_zero());
        let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        assert_eq!(request.body.is_some(), request.method != Method::Get);
        let place = match request.service {
            Service::Metadata => "imds",
            Service::SignIn(authority) => authority.host().as_str(),
            Service::Vault(host) => host.host().as_str(),
        };
        let mut script = self.0.borrow_mut();
        script.requests.push(Recorded {
            line: format!("{method} {place}{}", request.target),
            bearer: request.bearer.map(text),
            body: request.body.map(text),
        });
        let answer = script.answers.pop_front();
        answer.unwrap_or_else(|| Err(HttpError::Internal("the script is over".to_owned())))
    }
}

/// An answer with this status and body.
pub fn answer(status: u16, body: &str) -> Result<Response, HttpError> {
    Ok(Response {
        status,
        retry_after: None,
        request_id: Some("5f3c9c7e".to_owned()),
        challenge: None,
        body: Secret::new(body.as_bytes().to_vec()),
    })
}

/// IMDS's answer with [`TOKEN`].
pub fn token() -> Result<Response, HttpError> {
    token_named(TOKEN)
}

/// IMDS's answer with this token.
pub fn token_named(token: &str) -> Result<Response, HttpError> {
    answer(
        200,
        &format!(
            r#"{{"access_token":"{token}","client_id":"6f1c0d52-0000-4000-8000-000000000001",
            "expires_in":"86399","expires_on":"1506484173","ext_expires_in":"86399",
            "not_before":"1506397473","resource":"https://vault.azure.net","token_type":"Bearer"}}"#
        ),
    )
}

/// Key Vault's error body.
pub fn refused(status: u16, code: &str, inner: &str, message: &str) -> Result<Response, HttpError> {
    let inner = match inner {
        "" => String::new(),
        inner => format!(r#","innererror":{{"code":"{inner}"}}"#),
    };
    let message = message.replace('"', "\\\"").replace('\n', "\\r\\n");
    answer(status, &format!(r#"{{"error":{{"code":"{code}","message":"{message}"{inner}}}}}"#))
}
