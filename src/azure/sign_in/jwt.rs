//! Looking into a token that was handed over, and only there.
//!
//! Access tokens are opaque to clients ("Access tokens", Microsoft identity platform), so nothing is
//! decided by a token from IMDS or Entra. A token that a person pasted is another matter: "for Azure
//! Resource Manager" and "expired yesterday" are mistakes worth words before a vault says 401. What
//! is no JWT is passed on as it is.

use std::borrow::Cow;
use std::time::Duration;

use ::base64::Engine;
use ::base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::azure::id::Host;
use crate::azure::json::Loose;
use crate::azure::trust::Audience;
use crate::error::{printable, seconds};
use crate::secret::Secret;

/// Services whose tokens are pasted by mistake, by the application id that may stand for them.
const FOREIGN: [(&str, &str); 2] = [
    ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "https://management.azure.com"),
    ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"),
];

/// Checks that `token` is for `audience` and still good at `now`, in seconds since 1970.
///
/// Gives its remaining lifetime, where it says one. Errors: the reason.
pub fn check(token: &Secret, audience: &Audience, now: u64) -> Result<Option<Duration>, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audiences<'a> {
        One(#[serde(borrow)] Cow<'a, str>),
        Several(#[serde(borrow)] Vec<Cow<'a, str>>),
    }
    #[derive(Deserialize)]
    struct Claims<'a> {
        #[serde(borrow)]
        aud: Option<Audiences<'a>>,
        #[serde(borrow)]
        exp: Option<Loose<'a>>,
    }
    let Some(payload) = payload(token) else { return Ok(None) };
    let Ok(claims) = serde_json::from_slice::<Claims<'_>>(payload.expose()) else {
        return Ok(None);
    };
    let named = match &claims.aud {
        Some(Audiences::One(one)) => vec![one.as_ref()],
        Some(Audiences::Several(all)) => all.iter().map(AsRef::as_ref).collect(),
        None => Vec::new(),
    };
    if !named.is_empty() && !named.iter().any(|name| is_for(name, audience)) {
        let shown = named.iter().map(|name| foreign(name)).collect::<Vec<_>>().join(", ");
        let wanted = audience.resource();
        return Err(format!("it is for {}, not for {wanted}", printable(&shown, 120)));
    }
    match claims.exp.and_then(|exp| exp.number()) {
        Some(exp) if exp <= now => {
            let ago = Duration::from_secs(now - exp);
            Err(format!("it expired {} ago", seconds(ago)))
        }
        exp => Ok(exp.map(|exp| Duration::from_secs(exp - now))),
    }
}

/// The claims; `None` unless there are three parts and the middle one is base64url.
fn payload(token: &Secret) -> Option<Secret> {
    let mut parts = token.expose().split(|&byte| byte == b'.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    BASE64_URL_SAFE_NO_PAD.decode(payload).ok().map(Secret::new)
}

/// Key Vault names itself by its resource or by an application id, which differs by cloud: an
/// unknown id is left to the vault to judge.
fn is_for(name: &str, audience: &Audience) -> bool {
    match name.strip_prefix("https://") {
        Some(host) => Host::parse(host).as_ref() == Some(audience.host()),
        None => !name.contains("://") && foreign(name) == name,
    }
}

fn foreign(name: &str) -> &str {
    let known = FOREIGN.iter().find(|(id, _)| id.eq_ignore_ascii_case(name));
    known.map_or(name, |(_, service)| service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::trust::Trust;

    const NOW: u64 = 1_800_000_000;

    fn judge(claims: &str) -> Result<Option<Duration>, String> {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims);
        let host = Host::parse("kv.vault.azure.net").unwrap();
        let audience = Trust::new(&[]).check(&host).unwrap().audience().clone();
        check(&Secret::new(format!("e30.{payload}.c2ln").into_bytes()), &audience, NOW)
    }

    #[test]
    fn the_right_token_has_its_lifetime() {
        let hour = Some(Duration::from_secs(3600));
        for aud in [
            r#""https://vault.azure.net""#,
            r#"["https://vault.azure.net"]"#,
            r#""cfa8b339-82a2-471a-a3c9-0fc0be7a4093""#,
        ] {
            assert_eq!(judge(&format!(r#"{{"aud":{aud},"exp":{}}}"#, NOW + 3600)), Ok(hour));
        }
        assert_eq!(judge(r#"{"aud":"https://vault.azure.net"}"#), Ok(None));
    }

    #[test]
    fn the_wrong_audience_is_named() {
        for (aud, named) in [
            ("https://management.azure.com", "https://management.azure.com"),
            ("797F4846-ba00-4fd7-ba43-dac1f8f63013", "https://management.azure.com"),
            ("https://vault.azure.net/", "https://vault.azure.net/"),
            ("https://vault.azure.cn", "https://vault.azure.cn"),
            ("http://vault.azure.net", "http://vault.azure.net"),
        ] {
            let reason = judge(&format!(r#"{{"aud":"{aud}","exp":1}}"#)).unwrap_err();
            assert_eq!(reason, format!("it is for {named}, not for https://vault.azure.net"));
        }
    }

    #[test]
    fn an_old_token_is_told_so() {
        let reason = judge(&format!(r#"{{"exp":{}}}"#, NOW - 7200)).unwrap_err();
        assert_eq!(reason, "it expired 7200 s ago");
        assert!(judge(&format!(r#"{{"exp":"{NOW}"}}"#)).is_err());
    }

    #[test]
    fn what_is_no_jwt_is_left_alone() {
        let host = Host::parse("kv.vault.azure.net").unwrap();
        let audience = Trust::new(&[]).check(&host).unwrap().audience().clone();
        for text in ["opaque", "a.b", "a.b.c.d", "a.!.c", "a.QUJD.c", "..", ""] {
            let token = Secret::new(text.as_bytes().to_vec());
            assert_eq!(check(&token, &audience, NOW), Ok(None), "{text}");
        }
        assert_eq!(judge("[1]"), Ok(None));
    }
}
