//! The wire of an unlock that works: which requests, on how many connections, with what.

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use azure_emulator::Service;
use serde_json::json;

use bek_unlock::azure::id::VaultUrl;
use bek_unlock::deadline::Deadline;
use bek_unlock::key::KeySource;
use bek_unlock::key::vault::{Kek, KeyVault, Lookup, MachineName};
use bek_unlock::volume::KeyFileName;

use crate::world::*;

pub const TOKEN_LINE: &str = "GET /metadata/identity/oauth2/token -> 200";

const GET_LINE: &str = "GET /secrets/bek-1 -> 200";

fn unwrap_line(status: u16) -> String {
    format!("POST /keys/kek/{}/unwrapkey -> {status}", "0".repeat(32))
}

#[test]
fn a_boot_unlock_is_three_requests_on_two_connections() {
    let world = World::new(json!({}), json!([]));
    assert_eq!(world.unlock().unwrap(), PASSPHRASE.as_bytes());
    assert_eq!(world.lines(), [TOKEN_LINE.to_owned(), GET_LINE.to_owned(), unwrap_line(200)]);
    let requests = world.emulator.requests();
    assert_eq!(world.emulator.connections(Service::Imds).len(), 1);
    assert_eq!(world.emulator.connections(Service::Vault).len(), 1);
    assert_eq!(requests[1].connection, requests[2].connection);
    let names = |number: usize| -> Vec<&str> {
        requests[number].header_names.iter().map(String::as_str).collect()
    };
    assert!(names(0).contains(&"metadata"), "{:?}", names(0));
    for number in 0..3 {
        for unwanted in ["x-forwarded-for", "via", "proxy-authorization", "referer", "cookie"] {
            assert!(!names(number).contains(&unwanted), "{unwanted}");
        }
    }
    assert!(!names(1).contains(&"metadata"));
    assert_eq!(requests[0].authorization, "absent");
    for request in &requests[1..] {
        assert_eq!(request.authorization, "Bearer present: audience https://vault.azure.net");
        assert_eq!(request.host, HOST);
    }
}

#[test]
fn the_environment_changes_nothing() {
    // A process of its own: proxies nobody listens on, and authorities that are none.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "wire::a_boot_unlock_is_three_requests_on_two_connections"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        child.env(name, "http://127.0.0.1:9");
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"] {
        child.env(name, "/nonexistent");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_secret_is_found_by_its_tags() {
    let world = World::new(json!({"paging": {"pages": [0, 1]}}), json!([]));
    let lookup = Lookup::Tags {
        vault: VaultUrl::parse(&format!("https://{HOST}")).unwrap(),
        files: vec![KeyFileName::parse(FILE).unwrap()],
        machine: MachineName::Guest(Some("WEB-1".to_owned())),
    };
    let azure = Rc::new(RefCell::new(world.azure()));
    let mut source = KeyVault::new(azure, lookup, Kek::default());
    let clock = hurried();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    let found = source.keys(&deadline).unwrap();
    assert_eq!(found[0].secret.expose(), PASSPHRASE.as_bytes());
    assert!(found[0].origin.starts_with("key vault contoso-kv: bek-1/"), "{}", found[0].origin);
    assert_eq!(world.requests(Service::Imds), 1);
    assert_eq!(world.emulator.connections(Service::Vault).len(), 1);
}

#[test]
fn answers_of_every_spelling_are_decoded_once() {
    for alphabet in ["url", "standard"] {
        for padding in ["none", "correct", "one", "two"] {
            let answer = json!({"alphabet": alphabet, "padding": padding, "white_space": true});
            let world = World::new(json!({"answer": answer}), json!([]));
            assert_eq!(world.unlock().unwrap(), PASSPHRASE.as_bytes(), "{alphabet} {padding}");
        }
    }
}

#[test]
fn a_token_that_dies_is_renewed_once() {
    let mut imds = imds();
    imds["token"] = json!({"max_uses": 1});
    let world = World::of(json!({"imds": imds, "vaults": [vault()]}));
    assert_eq!(world.unlock().unwrap(), PASSPHRASE.as_bytes());
    assert_eq!(
        world.lines(),
        [
            TOKEN_LINE.to_owned(),
            GET_LINE.to_owned(),
            unwrap_line(401),
            TOKEN_LINE.to_owned(),
            unwrap_line(200),
        ]
    );
}
