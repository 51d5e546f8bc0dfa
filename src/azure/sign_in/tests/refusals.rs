//! What cannot work, each with its kind, exit status, words, and how often somebody was asked.

use super::*;
use crate::error::{TransportProblem, TrustProblem};

fn by_secret(answers: impl IntoIterator<Item = Answer>) -> Try {
    Try::new(Some("service-principal"), with_secret(), &Desk::default(), answers)
}

#[test]
fn entras_refusals_are_final_and_named() {
    for (status, error, code, words, shown) in [
        (
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure",
            "Invalid client secret provided",
        ),
        (
            401,
            "invalid_client",
            7000222,
            "The provided client secret keys are expired.",
            "The provided client secret keys are expired.",
        ),
        (
            400,
            "unauthorized_client",
            700016,
            "Application with identifier 'x' was not found. This",
            "Application with identifier 'x' was not found",
        ),
        (400, "invalid_request", 90002, "Tenant 'x' not found. Check", "Tenant 'x' not found"),
        (
            401,
            "invalid_client",
            700027,
            "Certificate is not registered. [Reason",
            "Certificate is not registered",
        ),
        (
            401,
            "invalid_client",
            700024,
            "Client assertion is not within its valid time range. C",
            "Client assertion is not within its valid time range",
        ),
        (
            400,
            "invalid_resource",
            500011,
            "The resource principal was not found. T",
            "The resource principal was not found",
        ),
        (
            401,
            "unauthorized_client",
            7000112,
            "Application is disabled. T",
            "Application is disabled",
        ),
        (400, "invalid_grant", 53003, "Access has been blocked. T", "Access has been blocked"),
        (400, "interaction_required", 50076, "You must use MFA. T", "You must use MFA"),
        (
            403,
            "access_denied",
            50105,
            "The account is not assigned. T",
            "The account is not assigned",
        ),
        (400, "invalid_grant", 65001, "Consent is missing. T", "Consent is missing"),
    ] {
        let (name, exit, text, requests) = fails(by_secret([no(status, error, code, words)]));
        assert_eq!((name, exit, requests), ("sign-in-refused", 77, 1));
        let shown = shown.strip_suffix('.').unwrap_or(shown);
        assert_eq!(text, format!("sign-in by service principal: AADSTS{code}: {shown}"));
    }
}

#[test]
fn a_refusal_without_number_or_words_is_one_too() {
    for (body, text) in [
        (r#"{"error":"invalid_client"}"#, "invalid_client"),
        (r#"{"error":"invalid_client","error_description":""}"#, "invalid_client"),
        (r#"{"error":"x","error_description":"AADSTS7000215: No. More."}"#, "AADSTS7000215: No"),
        (r#"{"error":"x","error_codes":["700016"]}"#, "AADSTS700016: x"),
        (r#"{"error":"\u001b[2J\r\n"}"#, "?[2J"),
    ] {
        let (name, exit, said, _) = fails(by_secret([answer(400, body)]));
        assert_eq!((name, exit), ("sign-in-refused", 77));
        assert_eq!(said, format!("sign-in by service principal: {text}"));
    }
}

#[test]
fn a_refusal_that_echoes_the_secret_is_shown_without_its_words() {
    let echo = no(401, "invalid_client", 7000215, &format!("Secret {SENTINEL} is wrong."));
    let (_, _, text, _) = fails(by_secret([echo]));
    assert_eq!(text, "sign-in by service principal: AADSTS7000215: invalid_client");
    let echo = no(401, SENTINEL, 7000215, "");
    let (_, _, text, _) = fails(by_secret([echo]));
    let withheld = "AADSTS7000215: its error repeats what was sent";
    assert_eq!(text, format!("sign-in by service principal: {withheld}"));
}

#[test]
fn answers_that_are_none_are_not_trusted() {
    for (answer, reason) in [
        (answer(200, ""), "answer holds no token"),
        (answer(200, "<html>SENTINEL</html>"), "answer holds no token"),
        (answer(200, r#"{"access_token":""}"#), "answer holds no token"),
        (answer(200, r#"{"access_token":["SENTINEL"]}"#), "answer holds no token"),
        (answer(200, r#"{"access_token":"SENTINEL x"}"#), "answer holds no token"),
        (answer(200, r#"{"access_token":"SENTINEL\r\nX: y"}"#), "answer holds no token"),
        (answer(200, r#"{"access_token":"SENTINEL","token_type":"pop"}"#), "answer holds no token"),
        (answer(400, "<html>"), "HTTP 400"),
        (answer(401, ""), "HTTP 401"),
        (answer(404, r#"{"error":"x"}"#), "HTTP 404"),
        (answer(204, ""), "HTTP 204"),
        (answer(302, ""), "answered with a redirect"),
        (answer(307, ""), "answered with a redirect"),
        (Err(HttpError::TooLarge(65536)), "answer is larger than 64 KiB"),
        (Err(HttpError::Malformed("answer is no HTTP".into())), "answer is no HTTP"),
        (
            Err(HttpError::Certificate("certificate of an unknown authority".into())),
            "certificate of an unknown authority",
        ),
        (Err(HttpError::CertificateTime("certificate expired".into())), "certificate expired"),
        (Err(HttpError::NoAuthorities("/ca.pem".into())), "no CA certificates in /ca.pem"),
    ] {
        let (name, exit, said, requests) = fails(by_secret([answer]));
        assert_eq!((name, exit, requests), ("sign-in-untrusted", 76, 1), "{reason}");
        assert_eq!(said, format!("{LOGIN}: {reason}"));
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    for again in [
        || answer(408, ""),
        || answer(429, ""),
        || answer(500, ""),
        || answer(503, "<html>"),
        || no(400, "temporarily_unavailable", 90033, "Later."),
        || Err(HttpError::TimedOut),
        || Err(HttpError::Connect("Connection refused".into())),
        || Err(HttpError::Interrupted("Connection reset by peer".into())),
        || Err(HttpError::Resolve("Temporary failure in name resolution".into())),
    ] {
        let mut attempt = by_secret([again(), again(), good("t")]);
        assert!(attempt.token().is_ok());
        assert_eq!(attempt.fake.requests().len(), 3);
    }
    let busy = |_| answer(503, "");
    let mut attempt = by_secret((0..50).map(busy));
    let kind = attempt.token().unwrap_err();
    assert_eq!((kind.name(), kind.exit_status()), ("sign-in-unreachable", 69));
    let Kind::SignInUnreachable { unreachable, .. } = kind else { panic!() };
    // Waits of 0.5, 1, 2, then 6 s, the last one cut so that a second is left.
    assert_eq!((unreachable.tries, unreachable.problem), (19, TransportProblem::Status(503)));
    assert_eq!(attempt.fake.requests().len(), 19);
}

#[test]
fn a_retry_after_beyond_the_deadline_ends_it_at_once() {
    let wait = answer(429, "")
        .map(|response| Response { retry_after: Some(Duration::from_secs(600)), ..response });
    let (name, exit, said, requests) = fails(by_secret([wait, good("t")]));
    assert_eq!((name, exit, requests), ("sign-in-unreachable", 69, 1));
    assert!(said.starts_with("login.microsoftonline.com: HTTP 429; gave up after 1 try"), "{said}");
}

#[test]
fn a_foreign_authority_gets_nothing() {
    let desk = Desk::default().file("/run/token", "a.b.SENTINEL");
    for word in ["service-principal", "workload-identity", "device-code"] {
        for host in
            ["evil.example", "http://login.microsoftonline.com", "https://169.254.169.254", "x y"]
        {
            let environment = Environment {
                authority_host: Some(host.to_owned()),
                federated_token_file: Some("/run/token".into()),
                ..with_secret()
            };
            let (name, exit, said, requests) =
                fails(Try::new(Some(word), environment, &desk, [good("t")]));
            assert_eq!((name, exit, requests), ("sign-in-untrusted", 76, 0));
            let text = "is no sign-in host of Azure; nothing was sent";
            assert_eq!(said, format!("AZURE_AUTHORITY_HOST={host} {text}"));
        }
    }
}

#[test]
fn mutated_answers_end_in_printable_errors_without_their_values() {
    let value = "U0VOVElORUw".repeat(8);
    let bodies = [
        format!(r#"{{"access_token":"{value}","expires_in":3599,"refresh_token":"{value}"}}"#),
        format!(r#"{{"error":"invalid_client","error_description":"AADSTS1: No","x":"{value}"}}"#),
        format!(
            r#"{{"user_code":"AB","device_code":"{value}","expires_in":9,"verification_uri":"https://m.com"}}"#
        ),
    ];
    let mut random = fastrand::Rng::with_seed(11);
    let mut refused = 0;
    for round in 0..3_000 {
        let mut body = bodies[round % 3].clone().into_bytes();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..body.len());
            match random.u8(..3) {
                0 => body[place] = random.u8(..),
                1 => body.insert(place, *random.choice(b"\"{}[],:\\ \0").unwrap()),
                _ => drop(body.remove(place)),
            }
        }
        let status = [200, 400, 200][round % 3];
        let mutated =
            answer(status, "").map(|response| Response { body: Secret::new(body), ..response });
        let word = if round % 3 == 2 { "device-code" } else { "service-principal" };
        let mut attempt = Try::new(Some(word), with_secret(), &Desk::default(), [mutated]);
        if let Err(kind) = attempt.token() {
            refused += 1;
            let all = format!("{kind} {kind:?}");
            assert!(all.chars().all(|c| (' '..='~').contains(&c)), "{all}");
            assert!(!all.contains("U0VOVElORUwU0VO"), "{all}");
        }
    }
    assert!(refused > 1_500, "{refused}");
}

#[test]
fn what_is_not_trusted_is_not_the_vault() {
    let kind = Kind::SignInUntrusted { place: "az".into(), problem: TrustProblem::Redirect };
    assert_eq!(kind.to_string(), "az: answered with a redirect");
}
