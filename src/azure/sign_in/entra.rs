//! Entra's token endpoint: one POST with retries, and what its answers mean.
//!
//! Sources: "OAuth 2.0 client credentials flow", "device authorization grant" and "Microsoft Entra
//! authentication and authorization error codes" (Microsoft identity platform). What a refusal means
//! is in entra/refused.rs.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::authority::Authority;
use crate::azure::auth::{Exchange, Token};
use crate::azure::http::{Method, Request, Response, Service};
use crate::azure::json::Loose;
use crate::azure::retry::{Policy, Verdict, failed, retry};
use crate::azure::way::Way;
use crate::deadline::trace::Asked;
use crate::error::{Kind, TransportProblem, TrustProblem};
use crate::secret::Secret;

pub use refused::{Refused, aadsts};

mod refused;

/// Tokens are 1 to 4 KB, an id token and a refresh token may come with them.
const LIMIT: usize = 64 * 1024;
/// Name lookup, connection, TLS and answer.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);

/// An answer of the token endpoint.
#[derive(Debug)]
pub enum Answer {
    /// 200.
    Good(Response),
    /// An OAuth error.
    Refused(Refused),
}

/// Posts a form to `/TENANT/oauth2/v2.0/ENDPOINT` until there is an answer.
///
/// | status | becomes |
/// |---|---|
/// | 200 | the answer |
/// | 400, 401, 403 with an OAuth error | a refusal, but for `temporarily_unavailable` |
/// | 408, 429, 5xx | tried again |
/// | 3xx and all others | `SignInUntrusted` |
///
/// Errors: `SignInUnreachable`, `SignInUntrusted`.
pub fn post(
    exchange: &mut Exchange<'_>,
    authority: &Authority,
    target: &str,
    form: &Secret,
) -> Result<Answer, Kind> {
    let untrusted = |problem| untrusted(authority, problem);
    let request = Request {
        method: Method::Post,
        service: Service::SignIn(authority),
        target,
        bearer: None,
        body: Some(form),
        limit: LIMIT,
    };
    let policy = Policy {
        what: Asked::Token,
        who: authority.host().as_str(),
        try_timeout: TRY_TIMEOUT,
        floor: Duration::ZERO,
        random: exchange.random,
    };
    let gave_up =
        |unreachable| Kind::SignInUnreachable { authority: authority.host().clone(), unreachable };
    let http = &mut *exchange.http;
    retry(&policy, exchange.deadline, gave_up, |limit| {
        let response = match http.send_within(&request, limit) {
            Ok(response) => response,
            Err(error) => return failed(error, untrusted),
        };
        let status = response.status;
        match status {
            200 => Verdict::Done(Answer::Good(response)),
            408 | 429 | 500..=599 => {
                Verdict::Again(TransportProblem::Status(status), response.retry_after)
            }
            300..=399 => Verdict::Final(untrusted(TrustProblem::Redirect)),
            400 | 401 | 403 => match Refused::parse(&response) {
                Some(refused) if refused.error == "temporarily_unavailable" => {
                    Verdict::Again(TransportProblem::Status(status), response.retry_after)
                }
                Some(refused) => Verdict::Done(Answer::Refused(refused)),
                None => Verdict::Final(untrusted(answer(&format!("HTTP {status}")))),
            },
            _ => Verdict::Final(untrusted(answer(&format!("HTTP {status}")))),
        }
    })
}

/// Posts and reads a token: what every way but the device code needs.
pub fn token(
    exchange: &mut Exchange<'_>,
    way: Way,
    authority: &Authority,
    tenant: &str,
    form: &Secret,
    secret: &Secret,
) -> Result<Token, Kind> {
    match post(exchange, authority, &target(tenant, "token"), form)? {
        Answer::Good(response) => Ok(parse_token(&response, authority)?.0),
        Answer::Refused(refused) => Err(refused.into_kind(way, authority, &[secret])),
    }
}

/// `/TENANT/oauth2/v2.0/ENDPOINT`.
pub fn target(tenant: &str, endpoint: &str) -> String {
    format!("/{tenant}/oauth2/v2.0/{endpoint}")
}

/// An answer that cannot be trusted or understood.
pub fn untrusted(authority: &Authority, problem: TrustProblem) -> Kind {
    Kind::SignInUntrusted { place: authority.to_string(), problem }
}

/// What is wrong with an answer.
pub fn answer(reason: &str) -> TrustProblem {
    TrustProblem::Answer(reason.to_owned())
}

/// The access token of a good answer, and the refresh token, where one came along.
///
/// Errors: `SignInUntrusted`.
pub fn parse_token(
    response: &Response,
    authority: &Authority,
) -> Result<(Token, Option<Secret>), Kind> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        access_token: Cow<'a, str>,
        #[serde(borrow)]
        expires_in: Option<Loose<'a>>,
        #[serde(borrow)]
        refresh_token: Option<Cow<'a, str>>,
        #[serde(borrow)]
        token_type: Option<Cow<'a, str>>,
    }
    // serde's own message may quote the value it did not expect: it must not be shown.
    let malformed = || untrusted(authority, answer("answer holds no token"));
    let body: Body<'_> = serde_json::from_slice(response.body.expose()).map_err(|_| malformed())?;
    let secret = secret(body.access_token);
    let refresh = body.refresh_token.map(self::secret);
    let bearer = body.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("Bearer"));
    if !is_token(&secret) || !bearer {
        return Err(malformed());
    }
    let lifetime = body.expires_in.and_then(|seconds| seconds.number()).map(Duration::from_secs);
    Ok((Token { secret, lifetime }, refresh))
}

/// Whether it fits into a header.
pub fn is_token(secret: &Secret) -> bool {
    !secret.is_empty() && secret.expose().iter().all(u8::is_ascii_graphic)
}

fn secret(text: Cow<'_, str>) -> Secret {
    Secret::new(text.into_owned().into_bytes())
}
