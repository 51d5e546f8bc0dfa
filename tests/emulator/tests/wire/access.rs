//! The doors of a vault: challenge, token, network, permissions; one test for each refusal.

use azure_emulator::{Change, Emulator};
use serde_json::{Value, json};

use super::client::{
    AUDIENCE, HOST, Vault, identity, imds, one_vault, request, start, token, token_target, vault,
};

const SECRET: &str = "/secrets/s?api-version=7.4";

fn with_secret(mut settings: Value) -> Emulator {
    settings["secrets"] = json!([{"name": "s", "versions": [{"value": "v"}]}]);
    settings["keys"] = json!([{"name": "kek", "versions": [{}]}]);
    one_vault(settings)
}

fn unauthorized(emulator: &Emulator, host: &str, token: &str) -> (String, String) {
    let answer = Vault::with(emulator, host, token).get(SECRET);
    let challenge = answer.header("www-authenticate").unwrap().to_owned();
    let (status, code, _, message) = answer.refusal();
    assert_eq!((status, code.as_str()), (401, "Unauthorized"));
    (challenge, message)
}

#[test]
fn without_a_token_there_is_a_challenge() {
    let emulator = with_secret(json!({"tenant": "tenant-1"}));
    let answer = vault(&emulator, HOST, &request("GET", SECRET, HOST, &[], ""));
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            "Bearer authorization=\"https://login.microsoftonline.com/tenant-1\", \
             resource=\"https://vault.azure.net\""
        )
    );
    let message = "AKV10000: Request is missing a Bearer or PoP token.";
    let body = json!({"error": {"code": "Unauthorized", "message": message}});
    assert_eq!((answer.status, answer.json()), (401, body));
}

#[test]
fn a_managed_hsm_challenges_with_an_empty_body() {
    let host = "contoso.managedhsm.azure.net";
    let emulator = start(json!({"vaults": [{"host": host}]}));
    let target = "/keys/kek?api-version=7.4";
    let answer = vault(&emulator, host, &request("GET", target, host, &[], ""));
    assert_eq!((answer.status, answer.body.len()), (401, 0));
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.ends_with("resource=\"https://managedhsm.azure.net\""), "{challenge}");
}

#[test]
fn an_audience_with_a_slash_is_another_audience() {
    let emulator = with_secret(json!({}));
    let slashed = token(&emulator, "https://vault.azure.net/");
    let (_, message) = unauthorized(&emulator, HOST, &slashed);
    let expected = "AKV10022: Invalid audience. Expected https://vault.azure.net, found: \
                    https://vault.azure.net/.";
    assert_eq!(message, expected);
}

#[test]
fn tokens_of_another_tenant_are_refused() {
    let emulator = with_secret(json!({"tenant": "other"}));
    let (_, message) = unauthorized(&emulator, HOST, &token(&emulator, AUDIENCE));
    assert!(message.starts_with("AKV10032: Invalid issuer."), "{message}");
}

#[test]
fn unknown_and_expired_tokens_are_refused() {
    let emulator = with_secret(json!({}));
    let (challenge, message) = unauthorized(&emulator, HOST, "eyJ0.made.up");
    assert!(challenge.starts_with("Bearer authorization="), "{challenge}");
    assert!(message.contains("Error validating token"), "{message}");
    let expired = token(&emulator, AUDIENCE);
    emulator.change(Change::ExpireTokens(true)).unwrap();
    let (_, message) = unauthorized(&emulator, HOST, &expired);
    assert_eq!(message, "[TokenExpired] Error validating token: 'S2S12086'.");
    assert_eq!(Vault::new(&emulator).get(SECRET).status, 200);
}

#[test]
fn a_token_can_be_limited_to_some_uses_or_to_none() {
    let scenario = |policy: Value| {
        start(json!({
            "imds": {"identities": [identity()], "token": policy},
            "vaults": [{"host": HOST, "secrets": [{"name": "s", "versions": [{"value": "v"}]}]}],
        }))
    };
    let twice = scenario(json!({"max_uses": 2}));
    let vault = Vault::new(&twice);
    let statuses = [1, 2, 3].map(|_| vault.get(SECRET).status);
    assert_eq!(statuses, [200, 200, 401]);
    let dead = scenario(json!({"lifetime_seconds": 0}));
    assert_eq!(Vault::new(&dead).get(SECRET).status, 401);
}

#[test]
fn the_network_is_judged_before_permissions_and_after_the_token() {
    for (network, inner) in
        [("firewall", "ForbiddenByFirewall"), ("private_link", "ForbiddenByConnection")]
    {
        let emulator = with_secret(json!({"network": network, "permissions": []}));
        let (status, code, found, _) = Vault::new(&emulator).get(SECRET).refusal();
        assert_eq!((status, code.as_str(), found.as_str()), (403, "Forbidden", inner));
        assert_eq!(Vault::with(&emulator, HOST, "none").get(SECRET).status, 401);
    }
}

#[test]
fn a_missing_permission_is_named_in_three_dialects() {
    let policy = "does not have secrets get permission on key vault 'contoso-kv;location=";
    for (flavour, text) in [
        ("AccessDenied", policy),
        ("ForbiddenByPolicy", policy),
        ("ForbiddenByRbac", "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"),
    ] {
        let permissions = json!([{"identity": "vm", "secrets": ["list"], "keys": ["unwrapKey"]}]);
        let emulator = with_secret(json!({"permissions": permissions, "denied_as": flavour}));
        let (status, _, inner, message) = Vault::new(&emulator).get(SECRET).refusal();
        assert_eq!((status, inner.as_str()), (403, flavour));
        assert!(message.contains(text), "{message}");
        assert!(message.contains("oid=22222222-"), "{message}");
    }
}

#[test]
fn each_permission_opens_its_own_door_only() {
    let permissions = json!([{"identity": "vm", "secrets": ["list"], "keys": ["wrapKey"]}]);
    let emulator = with_secret(json!({"permissions": permissions}));
    let vault = Vault::new(&emulator);
    let body = json!({"alg": "RSA-OAEP", "value": "YWJj"});
    assert_eq!(vault.get("/secrets?api-version=7.4").status, 200);
    assert_eq!(vault.get(SECRET).status, 403);
    assert_eq!(vault.send("PUT", SECRET, "{\"value\":\"x\"}").status, 403);
    assert_eq!(vault.get("/keys/kek?api-version=7.4").status, 403);
    assert_eq!(vault.post("/keys/kek/wrapkey?api-version=7.4", &body).status, 200);
    for door in ["unwrapkey", "encrypt", "decrypt"] {
        let target = format!("/keys/kek/{door}?api-version=7.4");
        assert_eq!(vault.post(&target, &body).status, 403, "{door}");
    }
}

#[test]
fn permissions_are_those_of_the_selected_identity() {
    let users = [1, 2].map(|number| {
        json!({"assigned": "user", "name": format!("u{number}"),
               "client_id": format!("client-{number}")})
    });
    let permissions = json!([{"identity": "u2", "secrets": ["get"]}]);
    let emulator = start(json!({
        "imds": {"identities": users},
        "vaults": [{"host": HOST, "permissions": permissions,
                    "secrets": [{"name": "s", "versions": [{"value": "v"}]}]}],
    }));
    let status = |client: &str| {
        let target = format!("{}&client_id={client}", token_target(AUDIENCE));
        let answer = imds(&emulator, &target, &["Metadata: true"]).json();
        Vault::with(&emulator, HOST, answer["access_token"].as_str().unwrap()).get(SECRET).status
    };
    assert_eq!((status("client-1"), status("client-2")), (403, 200));
}

#[test]
fn the_api_version_is_required_and_known() {
    let emulator = with_secret(json!({}));
    let vault = Vault::new(&emulator);
    let (status, code, _, message) = vault.get("/secrets/s").refusal();
    assert_eq!((status, code.as_str()), (400, "BadParameter"));
    assert_eq!(message, "api-version must be specified");
    assert_eq!(vault.get("/secrets/s?api-version=1.0").status, 400);
}

#[test]
fn the_health_page_needs_no_token() {
    let emulator = with_secret(json!({}));
    let answer = vault(&emulator, HOST, &request("GET", "/healthstatus", HOST, &[], ""));
    assert_eq!((answer.status, answer.body.len()), (200, 4));
    assert!(answer.header("x-ms-keyvault-network-info").is_some());
}
