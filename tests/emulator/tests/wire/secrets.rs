//! Secrets: get by name and version, lists in pages, set and update, and what is refused.

use azure_emulator::Emulator;
use serde_json::{Value, json};

use super::client::{AUDIENCE, HOST, Vault, identity, one_vault, start, token};

fn secret(name: &str, version: Value) -> Value {
    json!({"name": name, "versions": [version]})
}

fn five(paging: Value) -> Emulator {
    let secrets = ["a", "b", "c", "d", "e"].map(|name| secret(name, json!({"value": name})));
    one_vault(json!({"secrets": secrets, "paging": paging}))
}

/// Sizes of the pages a client sees that follows every link.
fn walk(emulator: &Emulator, first: &str) -> Vec<usize> {
    let vault = Vault::new(emulator);
    let mut sizes = Vec::new();
    let mut target = first.to_owned();
    loop {
        let body = vault.get(&target).json();
        sizes.push(body["value"].as_array().unwrap().len());
        let Some(link) = body["nextLink"].as_str() else {
            return sizes;
        };
        let rest = link.strip_prefix(&format!("https://{HOST}:443")).unwrap();
        target = rest.to_owned();
        assert!(sizes.len() < 20, "endless");
    }
}

#[test]
fn a_secret_by_name_by_slash_and_by_version() {
    let version = "0123456789abcdef0123456789ABCDEF";
    let versions = json!([
        {"version": version, "value": "old", "created": 5},
        {"value": "new", "content_type": "BEK", "tags": {"MachineName": "vm"}, "exp": 7},
    ]);
    let emulator = one_vault(json!({"secrets": [{"name": "Disk", "versions": versions}]}));
    let vault = Vault::new(&emulator);
    for target in ["/secrets/disk?api-version=7.4", "/secrets/DISK/?api-version=7.4"] {
        let body = vault.get(target).json();
        assert_eq!((&body["value"], &body["contentType"]), (&json!("new"), &json!("BEK")));
        assert_eq!(
            (&body["tags"]["MachineName"], &body["attributes"]["exp"]),
            (&json!("vm"), &json!(7))
        );
    }
    let target = format!("/secrets/disk/{}?api-version=7.4", version.to_lowercase());
    let body = vault.get(&target).json();
    assert_eq!(body["id"], format!("https://{HOST}/secrets/Disk/{version}"));
    assert_eq!((&body["value"], body.get("contentType")), (&json!("old"), None));
    assert_eq!((&body["attributes"]["created"], body.get("tags")), (&json!(5), None));
}

#[test]
fn what_is_not_there_is_not_found() {
    let emulator = five(json!({}));
    let vault = Vault::new(&emulator);
    let (status, code, _, message) = vault.get("/secrets/zzz?api-version=7.4").refusal();
    assert_eq!((status, code.as_str()), (404, "SecretNotFound"));
    let text = "A secret with (name/id) zzz was not found in this key vault.";
    assert!(message.starts_with(text), "{message}");
    let version = format!("/secrets/a/{}?api-version=7.4", "0".repeat(32));
    assert_eq!(vault.get(&version).refusal().1, "SecretNotFound");
    assert_eq!(vault.send("DELETE", "/secrets/a?api-version=7.4", "").status, 405);
}

#[test]
fn a_disabled_secret_is_listed_and_not_read() {
    let disabled = secret("s", json!({"value": "v", "enabled": false}));
    let emulator = one_vault(json!({"secrets": [disabled]}));
    let vault = Vault::new(&emulator);
    let (status, _, inner, message) = vault.get("/secrets/s?api-version=7.4").refusal();
    assert_eq!((status, inner.as_str()), (403, "SecretDisabled"));
    assert_eq!(message, "Operation get is not allowed on a disabled secret.");
    let list = vault.get("/secrets?api-version=7.4").json();
    assert_eq!(list["value"][0]["attributes"]["enabled"], json!(false));
}

#[test]
fn lists_have_ids_without_versions_and_no_values() {
    let emulator = five(json!({}));
    let body = Vault::new(&emulator).get("/secrets?api-version=7.4").json();
    assert_eq!(body["value"][0]["id"], format!("https://{HOST}/secrets/a"));
    assert_eq!(body["value"][0].get("value"), None);
    assert_eq!(body.get("nextLink"), Some(&Value::Null));
}

#[test]
fn pages_are_as_long_as_asked_or_as_scripted() {
    assert_eq!(walk(&five(json!({})), "/secrets?api-version=7.4&maxresults=2"), [2, 2, 1]);
    let scripted = five(json!({"pages": [1, 0, 0, 2]}));
    assert_eq!(walk(&scripted, "/secrets?api-version=7.4"), [1, 0, 0, 2, 2]);
    let absent = five(json!({"end": "absent"}));
    let body = Vault::new(&absent).get("/secrets?api-version=7.4").json();
    assert_eq!(body.get("nextLink"), None);
}

#[test]
fn an_endless_list_and_a_foreign_link() {
    let endless = five(json!({"endless": true}));
    let link = Vault::new(&endless).get("/secrets?api-version=7.4").json()["nextLink"].clone();
    let target = link.as_str().unwrap().strip_prefix(&format!("https://{HOST}:443")).unwrap();
    let body = Vault::new(&endless).get(target).json();
    assert_eq!(body["value"], json!([]));
    assert!(body["nextLink"].is_string());
    let foreign = five(json!({"next_link_host": "evil.example.net", "pages": [1]}));
    let link = Vault::new(&foreign).get("/secrets?api-version=7.4").json()["nextLink"].clone();
    assert!(link.as_str().unwrap().starts_with("https://evil.example.net:443/secrets?"));
}

#[test]
fn bad_page_requests_are_refused() {
    let emulator = five(json!({}));
    let vault = Vault::new(&emulator);
    for query in ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=%21"] {
        let (status, code, ..) = vault.get(&format!("/secrets?api-version=7.4&{query}")).refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"), "{query}");
    }
}

#[test]
fn set_makes_a_new_version_and_update_keeps_the_value() {
    let emulator = five(json!({}));
    let vault = Vault::new(&emulator);
    let put = json!({"value": "second", "contentType": "BEK", "tags": {"t": "1"}}).to_string();
    let made = vault.send("PUT", "/secrets/a?api-version=7.4", &put).json();
    assert_eq!(made["value"], "second");
    assert_eq!(vault.get("/secrets/a?api-version=7.4").json()["id"], made["id"]);
    let list = vault.get("/secrets/a/versions?api-version=7.4").json();
    assert_eq!(list["value"].as_array().unwrap().len(), 2);
    let version = made["id"].as_str().unwrap().rsplit('/').next().unwrap();
    let target = format!("/secrets/a/{version}?api-version=7.4");
    let patch = json!({"attributes": {"enabled": false}, "tags": {"t": "2"}}).to_string();
    let changed = vault.send("PATCH", &target, &patch).json();
    assert_eq!((changed.get("value"), &changed["tags"]["t"]), (None, &json!("2")));
    assert_eq!(vault.get(&target).refusal().2, "SecretDisabled");
    assert_eq!(emulator.secret_value(HOST, "a").as_deref(), Some("second"));
}

#[test]
fn what_cannot_be_set_is_refused() {
    let deleted = json!({"name": "gone", "soft_deleted": true, "versions": [{"value": "v"}]});
    let emulator = one_vault(json!({"secrets": [deleted]}));
    let vault = Vault::new(&emulator);
    let put = |target: &str, body: Value| vault.send("PUT", target, &body.to_string()).refusal();
    let value = || json!({"value": "v"});
    let (status, code, inner, _) = put("/secrets/gone?api-version=7.4", value());
    assert_eq!((status, code.as_str()), (409, "Conflict"));
    assert_eq!(inner, "ObjectIsDeletedButRecoverable");
    assert_eq!(put("/secrets/under_score?api-version=7.4", value()).0, 400);
    assert_eq!(put("/secrets/s?api-version=7.4", json!({})).3, "Property 'value' is required.");
    let long = json!({"value": "x".repeat(25 * 1024 + 1)});
    assert_eq!(put("/secrets/s?api-version=7.4", long).0, 400);
    assert_eq!(vault.get("/secrets/gone?api-version=7.4").refusal().1, "SecretNotFound");
}

#[test]
fn a_managed_hsm_has_no_secrets() {
    let host = "contoso.managedhsm.azure.net";
    let emulator = start(json!({"imds": {"identities": [identity()]}, "vaults": [{"host": host}]}));
    let token = token(&emulator, "https://managedhsm.azure.net");
    let vault = Vault::with(&emulator, host, &token);
    assert_eq!(vault.get("/secrets/s?api-version=7.4").status, 404);
    assert_eq!(Vault::with(&emulator, host, AUDIENCE).get("/secrets/s").status, 401);
}
