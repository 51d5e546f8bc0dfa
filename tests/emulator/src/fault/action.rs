//! What can go wrong, and the answers of the faults that answer.
//!
//! Actions that end the connection, or deform the right answer, are carried out by
//! `delivery.rs`; here they only have names.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{http::Response, log::Service};

/// What happens instead of the answer, or to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The right answer, one byte per this many milliseconds.
    DripMs(u64),
    /// Connection closed, no answer.
    Drop,
    /// This many bytes that are not HTTP, then closed.
    Garbage(usize),
    /// Head and half of the right answer's body, then closed.
    Half,
    /// 200 with a JSON string of this many bytes.
    Oversized(usize),
    /// The right answer; with `delay_ms`, late.
    #[default]
    Pass,
    /// 302 to this URL.
    Redirect(String),
    /// This answer.
    Reply(Reply),
    /// Connection reset (TCP RST), no answer.
    Reset,
    /// 429 as the service words it.
    Throttled(Throttled),
}

/// An answer written out in the scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Text is sent as it is, anything else as JSON.
    #[serde(default)]
    pub body: Value,
    /// Added to (not replacing) Content-Type and Content-Length.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Status code.
    pub status: u16,
}

/// Throttling; real Key Vault answers have no Retry-After (AzureSignTool#219).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throttled {
    /// Seconds for a Retry-After header.
    pub retry_after: Option<u64>,
}

impl Action {
    /// The whole answer for actions that replace it.
    pub(crate) fn response(&self, service: Service) -> Option<Response> {
        match self {
            Self::Oversized(bytes) => {
                let body = format!("{{\"value\":\"{}\"}}", "A".repeat(*bytes));
                Some(Response::text(200, "application/json; charset=utf-8", body))
            }
            Self::Redirect(url) => {
                Some(Response::text(302, "text/html", "").with("Location", url.as_str()))
            }
            Self::Reply(reply) => Some(reply.response()),
            Self::Throttled(throttled) => Some(throttled.response(service)),
            Self::DripMs(_)
            | Self::Drop
            | Self::Garbage(_)
            | Self::Half
            | Self::Pass
            | Self::Reset => None,
        }
    }

    /// Whether the connection ends without a well-formed answer.
    pub(crate) fn ends_without_answer(&self) -> bool {
        matches!(self, Self::Drop | Self::Garbage(_) | Self::Reset)
    }

    /// The action in a word, for the request log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::DripMs(_) => "drip_ms",
            Self::Drop => "drop",
            Self::Garbage(_) => "garbage",
            Self::Half => "half",
            Self::Oversized(_) => "oversized",
            Self::Pass => "pass",
            Self::Redirect(_) => "redirect",
            Self::Reply(_) => "reply",
            Self::Reset => "reset",
            Self::Throttled(_) => "throttled",
        }
    }
}

impl Reply {
    fn response(&self) -> Response {
        let (kind, body) = match &self.body {
            Value::Null => ("text/plain", String::new()),
            Value::String(text) => ("text/plain", text.clone()),
            json => ("application/json; charset=utf-8", json.to_string()),
        };
        let mut response = Response::text(self.status, kind, body);
        for (name, value) in &self.headers {
            response.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
            response = response.with(name, value.as_str());
        }
        response
    }
}

impl Throttled {
    fn response(&self, service: Service) -> Response {
        let text = "Request was not processed because too many requests were received. \
                    Reason: VaultRequestTypeLimitReached";
        let body = match service {
            // No source shows the body of IMDS's 429; clients go by the status.
            Service::Imds => json!({"error": "Too many requests"}),
            Service::Vault => json!({"error": {"code": "Throttled", "message": text}}),
        };
        let response = Response::json(429, &body);
        match self.retry_after {
            Some(seconds) => response.with("Retry-After", seconds.to_string()),
            None => response,
        }
    }
}
