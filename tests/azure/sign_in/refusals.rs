//! Who signs in and is refused, or is answered oddly.

use super::*;

#[test]
fn every_refusal_of_entra_is_told_apart() {
    let world = World::of(scenario(json!({}), json!([])));
    let disabled = |environment: Environment| {
        let world = World::of(scenario(
            json!({"applications": [{"client_id": CLIENT, "enabled": false}]}),
            json!([]),
        ));
        open(&world, "service-principal", environment)
    };
    let token = |change: Value| {
        let token = file(&federated(change));
        let environment =
            variables(&[("AZURE_FEDERATED_TOKEN_FILE", token.path().to_str().unwrap())]);
        open(&world, "workload-identity", environment)
    };
    let sp = |environment| open(&world, "service-principal", environment);
    let person = |outcome: &str| {
        let world = World::of(scenario(json!({"person": {"outcome": outcome}}), json!([])));
        open(&world, "device-code", Environment::default())
    };
    let elsewhere = |tenant: Option<&str>, client: Option<&str>| Environment {
        tenant_id: Some(tenant.unwrap_or(TENANT).to_owned()),
        client_id: Some(client.unwrap_or(CLIENT).to_owned()),
        ..by_secret(CLIENT_SECRET)
    };
    for (outcome, code) in [
        (sp(by_secret("wrong SENTINEL")), 7_000_215),
        (sp(by_secret(OLD_SECRET)), 7_000_222),
        (sp(by_certificate(&key("client-other"))), 700_027),
        (sp(elsewhere(Some("contoso.example"), None)), 90_002),
        (sp(elsewhere(None, Some("00000000-0000-4000-8000-000000000000"))), 700_016),
        (disabled(by_secret(CLIENT_SECRET)), 7_000_112),
        (token(json!({"iss": "https://evil.example"})), 700_211),
        (token(json!({"sub": "somebody"})), 700_213),
        (token(json!({"aud": "api://Other"})), 700_212),
        (token(json!({"exp": 1})), 700_024),
        (person("declines"), 70_018),
        (person("blocked"), 53_003),
    ] {
        let kind = outcome.unwrap_err();
        let Kind::SignInRefused(refusal) = &kind else { panic!("{kind:?}") };
        assert_eq!(refusal.code, Some(code));
        assert_eq!((kind.exit_status(), refusal.authority.as_ref().unwrap().as_str()), (77, LOGIN));
        assert!(kind.to_string().contains(&format!("AADSTS{code}: ")), "{kind}");
        assert!(!format!("{kind:?}").contains("SENTINEL"), "{kind:?}");
    }
    // Nobody reached a vault.
    assert!(world.lines().iter().all(|line| !line.contains("/secrets")));
    let kind = person("expires").unwrap_err();
    assert_eq!((kind.name(), kind.exit_status()), ("sign-in-unavailable", 4));
}

#[test]
fn certificates_of_no_use_are_told_apart() {
    let world = World::of(scenario(json!({}), json!([])));
    let text = |name: &str| fs::read_to_string(key(name)).unwrap();
    let split = |text: &str| {
        let at = text.find("-----BEGIN PRIVATE").unwrap();
        (text[..at].to_owned(), text[at..].to_owned())
    };
    let (certificate, own_key) = split(&text("client"));
    let (_, other_key) = split(&text("client-other"));
    let mut legacy = own_key.clone();
    legacy.insert_str(28, "Proc-Type: 4,ENCRYPTED\n");
    for (pem, reason) in [
        (text("client-encrypted"), "its key is encrypted; decrypt a copy: openssl pkey -in FILE"),
        (
            certificate.clone() + &legacy,
            "its key is encrypted; decrypt a copy: openssl pkey -in FILE",
        ),
        (text("client-ec"), "its key is not RSA; Entra takes RSA only"),
        (certificate.clone() + &other_key, "its key does not belong to its certificate"),
        (certificate.clone(), "holds no private key that can be read"),
        (own_key.clone(), "holds no certificate"),
        (certificate.replace("MII", "!!!") + &own_key, "holds a broken certificate"),
        (
            certificate.clone() + &own_key.replace("MII", "AAA"),
            "its key cannot be used; RSA of 2048 to 8192 bits can",
        ),
    ] {
        let file = file(&pem);
        let environment = by_certificate(file.path());
        let kind = open(&world, "service-principal", environment).unwrap_err();
        assert_eq!((kind.name(), kind.exit_status()), ("sign-in-unavailable", 4));
        let expected =
            format!("cannot sign in by service principal: {}: {reason}", file.path().display());
        assert_eq!(kind.to_string(), expected);
    }
    let pfx = file("\u{0}0\u{82}\u{1}binary");
    let kind = open(&world, "service-principal", by_certificate(pfx.path())).unwrap_err();
    assert!(kind.to_string().contains("is no PEM; convert PKCS#12: "), "{kind}");
    assert_eq!(world.lines(), [""; 0]);
}

#[test]
fn bad_certificates_of_entra_get_no_secret() {
    let time = |text: &str| TrustProblem::CertificateTime(text.to_owned());
    let bad = |text: &str| TrustProblem::Certificate(text.to_owned());
    for (certificate, problem) in [
        ("expired", time("certificate expired")),
        ("not_yet_valid", time("certificate not yet valid")),
        ("wrong_name", bad("certificate is for another name")),
        ("other_ca", bad("certificate of an unknown authority")),
    ] {
        let world = World::of(scenario(json!({"certificate": certificate}), json!([])));
        let kind = open(&world, "service-principal", by_secret(CLIENT_SECRET)).unwrap_err();
        assert_eq!(kind.exit_status(), 76);
        assert_eq!(kind, Kind::SignInUntrusted { place: LOGIN.to_owned(), problem });
        // Nothing was said on the connection.
        assert_eq!(world.lines(), [""; 0]);
    }
}

#[test]
fn odd_answers_of_entra_are_tried_again_or_not() {
    let fault = |times: u32, action: Value| json!([{"match": {"host": LOGIN}, "times": times, "action": action}]);
    let run = |faults: Value| {
        let world = World::of(scenario(json!({}), faults));
        let outcome = open(&world, "service-principal", by_secret(CLIENT_SECRET));
        (outcome, asked(&world).len())
    };
    for action in [
        json!("drop"),
        json!("reset"),
        json!("half"),
        json!({"throttled": {"retry_after": 2}}),
        json!({"reply": {"status": 503, "body": "<html>"}}),
    ] {
        let (outcome, requests) = run(fault(2, action.clone()));
        assert_eq!((outcome.is_ok(), requests), (true, 3), "{action}");
    }
    let answer = |text: &str| TrustProblem::Answer(text.to_owned());
    for (action, problem) in [
        (json!({"redirect": "https://evil.example/"}), TrustProblem::Redirect),
        (json!({"redirect": format!("https://{HOST}/secrets/x")}), TrustProblem::Redirect),
        (json!({"garbage": 512}), answer("answer is no HTTP")),
        (json!({"oversized": 1_000_000}), answer("answer is larger than 64 KiB")),
        (json!({"reply": {"status": 200, "body": "<html>"}}), answer("answer holds no token")),
        (json!({"reply": {"status": 404, "body": "<html>"}}), answer("HTTP 404")),
        (json!({"reply": {"status": 400, "body": "<html>"}}), answer("HTTP 400")),
    ] {
        let (outcome, requests) = run(fault(9, action));
        let kind = outcome.unwrap_err();
        assert_eq!(kind, Kind::SignInUntrusted { place: LOGIN.to_owned(), problem });
        assert_eq!((kind.exit_status(), requests), (76, 1));
    }
    let (outcome, requests) = run(fault(999, json!({"throttled": {}})));
    let kind = outcome.unwrap_err();
    let Kind::SignInUnreachable { authority, unreachable } = &kind else { panic!("{kind:?}") };
    assert_eq!((kind.exit_status(), authority.as_str()), (69, LOGIN));
    assert_eq!(unreachable.problem, TransportProblem::Status(429));
    assert_eq!(unreachable.tries as usize, requests);
    assert!(requests > 10, "{requests}");
}

#[test]
fn refusals_of_the_vault_speak_of_this_identity() {
    let mut scenario = scenario(json!({}), json!([]));
    scenario["vaults"][0]["permissions"] = json!([]);
    let world = World::of(scenario);
    let kind = open(&world, "service-principal", by_secret(CLIENT_SECRET)).unwrap_err();
    let Kind::VaultDenied(denied) = &kind else { panic!("{kind:?}") };
    assert_eq!((denied.way, denied.code.as_str()), (Way::ServicePrincipal, "AccessDenied"));
    let stranger = json!({"person": {"tenant": "99999999-9999-4999-8999-999999999999"}});
    let world = World::of(crate::sign_in::scenario(stranger, json!([])));
    let kind = open(&world, "device-code", Environment::default()).unwrap_err();
    let hints = bek_unlock::hint::for_kind(&kind);
    assert_eq!(hints, ["are the vault and this identity in the same tenant?"]);
}

#[test]
fn a_token_of_somebody_else_is_refused_once() {
    let world = World::of(scenario(json!({}), json!([])));
    let token = file("emulated.SENTINEL");
    let kind = open(&world, &format!("token:{}", token.path().display()), application());
    let kind = kind.unwrap_err();
    assert!(matches!(&kind, Kind::VaultDenied(denied) if denied.status == 401), "{kind:?}");
    // The same token again would only be refused again.
    assert_eq!(world.lines().len(), 1);
}
