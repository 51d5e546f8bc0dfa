//! The instance metadata service: the managed identity's token and the VM's own name.
//!
//! Sources: "How to use managed identities for Azure resources on an Azure VM to acquire an access
//! token" and "Azure Instance Metadata Service for virtual machines". The token is opaque here and
//! only travels on to a trusted vault. Nothing of IMDS is believed about time: lifetimes are
//! relative and run on the monotonic clock, because at boot the wall clock may be wrong.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::auth::Token;
use super::http::{Http, HttpError, Method, Request, Response, Service};
use super::json::Loose;
use super::retry::{Policy, Verdict, failed, retry};
use super::trust::Audience;
use crate::deadline::Deadline;
use crate::deadline::trace::Asked;
use crate::error::{Kind, TransportProblem, TrustProblem, printable};
use crate::secret::Secret;
use crate::volume::Identity;

/// Tokens are 1 to 4 KB; with hundreds of groups, some more.
const TOKEN_LIMIT: usize = 64 * 1024;
const NAME_LIMIT: usize = 4 * 1024;
/// A token of an identity that was never used comes from Entra and takes seconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// "Wait at least 1 s" after 5xx; the limits are 20 token requests a second and VM.
const FLOOR: Duration = Duration::from_secs(1);
/// 400 "Identity not found" is final by the documentation, yet seen for moments after the VM was
/// created or the identity assigned.
const SECOND_CHANCE: Duration = Duration::from_secs(5);

/// Asks for a token of the VM's managed identity.
///
/// Errors: `IdentityMissing` for every refusal (400 after one slow second chance, 401, 403) and
/// when another identity answers than the one asked for; `MetadataUnreachable`;
/// `MetadataUntrusted`.
pub fn token(
    http: &mut dyn Http,
    identity: Option<&Identity>,
    audience: &Audience,
    random: fn() -> f64,
    deadline: &Deadline<'_>,
) -> Result<Token, Kind> {
    let target = token_target(identity, audience);
    let mut second_chance = true;
    let response = ask(http, (Asked::Token, &target, TOKEN_LIMIT), random, deadline, |response| {
        let text = error_text(response);
        let again = second_chance
            && response.status == 400
            && text.to_ascii_lowercase().contains("identity not found");
        let kind = match response.status {
            400 | 401 | 403 => Kind::IdentityMissing { status: response.status, text },
            status => Kind::MetadataUntrusted { reason: unexpected(status, &text) },
        };
        second_chance = false;
        if again { Verdict::Hardly(kind, SECOND_CHANCE) } else { Verdict::Final(kind) }
    })?;
    parse_token(&response, identity)
}

/// The name of the VM resource; not the guest's host name, though often the same.
///
/// `None` when IMDS answers something else than a name. Errors as for [`token`].
pub fn vm_name(
    http: &mut dyn Http,
    random: fn() -> f64,
    deadline: &Deadline<'_>,
) -> Result<Option<String>, Kind> {
    let target = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
    let response = ask(http, (Asked::VmName, target, NAME_LIMIT), random, deadline, |response| {
        let reason = unexpected(response.status, &error_text(response));
        Verdict::Final(Kind::MetadataUntrusted { reason })
    })?;
    let name = String::from_utf8_lossy(response.body.expose()).trim().to_owned();
    // Windows allows 15, Linux 64 characters; the resource name is of letters, digits, `-._`.
    let usable = (1..=80).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    Ok(usable.then_some(name))
}

/// The loop common to both: what IMDS retries is decided here, other refusals by `refused`.
///
/// | status | becomes |
/// |---|---|
/// | 200 | the answer |
/// | 404, 410, 429, 5xx | tried again; 410 means an update of up to 70 s |
/// | 3xx | `MetadataUntrusted`: IMDS never redirects |
/// | others | `refused` |
fn ask(
    http: &mut dyn Http,
    (what, target, limit): (Asked, &str, usize),
    random: fn() -> f64,
    deadline: &Deadline<'_>,
    mut refused: impl FnMut(&Response) -> Verdict<Response>,
) -> Result<Response, Kind> {
    let request = Request {
        method: Method::Get,
        service: Service::Metadata,
        target,
        bearer: None,
        body: None,
        limit,
    };
    let who = "metadata service";
    let policy = Policy { what, who, try_timeout: TRY_TIMEOUT, floor: FLOOR, random };
    retry(&policy, deadline, Kind::MetadataUnreachable, |limit| {
        match http.send_within(&request, limit) {
            Ok(response) => match response.status {
                200 => Verdict::Done(response),
                status @ (404 | 410 | 429 | 500..=599) => {
                    Verdict::Again(TransportProblem::Status(status), response.retry_after)
                }
                300..=399 => Verdict::Final(untrusted(TrustProblem::Redirect)),
                _ => refused(&response),
            },
            // Half an answer is not worth a boot: IMDS is a process of the same host.
            Err(HttpError::Malformed(reason)) => Verdict::Final(Kind::MetadataUntrusted { reason }),
            Err(error) => failed(error, untrusted),
        }
    })
}

fn untrusted(problem: TrustProblem) -> Kind {
    let reason = match problem {
        TrustProblem::Answer(reason)
        | TrustProblem::Certificate(reason)
        | TrustProblem::CertificateTime(reason) => reason,
        TrustProblem::HostNotAllowed => "host not allowed".to_owned(),
        TrustProblem::NoAuthorities(path) => format!("no CA certificates in {}", path.display()),
        TrustProblem::Redirect => "answered with a redirect".to_owned(),
    };
    Kind::MetadataUntrusted { reason }
}

fn unexpected(status: u16, text: &str) -> String {
    if text.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {text}") }
}

fn token_target(identity: Option<&Identity>, audience: &Audience) -> String {
    let mut target = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}",
        percent(&audience.resource())
    );
    if let Some(identity) = identity {
        let (name, value) = match identity {
            Identity::Client(id) => ("client_id", id),
            Identity::Object(id) => ("object_id", id),
            Identity::Resource(id) => ("msi_res_id", id),
        };
        target.push_str(&format!("&{name}={}", percent(value)));
    }
    target
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// IMDS's own words, printable; empty when the body is no error object.
fn error_text(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        error: Option<Cow<'a, str>>,
        #[serde(borrow)]
        error_description: Option<Cow<'a, str>>,
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(response.body.expose()) else {
        return String::new();
    };
    let text = body.error_description.or(body.error).unwrap_or_default();
    let text = text.trim();
    printable(text.strip_suffix('.').unwrap_or(text), 200)
}

fn parse_token(response: &Response, identity: Option<&Identity>) -> Result<Token, Kind> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        access_token: Cow<'a, str>,
        #[serde(borrow)]
        client_id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        expires_in: Option<Loose<'a>>,
        #[serde(borrow)]
        token_type: Option<Cow<'a, str>>,
    }
    let malformed = || Kind::MetadataUntrusted { reason: "answer holds no token".to_owned() };
    // serde's own message may quote the value it did not expect: it must not be shown.
    let body: Body<'_> = serde_json::from_slice(response.body.expose()).map_err(|_| malformed())?;
    let secret = Secret::new(body.access_token.into_owned().into_bytes());
    let visible = secret.expose().iter().all(u8::is_ascii_graphic);
    let bearer = body.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("Bearer"));
    if secret.is_empty() || !visible || !bearer {
        return Err(malformed());
    }
    if let (Some(Identity::Client(asked)), Some(got)) = (identity, &body.client_id) {
        if !got.eq_ignore_ascii_case(asked) {
            let text = format!("asked for client id {asked}, got {}", printable(got, 40));
            return Err(Kind::IdentityMissing { status: response.status, text });
        }
    }
    let lifetime = body.expires_in.and_then(|seconds| seconds.number()).map(Duration::from_secs);
    Ok(Token { secret, lifetime })
}

#[cfg(test)]
mod tests;
