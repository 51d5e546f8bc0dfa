//! The Azure CLI's login: `az account get-access-token`, judged here, run by edge/sign_in/az.rs.
//!
//! Its own words may hold anything, tokens included; they decide what is said and are never shown
//! themselves.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::entra::{aadsts, is_token};
use super::ports::{CliOutput, CliProblem, Ports};
use super::unavailable;
use crate::azure::auth::{Exchange, Token};
use crate::azure::json::Loose;
use crate::azure::way::Way;
use crate::error::{Kind, SignInRefusal, TrustProblem, seconds};
use crate::secret::Secret;

const WAY: Way = Way::Az;
/// A cold start of its Python and a refresh over a slow line.
const LIMIT: Duration = Duration::from_secs(30);

/// A token of whoever is logged in.
///
/// Errors: `SignInUnavailable` without an `az` or a login, `SignInRefused` when Entra refused the
/// login it has, `SignInUntrusted` when it printed no token.
pub fn token(ports: &mut Ports, exchange: &Exchange<'_>) -> Result<Token, Kind> {
    let limit = LIMIT.min(exchange.deadline.remaining());
    let output = ports.az.access_token(&exchange.audience.resource(), limit);
    let output = output.map_err(|problem| match problem {
        CliProblem::NotInstalled => unavailable(WAY, "the Azure CLI is not installed"),
        CliProblem::Start(reason) => unavailable(WAY, format!("cannot start it: {reason}")),
        CliProblem::TimedOut => unavailable(WAY, format!("no answer in {}", seconds(limit))),
        CliProblem::TooMuch => untrusted("printed more than a token"),
        CliProblem::Unsafe(path) => {
            let path = path.display();
            unavailable(WAY, format!("{path} can be changed by others; it is not run"))
        }
    })?;
    if !output.success {
        return Err(refused(&output));
    }
    parse(&output.stdout, (ports.now)()).ok_or_else(|| untrusted("printed no token"))
}

fn untrusted(reason: &str) -> Kind {
    Kind::SignInUntrusted { place: "az".to_owned(), problem: TrustProblem::Answer(reason.into()) }
}

/// What a failed run means. As in the SDKs: "az login" without an AADSTS number is no login at all.
fn refused(output: &CliOutput) -> Kind {
    let words = String::from_utf8_lossy(output.stderr.expose());
    match aadsts(&words) {
        Some(code) => Kind::SignInRefused(Box::new(SignInRefusal {
            way: WAY,
            authority: None,
            status: None,
            code: Some(code),
            error: "its login was refused".to_owned(),
            text: String::new(),
        })),
        None if words.contains("az login") || words.contains("az account set") => {
            unavailable(WAY, "nobody is logged in")
        }
        None => unavailable(WAY, "it failed; az account get-access-token says why"),
    }
}

/// The token in the JSON that `az` prints. `expiresOn` is local time without a zone and therefore
/// not read; `expires_on` came with version 2.54.
pub fn parse(json: &Secret, now: u64) -> Option<Token> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, rename = "accessToken", alias = "access_token")]
        access_token: Cow<'a, str>,
        #[serde(borrow)]
        expires_on: Option<Loose<'a>>,
    }
    let body: Body<'_> = serde_json::from_slice(json.expose()).ok()?;
    let secret = Secret::new(body.access_token.into_owned().into_bytes());
    let expires = body.expires_on.and_then(|expires| expires.number());
    let lifetime = expires.map(|expires| Duration::from_secs(expires.saturating_sub(now)));
    is_token(&secret).then_some(Token { secret, lifetime })
}
