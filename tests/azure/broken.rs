//! Answers that are late, broken, too long or none.

use std::time::Duration;

use azure_emulator::Service;
use serde_json::json;

use bek_unlock::azure::http::{Http, HttpError, Method, Request, Service as Asked};
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::edge::http::authorities::Authorities;
use bek_unlock::edge::http::{Endpoints, Network};
use bek_unlock::error::{Kind, TransportProblem, TrustProblem};

use crate::wire::TOKEN_LINE;
use crate::world::*;

#[test]
fn a_redirect_is_not_followed() {
    let target = format!("https://{HOST}/secrets/other");
    let world = World::new(json!({}), json!([fault("/secrets/*", 9, json!({"redirect": target}))]));
    assert_eq!(untrusted(world.unlock()), TrustProblem::Redirect);
    assert_eq!(world.lines(), [TOKEN_LINE, "GET /secrets/bek-1 -> 302"]);
    let away = json!({"redirect": "http://127.0.0.1:9/"});
    let world = World::new(json!({}), json!([fault("/metadata/*", 9, away)]));
    assert_eq!(
        world.unlock().unwrap_err(),
        Kind::MetadataUntrusted { reason: "answered with a redirect".into() }
    );
}

#[test]
fn garbage_is_not_asked_for_twice() {
    let garbage = json!({"garbage": 512});
    let world = World::new(json!({}), json!([fault("/secrets/*", 9, garbage.clone())]));
    let answer = TrustProblem::Answer("answer is no HTTP".to_owned());
    assert_eq!(untrusted(world.unlock()), answer);
    assert_eq!(world.requests(Service::Vault), 1);
    let world = World::new(json!({}), json!([fault("/metadata/*", 9, garbage.clone())]));
    assert_eq!(
        world.unlock().unwrap_err(),
        Kind::MetadataUntrusted { reason: "answer is no HTTP".into() }
    );
    let connect = json!({"match": {"at": "connect", "service": "vault"}, "times": 9,
                         "action": garbage});
    let world = World::new(json!({}), json!([connect]));
    let TrustProblem::Answer(reason) = untrusted(world.unlock()) else { panic!() };
    assert!(reason.starts_with("TLS: "), "{reason}");
    assert_eq!(world.emulator.connections(Service::Vault).len(), 1);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let oversized = json!({"oversized": 4_000_000});
    let world = World::new(json!({}), json!([fault("/secrets/*", 9, oversized.clone())]));
    let answer = TrustProblem::Answer("answer is larger than 128 KiB".to_owned());
    assert_eq!(untrusted(world.unlock()), answer);
    let world = World::new(json!({}), json!([fault("/metadata/*", 9, oversized)]));
    assert_eq!(
        world.unlock().unwrap_err(),
        Kind::MetadataUntrusted { reason: "answer is larger than 64 KiB".into() }
    );
}

#[test]
fn broken_connections_are_tried_again() {
    for action in ["drop", "reset", "half"] {
        for path in ["/metadata/*", "/secrets/*", "/keys/*"] {
            let world = World::new(json!({}), json!([fault(path, 2, json!(action))]));
            assert_eq!(world.unlock().unwrap(), PASSPHRASE.as_bytes(), "{action} {path}");
            assert_eq!(world.emulator.requests().len(), 5, "{action} {path}");
        }
    }
}

#[test]
fn broken_connections_have_the_systems_words_in_the_end() {
    for (action, words) in [
        ("drop", "connection closed"),
        ("reset", "Connection reset by peer"),
        ("half", "connection closed"),
    ] {
        let world = World::new(json!({}), json!([fault("/secrets/*", 999, json!(action))]));
        let Kind::VaultUnreachable { unreachable, .. } = world.unlock().unwrap_err() else {
            panic!("{action}")
        };
        assert_eq!(
            unreachable.problem,
            TransportProblem::Interrupted(words.to_owned()),
            "{action}"
        );
        assert_eq!(unreachable.tries as usize, world.requests(Service::Vault));
    }
}

#[test]
fn busy_services_are_asked_again_as_they_say() {
    let busy = |path: &str| {
        json!([
            fault(path, 2, json!({"throttled": {"retry_after": 3}})),
            fault(path, 1, json!({"reply": {"status": 503, "body": "<html>busy</html>"}})),
            fault(path, 1, json!({"throttled": {}})),
        ])
    };
    for path in ["/metadata/*", "/secrets/*", "/keys/*"] {
        let world = World::new(json!({}), busy(path));
        assert_eq!(world.unlock().unwrap(), PASSPHRASE.as_bytes(), "{path}");
        assert_eq!(world.emulator.requests().len(), 7, "{path}");
    }
    let always = json!([fault("/secrets/*", 9, json!({"throttled": {"retry_after": 3600}}))]);
    let world = World::new(json!({}), always);
    let Kind::VaultUnreachable { unreachable, .. } = world.unlock().unwrap_err() else { panic!() };
    assert_eq!((unreachable.tries, unreachable.problem), (1, TransportProblem::Status(429)));
}

#[test]
fn a_service_that_does_not_answer_costs_one_try() {
    let slow = json!([{"match": {"service": "imds"}, "delay_ms": 600_000, "action": "pass"}]);
    let world = World::new(json!({}), slow);
    let mut network = world.network(world.ca.path().to_owned());
    let request = Request {
        method: Method::Get,
        service: Asked::Metadata,
        target: "/metadata/versions",
        bearer: None,
        body: None,
        limit: 1024,
    };
    let problem = network.send(&request, Duration::from_millis(200)).unwrap_err();
    assert_eq!(problem, HttpError::TimedOut);
    let drip = json!([{"match": {"service": "imds"}, "action": {"drip_ms": 60_000}}]);
    let world = World::new(json!({}), drip);
    let mut network = world.network(world.ca.path().to_owned());
    let problem = network.send(&request, Duration::from_millis(200)).unwrap_err();
    assert_eq!(problem, HttpError::TimedOut);
}

#[test]
fn nobody_there_is_said_in_the_systems_words() {
    // Port 1 (tcpmux): nobody listens there, and no test is ever given it.
    let endpoints = Endpoints { metadata: Some(([127, 0, 0, 1], 1).into()), vaults: Vec::new() };
    let settings = Settings { identity: None, suffixes: Vec::new(), random: || 0.5 };
    let azure = Azure::new(Box::new(Network::new(Authorities::default(), endpoints)), settings);
    let Kind::MetadataUnreachable(unreachable) = unlock(azure).unwrap_err() else { panic!() };
    assert_eq!(unreachable.problem, TransportProblem::Connect("Connection refused".to_owned()));
    assert!(unreachable.tries > 30, "{unreachable:?}");
}
