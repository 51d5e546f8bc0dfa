//! Client assertions: JWTs signed by a registered certificate's key, or by another issuer.

use base64::Engine;
use serde_json::Value;
use sha2::Sha256;

use super::{LiveApplication, Registered, refusal};
use crate::{http::Response, rsa_ops::BASE64URL, vault::now};

/// How far clocks may be apart, in seconds.
const SKEW: u64 = 300;
/// The longest an own assertion may be good, in seconds.
const LONGEST: u64 = 600;

struct Jwt<'a> {
    claims: Value,
    header: Value,
    signature: Vec<u8>,
    signed: &'a str,
}

impl<'a> Jwt<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok();
        Some(Self {
            claims: json(claims)?,
            header: json(header)?,
            signature: BASE64URL.decode(signature).ok()?,
            signed,
        })
    }

    fn claim(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A NumericDate (RFC 7519, 2); MSAL writes fractions of seconds.
    fn time(&self, name: &str) -> Option<u64> {
        let time = self.claims.get(name)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let rounded = time.as_f64().map(|time| time as u64);
        time.as_u64().or(rounded)
    }
}

/// Judges an assertion for an application; `endpoint` is what it must be for.
pub(super) fn check(
    application: &LiveApplication,
    text: &str,
    endpoint: &str,
) -> Result<(), Response> {
    let Some(jwt) = Jwt::parse(text) else {
        let text = "Invalid JWT token. Token format not valid.";
        return Err(refusal::of(401, "invalid_client", 50_027, text));
    };
    let (now, exp) = (now(), jwt.time("exp").unwrap_or(0));
    if exp.saturating_add(SKEW) < now || jwt.time("nbf").is_some_and(|nbf| nbf > now + SKEW) {
        let text = "Client assertion is not within its valid time range.";
        return Err(refusal::of(401, "invalid_client", 700_024, text));
    }
    let own = jwt.claim("iss").eq_ignore_ascii_case(&application.spec.client_id);
    if own {
        by_certificate(application, &jwt, endpoint, now)
    } else {
        federated(application, &jwt)
    }
}

fn by_certificate(
    application: &LiveApplication,
    jwt: &Jwt<'_>,
    endpoint: &str,
    now: u64,
) -> Result<(), Response> {
    let invalid = |code, text: &str| Err(refusal::of(401, "invalid_client", code, text));
    if !jwt.claim("sub").eq_ignore_ascii_case(&application.spec.client_id) {
        return invalid(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        );
    }
    if jwt.claim("aud") != endpoint {
        return invalid(700_023, "Client assertion audience claim does not match Realm issuer.");
    }
    if jwt.time("exp").is_none_or(|exp| exp > now + LONGEST + SKEW) || jwt.claim("jti").is_empty() {
        return invalid(700_024, "Client assertion is not within its valid time range.");
    }
    let certificate = application.certificates.iter().find(|known| known.is_named_by(&jwt.header));
    let Some(certificate) = certificate else {
        return invalid(
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered \
             on application. [Reason - The key was not found.]",
        );
    };
    if certificate.verifies(jwt) {
        return Ok(());
    }
    invalid(700_027, "Client assertion failed signature validation.")
}

impl Registered {
    fn is_named_by(&self, header: &Value) -> bool {
        let is = |name: &str, thumbprint: &[u8]| {
            let given = header.get(name).and_then(Value::as_str);
            given.and_then(|text| BASE64URL.decode(text).ok()).is_some_and(|raw| raw == thumbprint)
        };
        is("x5t#S256", &self.sha256) || is("x5t", &self.sha1)
    }

    fn verifies(&self, jwt: &Jwt<'_>) -> bool {
        let message = jwt.signed.as_bytes();
        match jwt.header.get("alg").and_then(Value::as_str) {
            Some("PS256") => self.key.pss_verify::<Sha256>(message, &jwt.signature).is_ok(),
            Some("RS256") => self.key.pkcs1v15_verify::<Sha256>(message, &jwt.signature).is_ok(),
            _ => false,
        }
    }
}

fn federated(application: &LiveApplication, jwt: &Jwt<'_>) -> Result<(), Response> {
    let known = || application.spec.federated.iter();
    let (issuer, subject, audience) = (jwt.claim("iss"), jwt.claim("sub"), jwt.claim("aud"));
    let none = |code, what: &str, found: &str| {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{found}'."
        );
        Err(refusal::of(401, "invalid_client", code, &text))
    };
    if !known().any(|one| one.issuer == issuer) {
        return none(700_211, "issuer", issuer);
    }
    if !known().any(|one| one.issuer == issuer && one.subject == subject) {
        return none(700_213, "subject", subject);
    }
    let all = |one: &super::super::scenario::Federated| {
        one.issuer == issuer && one.subject == subject && one.audience == audience
    };
    if known().any(all) { Ok(()) } else { none(700_212, "audience", audience) }
}
