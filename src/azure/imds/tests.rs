use super::*;
use crate::azure::fake::{Fake, TOKEN, answer, token as token_answer, token_named};
use crate::azure::id::Host;
use crate::azure::trust::Trust;
use crate::deadline::VirtualClock;

const SECOND: Duration = Duration::from_secs(1);
const NO_IDENTITY: &str = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;

/// Asks `fake` for a token within 90 s; also tells when each request was made.
fn ask_token(fake: &Fake, identity: Option<Identity>) -> (Result<Token, Kind>, Duration) {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(90 * SECOND));
    let host = Host::parse("contoso-kv.vault.azure.net").unwrap();
    let audience = Trust::new(&[]).check(&host).unwrap().audience().clone();
    let mut http = fake.clone();
    let token = token(&mut http, identity.as_ref(), &audience, || 0.5, &deadline);
    (token, deadline.elapsed())
}

fn refusal(status: u16, body: &str) -> (Kind, usize) {
    let fake = Fake::new([answer(status, body), answer(status, body)]);
    let (token, _) = ask_token(&fake, None);
    (token.unwrap_err(), fake.requests().len())
}

#[test]
fn the_request_is_the_documented_one() {
    let fake = Fake::new([token_answer()]);
    let (token, _) = ask_token(&fake, None);
    let token = token.unwrap();
    assert_eq!(token.secret.expose(), TOKEN.as_bytes());
    assert_eq!(token.lifetime, Some(Duration::from_secs(86399)));
    assert_eq!(
        fake.requests()[0].line,
        "GET imds/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fvault.azure.net"
    );
}

#[test]
fn each_identity_has_its_selector() {
    for (identity, selector) in [
        (Identity::Client("6F1C".into()), "&client_id=6F1C"),
        (Identity::Object("0b2a".into()), "&object_id=0b2a"),
        (Identity::Resource("/subscriptions/a b".into()), "&msi_res_id=%2Fsubscriptions%2Fa%20b"),
    ] {
        let fake = Fake::new([answer(200, r#"{"access_token":"t"}"#)]);
        ask_token(&fake, Some(identity)).0.unwrap();
        assert!(fake.requests()[0].line.ends_with(selector), "{:?}", fake.requests());
    }
}

#[test]
fn lifetimes_come_as_numbers_too() {
    for (lifetime, seconds) in [("3599", Some(3599)), ("\"3599\"", Some(3599)), ("null", None)] {
        let body = format!(r#"{{"access_token":"t","expires_in":{lifetime}}}"#);
        let (token, _) = ask_token(&Fake::new([answer(200, &body)]), None);
        assert_eq!(token.unwrap().lifetime, seconds.map(Duration::from_secs));
    }
}

#[test]
fn what_says_later_is_asked_again() {
    for status in [404, 410, 429, 500, 502, 503, 504, 599] {
        let fake = Fake::new([answer(status, "<html>"), answer(status, ""), token_answer()]);
        let (token, waited) = ask_token(&fake, None);
        assert!(token.is_ok(), "{status}");
        assert_eq!(fake.requests().len(), 3);
        // Never sooner than a second, with half the drawn second and two on top.
        assert_eq!(waited, Duration::from_millis(3500), "{status}");
    }
}

#[test]
fn what_never_answers_is_given_up_with_the_deadline() {
    let fake = Fake::new((0..99).map(|_| answer(410, "")));
    let (token, waited) = ask_token(&fake, None);
    let Kind::MetadataUnreachable(unreachable) = token.unwrap_err() else { panic!() };
    assert_eq!(unreachable.problem, TransportProblem::Status(410));
    assert_eq!(unreachable.tries as usize, fake.requests().len());
    assert_eq!(waited, 89 * SECOND);
}

#[test]
fn transport_failures_are_asked_again() {
    for error in [
        HttpError::Connect("Network is unreachable".into()),
        HttpError::Interrupted("Connection reset by peer".into()),
        HttpError::Resolve("no".into()),
        HttpError::TimedOut,
    ] {
        let fake = Fake::new([Err(error), token_answer()]);
        assert!(ask_token(&fake, None).0.is_ok());
    }
}

#[test]
fn a_missing_identity_gets_one_slow_second_chance() {
    let fake = Fake::new([answer(400, NO_IDENTITY), token_answer()]);
    let (token, waited) = ask_token(&fake, None);
    assert!(token.is_ok());
    assert_eq!(waited, SECOND_CHANCE);
    let (kind, requests) = refusal(400, NO_IDENTITY);
    assert_eq!(requests, 2);
    assert_eq!(kind, Kind::IdentityMissing { status: 400, text: "Identity not found".into() });
}

#[test]
fn other_refusals_are_final_and_in_imds_words() {
    for (status, body, text) in [
        (
            400,
            r#"{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}"#,
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
        ),
        (400, r#"{"error":"invalid_resource"}"#, "invalid_resource"),
        (400, "not json", ""),
        (
            401,
            r#"{"error":"unknown_source","error_description":"Unknown Source"}"#,
            "Unknown Source",
        ),
        (403, r#"{"error":"access\u001b_denied"}"#, "access?_denied"),
    ] {
        let (kind, requests) = refusal(status, body);
        assert_eq!(kind, Kind::IdentityMissing { status, text: text.into() });
        assert_eq!(requests, 1, "{status} {body}");
    }
}

#[test]
fn answers_that_are_none_are_not_trusted() {
    for (status, body, reason) in [
        (302, "", "answered with a redirect"),
        (204, "", "HTTP 204"),
        (405, r#"{"error":"Method not allowed."}"#, "HTTP 405: Method not allowed"),
        (200, "", "answer holds no token"),
        (200, "<html>", "answer holds no token"),
        (200, r#"{"access_token":""}"#, "answer holds no token"),
        (200, r#"{"access_token":"a b"}"#, "answer holds no token"),
        (200, r#"{"access_token":"a\r\nX: y"}"#, "answer holds no token"),
        (200, r#"{"access_token":12345}"#, "answer holds no token"),
        (200, r#"{"access_token":"t","token_type":"pop"}"#, "answer holds no token"),
        (200, r#"{"access_token":"SENTINEL","client_id":[1]}"#, "answer holds no token"),
    ] {
        let (kind, requests) = refusal(status, body);
        assert_eq!(kind, Kind::MetadataUntrusted { reason: reason.into() }, "{status} {body}");
        assert_eq!(requests, 1);
    }
    for error in [HttpError::Malformed("answer is no HTTP".into()), HttpError::TooLarge(65536)] {
        let fake = Fake::new([Err(error)]);
        let kind = ask_token(&fake, None).0.unwrap_err();
        assert!(matches!(kind, Kind::MetadataUntrusted { .. }), "{kind:?}");
        assert_eq!(fake.requests().len(), 1);
    }
}

#[test]
fn another_identity_than_the_asked_one_is_refused() {
    let asked = |id: &str| Some(Identity::Client(id.to_owned()));
    let same = "6F1C0D52-0000-4000-8000-000000000001";
    assert!(ask_token(&Fake::new([token_named("t")]), asked(same)).0.is_ok());
    let (token, _) = ask_token(&Fake::new([token_named("t")]), asked("0000"));
    let Kind::IdentityMissing { text, .. } = token.unwrap_err() else { panic!() };
    assert_eq!(text, "asked for client id 0000, got 6f1c0d52-0000-4000-8000-000000000001");
}

#[test]
fn the_vm_name_is_plain_text() {
    let name = |body: &str| {
        let fake = Fake::new([answer(200, body)]);
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(SECOND));
        let name = vm_name(&mut fake.clone(), || 0.5, &deadline).unwrap();
        assert_eq!(fake.lines(), ["GET imds/metadata/instance/compute/name"]);
        name
    };
    assert_eq!(name("vm-1.contoso_2\n"), Some("vm-1.contoso_2".to_owned()));
    assert_eq!(name(""), None);
    assert_eq!(name("vm 1"), None);
    assert_eq!(name(&"x".repeat(81)), None);
}
