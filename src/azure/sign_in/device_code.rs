//! Device code: a person signs in with a browser elsewhere while this machine waits.
//!
//! Nothing secret is typed on the broken machine. RFC 8628 and "OAuth 2.0 device authorization
//! grant" (Microsoft identity platform). The client is the Azure CLI's public one, as in the SDKs'
//! DeviceCodeCredential; the tenant is AZURE_TENANT_ID's, or the person's own. A refresh token is
//! kept for the run, because a KEK in a Managed HSM needs a second audience and nobody wants to
//! type a second code for it.
//!
//! A person takes minutes where a network takes seconds: a deadline that can stand still does so
//! from the moment the code is shown.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::authority::Authority;
use super::entra::{self, Answer};
use super::environment::Environment;
use super::ports::{Ports, UserCode};
use super::service_principal::scope;
use super::{form, unavailable};
use crate::azure::auth::{Exchange, Token};
use crate::azure::http::Response;
use crate::azure::json::Loose;
use crate::azure::way::Way;
use crate::error::{Kind, seconds};
use crate::secret::Secret;

const WAY: Way = Way::DeviceCode;
/// Public, of the Azure CLI.
const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628, 3.2 and 3.5: the interval where none is given, and what `slow_down` adds.
const INTERVAL: Duration = Duration::from_secs(5);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// Entra gives 15 minutes; an hour of waiting is nobody's wish.
const LONGEST: Duration = Duration::from_secs(3600);

/// The way, with the refresh token of an earlier sign-in.
#[derive(Debug, Default)]
pub struct DeviceCode {
    refresh: Option<Secret>,
}

/// A code that waits for a person.
#[derive(Debug)]
struct Pending {
    device: Secret,
    interval: Duration,
    user: UserCode,
}

impl DeviceCode {
    /// Signs in, with the refresh token if there is one.
    ///
    /// Errors: `SignInUnavailable` without a terminal, and when nobody entered the code in time;
    /// `SignInRefused`, `SignInUnreachable`, `SignInUntrusted`.
    pub fn token(
        &mut self,
        environment: &Environment,
        ports: &mut Ports,
        exchange: &mut Exchange<'_>,
    ) -> Result<Token, Kind> {
        if ports.person.is_none() {
            return Err(unavailable(WAY, "there is no terminal to show a code on"));
        }
        let tenant = environment.tenant().map_err(|reason| unavailable(WAY, reason))?;
        let tenant = tenant.unwrap_or_else(|| "organizations".to_owned());
        let authority =
            Authority::choose(environment.authority_host.as_deref(), exchange.audience)?;
        if let Some(token) = self.refreshed(&tenant, &authority, exchange)? {
            return Ok(token);
        }
        let pending = ask_for_code(&tenant, &authority, exchange)?;
        if let Some(person) = &mut ports.person {
            let shown = person.show(&pending.user);
            shown.map_err(|reason| unavailable(WAY, format!("cannot show the code: {reason}")))?;
        }
        let http = &mut *exchange.http;
        let (audience, random) = (exchange.audience, exchange.random);
        let response = exchange.deadline.pause(pending.user.expires, |deadline| {
            poll(&pending, &tenant, &authority, &mut Exchange { http, audience, random, deadline })
        })?;
        let (token, refresh) = entra::parse_token(&response, &authority)?;
        self.refresh = refresh;
        Ok(token)
    }

    /// A token by the refresh token; `None` when there is none or Entra wants the person again.
    fn refreshed(
        &mut self,
        tenant: &str,
        authority: &Authority,
        exchange: &mut Exchange<'_>,
    ) -> Result<Option<Token>, Kind> {
        let Some(refresh) = self.refresh.take() else { return Ok(None) };
        let form = form::encode(&[
            ("client_id", CLIENT.as_bytes()),
            ("grant_type", b"refresh_token"),
            ("refresh_token", refresh.expose()),
            ("scope", wanted(exchange).as_bytes()),
        ]);
        match entra::post(exchange, authority, &entra::target(tenant, "token"), &form)? {
            Answer::Good(response) => {
                let (token, newer) = entra::parse_token(&response, authority)?;
                self.refresh = newer.or(Some(refresh));
                Ok(Some(token))
            }
            Answer::Refused(refused) => {
                log::debug!(
                    "a new code is needed: {}",
                    crate::error::printable(&refused.error, 60)
                );
                Ok(None)
            }
        }
    }
}

fn wanted(exchange: &Exchange<'_>) -> String {
    format!("{} offline_access", scope(exchange))
}

fn ask_for_code(
    tenant: &str,
    authority: &Authority,
    exchange: &mut Exchange<'_>,
) -> Result<Pending, Kind> {
    let scope = wanted(exchange);
    let form = form::encode(&[("client_id", CLIENT.as_bytes()), ("scope", scope.as_bytes())]);
    match entra::post(exchange, authority, &entra::target(tenant, "devicecode"), &form)? {
        Answer::Good(response) => parse(&response).ok_or_else(|| {
            entra::untrusted(authority, entra::answer("answer holds no code to show"))
        }),
        Answer::Refused(refused) => Err(refused.into_kind(WAY, authority, &[])),
    }
}

/// `None` also for a code or URL that no terminal should show.
fn parse(response: &Response) -> Option<Pending> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        device_code: Cow<'a, str>,
        #[serde(borrow)]
        expires_in: Loose<'a>,
        #[serde(borrow)]
        interval: Option<Loose<'a>>,
        #[serde(borrow)]
        user_code: Cow<'a, str>,
        #[serde(borrow, alias = "verification_url")]
        verification_uri: Cow<'a, str>,
    }
    let body: Body<'_> = serde_json::from_slice(response.body.expose()).ok()?;
    let device = Secret::new(body.device_code.into_owned().into_bytes());
    let shown = |text: &str, longest| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let good = entra::is_token(&device)
        && shown(&body.user_code, 40)
        && shown(&body.verification_uri, 200)
        && body.verification_uri.starts_with("https://");
    let interval = body.interval.and_then(|interval| interval.number());
    good.then_some(Pending {
        device,
        interval: interval
            .map_or(INTERVAL, Duration::from_secs)
            .clamp(Duration::from_secs(1), LONGEST_INTERVAL),
        user: UserCode {
            code: body.user_code.into_owned(),
            url: body.verification_uri.into_owned(),
            expires: Duration::from_secs(body.expires_in.number()?).min(LONGEST),
        },
    })
}

/// Asks until the person is done, refused, or too late; the deadline is the person's.
///
/// | error | becomes |
/// |---|---|
/// | `authorization_pending` | asked again after the interval |
/// | `slow_down` | the same, the interval 5 s longer from now on |
/// | `expired_token`, `code_expired` | `SignInUnavailable`: nobody entered it |
/// | `access_denied`, `authorization_declined` and all others | `SignInRefused` |
fn poll(
    pending: &Pending,
    tenant: &str,
    authority: &Authority,
    exchange: &mut Exchange<'_>,
) -> Result<Response, Kind> {
    let form = form::encode(&[
        ("client_id", CLIENT.as_bytes()),
        ("device_code", pending.device.expose()),
        ("grant_type", GRANT.as_bytes()),
    ]);
    let end = exchange.deadline;
    let late = || {
        let waited = seconds(end.elapsed());
        unavailable(WAY, format!("nobody entered the code in {waited}"))
    };
    let mut interval = pending.interval;
    loop {
        if !end.sleep(interval) {
            return Err(late());
        }
        match entra::post(exchange, authority, &entra::target(tenant, "token"), &form)? {
            Answer::Good(response) => return Ok(response),
            Answer::Refused(refused) => match refused.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval = (interval + INTERVAL).min(LONGEST_INTERVAL),
                "expired_token" | "code_expired" => return Err(late()),
                _ => return Err(refused.into_kind(WAY, authority, &[&pending.device])),
            },
        }
    }
}
