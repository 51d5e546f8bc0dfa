//! Certificates of the vaults, good and bad, and what clients make of them.

use azure_emulator::{Change, Emulator, Options, Scenario, Service, scenario::Certificate};
use serde_json::json;

use super::client::{HOST, one_vault, request, start, vault};

fn shake(emulator: &Emulator, host: &str) -> Result<u16, String> {
    let request = request("GET", "/healthstatus", host, &[], "");
    let answer = vault(emulator, host, &request);
    answer.end.map(|()| answer.status).map_err(|error| error.to_string())
}

/// The client may know of a failure first, so the log is waited for.
fn failed_handshake(emulator: &Emulator) -> String {
    loop {
        if let Some(handshake) = emulator.handshakes().pop() {
            return handshake.error.unwrap();
        }
        std::thread::yield_now();
    }
}

#[test]
fn several_vaults_share_a_port_and_have_certificates_of_their_own() {
    let hosts = ["a.vault.azure.net", "b.vault.usgovcloudapi.net", "c.managedhsm.azure.cn"];
    let vaults: Vec<_> = hosts.iter().map(|host| json!({"host": host})).collect();
    let emulator = start(json!({"vaults": vaults}));
    for host in hosts {
        assert_eq!(shake(&emulator, host), Ok(200));
    }
    let handshakes = emulator.handshakes();
    let names: Vec<_> = handshakes.iter().filter_map(|one| one.sni.as_deref()).collect();
    assert_eq!(names, hosts);
}

#[test]
fn bad_certificates_are_refused_by_a_careful_client_and_the_refusal_is_logged() {
    for (kind, problem) in [
        ("expired", "certificate expired"),
        ("not_yet_valid", "certificate not valid yet"),
        ("other_ca", "UnknownIssuer"),
        ("wrong_name", "certificate not valid for name"),
    ] {
        let emulator = one_vault(json!({"certificate": kind}));
        let error = shake(&emulator, HOST).unwrap_err();
        assert!(error.contains(problem), "{error}");
        assert!(failed_handshake(&emulator).contains("alert"));
        assert!(emulator.requests().is_empty());
    }
}

#[test]
fn a_certificate_can_be_changed_while_running() {
    let emulator = one_vault(json!({"certificate": "expired"}));
    assert!(shake(&emulator, HOST).is_err());
    let (certificate, vault) = (Certificate::Valid, HOST.to_owned());
    emulator.change(Change::SetCertificate { certificate, vault }).unwrap();
    assert_eq!(shake(&emulator, HOST), Ok(200));
}

#[test]
fn a_host_that_is_no_vault_gets_no_certificate() {
    let emulator = one_vault(json!({}));
    assert!(shake(&emulator, "other.vault.azure.net").is_err());
    assert_eq!(emulator.connections(Service::Vault).len(), 1);
    let error = failed_handshake(&emulator);
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn a_kept_ca_still_signs_after_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let begin = || {
        let scenario = Scenario::from_value(json!({"vaults": [{"host": HOST}]})).unwrap();
        let state = Some(state.path().to_owned());
        Emulator::start(scenario, Options { state, ..Options::default() }).unwrap()
    };
    let first = begin().ca_pem();
    let second = begin();
    assert_eq!(second.ca_pem(), first);
    assert_eq!(shake(&second, HOST), Ok(200));
    let kept = std::fs::read_to_string(state.path().join("ca.pem")).unwrap();
    assert_eq!(kept, first);
}
