//! The Instance Metadata Service: tokens of managed identities and instance data.
//!
//! Behaviour by "Azure Instance Metadata Service" and "How to use managed identities on an Azure
//! VM to acquire an access token". Stricter than the real service where clients should be
//! careful: `Metadata` must be exactly `true`. Texts nobody has documented are marked.

mod instance;
mod token;

pub(crate) use self::token::is_known;

use std::collections::HashSet;

use serde_json::json;

use crate::{
    http::{Request, Response},
    world::World,
};

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request) -> Response {
    if let Some(refusal) = refusal(request) {
        return refusal;
    }
    match request.path.trim_end_matches('/') {
        "/metadata/identity/oauth2/token" => token::answer(world, request),
        "/metadata/identity/info" => match request.query("api-version") {
            Some("2018-02-01") => Response::json(200, &json!({"tenantId": world.imds.tenant})),
            _ => invalid_request("api-version is invalid or was not specified in the request"),
        },
        "/metadata/versions" => instance::versions(),
        path if path == "/metadata/instance" || path.starts_with("/metadata/instance/") => {
            instance::answer(&world.imds.vm, request)
        }
        _ => Response::json(404, &json!({"error": "Not Found"})),
    }
}

/// What is refused whatever is asked for.
fn refusal(request: &Request) -> Option<Response> {
    if request.header("x-forwarded-for").is_some() {
        // Documented as refused; the text is not.
        return Some(invalid_request("X-Forwarded-For header is not allowed"));
    }
    if request.header("metadata") != Some("true") {
        return Some(invalid_request("Required metadata header not specified"));
    }
    if request.method != "GET" {
        return Some(Response::json(405, &json!({"error": "Method Not Allowed"})));
    }
    let mut names = HashSet::new();
    if !request.query.iter().all(|(name, _)| names.insert(name)) {
        // Documented as refused; the text is not.
        return Some(invalid_request("A query name appears more than once"));
    }
    None
}

/// 400 in the shape of the token endpoint.
fn invalid_request(description: &str) -> Response {
    let body = json!({"error": "invalid_request", "error_description": description});
    Response::json(400, &body)
}
