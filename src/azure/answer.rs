//! What Key Vault's refusals mean, written out as one table.
//!
//! Decided by status and error code, never by message text ("Azure Key Vault REST API error
//! codes"); the text is only shown, made printable and short. Bodies are hostile: whatever does
//! not parse counts as an empty body, and the status decides alone.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;

use super::http::Response;
use super::id::{Host, KeyId, KeyName};
use super::way::Way;
use crate::deadline::trace::Asked;
use crate::error::{Denied, Kind, SecretProblem, TrustProblem, printable, short};
use crate::secret::Secret;

/// So many bytes of a secret in a row are no coincidence, and more than stands around it in JSON.
const PART: usize = 32;

/// What was asked of a vault; says which permission a refusal is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /secrets/NAME[/VERSION]` of this secret, as people name it.
    GetSecret(String),
    /// `GET /secrets` or `/secrets/NAME/versions`.
    ListSecrets,
    /// `PUT /secrets/NAME` of this secret, as people name it.
    SetSecret(String),
    /// `POST /keys/NAME/VERSION/unwrapkey`.
    UnwrapKey(KeyId),
    /// `POST /keys/NAME[/VERSION]/wrapkey`.
    WrapKey(KeyName),
}

impl Operation {
    /// What it is in a trace.
    pub fn asked(&self) -> Asked {
        match self {
            Self::GetSecret(_) => Asked::Secret,
            Self::ListSecrets => Asked::List,
            Self::UnwrapKey(_) => Asked::UnwrapKey,
            Self::SetSecret(_) | Self::WrapKey(_) => Asked::Change,
        }
    }

    /// The permission it needs, as access policies spell it.
    pub fn permission(&self) -> &'static str {
        match self {
            Self::GetSecret(_) => "secrets/get",
            Self::ListSecrets => "secrets/list",
            Self::SetSecret(_) => "secrets/set",
            Self::UnwrapKey(_) => "keys/unwrapKey",
            Self::WrapKey(_) => "keys/wrapKey",
        }
    }
}

/// Whether a status of Key Vault says "later": 408, 429 and every 5xx ("Throttling guidance").
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// A refusal whose text repeats a part of what was sent to it, token or key, says nothing any more.
///
/// Nobody echoes a secret, but if somebody did, it would be in the journal for ever.
pub fn without_echo<'a>(response: Response, sent: impl Iterator<Item = &'a Secret>) -> Response {
    let body = response.body.expose();
    let repeated = |part: &[u8]| body.windows(PART).any(|window| window == part);
    let echoed = sent.into_iter().any(|secret| secret.expose().windows(PART).any(repeated));
    if echoed { Response { body: Secret::new(Vec::new()), ..response } } else { response }
}

/// The error that a final answer other than 200 is.
///
/// | status | inner code | becomes |
/// |---|---|---|
/// | 3xx | | `VaultUntrusted`, `Redirect` |
/// | 400 of unwrapKey, wrapKey | | `KeyMalformed` |
/// | 401 | | `VaultDenied` |
/// | 403 | `SecretDisabled` | `SecretMissing`, `Disabled` |
/// | 403 | any other | `VaultDenied` |
/// | 409 of a secret that is set | | `VaultDenied` |
/// | 404 | | `SecretMissing`, `NotFound`, or `KekMissing` |
/// | others | | `VaultUntrusted`, `Answer` |
pub fn refusal(operation: &Operation, host: &Host, way: Way, response: &Response) -> Kind {
    let status = response.status;
    let error = Problem::of(response);
    let missing = |what: &str, problem| Kind::SecretMissing {
        vault: host.clone(),
        what: what.to_owned(),
        problem,
    };
    match (status, operation) {
        (300..=399, _) => {
            Kind::VaultUntrusted { host: host.clone(), problem: TrustProblem::Redirect }
        }
        (400, Operation::UnwrapKey(_) | Operation::WrapKey(_)) => Kind::KeyMalformed {
            what: match operation {
                Operation::WrapKey(_) => format!("key vault {}: wrapkey", short(host)),
                _ => format!("key vault {}: unwrapkey", short(host)),
            },
            reason: error.sentence(status),
        },
        (403, Operation::GetSecret(what)) if error.code == "SecretDisabled" => {
            missing(what, SecretProblem::Disabled)
        }
        (401 | 403, _) | (409, Operation::SetSecret(_)) => Kind::VaultDenied(Box::new(Denied {
            vault: host.clone(),
            status,
            permission: operation.permission(),
            way,
            object_id: object_id(&error.message),
            address: client_address(&error.message),
            text: if status == 401 { line(&error.message) } else { sentence(&error.message) },
            code: error.code,
            request_id: response.request_id.clone(),
        })),
        (404, Operation::GetSecret(what)) => missing(what, SecretProblem::NotFound),
        (404, Operation::UnwrapKey(kek)) => Kind::KekMissing { kek: kek.clone().into() },
        (404, Operation::WrapKey(kek)) => Kind::KekMissing { kek: kek.clone() },
        _ => Kind::VaultUntrusted {
            host: host.clone(),
            problem: TrustProblem::Answer(error.sentence(status)),
        },
    }
}

/// Code and message of an error body; both empty when there is none.
struct Problem {
    /// The inner code, or the outer where there is no inner one; printable.
    code: String,
    /// Raw: cut and cleaned where it is used.
    message: String,
}

impl Problem {
    fn of(response: &Response) -> Self {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: Outer<'a>,
        }
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            code: Option<Cow<'a, str>>,
            #[serde(borrow)]
            message: Option<Cow<'a, str>>,
            #[serde(borrow)]
            innererror: Option<Inner<'a>>,
        }
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow)]
            code: Option<Cow<'a, str>>,
        }
        let Ok(Body { error }) = serde_json::from_slice(response.body.expose()) else {
            return Self { code: String::new(), message: String::new() };
        };
        let code = error.innererror.and_then(|inner| inner.code).or(error.code);
        Self {
            code: printable(&code.unwrap_or_default(), 60),
            message: error.message.unwrap_or_default().into_owned(),
        }
    }

    /// `HTTP 400 BadParameter: Error occurred while decoding OAEP padding`.
    fn sentence(&self, status: u16) -> String {
        let mut text = format!("HTTP {status}");
        if !self.code.is_empty() {
            text = format!("{text} {}", self.code);
        }
        match sentence(&self.message) {
            message if message.is_empty() => text,
            message => format!("{text}: {message}"),
        }
    }
}

/// The first line, without a final full stop.
fn line(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    printable(line.strip_suffix('.').unwrap_or(line), 200)
}

/// The first sentence, without its full stop.
fn sentence(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let sentence = line.split_once(". ").map_or(line, |(first, _)| first);
    printable(sentence.strip_suffix('.').unwrap_or(sentence), 200)
}

/// The caller's object id in `appid=…;oid=…;iss=…`.
fn object_id(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("oid=")?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect();
    (id.len() == 36).then_some(id)
}

/// The address in `Client address: 10.0.0.4`.
fn client_address(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Client address:")?;
    let word = rest.split_whitespace().next()?;
    word.trim_end_matches(['.', ',', ';']).parse::<IpAddr>().ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests;
