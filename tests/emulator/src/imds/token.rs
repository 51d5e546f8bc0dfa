//! `/metadata/identity/oauth2/token`: which identity, which audience, which token.
//!
//! Every field of the answer is a string, numbers included; Entra's own endpoint differs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::invalid_request;
use crate::{
    http::{Request, Response},
    scenario::{Assigned, Identity, Imds},
    world::World,
};

const API_VERSIONS: [&str; 2] = ["2018-02-01", "2019-08-01"];

/// Resources of Azure's clouds, without their final slash. A slash is taken along into the
/// audience, as Entra does, and Key Vault then refuses the token (AKV10022).
const AUDIENCES: [&str; 14] = [
    "https://graph.microsoft.com",
    "https://managedhsm.azure.cn",
    "https://managedhsm.azure.net",
    "https://managedhsm.microsoftazure.de",
    "https://managedhsm.usgovcloudapi.net",
    "https://management.azure.com",
    "https://management.chinacloudapi.cn",
    "https://management.core.windows.net",
    "https://management.usgovcloudapi.net",
    "https://storage.azure.com",
    "https://vault.azure.cn",
    "https://vault.azure.net",
    "https://vault.microsoftazure.de",
    "https://vault.usgovcloudapi.net",
];

/// Answers one token request whose headers are in order.
pub(super) fn answer(world: &mut World, request: &Request) -> Response {
    if !request.query("api-version").is_some_and(|given| API_VERSIONS.contains(&given)) {
        return invalid_request("api-version is invalid or was not specified in the request");
    }
    let Some(resource) = request.query("resource").filter(|resource| !resource.is_empty()) else {
        return invalid_request("Required query variable 'resource' is missing");
    };
    let identity = match select(&world.imds, request) {
        Ok(identity) => identity.clone(),
        Err(description) => return invalid_request(description),
    };
    let tenant = identity.tenant.clone().unwrap_or_else(|| world.imds.tenant.clone());
    if !is_known(world, resource) {
        let description = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant \
             named {tenant}."
        );
        let body = json!({"error": "invalid_resource", "error_description": description});
        return Response::json(400, &body);
    }
    let bypass = request.query("bypass_cache") == Some("true");
    let policy = world.imds.token.clone();
    let (text, token) = world.tokens.issue(&identity, &tenant, resource, &policy, bypass);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let left = token.seconds_left();
    Response::json(
        200,
        &json!({
            "access_token": text,
            "client_id": identity.client_id,
            "expires_in": left.to_string(),
            "expires_on": (now + left).to_string(),
            "ext_expires_in": left.to_string(),
            "not_before": now.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    )
}

fn select<'a>(imds: &'a Imds, request: &Request) -> Result<&'a Identity, &'static str> {
    const NOT_FOUND: &str = "Identity not found";
    let given = ["client_id", "object_id", "msi_res_id"].map(|name| request.query(name));
    let identities = &imds.identities;
    let found = match given {
        [None, None, None] => return unselected(identities),
        [Some(id), None, None] => identities.iter().find(|one| is(&one.client_id, id)),
        [None, Some(id), None] => identities.iter().find(|one| is(&one.object_id, id)),
        [None, None, Some(id)] => identities.iter().find(|one| is(&one.resource_id, id)),
        // Documented as exclusive; the text is not.
        _ => return Err("client_id, object_id and msi_res_id are mutually exclusive"),
    };
    found.ok_or(NOT_FOUND)
}

fn unselected(identities: &[Identity]) -> Result<&Identity, &'static str> {
    let system = identities.iter().find(|one| one.assigned == Assigned::System);
    match (system, identities) {
        (Some(system), _) => Ok(system),
        (None, []) => Err("Identity not found"),
        (None, [only]) => Ok(only),
        (None, _) => Err(
            "Multiple user assigned identities exist, please specify the clientId / resourceId \
             of the identity in the token request",
        ),
    }
}

fn is(known: &str, given: &str) -> bool {
    !known.is_empty() && known.eq_ignore_ascii_case(given)
}

/// Whether a token may be asked for this resource.
pub(crate) fn is_known(world: &World, resource: &str) -> bool {
    let bare = resource.strip_suffix('/').unwrap_or(resource);
    AUDIENCES.contains(&bare)
        || world.imds.audiences.iter().any(|known| known == bare)
        || world.vaults.iter().any(|vault| vault.audience == bare)
}
