//! Faults on the wire: each action, sequences, what a fault must not do to others.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use azure_emulator::{Emulator, Service};
use serde_json::{Value, json};

use super::client::{
    AUDIENCE, Answer, HOST, Vault, identity, imds, one_vault, request, start, tls, token_target,
};

const SECRET: &str = "/secrets/s?api-version=7.4";
const METADATA: &[&str] = &["Metadata: true"];

/// A vault with one secret; faults come afterwards, so that they do not hit the token request.
fn vault_with(faults: Value) -> Emulator {
    let secret = json!([{"name": "s", "versions": [{"value": "v".repeat(1000)}]}]);
    let emulator = one_vault(json!({"secrets": secret}));
    for fault in faults.as_array().unwrap() {
        emulator.push_fault(serde_json::from_value(fault.clone()).unwrap());
    }
    emulator
}

fn once(action: Value) -> Answer {
    let fault = json!({"match": {"service": "vault"}, "action": action});
    Vault::new(&vault_with(json!([fault]))).get(SECRET)
}

fn machine(faults: Value) -> Emulator {
    start(json!({"imds": {"identities": [identity()]}, "faults": faults}))
}

#[test]
fn a_sequence_is_used_up_in_order() {
    let emulator = machine(json!([
        {"action": {"throttled": {}}, "times": 2},
        {"action": "pass"},
        {"action": {"reply": {"status": 410}}},
    ]));
    let ask = || imds(&emulator, &token_target(AUDIENCE), METADATA).status;
    let statuses: Vec<u16> = (0..5).map(|_| ask()).collect();
    assert_eq!(statuses, [429, 429, 200, 410, 200]);
}

#[test]
fn forever_does_not_end_and_applies_only_to_its_match() {
    let emulator = vault_with(json!([{
        "match": {"service": "vault", "method": "GET", "path": "/secrets/*", "host": HOST},
        "times": "forever", "action": {"reply": {"status": 503, "headers": {"Retry-After": "7"}}},
    }]));
    let vault = Vault::new(&emulator);
    for _ in 0..3 {
        let answer = vault.get(SECRET);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    }
    assert_eq!(vault.get("/secrets?api-version=7.4").status, 200);
}

#[test]
fn throttling_speaks_key_vault_and_has_a_retry_after_only_when_told() {
    let plain = once(json!({"throttled": {}}));
    assert_eq!((plain.status, plain.header("retry-after")), (429, None));
    assert_eq!(plain.refusal().1, "Throttled");
    let told = once(json!({"throttled": {"retry_after": 3}}));
    assert_eq!(told.header("retry-after"), Some("3"));
}

#[test]
fn a_reply_is_sent_as_written() {
    let text = once(json!({"reply": {"status": 200, "body": "<html>",
        "headers": {"Content-Type": "text/html"}}}));
    assert_eq!(
        (text.body.as_slice(), text.header("content-type")),
        (&b"<html>"[..], Some("text/html"))
    );
    let object = once(json!({"reply": {"status": 418, "body": {"a": 1}}}));
    assert_eq!((object.status, object.json()), (418, json!({"a": 1})));
}

#[test]
fn a_redirect_names_its_place() {
    let answer = once(json!({"redirect": "https://evil.example.net/"}));
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://evil.example.net/"))
    );
}

#[test]
fn a_dropped_connection_has_no_answer() {
    let answer = once(json!("drop"));
    assert!(answer.bytes.is_empty());
    // TLS was not closed properly either: truncation has to be noticed.
    assert_eq!(answer.end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn half_an_answer_promises_more_than_it_has() {
    let answer = once(json!("half"));
    let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), promised / 2);
    assert_eq!(answer.end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_reset_is_a_reset() {
    let emulator = machine(json!([{"action": "reset"}]));
    let answer = imds(&emulator, &token_target(AUDIENCE), METADATA);
    assert!(answer.bytes.is_empty());
    assert_eq!(answer.end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn garbage_is_not_http() {
    let answer = once(json!({"garbage": 40}));
    assert_eq!((answer.bytes.len(), answer.status), (40, 0));
}

#[test]
fn an_oversized_answer_is_complete_and_large() {
    let answer = once(json!({"oversized": 3_000_000}));
    assert_eq!(answer.json()["value"].as_str().unwrap().len(), 3_000_000);
    assert!(answer.end.is_ok());
}

#[test]
fn a_dripping_answer_arrives_whole() {
    let emulator = machine(json!([{"action": {"drip_ms": 0}}]));
    let answer = imds(&emulator, "/metadata/versions", METADATA);
    assert_eq!(answer.status, 200);
    assert!(answer.json()["apiVersions"].is_array());
}

#[test]
fn a_delay_holds_up_nobody_else_and_ends_with_the_emulator() {
    let emulator = machine(json!([{"delay_ms": 3_600_000}]));
    let mut waiting = TcpStream::connect(emulator.imds_address()).unwrap();
    let bytes = request("GET", "/metadata/versions", "x", METADATA, "");
    waiting.write_all(&bytes).unwrap();
    // The rule is used up once its request is in the log; then others pass.
    while emulator.requests().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(imds(&emulator, "/metadata/versions", METADATA).status, 200);
    let delayed = emulator.requests()[0].fault.clone();
    assert_eq!(delayed.as_deref(), Some("pass after 3600000 ms"));
    drop(emulator);
    assert_eq!(waiting.read(&mut [0; 16]).unwrap_or(0), 0);
}

#[test]
fn connections_can_fail_before_tls_begins() {
    let connect =
        |action: Value| json!({"match": {"at": "connect", "service": "vault"}, "action": action});
    let faults =
        json!([connect(json!("reset")), connect(json!("drop")), connect(json!({"garbage": 8}))]);
    let emulator = vault_with(faults);
    for _ in 0..3 {
        let socket = TcpStream::connect(emulator.vault_address()).unwrap();
        let mut stream = tls(socket, HOST, &emulator.ca_pem());
        assert!(stream.write_all(b"GET").and_then(|()| stream.flush()).is_err());
    }
    assert_eq!(Vault::new(&emulator).get(SECRET).status, 200);
    let connections = emulator.connections(Service::Vault);
    let faults: Vec<_> = connections.iter().map(|one| one.fault.as_deref()).collect();
    assert_eq!(faults, [Some("reset"), Some("drop"), Some("garbage"), None]);
}

#[test]
fn what_is_not_http_is_refused() {
    let emulator = machine(json!([]));
    let send = |bytes: &[u8]| {
        let socket = TcpStream::connect(emulator.imds_address()).unwrap();
        super::client::exchange(socket, bytes).status
    };
    assert_eq!(send(b"\x16\x03\x01\r\n\r\n"), 400);
    assert_eq!(send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
    assert_eq!(send(b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"), 413);
    assert_eq!(send(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
    let head = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(64 * 1024));
    assert_eq!(send(&head.as_bytes()[..64 * 1024]), 431);
}
