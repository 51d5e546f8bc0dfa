//! Faults as data: which requests or connections go wrong, how often, and in what way.
//!
//! Rules are tried in order and the first that matches and has turns left is used up by one.
//! `pass` is an action too, so that "429, good, 429" can be written. Faults are decided when a
//! request arrives; `delivery.rs` carries them out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

use crate::{http::Response, log::Service};

/// One rule of a scenario's fault list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    #[serde(default)]
    pub action: Action,
    /// Milliseconds to wait before the action; other connections are not held up.
    #[serde(default)]
    pub delay_ms: u64,
    /// What it applies to; everything when absent.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// How often.
    #[serde(default)]
    pub times: Times,
}

/// The requests a rule applies to; every field that is set must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Requests, or connections before anything is read (then only `service` is looked at).
    pub at: At,
    /// Host header without port, compared without case.
    pub host: Option<String>,
    /// Method, exactly.
    pub method: Option<String>,
    /// Path without query; `*` stands for any characters, slashes included.
    pub path: Option<String>,
    /// IMDS or vaults.
    pub service: Option<Service>,
}

/// The moment a rule applies to.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// A connection was accepted; TLS has not begun. Actions: pass, drop, reset, garbage.
    Connect,
    /// A request was read.
    #[default]
    Request,
}

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

/// How often a rule applies: a number, or `"forever"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Always.
    Forever,
    /// This often, then never again.
    Number(u32),
}

impl Default for Times {
    fn default() -> Self {
        Self::Number(1)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "forever" => Ok(Self::Forever),
            Value::Number(number) => match number.as_u64().map(u32::try_from) {
                Some(Ok(number)) => Ok(Self::Number(number)),
                _ => Err(de::Error::custom("times: a number, or \"forever\"")),
            },
            _ => Err(de::Error::custom("times: a number, or \"forever\"")),
        }
    }
}

/// What rules are matched against.
pub(crate) struct Occasion<'a> {
    pub(crate) at: At,
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) service: Service,
}

impl Match {
    fn holds(&self, occasion: &Occasion<'_>) -> bool {
        let host = occasion.host.split(':').next().unwrap_or_default();
        let is = |wanted: &Option<String>, test: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(test)
        };
        self.at == occasion.at
            && self
                .service
                .is_none_or(|service| service == occasion.service)
            && is(&self.method, &|method| method == occasion.method)
            && is(&self.host, &|wanted| wanted.eq_ignore_ascii_case(host))
            && is(&self.path, &|pattern| glob(pattern, occasion.path))
    }
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
            response
                .headers
                .retain(|(present, _)| !present.eq_ignore_ascii_case(name));
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

/// Takes the first rule that applies, using one of its turns.
pub(crate) fn take(rules: &mut [Rule], occasion: &Occasion<'_>) -> Option<Rule> {
    let alive = |rule: &&mut Rule| rule.times != Times::Number(0) && rule.matches.holds(occasion);
    let rule = rules.iter_mut().find(alive)?;
    if let Times::Number(left) = &mut rule.times {
        *left = left.saturating_sub(1);
    }
    Some(rule.clone())
}

/// `*` stands for any characters; everything else for itself.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((literal, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(tail) = text.strip_prefix(literal) else {
        return false;
    };
    (0..=tail.len()).any(|skip| tail.get(skip..).is_some_and(|tail| glob(rest, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(value: Value) -> Vec<Rule> {
        serde_json::from_value(value).unwrap()
    }

    fn occasion(path: &str) -> Occasion<'_> {
        Occasion {
            at: At::Request,
            host: "a.vault.azure.net:443",
            method: "POST",
            path,
            service: Service::Vault,
        }
    }

    #[test]
    fn rules_are_used_up_in_order() {
        let mut rules = rules(json!([
            {"action": {"throttled": {}}, "times": 2}, {"action": "pass"}, {"action": "drop"},
        ]));
        let mut names = Vec::new();
        while let Some(rule) = take(&mut rules, &occasion("/keys/kek/unwrapkey")) {
            names.push(rule.action.name());
        }
        assert_eq!(names, ["throttled", "throttled", "pass", "drop"]);
    }

    #[test]
    fn every_field_of_a_match_must_hold() {
        let matching = |value: Value| {
            let rule = json!([{"match": value, "times": "forever"}]);
            take(&mut rules(rule), &occasion("/keys/kek/1/unwrapkey")).is_some()
        };
        assert!(matching(
            json!({"path": "/keys/*/unwrapkey", "method": "POST"})
        ));
        assert!(matching(
            json!({"host": "A.vault.azure.net", "service": "vault"})
        ));
        assert!(!matching(
            json!({"path": "/keys/*/unwrapkey", "method": "GET"})
        ));
        assert!(!matching(json!({"path": "/keys/*/wrapkey"})));
        assert!(!matching(json!({"host": "b.vault.azure.net"})));
        assert!(!matching(json!({"service": "imds"})));
        assert!(!matching(json!({"at": "connect"})));
    }
}
