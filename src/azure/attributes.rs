//! State and times of a secret, as lists and the secret itself carry them.

use serde::Deserialize;

use super::json::Loose;

/// State and times of a secret; times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Disabled secrets cannot be read.
    pub enabled: bool,
    /// When this version was made.
    pub created: Option<u64>,
    /// `nbf`: for information only, reading works before it.
    pub not_before: Option<u64>,
    /// `exp`: for information only, reading works after it.
    pub expires: Option<u64>,
}

impl Attributes {
    /// What is odd about the time window at `now`; Key Vault hands the secret out all the same.
    pub fn outside_window(&self, now: u64) -> Option<&'static str> {
        if self.expires.is_some_and(|expires| expires <= now) {
            Some("expired")
        } else if self.not_before.is_some_and(|start| now < start) {
            Some("not valid yet")
        } else {
            None
        }
    }
}

/// `attributes` of a list entry or a secret.
#[derive(Default, Deserialize)]
pub(super) struct RawAttributes<'a> {
    #[serde(borrow)]
    enabled: Option<Loose<'a>>,
    #[serde(borrow)]
    created: Option<Loose<'a>>,
    #[serde(borrow)]
    nbf: Option<Loose<'a>>,
    #[serde(borrow)]
    exp: Option<Loose<'a>>,
}

impl RawAttributes<'_> {
    pub(super) fn parse(self) -> Attributes {
        let number = |value: Option<Loose<'_>>| value.and_then(|value| value.number());
        Attributes {
            // Without a word about it a secret counts as enabled: reading it will tell.
            enabled: self.enabled.and_then(|value| value.truth()).unwrap_or(true),
            created: number(self.created),
            not_before: number(self.nbf),
            expires: number(self.exp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_window_is_only_odd() {
        let window =
            |not_before, expires| Attributes { enabled: true, created: None, not_before, expires };
        assert_eq!(window(None, None).outside_window(100), None);
        assert_eq!(window(Some(100), Some(101)).outside_window(100), None);
        assert_eq!(window(None, Some(100)).outside_window(100), Some("expired"));
        assert_eq!(window(Some(101), None).outside_window(100), Some("not valid yet"));
    }
}
