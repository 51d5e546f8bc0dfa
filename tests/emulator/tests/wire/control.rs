//! Changes while running, by library and by the control endpoint.

use azure_emulator::{Change, Emulator, Options, Scenario};
use serde_json::{Value, json};

use super::client::{AUDIENCE, HOST, Vault, identity, imds, plain, token_target};

fn begin() -> Emulator {
    let scenario = json!({
        "imds": {"identities": [identity()]},
        "vaults": [{"host": HOST,
            "keys": [{"name": "kek", "versions": [{"version": "0".repeat(32)}, {}]}],
            "secrets": [{"name": "s", "versions": [{"value": "v"}]}]}],
    });
    let control = Some("127.0.0.1:0".parse().unwrap());
    let options = Options { control, ..Options::default() };
    Emulator::start(Scenario::from_value(scenario).unwrap(), options).unwrap()
}

fn post(emulator: &Emulator, change: Value) -> u16 {
    plain(emulator.control_address().unwrap(), "POST", "/", &change.to_string()).status
}

#[test]
fn keys_and_secrets_are_switched_off_and_on() {
    let emulator = begin();
    let vault = Vault::new(&emulator);
    let old = format!("/keys/kek/{}/wrapkey?api-version=7.4", "0".repeat(32));
    let wrap =
        |target: &str| vault.post(target, &json!({"alg": "RSA-OAEP", "value": "YWJj"})).status;
    let one = json!({"vault": HOST, "name": "KEK", "version": "0".repeat(32)});
    assert_eq!(post(&emulator, json!({"disable_key": one})), 200);
    assert_eq!((wrap(&old), wrap("/keys/kek/wrapkey?api-version=7.4")), (403, 200));
    let all = json!({"vault": HOST, "name": "kek"});
    assert_eq!(post(&emulator, json!({"enable_key": all})), 200);
    assert_eq!(wrap(&old), 200);
    let secret = json!({"vault": HOST, "name": "s"});
    assert_eq!(post(&emulator, json!({"disable_secret": secret})), 200);
    assert_eq!(vault.get("/secrets/s?api-version=7.4").refusal().2, "SecretDisabled");
    assert_eq!(post(&emulator, json!({"enable_secret": secret})), 200);
    assert_eq!(vault.get("/secrets/s?api-version=7.4").status, 200);
}

#[test]
fn identities_network_permissions_and_faults_change() {
    let emulator = begin();
    let vault = Vault::new(&emulator);
    let secret = || vault.get("/secrets/s?api-version=7.4").status;
    let ask = || imds(&emulator, &token_target(AUDIENCE), &["Metadata: true"]).status;
    assert_eq!(post(&emulator, json!({"remove_identities": true})), 200);
    // A token in hand stays good, as it does in Azure.
    assert_eq!((ask(), secret()), (400, 200));
    assert_eq!(post(&emulator, json!({"set_identities": [identity()]})), 200);
    assert_eq!(ask(), 200);
    assert_eq!(
        post(&emulator, json!({"set_permissions": {"vault": HOST, "permissions": []}})),
        200
    );
    assert_eq!(secret(), 403);
    let open = json!({"set_permissions": {"vault": HOST, "permissions": null},
        "set_network": {"vault": HOST, "network": "firewall"}});
    assert_eq!(post(&emulator, open), 200);
    assert_eq!(vault.get("/secrets/s?api-version=7.4").refusal().2, "ForbiddenByFirewall");
    let fault = json!({"push_fault": {"times": "forever", "action": {"reply": {"status": 500}}}});
    assert_eq!(post(&emulator, fault), 200);
    assert_eq!((ask(), secret()), (500, 500));
    assert_eq!(post(&emulator, json!({"clear_faults": true})), 200);
    assert_eq!(ask(), 200);
}

#[test]
fn changes_that_name_nothing_are_refused() {
    let emulator = begin();
    for change in [
        json!({"disable_key": {"vault": HOST, "name": "nope"}}),
        json!({"disable_key": {"vault": "nope.vault.azure.net", "name": "kek"}}),
        json!({"disable_key": {"vault": HOST, "name": "kek", "version": "1"}}),
        json!({"disable_secret": {"vault": HOST, "name": "nope"}}),
        json!({"set_network": {"vault": "nope.vault.azure.net", "network": "open"}}),
        json!({"explode": true}),
        json!({"push_fault": {"action": "explode"}}),
        json!([]),
    ] {
        assert_eq!(post(&emulator, change.clone()), 400, "{change}");
    }
    assert_eq!(plain(emulator.control_address().unwrap(), "GET", "/", "").status, 404);
    let unknown = Change::DisableKey(azure_emulator::Named {
        name: "nope".to_owned(),
        vault: HOST.to_owned(),
        version: None,
    });
    let error = emulator.change(unknown).unwrap_err().to_string();
    assert_eq!(error, "nope: no such object or version in the vault");
}

#[test]
fn the_log_can_be_fetched() {
    let emulator = begin();
    Vault::new(&emulator);
    let log = plain(emulator.control_address().unwrap(), "GET", "/requests", "").json();
    assert_eq!((&log[0]["event"], &log[1]["event"]), (&json!("connection"), &json!("request")));
    assert_eq!(log[1]["service"], "imds");
}
