//! Keys from Key Vault, over real TLS, into real mappings; and every refusal on the way.

use azure_emulator::{Change, Service};
use serde_json::{Value, json};

use crate::world::{KEY, Luks, Run, VAULT, Volume, World};

const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// A vault with one KEK, the key plain and wrapped, and one identity.
pub fn contoso() -> Value {
    json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1", "object_id": "6f1c0d52-0000-4000-8000-000000000001"}],
                 "vm": {"name": "vm-resource"}},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "keys": [{"name": "kek", "versions": [{"version": VERSION}]}],
            "secrets": [
                {"name": "plain", "versions": [{"base64_of": KEY, "content_type": "BEK",
                    "tags": {"DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}}]},
                {"name": "wrapped", "versions": [{"wrap": {"key": "kek", "plain": KEY},
                    "content_type": "Wrapped BEK",
                    "tags": {
                        "DiskEncryptionKeyEncryptionKeyURL":
                            format!("{VAULT}:443/keys/KEK/{VERSION}/"),
                        "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
                        "DiskEncryptionKeyFileName": "LinuxPassPhraseFileName_1_0",
                        "MachineName": "root-ring"}}]},
            ],
        }],
    })
}

pub fn secret(name: &str) -> String {
    format!("{VAULT}/secrets/{name}")
}

/// One LUKS volume, opened with `key` as its third field.
fn attach(world: &World, key: &str, options: &str) -> Run {
    let volume = world.luks("v", &Luks::default());
    world.attach(&volume, key, &format!("{},{options}", world.ca()))
}

fn opens(scenario: Value, key: &str, options: &str) -> World {
    let world = World::with_azure(scenario);
    attach(&world, key, options).says("data1 unlocked with Key Vault");
    assert_eq!(world.read_and_close(), "hello from v\n");
    world
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_wrapped_secret_takes_three_requests_on_two_connections() {
    let world = opens(contoso(), &secret("wrapped"), "");
    let unwrap = format!("POST /keys/kek/{VERSION}/unwrapkey 200");
    let requests = world.requests();
    assert_eq!(requests[0], "GET /metadata/identity/oauth2/token 200");
    assert_eq!(requests[1..], ["GET /secrets/wrapped 200".to_owned(), unwrap]);
    let emulator = world.emulator.as_ref().unwrap();
    assert_eq!(emulator.connections(Service::Imds).len(), 1);
    assert_eq!(emulator.connections(Service::Vault).len(), 1);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_plain_secret_is_decoded_once_and_never_unwrapped() {
    let world = opens(contoso(), &secret("plain"), "");
    assert_eq!(world.requests().len(), 2);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_secret_is_found_by_its_tags() {
    let options = format!("vault={VAULT},machine-name=root-ring");
    // The key disk is waited for first; nobody else is there to make it quick.
    let world = opens(contoso(), "LinuxPassPhraseFileName_1_0", &options);
    let listed = world.requests().iter().filter(|line| line.starts_with("GET /secrets ")).count();
    assert_eq!(listed, 1);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_wrapped_key_on_the_key_disk_and_in_a_file_is_unwrapped() {
    let world = World::with_azure(contoso());
    let wrapped =
        world.emulator.as_ref().unwrap().secret_value("contoso-kv.vault.azure.net", "wrapped");
    let wrapped = wrapped.unwrap();
    let volume = world.luks("v", &Luks::default());
    world.key_disk(&[("LinuxPassPhraseFileName", wrapped.as_bytes())]);
    let file = world.file("data1.wrapped", format!("{wrapped}\n").as_bytes());
    let kek = format!("kek={VAULT}/keys/kek/{VERSION},{}", world.ca());
    world.attach(&volume, "-", &kek).says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
    world.attach(&volume, &file, &kek).says("data1 unlocked with a key file");
    assert_eq!(world.read_and_close(), "hello from v\n");
    // Two runs, each a token and an unwrap.
    assert_eq!(world.requests().len(), 4);
}

#[test]
#[ignore = "needs root: make check-root"]
fn algorithms_and_paddings_of_azure_are_understood() {
    for algorithm in ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5"] {
        for padding in ["none", "one", "two", "correct"] {
            let mut scenario = contoso();
            let vault = &mut scenario["vaults"][0];
            vault["answer"] =
                json!({"alphabet": "standard", "padding": padding, "white_space": true});
            let version = &mut vault["secrets"][1]["versions"][0];
            version["wrap"]["algorithm"] = json!(algorithm);
            version["tags"]["DiskEncryptionKeyEncryptionAlgorithm"] = json!(algorithm);
            if padding == "none" || algorithm == "RSA-OAEP" {
                opens(scenario, &secret("wrapped"), "");
            }
        }
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_systems_own_trust_store_is_used_without_ca() {
    let world = World::with_azure(contoso());
    let volume = world.luks("v", &Luks::default());
    let words = ["contoso-kv.vault.azure.net", "certificate", "ca=FILE trusts a private CA"];
    world.attach(&volume, &secret("plain"), "").refuses(76, &words);
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let system = std::fs::read(bundle).unwrap_or_default();
    let ca = std::fs::read(world.path("ca.pem")).unwrap();
    std::fs::write(bundle, [&system[..], &ca[..]].concat()).unwrap();
    let run = world.attach(&volume, &secret("plain"), "");
    std::fs::write(bundle, system).unwrap();
    run.says("data1 unlocked with Key Vault");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

/// A refusal: nothing mapped, its words, its status; the changes come before the run.
#[track_caller]
fn refuses(changes: Vec<Value>, key: &str, options: &str, status: i32, words: &[&str]) -> World {
    let world = World::with_azure(contoso());
    for change in changes {
        let change: Change = serde_json::from_value(change).unwrap();
        world.emulator.as_ref().unwrap().change(change).unwrap();
    }
    let volume: Volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let options = format!("{},{options}", world.ca());
    let options = format!("timeout=5,{options}");
    let run = world.run(&["attach", "data1", &volume.device, key, options.trim_end_matches(',')]);
    run.refuses(status, words);
    world.nothing_is_left();
    world
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disabled_kek() {
    let change = json!({"disable_key": {"vault": "contoso-kv.vault.azure.net", "name": "kek"}});
    refuses(vec![change], &secret("wrapped"), "", 77, &["KeyDisabled", "enable the KEK"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_disabled_secret() {
    let change =
        json!({"disable_secret": {"vault": "contoso-kv.vault.azure.net", "name": "plain"}});
    refuses(vec![change], &secret("plain"), "", 4, &["secret plain is disabled", "enable it"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn no_identity() {
    let change = json!({"remove_identities": true});
    let words = ["Identity not found", "az vm identity assign"];
    refuses(vec![change], &secret("plain"), "", 77, &words);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_missing_permission_is_named() {
    let host = "contoso-kv.vault.azure.net";
    let only = |secrets: Value| {
        json!({"set_permissions": {"vault": host, "permissions":
        [{"identity": "vm", "secrets": secrets, "keys": []}]}})
    };
    refuses(
        vec![only(json!([]))],
        &secret("wrapped"),
        "",
        77,
        &[
            "AccessDenied: no permission secrets/get",
            "6f1c0d52-0000-4000-8000-000000000001 secrets/get",
        ],
    );
    let words = [
        "AccessDenied: no permission keys/unwrapKey",
        "6f1c0d52-0000-4000-8000-000000000001 keys/unwrapKey",
    ];
    refuses(vec![only(json!(["get"]))], &secret("wrapped"), "", 77, &words);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_firewall_and_a_private_link() {
    for (network, words) in [
        ("firewall", ["ForbiddenByFirewall", "vault's network rules"]),
        ("private_link", ["ForbiddenByConnection", "private links only"]),
    ] {
        let change =
            json!({"set_network": {"vault": "contoso-kv.vault.azure.net", "network": network}});
        refuses(vec![change], &secret("plain"), "", 77, &words);
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_secret_that_is_not_there() {
    refuses(vec![], &secret("gone"), "", 4, &["HTTP 404 SecretNotFound (gone)", "recover it"]);
    let options = format!("machine-name=other,vault={VAULT}");
    let words = ["none of 2 secrets has tags", "no key disk", "machine-name= of its line"];
    refuses(vec![], "-", &options, 4, &words);
}

#[test]
#[ignore = "needs root: make check-root"]
fn certificates_that_are_not_to_be_trusted() {
    for (certificate, words) in [
        ("expired", ["certificate", "is the clock right?"]),
        ("not_yet_valid", ["certificate", "is the clock right?"]),
        ("wrong_name", ["certificate", "ca=FILE"]),
        ("other_ca", ["certificate", "ca=FILE"]),
    ] {
        let vault = "contoso-kv.vault.azure.net";
        let change = json!({"set_certificate": {"vault": vault, "certificate": certificate}});
        refuses(vec![change], &secret("plain"), "", 76, &words);
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_host_that_is_no_vault_is_never_asked() {
    let key = "https://contoso-kv.vault.azure.net.example.org/secrets/plain";
    let world = refuses(vec![], key, "", 76, &["is no Key Vault host; no token was sent"]);
    assert!(world.requests().is_empty());
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_throttled_vault_is_asked_again() {
    let mut scenario = contoso();
    scenario["faults"] = json!([{"match": {"service": "vault"}, "times": 2,
        "action": {"throttled": {"retry_after": 0}}}]);
    let world = opens(scenario, &secret("plain"), "");
    assert_eq!(world.requests().len(), 4);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_dead_metadata_service_ends_at_the_deadline() {
    let fault = json!({"push_fault": {"match": {"service": "imds"}, "times": "forever",
        "action": {"reply": {"status": 503, "headers": {}, "body": "busy"}}}});
    let words = ["metadata service 169.254.169.254: HTTP 503", "gave up after"];
    refuses(vec![fault], &secret("plain"), "", 69, &words);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_network_that_is_not_there() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let run = world.run(&["attach", "data1", &volume.device, &secret("plain"), "timeout=3"]);
    run.refuses(69, &["metadata service 169.254.169.254: Connection refused", "gave up after"]);
    world.nothing_is_left();
}
