//! Values that Azure writes in two ways: numbers and booleans, plain or as strings.
//!
//! IMDS writes every field as a string, Entra writes numbers; old ADE set `"enabled":"true"`.

use std::borrow::Cow;

use serde::Deserialize;

/// A number, boolean or string; anything else becomes [`Loose::Other`] and has no value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Loose<'a> {
    /// `86399`.
    Number(u64),
    /// `true`.
    Bool(bool),
    /// `"86399"`, `"true"`.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    /// null, a list, an object, a fraction.
    Other(serde::de::IgnoredAny),
}

impl Loose<'_> {
    /// The whole number, if it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Bool(_) | Self::Other(_) => None,
        }
    }

    /// The truth value, if it is one.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Self::Number(_) | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loose(json: &str) -> Loose<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn numbers_come_plain_and_quoted() {
        for (json, number) in [
            ("86399", Some(86399)),
            ("\"86399\"", Some(86399)),
            ("\"\"", None),
            ("-1", None),
            ("1.5", None),
            ("null", None),
            ("[1]", None),
            ("true", None),
        ] {
            assert_eq!(loose(json).number(), number, "{json}");
        }
    }

    #[test]
    fn truth_comes_plain_and_quoted() {
        for (json, truth) in [
            ("true", Some(true)),
            ("\"True\"", Some(true)),
            ("\"false\"", Some(false)),
            ("1", None),
            ("null", None),
        ] {
            assert_eq!(loose(json).truth(), truth, "{json}");
        }
    }
}
