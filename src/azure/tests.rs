use super::*;
use crate::azure::fake::{Fake, TOKEN, answer, refused, token, token_named};
use crate::azure::id::KeyId;
use crate::deadline::VirtualClock;
use crate::volume::KekAlgorithm;

const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/bek-1";
const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

fn secret_body() -> String {
    format!(r#"{{"value":"QUJD","id":"{SECRET}/1"}}"#)
}

fn id() -> SecretId {
    SecretId::parse(SECRET).unwrap()
}

fn ask(fake: &Fake) -> Result<Rc<VaultSecret>, Kind> {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    fake.azure().secret(&id(), &deadline)
}

/// A 401 with this challenge.
fn unauthorized(challenge: &str) -> Result<Response, http::HttpError> {
    let refused = refused(401, "Unauthorized", "", "AKV10000: Request is missing a token.");
    refused.map(|response| Response { challenge: Some(challenge.to_owned()), ..response })
}

fn good_challenge() -> Result<Response, http::HttpError> {
    unauthorized(
        r#"Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net""#,
    )
}

#[test]
fn a_boot_unlock_is_three_requests() {
    let unwrapped = format!(r#"{{"kid":"{KEK}","value":"QUJD"}}"#);
    let fake = Fake::new([token(), answer(200, &secret_body()), answer(200, &unwrapped)]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    let mut azure = fake.azure();
    azure.secret(&id(), &deadline).unwrap();
    let kek = KeyId::parse(KEK).unwrap();
    azure.unwrap_key(&kek, KekAlgorithm::RsaOaep, &[1; 256], &deadline).unwrap();
    assert_eq!(
        fake.lines(),
        [
            "GET imds/metadata/identity/oauth2/token",
            "GET contoso-kv.vault.azure.net/secrets/bek-1",
            "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey",
        ]
    );
    let bearers: Vec<_> = fake.requests().into_iter().map(|request| request.bearer).collect();
    assert_eq!(bearers, [None, Some(TOKEN.to_owned()), Some(TOKEN.to_owned())]);
}

#[test]
fn busy_vaults_are_asked_again_with_the_same_token() {
    for status in [408, 429, 500, 502, 503, 504] {
        let fake = Fake::new([
            token(),
            answer(status, "<html>"),
            answer(status, ""),
            answer(200, &secret_body()),
        ]);
        assert!(ask(&fake).is_ok(), "{status}");
        assert_eq!(fake.requests().len(), 4);
    }
}

#[test]
fn retry_after_is_kept_and_too_long_a_one_ends_it() {
    let busy = |seconds| {
        answer(429, "").map(|response| Response {
            retry_after: Some(Duration::from_secs(seconds)),
            ..response
        })
    };
    let fake = Fake::new([token(), busy(7), answer(200, &secret_body())]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    assert!(fake.azure().secret(&id(), &deadline).is_ok());
    assert_eq!(deadline.elapsed(), Duration::from_millis(7500));
    let fake = Fake::new([token(), busy(600), answer(200, &secret_body())]);
    let Kind::VaultUnreachable { unreachable, .. } = ask(&fake).unwrap_err() else { panic!() };
    assert_eq!((unreachable.tries, unreachable.problem), (1, TransportProblem::Status(429)));
}

#[test]
fn every_transport_failure_has_its_outcome() {
    use crate::azure::http::HttpError as E;
    for error in [
        E::Connect("Connection refused".into()),
        E::Interrupted("Connection reset by peer".into()),
        E::Resolve("Temporary failure in name resolution".into()),
        E::TimedOut,
    ] {
        let fake = Fake::new([token(), Err(error), answer(200, &secret_body())]);
        assert!(ask(&fake).is_ok());
    }
    for (error, problem) in [
        (E::Certificate("c".into()), TrustProblem::Certificate("c".into())),
        (E::CertificateTime("t".into()), TrustProblem::CertificateTime("t".into())),
        (E::Malformed("m".into()), TrustProblem::Answer("m".into())),
        (E::NoAuthorities("/ca".into()), TrustProblem::NoAuthorities("/ca".into())),
        (E::TooLarge(131072), TrustProblem::Answer("answer is larger than 128 KiB".into())),
    ] {
        let fake = Fake::new([token(), Err(error), answer(200, &secret_body())]);
        let host = id().host().clone();
        assert_eq!(ask(&fake).unwrap_err(), Kind::VaultUntrusted { host, problem });
        assert_eq!(fake.requests().len(), 2);
    }
    let fake = Fake::new([token(), Err(E::Internal("x".into()))]);
    assert!(matches!(ask(&fake).unwrap_err(), Kind::Internal { .. }));
}

#[test]
fn a_redirect_is_not_followed() {
    let fake = Fake::new([token(), answer(302, ""), answer(200, &secret_body())]);
    let problem = TrustProblem::Redirect;
    assert_eq!(
        ask(&fake).unwrap_err(),
        Kind::VaultUntrusted { host: id().host().clone(), problem }
    );
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_refused_token_is_renewed_once() {
    let fake = Fake::new([
        token_named("old"),
        good_challenge(),
        token_named("new"),
        answer(200, &secret_body()),
    ]);
    assert!(ask(&fake).is_ok());
    let bearers: Vec<_> = fake.requests().into_iter().map(|request| request.bearer).collect();
    assert_eq!(bearers, [None, Some("old".into()), None, Some("new".into())]);
    let fake = Fake::new([
        token_named("old"),
        good_challenge(),
        token_named("new"),
        good_challenge(),
        token_named("newer"),
    ]);
    let Kind::VaultDenied(denied) = ask(&fake).unwrap_err() else { panic!() };
    assert_eq!(
        (denied.status, denied.text.as_str()),
        (401, "AKV10000: Request is missing a token")
    );
    assert_eq!(fake.requests().len(), 4);
}

#[test]
fn the_same_token_again_is_not_sent_again() {
    let fake = Fake::new([token(), good_challenge(), token(), answer(200, &secret_body())]);
    assert!(matches!(ask(&fake).unwrap_err(), Kind::VaultDenied(_)));
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn a_challenge_for_another_service_gets_no_token() {
    let challenge = r#"Bearer authorization="https://x", resource="https://graph.microsoft.com""#;
    let fake = Fake::new([token(), unauthorized(challenge), token_named("new")]);
    assert_eq!(
        ask(&fake).unwrap_err().to_string(),
        "contoso-kv.vault.azure.net: asks for a token of another service: \
         https://graph.microsoft.com"
    );
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_token_is_asked_for_once_per_audience_and_again_when_it_dies() {
    let fake = Fake::new([
        token(),
        answer(403, ""),
        answer(403, ""),
        token_named("second"),
        answer(403, ""),
    ]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let mut azure = fake.azure();
    azure.secret(&id(), &deadline).unwrap_err();
    azure.secret(&id(), &deadline).unwrap_err();
    assert_eq!(fake.requests().len(), 3);
    // 86399 s less five minutes.
    deadline.sleep(Duration::from_secs(86_099));
    azure.secret(&id(), &deadline).unwrap_err();
    assert_eq!(fake.requests().last().unwrap().bearer.as_deref(), Some("second"));
}

#[test]
fn the_vm_name_is_asked_once() {
    let fake = Fake::new([answer(200, "vm-1")]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let mut azure = fake.azure();
    for _ in 0..2 {
        assert_eq!(azure.vm_name(&deadline), Ok(Some("vm-1".to_owned())));
    }
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn debug_shows_no_token() {
    let fake = Fake::new([token(), answer(200, &secret_body())]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let mut azure = fake.azure();
    let secret = azure.secret(&id(), &deadline).unwrap();
    let shown = format!("{azure:?} {secret:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains("QUJD"), "{shown}");
}

#[test]
fn mutated_answers_end_in_printable_errors_without_their_values() {
    let value = "U0VOVElORUw".repeat(8);
    let bodies = [
        format!(r#"{{"access_token":"{value}","expires_in":"86399","token_type":"Bearer"}}"#),
        format!(r#"{{"id":"{SECRET}/1","value":"{value}","tags":{{"MachineName":"vm-1"}}}}"#),
        format!(r#"{{"kid":"{KEK}","value":"{value}"}}"#),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut refused = 0;
    for round in 0..6_000 {
        let mut bodies = bodies.clone().map(String::into_bytes);
        let body = &mut bodies[round % 3];
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..body.len());
            match random.u8(..3) {
                0 => body[place] = random.u8(..),
                1 => body.insert(place, *random.choice(b"\"{}[],:\\ \0").unwrap()),
                _ => drop(body.remove(place)),
            }
        }
        let answers = bodies.map(|body| {
            answer(200, "").map(|response| Response { body: Secret::new(body), ..response })
        });
        let fake = Fake::new(answers);
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(Duration::from_secs(9)));
        let mut azure = fake.azure();
        let kek = KeyId::parse(KEK).unwrap();
        let outcome = azure
            .secret(&id(), &deadline)
            .and_then(|_| azure.unwrap_key(&kek, KekAlgorithm::RsaOaep, &[1; 256], &deadline));
        if let Err(kind) = outcome {
            refused += 1;
            let text = format!("{kind} {kind:?}");
            assert!(text.chars().all(|c| (' '..='~').contains(&c)), "{text}");
            assert!(!text.contains("U0VOVElORUwU0VO"), "{text}");
        }
    }
    assert!(refused > 1_000, "{refused}");
}
