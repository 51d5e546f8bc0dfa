//! Error answers of Key Vault, in its own words.
//!
//! Shape and texts by "Azure Key Vault REST API error codes" and recorded answers; texts no
//! source shows are marked. Clients should go by status and codes.

use serde_json::json;

use crate::{http::Response, scenario::Denial, token::Token, world::LiveVault};

/// An error with an inner code (`innererror` on the wire).
pub(super) fn forbidden(inner: &str, message: &str) -> Response {
    let inner = json!({"code": inner});
    let error = json!({"code": "Forbidden", "message": message, "innererror": inner});
    Response::json(403, &json!({"error": error}))
}

/// 400 `BadParameter`.
pub(super) fn bad_parameter(message: &str) -> Response {
    error(400, "BadParameter", message)
}

/// 401 with the challenge; a Managed HSM leaves the body empty.
pub(super) fn unauthorized(vault: &LiveVault, message: &str) -> Response {
    let challenge = format!(
        "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"{}\"",
        vault.tenant, vault.audience
    );
    let response = if vault.is_managed_hsm() {
        Response::text(401, "application/json; charset=utf-8", "")
    } else {
        error(401, "Unauthorized", message)
    };
    response.with("WWW-Authenticate", challenge)
}

/// 403 for a missing permission, as access policies or Azure RBAC put it.
pub(super) fn permission(
    vault: &LiveVault,
    caller: &Token,
    kind: &str,
    object: &str,
    permission: &str,
) -> Response {
    let who = format!(
        "appid={};oid={};iss=https://sts.windows.net/{}/",
        caller.identity.client_id, caller.identity.object_id, caller.tenant
    );
    let name = vault.name();
    let policy = format!(
        "The user, group or application '{who}' does not have {kind} {permission} permission on \
         key vault '{name};location=westeurope'. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125287"
    );
    match vault.spec.denied_as {
        Denial::AccessDenied => forbidden("AccessDenied", &policy),
        Denial::ForbiddenByPolicy => forbidden("ForbiddenByPolicy", &policy),
        Denial::ForbiddenByRbac => {
            let action = rbac_action(kind, permission);
            let message = format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, \
                 deny assignments or role definitions were changed recently, please observe \
                 propagation time.\r\nCaller: {who}\r\nAction: '{action}'\r\nResource: \
                 '/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourcegroups/emulator/\
                 providers/microsoft.keyvault/vaults/{name}/{kind}/{object}'\r\nAssignment: (not \
                 found)\r\nDenyAssignmentId: null\r\nDecisionReason: null\r\nVault: \
                 {name};location=westeurope\r\n"
            );
            forbidden("ForbiddenByRbac", &message)
        }
    }
}

/// 404 for a key or secret, or a version of it; `kind` is `key` or `secret`.
pub(super) fn not_found(kind: &str, name: &str) -> Response {
    let (code, article) = match kind {
        "key" => ("KeyNotFound", "A key"),
        _ => ("SecretNotFound", "A secret"),
    };
    let message = format!(
        "{article} with (name/id) {name} was not found in this key vault. If you recently deleted \
         this {kind} you may be able to recover it using the correct recovery command. For help \
         resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    error(404, code, &message)
}

/// 409 for writing to a name that is deleted but recoverable.
pub(super) fn deleted_but_recoverable(name: &str) -> Response {
    let message = format!(
        "Secret {name} is currently in a deleted but recoverable state, and its name cannot be \
         reused; in this state, the secret can only be recovered or purged."
    );
    let inner = json!({"code": "ObjectIsDeletedButRecoverable"});
    let error = json!({"code": "Conflict", "message": message, "innererror": inner});
    Response::json(409, &json!({"error": error}))
}

/// 404 for a path that is no operation; the text is not documented.
pub(super) fn no_such_page() -> Response {
    error(404, "NotFound", "The requested operation does not exist.")
}

/// 405.
pub(super) fn method_not_allowed(method: &str) -> Response {
    let message = format!("Method {method} does not allow this operation");
    error(405, "MethodNotAllowed", &message)
}

fn error(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, &json!({"error": {"code": code, "message": message}}))
}

/// Data actions of "Azure built-in roles for Key Vault data plane operations".
fn rbac_action(kind: &str, permission: &str) -> String {
    let tail = match (kind, permission) {
        ("secrets", "get") => "secrets/getSecret/action",
        ("secrets", "list") => "secrets/readMetadata/action",
        ("secrets", _) => "secrets/setSecret/action",
        (_, "get") => "keys/read",
        (_, "wrapKey") => "keys/wrap/action",
        (_, "unwrapKey") => "keys/unwrap/action",
        (_, other) => return format!("Microsoft.KeyVault/vaults/keys/{other}/action"),
    };
    format!("Microsoft.KeyVault/vaults/{tail}")
}
