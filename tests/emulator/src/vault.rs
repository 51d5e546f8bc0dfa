//! Key Vault and Managed HSM: the way of a request through the vault's doors.
//!
//! Order of refusals: token (401), network (403), api-version (400), permission (403), object
//! (404), state (403), content (400). Behaviour by "Azure Key Vault REST API error codes",
//! "Authentication, requests and responses" and recorded answers of the real service.

mod access;
mod keys;
mod listing;
mod refusal;
mod secrets;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    http::{Request, Response, percent_decode},
    random,
    shared::Shared,
    world::{Attributes, World},
};

/// The oldest and newest of the versions known; 7.x and dated ones lie between.
const API_VERSIONS: [&str; 11] = [
    "2015-06-01",
    "2016-10-01",
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6",
    "2025-07-01",
    "2026-04-01",
];

/// Answers one request.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Response {
    let decided = decide(&mut shared.world(), request);
    let response = match decided {
        Ok(Outcome::Answer(response)) => response,
        // RSA takes milliseconds; the state is not locked meanwhile.
        Ok(Outcome::Operation(operation)) => operation.run(),
        Err(refusal) => refusal,
    };
    let response = response
        .with("Cache-Control", "no-cache")
        .with("Pragma", "no-cache")
        .with("Strict-Transport-Security", "max-age=31536000;includeSubDomains")
        .with("X-Content-Type-Options", "nosniff")
        .with("x-ms-keyvault-network-info", "addr=127.0.0.1;act_addr_fam=InterNetwork;")
        .with("x-ms-keyvault-region", "westeurope")
        .with("x-ms-request-id", random::guid());
    match request.header("x-ms-client-request-id") {
        Some(id) => response.with("x-ms-client-request-id", id),
        None => response,
    }
}

/// What became of a request that was not refused.
enum Outcome {
    Answer(Response),
    Operation(keys::Operation),
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self::Answer(response)
    }
}

fn decide(world: &mut World, request: &Request) -> Result<Outcome, Response> {
    let host = request.host().to_owned();
    if world.vault(&host).is_none() {
        return Err(Response::text(404, "text/plain", "no such vault"));
    }
    if request.path == "/healthstatus" {
        return Ok(Response::text(200, "text/plain", "OK\r\n").into());
    }
    let caller = access::authenticate(world, &host, request)?;
    let Some(vault) = world.vault_mut(&host) else {
        return Err(Response::text(404, "text/plain", "no such vault"));
    };
    access::check_network(vault)?;
    match request.query("api-version") {
        None | Some("") => {
            return Err(refusal::bad_parameter("api-version must be specified"));
        }
        Some(version) if !API_VERSIONS.contains(&version) => {
            let text = format!("The specified version ({version}) is not recognized.");
            return Err(refusal::bad_parameter(&text));
        }
        Some(_) => {}
    }
    let decoded: Vec<String> =
        request.path.split('/').skip(1).map(|part| percent_decode(part, false)).collect();
    let path: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let method = request.method.as_str();
    match (method, path.as_slice()) {
        ("GET" | "POST", ["keys", rest @ ..]) => keys::answer(vault, &caller, request, rest),
        (_, ["secrets", ..]) if vault.is_managed_hsm() => Err(refusal::no_such_page()),
        ("GET" | "PATCH" | "PUT", ["secrets", rest @ ..]) => {
            secrets::answer(vault, &caller, request, rest).map(Outcome::Answer)
        }
        (_, ["keys" | "secrets", ..]) => Err(refusal::method_not_allowed(method)),
        _ => Err(refusal::no_such_page()),
    }
}

/// The attributes of keys and secrets; absent times are left out.
fn attributes(attributes: &Attributes) -> Value {
    let mut fields = BTreeMap::from([
        ("created", json!(attributes.created)),
        ("enabled", json!(attributes.enabled)),
        ("recoverableDays", json!(90)),
        ("recoveryLevel", json!("Recoverable+Purgeable")),
        ("updated", json!(attributes.updated)),
    ]);
    fields.extend(attributes.exp.map(|time| ("exp", json!(time))));
    fields.extend(attributes.nbf.map(|time| ("nbf", json!(time))));
    json!(fields)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
