//! Faults as data: which requests or connections go wrong, how often, and in what way.
//!
//! Rules are tried in order and the first that matches and has turns left is used up by one.
//! `pass` is an action too, so that "429, good, 429" can be written. Faults are decided when a
//! request arrives; `delivery.rs` carries them out.

mod action;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

pub use self::action::{Action, Reply, Throttled};
use crate::log::Service;

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
            && self.service.is_none_or(|service| service == occasion.service)
            && is(&self.method, &|method| method == occasion.method)
            && is(&self.host, &|wanted| wanted.eq_ignore_ascii_case(host))
            && is(&self.path, &|pattern| glob(pattern, occasion.path))
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
    use serde_json::json;

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
        let turn = |_| take(&mut rules, &occasion("/keys/kek/unwrapkey"));
        let turns: Vec<_> = (0..5).map(turn).collect();
        let names: Vec<_> = turns.iter().flatten().map(|rule| rule.action.name()).collect();
        assert_eq!(names, ["throttled", "throttled", "pass", "drop"]);
    }

    #[test]
    fn every_field_of_a_match_must_hold() {
        let matching = |value: Value| {
            let rule = json!([{"match": value, "times": "forever"}]);
            take(&mut rules(rule), &occasion("/keys/kek/1/unwrapkey")).is_some()
        };
        assert!(matching(json!({"path": "/keys/*/unwrapkey", "method": "POST"})));
        assert!(matching(json!({"host": "A.vault.azure.net", "service": "vault"})));
        assert!(!matching(json!({"path": "/keys/*/unwrapkey", "method": "GET"})));
        assert!(!matching(json!({"path": "/keys/*/wrapkey"})));
        assert!(!matching(json!({"host": "b.vault.azure.net"})));
        assert!(!matching(json!({"service": "imds"})));
        assert!(!matching(json!({"at": "connect"})));
    }
}
