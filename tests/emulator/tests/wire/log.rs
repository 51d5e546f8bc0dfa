//! The request log: complete, in order, and without a single token or secret value.

use azure_emulator::{Emulator, Options, Scenario, Service};
use serde_json::{Value, json};

use super::client::{AUDIENCE, HOST, Vault, identity, token};

const VALUE: &str = "c2VjcmV0IHZhbHVlIG9mIHRoZSB0ZXN0";

#[test]
fn everything_is_recorded_and_nothing_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let scenario = json!({
        "imds": {"identities": [identity()]},
        "vaults": [{"host": HOST,
            "keys": [{"name": "kek", "versions": [{}]}],
            "secrets": [{"name": "s", "versions": [{"value": VALUE}]}]}],
    });
    let options = Options { log: Some(file.clone()), ..Options::default() };
    let emulator = Emulator::start(Scenario::from_value(scenario).unwrap(), options).unwrap();
    let vault = Vault::new(&emulator);
    assert_eq!(vault.get("/secrets/s?api-version=7.4").json()["value"], VALUE);
    let body = json!({"alg": "RSA-OAEP", "value": VALUE});
    let wrapped = vault.post("/keys/kek/wrapkey?api-version=7.4", &body).json();
    let wrapped = wrapped["value"].as_str().unwrap();
    assert_eq!(Vault::with(&emulator, HOST, "stolen").get("/secrets/s").status, 401);

    let text = std::fs::read_to_string(&file).unwrap();
    for secret in [VALUE, wrapped, "stolen", &token(&emulator, AUDIENCE)] {
        assert!(!text.contains(secret));
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let mut expected = vec!["connection", "request"];
    expected.extend(["connection", "handshake", "request"].repeat(3));
    assert_eq!(events, expected);
    let requests: Vec<_> = lines.iter().filter(|line| line["event"] == "request").collect();
    let seen: Vec<_> = requests.iter().map(|line| (&line["path"], &line["status"])).collect();
    assert_eq!(seen[1], (&json!("/secrets/s"), &json!(200)));
    assert_eq!(seen[3], (&json!("/secrets/s"), &json!(401)));
    let bearer = format!("Bearer present: audience {AUDIENCE}");
    assert_eq!(requests[1]["authorization"], bearer);
    assert_eq!(requests[3]["authorization"], "Bearer present: unknown token");
    assert_eq!(requests[2]["body_length"], body.to_string().len());
}

#[test]
fn the_library_tells_services_and_connections_apart() {
    let emulator = super::client::one_vault(json!({}));
    let vault = Vault::new(&emulator);
    vault.get("/secrets?api-version=7.4");
    vault.get("/secrets?api-version=7.4&maxresults=1");
    assert_eq!(emulator.connections(Service::Imds).len(), 1);
    assert_eq!(emulator.connections(Service::Vault).len(), 2);
    let requests = emulator.requests();
    assert_eq!(requests[0].authorization, "absent");
    assert_eq!(requests[0].header_names, ["host", "connection", "metadata"]);
    assert_eq!(requests[2].query, "api-version=7.4&maxresults=1");
    assert_ne!(requests[1].connection, requests[2].connection);
}
