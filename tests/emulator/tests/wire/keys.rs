//! KEKs: wrap and unwrap in every size and algorithm, versions, states, odd answers.

use azure_emulator::{Emulator, Options, Scenario, scenario::Algorithm};
use serde_json::{Value, json};

use super::client::{HOST, Vault, one_vault};

/// base64url of the 3 bytes `abc`.
const ABC: &str = "YWJj";

fn kek(versions: Value) -> Emulator {
    one_vault(json!({"keys": [{"name": "kek", "versions": versions}]}))
}

fn post(emulator: &Emulator, action: &str, algorithm: &str, value: &str) -> super::client::Answer {
    let target = format!("/keys/{action}?api-version=7.4");
    Vault::new(emulator).post(&target, &json!({"alg": algorithm, "value": value}))
}

fn value(answer: &super::client::Answer) -> String {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["value"].as_str().unwrap().to_owned()
}

#[test]
fn every_size_and_algorithm_there_and_back() {
    for (bits, characters) in [(2048, 342), (3072, 512), (4096, 683)] {
        let emulator = kek(json!([{"bits": bits}]));
        for algorithm in ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5"] {
            let wrapped = value(&post(&emulator, "kek/wrapkey", algorithm, ABC));
            assert_eq!(wrapped.len(), characters);
            let unwrapped = value(&post(&emulator, "kek/unwrapkey", algorithm, &wrapped));
            assert_eq!(unwrapped, ABC);
        }
    }
}

#[test]
fn encrypt_and_decrypt_are_the_same_primitive() {
    let emulator = kek(json!([{}]));
    let encrypted = value(&post(&emulator, "kek/encrypt", "RSA-OAEP", ABC));
    assert_eq!(value(&post(&emulator, "kek/unwrapkey", "RSA-OAEP", &encrypted)), ABC);
    let wrapped = value(&post(&emulator, "kek/wrapkey", "RSA-OAEP", ABC));
    assert_eq!(value(&post(&emulator, "kek/decrypt", "RSA-OAEP", &wrapped)), ABC);
}

#[test]
fn without_a_version_the_newest_is_used() {
    let (old, new) = ("0".repeat(32), "f".repeat(32));
    let versions = json!([{"version": new, "created": 20}, {"version": old, "created": 10}]);
    let emulator = kek(versions);
    for action in ["kek/wrapkey", "kek//wrapkey"] {
        let answer = post(&emulator, action, "RSA-OAEP", ABC);
        assert_eq!(answer.json()["kid"], format!("https://{HOST}/keys/kek/{new}"));
    }
    let wrapped = value(&post(&emulator, &format!("kek/{old}/wrapkey"), "RSA-OAEP", ABC));
    let answer = post(&emulator, &format!("KEK/{old}/unwrapkey"), "RSA-OAEP", &wrapped);
    assert_eq!(value(&answer), ABC);
    let (status, code, _, message) =
        post(&emulator, "kek/unwrapkey", "RSA-OAEP", &wrapped).refusal();
    assert_eq!((status, code.as_str()), (400, "BadParameter"));
    assert_eq!(message, "Error occurred while decoding OAEP padding.");
}

#[test]
fn the_public_half_is_a_jwk() {
    let emulator = kek(json!([{"key_ops": ["unwrapKey"]}]));
    let body = Vault::new(&emulator).get("/keys/kek/?api-version=7.4").json();
    let key = &body["key"];
    assert_eq!((&key["kty"], &key["e"]), (&json!("RSA"), &json!("AQAB")));
    assert_eq!((key["n"].as_str().unwrap().len(), &key["key_ops"]), (342, &json!(["unwrapKey"])));
    assert_eq!(body["attributes"]["enabled"], json!(true));
}

#[test]
fn a_disabled_newest_version_is_not_passed_over() {
    let emulator = kek(json!([{}, {"enabled": false}]));
    let (status, _, inner, message) = post(&emulator, "kek/unwrapkey", "RSA-OAEP", ABC).refusal();
    assert_eq!((status, inner.as_str()), (403, "KeyDisabled"));
    assert_eq!(message, "Operation unwrapKey is not allowed on a disabled key.");
}

#[test]
fn key_ops_and_dates_are_kept_to() {
    let emulator = kek(json!([{"key_ops": ["wrapKey"]}]));
    let (status, _, inner, message) = post(&emulator, "kek/unwrapkey", "RSA-OAEP", ABC).refusal();
    assert_eq!((status, inner.as_str()), (403, "KeyOperationForbidden"));
    assert_eq!(message, "Operation unwrapKey is not permitted on this key.");
    let scenario = json!({"vaults": [{"host": HOST, "keys": [
        {"name": "kek", "versions": [{"exp": 1_000_000_000}]}]}]});
    let scenario = Scenario::from_value(scenario).unwrap();
    let url = format!("https://{HOST}/keys/kek");
    let wrapped = azure_emulator::wrap(&scenario, None, &url, Algorithm::RsaOaep, b"abc").unwrap();
    let expired = kek(json!([{"exp": 1_000_000_000}]));
    assert_eq!(value(&post(&expired, "kek/unwrapkey", "RSA-OAEP", &wrapped)), ABC);
    assert_eq!(post(&expired, "kek/wrapkey", "RSA-OAEP", ABC).status, 403);
}

#[test]
fn bad_content_is_refused() {
    let emulator = kek(json!([{}]));
    let vault = Vault::new(&emulator);
    let target = "/keys/kek/unwrapkey?api-version=7.4";
    let message = |body: Value| {
        let (status, code, _, message) = vault.post(target, &body).refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        message
    };
    let not_base64 = message(json!({"alg": "RSA-OAEP", "value": "+/+/"}));
    assert_eq!(not_base64, "Content of 'value' is not base64url.");
    assert_eq!(message(json!({"alg": "RSA-OAEP"})), "Property 'value' is required.");
    assert_eq!(message(json!({"value": ABC})), "Property 'alg' is required.");
    assert!(message(json!({"alg": "A256KW", "value": ABC})).contains("A256KW"));
    message(json!([]));
    message(json!({"alg": "RSA1_5", "value": ABC}));
    let long = "A".repeat(400);
    assert_eq!(post(&emulator, "kek/wrapkey", "RSA-OAEP", &long).status, 400);
}

#[test]
fn unknown_keys_versions_and_actions_are_not_found() {
    let emulator = kek(json!([{}]));
    let (status, code, _, message) = post(&emulator, "zzz/unwrapkey", "RSA-OAEP", ABC).refusal();
    assert_eq!((status, code.as_str()), (404, "KeyNotFound"));
    assert!(message.starts_with("A key with (name/id) zzz was not found"), "{message}");
    let version = format!("kek/{}/unwrapkey", "0".repeat(32));
    assert_eq!(post(&emulator, &version, "RSA-OAEP", ABC).refusal().1, "KeyNotFound");
    assert_eq!(post(&emulator, "kek/explode", "RSA-OAEP", ABC).status, 404);
}

#[test]
fn answers_can_be_written_oddly() {
    let answer = json!({"alphabet": "standard", "padding": "two", "white_space": true});
    let keys = json!([{"name": "kek", "versions": [{}]}]);
    let emulator = one_vault(json!({"answer": answer, "keys": keys}));
    let scenario = json!({"vaults": [{"host": HOST, "keys": keys}]});
    let scenario = Scenario::from_value(scenario).unwrap();
    let url = format!("https://{HOST}/keys/kek");
    let plain = [0xfb, 0xff, 0xfe];
    let wrapped = azure_emulator::wrap(&scenario, None, &url, Algorithm::RsaOaep, &plain).unwrap();
    let text = value(&post(&emulator, "kek/unwrapkey", "RSA-OAEP", &wrapped));
    assert_eq!(text, "+//\r\n+==\n");
}

#[test]
fn wrapped_secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), b"abc").unwrap();
    let scenario = json!({
        "imds": {"identities": [super::client::identity()]},
        "vaults": [{"host": HOST,
            "keys": [{"name": "kek", "versions": [{}, {}]}],
            "secrets": [{"name": "s", "versions": [{"wrap": {
                "key": "kek", "algorithm": "RSA-OAEP-256", "plain_file": "plain"}}]}]}],
    });
    let file = folder.path().join("scenario.json");
    std::fs::write(&file, scenario.to_string()).unwrap();
    let scenario = Scenario::from_file(&file).unwrap();
    let emulator = Emulator::start(scenario, Options::default()).unwrap();
    let secret = Vault::new(&emulator).get("/secrets/s?api-version=7.4").json();
    let wrapped = secret["value"].as_str().unwrap();
    assert_eq!(value(&post(&emulator, "kek/unwrapkey", "RSA-OAEP-256", wrapped)), ABC);
}
