//! Tokens and instance data: what is given, and each refusal in its own words.

use azure_emulator::Emulator;
use serde_json::{Value, json};

use super::client::{AUDIENCE, identity, imds, start, token, token_target};

const METADATA: &[&str] = &["Metadata: true"];

fn machine(identities: Value) -> Emulator {
    start(json!({"imds": {"identities": identities}}))
}

fn user(number: u8) -> Value {
    json!({
        "assigned": "user", "client_id": format!("client-{number}"),
        "object_id": format!("object-{number}"), "resource_id": format!("/subscriptions/{number}"),
    })
}

fn description(emulator: &Emulator, target: &str, headers: &[&str]) -> String {
    let answer = imds(emulator, target, headers);
    assert_eq!(answer.status, 400);
    let body = answer.json();
    assert_eq!(body["error"], "invalid_request");
    body["error_description"].as_str().unwrap().to_owned()
}

#[test]
fn every_field_of_a_token_answer_is_a_string() {
    let emulator = machine(json!([identity()]));
    let answer = imds(&emulator, &token_target("https%3A%2F%2Fvault.azure.net"), METADATA);
    let body = answer.json();
    assert!(body.as_object().unwrap().values().all(Value::is_string), "{body}");
    assert_eq!(body["resource"], AUDIENCE);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["client_id"], identity()["client_id"]);
    let left: u64 = body["expires_in"].as_str().unwrap().parse().unwrap();
    assert!((86_000..=86_399).contains(&left), "{left}");
}

#[test]
fn tokens_are_cached_unless_the_cache_is_bypassed() {
    let emulator = machine(json!([identity()]));
    let first = token(&emulator, AUDIENCE);
    assert_eq!(token(&emulator, AUDIENCE), first);
    assert_ne!(token(&emulator, "https://managedhsm.azure.net"), first);
    let target = token_target(AUDIENCE) + "&bypass_cache=true";
    assert_ne!(imds(&emulator, &target, METADATA).json()["access_token"], first.as_str());
}

#[test]
fn the_metadata_header_is_required() {
    let emulator = machine(json!([identity()]));
    for headers in [&[][..], &["Metadata: false"], &["Metadata: True"]] {
        let text = description(&emulator, &token_target(AUDIENCE), headers);
        assert_eq!(text, "Required metadata header not specified");
    }
}

#[test]
fn a_forwarded_request_is_refused() {
    let emulator = machine(json!([identity()]));
    let headers = ["Metadata: true", "X-Forwarded-For: 10.0.0.1"];
    let text = description(&emulator, &token_target(AUDIENCE), &headers);
    assert!(text.contains("X-Forwarded-For"), "{text}");
}

#[test]
fn a_doubled_query_name_is_refused() {
    let emulator = machine(json!([identity()]));
    let target = token_target(AUDIENCE) + "&resource=https://vault.azure.net";
    let text = description(&emulator, &target, METADATA);
    assert!(text.contains("more than once"), "{text}");
}

#[test]
fn version_and_resource_are_required() {
    let emulator = machine(json!([identity()]));
    let path = "/metadata/identity/oauth2/token";
    let old = format!("{path}?api-version=2017-01-01&resource={AUDIENCE}");
    assert!(description(&emulator, &old, METADATA).contains("api-version"));
    let bare = format!("{path}?api-version=2019-08-01");
    assert!(description(&emulator, &bare, METADATA).contains("'resource'"));
}

#[test]
fn an_unknown_resource_is_refused() {
    let emulator = machine(json!([identity()]));
    let answer = imds(&emulator, &token_target("https://azure.net"), METADATA);
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_resource")));
    let text = answer.json()["error_description"].to_string();
    assert!(text.contains("AADSTS500011"), "{text}");
}

#[test]
fn a_machine_without_identity_gets_no_token() {
    let emulator = machine(json!([]));
    let text = description(&emulator, &token_target(AUDIENCE), METADATA);
    assert_eq!(text, "Identity not found");
}

#[test]
fn several_user_identities_need_a_selector() {
    let emulator = machine(json!([user(1), user(2)]));
    let text = description(&emulator, &token_target(AUDIENCE), METADATA);
    assert!(text.starts_with("Multiple user assigned identities exist"), "{text}");
    for selector in ["client_id=client-2", "object_id=OBJECT-2", "msi_res_id=%2Fsubscriptions%2F2"]
    {
        let target = format!("{}&{selector}", token_target(AUDIENCE));
        assert_eq!(imds(&emulator, &target, METADATA).json()["client_id"], "client-2");
    }
}

#[test]
fn a_single_user_identity_is_used_unasked_and_a_system_identity_goes_first() {
    let alone = machine(json!([user(1)]));
    let target = token_target(AUDIENCE);
    assert_eq!(imds(&alone, &target, METADATA).json()["client_id"], "client-1");
    let both = machine(json!([user(1), identity()]));
    let body = imds(&both, &target, METADATA).json();
    assert_eq!(body["client_id"], identity()["client_id"]);
}

#[test]
fn selectors_exclude_each_other_and_must_match() {
    let emulator = machine(json!([user(1)]));
    let target = token_target(AUDIENCE);
    let two = format!("{target}&client_id=client-1&object_id=object-1");
    assert!(description(&emulator, &two, METADATA).contains("exclusive"));
    let other = format!("{target}&client_id=client-9");
    assert_eq!(description(&emulator, &other, METADATA), "Identity not found");
}

#[test]
fn identity_info_names_the_tenant() {
    let emulator = start(json!({"imds": {"tenant": "t-1"}}));
    let target = "/metadata/identity/info?api-version=2018-02-01";
    assert_eq!(imds(&emulator, target, METADATA).json(), json!({"tenantId": "t-1"}));
}

#[test]
fn instance_data_and_its_leaves() {
    let emulator = start(json!({"imds": {"vm": {"name": "web-1", "tags": {"a": "b;c"}}}}));
    let instance = "/metadata/instance?api-version=2021-02-01";
    let compute = imds(&emulator, instance, METADATA).json()["compute"].clone();
    assert_eq!(compute["name"], "web-1");
    assert_eq!(compute["tagsList"], json!([{"name": "a", "value": "b;c"}]));
    assert_eq!(compute["securityProfile"].get("securityType"), None);
    let newer = "/metadata/instance/compute/securityProfile?api-version=2021-12-13";
    assert_eq!(imds(&emulator, newer, METADATA).json()["securityType"], "TrustedLaunch");
    let leaf = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
    assert_eq!(imds(&emulator, leaf, METADATA).body, b"web-1");
}

#[test]
fn what_instance_data_does_not_have_is_refused() {
    let emulator = start(json!({}));
    let status = |target: &str| imds(&emulator, target, METADATA).status;
    assert_eq!(status("/metadata/instance/compute/nonsense?api-version=2021-02-01"), 404);
    assert_eq!(status("/metadata/instance/compute/name?api-version=2021-02-01"), 400);
    assert_eq!(status("/metadata/identity"), 404);
    let answer = imds(&emulator, "/metadata/instance", METADATA);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["newest-versions"][0], "2025-04-07");
    let versions = imds(&emulator, "/metadata/versions", METADATA).json();
    assert!(versions["apiVersions"].as_array().unwrap().contains(&json!("2021-02-01")));
}
