//! A refusal of Entra: decided by the OAuth error and the AADSTS number.
//!
//! The text is only shown, cut before the identifiers that follow it, and never with a secret in it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::azure::http::Response;
use crate::azure::json::Loose;
use crate::azure::sign_in::authority::Authority;
use crate::azure::way::Way;
use crate::error::{Kind, SignInRefusal, printable};
use crate::secret::Secret;

/// An OAuth error, its texts raw.
#[derive(Debug)]
pub struct Refused {
    /// `invalid_client`, `authorization_pending`.
    pub error: String,
    /// The first number of `error_codes`, or the one the description begins with.
    pub code: Option<u32>,
    description: String,
    status: u16,
}

impl Refused {
    /// `None` when the body is no OAuth error.
    pub fn parse(response: &Response) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: Cow<'a, str>,
            #[serde(borrow)]
            error_description: Option<Cow<'a, str>>,
            #[serde(borrow)]
            error_codes: Option<Vec<Loose<'a>>>,
        }
        let body: Body<'_> = serde_json::from_slice(response.body.expose()).ok()?;
        let description = body.error_description.unwrap_or_default().into_owned();
        let listed = body.error_codes.as_ref().and_then(|codes| codes.first()?.number());
        let listed = listed.and_then(|code| u32::try_from(code).ok());
        Some(Self {
            error: body.error.into_owned(),
            code: listed.or_else(|| aadsts(&description)),
            description,
            status: response.status,
        })
    }

    /// The error it is when `way` ends with it; `secrets` are what was sent.
    pub fn into_kind(self, way: Way, authority: &Authority, secrets: &[&Secret]) -> Kind {
        // Nobody echoes a secret, but if somebody did, it would be in the journal for ever.
        let echoes = |text: &str| {
            secrets.iter().any(|secret| {
                let bytes = secret.expose();
                !bytes.is_empty() && text.as_bytes().windows(bytes.len()).any(|w| w == bytes)
            })
        };
        Kind::SignInRefused(Box::new(SignInRefusal {
            way,
            authority: Some(authority.host().clone()),
            status: Some(self.status),
            code: self.code,
            error: match echoes(&self.error) {
                true => "its error repeats what was sent".to_owned(),
                false => printable(&self.error, 60),
            },
            text: if echoes(&self.description) {
                String::new()
            } else {
                sentence(&self.description)
            },
        }))
    }
}

/// The number of the first `AADSTS…` in a text.
pub fn aadsts(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(9).collect();
    digits.parse().ok()
}

/// `Invalid client secret provided` of `AADSTS7000215: Invalid client secret provided. Ensure …
/// Trace ID: …`.
fn sentence(description: &str) -> String {
    let line = description.trim().lines().next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default();
    let text = match line.split_once(':') {
        Some((code, text)) if code.starts_with("AADSTS") => text.trim_start(),
        _ => line,
    };
    let first = text.split_once(". ").map_or(text, |(first, _)| first);
    printable(first.strip_suffix('.').unwrap_or(first), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_is_shown_without_its_code() {
        for (description, text) in [
            (
                "AADSTS7000215: Invalid client secret provided. Ensure the secret. Trace ID: 1",
                "Invalid client secret provided",
            ),
            ("AADSTS50076: MFA. Trace ID: 5\r\nCorrelation ID: 6", "MFA"),
            ("no code here", "no code here"),
            ("error: with a colon.", "error: with a colon"),
            ("AADSTS1: \u{1b}[31m", "?[31m"),
            ("", ""),
        ] {
            assert_eq!(sentence(description), text);
        }
    }

    #[test]
    fn numbers_are_found_in_texts() {
        assert_eq!(aadsts("ERROR: AADSTS700082: The refresh token"), Some(700082));
        assert_eq!(aadsts("AADSTS"), None);
        assert_eq!(aadsts("AADSTS99999999999: x"), Some(999999999));
        assert_eq!(aadsts(""), None);
    }
}
