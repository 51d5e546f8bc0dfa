//! Each way as it works: which requests, with what, and what is kept for the next token.

use super::*;

fn body(fake: &Fake, number: usize) -> String {
    fake.requests()[number].body.clone().unwrap()
}

fn field(body: &str, name: &str) -> String {
    let found = body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    found.unwrap_or_default().to_owned()
}

#[test]
fn a_client_secret_is_one_post_to_entra() {
    let mut attempt =
        Try::new(Some("service-principal"), with_secret(), &Desk::default(), [good("t1")]);
    let token = attempt.token().unwrap();
    assert_eq!(text(&token), "t1");
    assert_eq!(token.lifetime, Some(Duration::from_secs(3599)));
    let requests = attempt.fake.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, format!("POST {LOGIN}/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(requests[0].bearer, None);
    assert_eq!(
        body(&attempt.fake, 0),
        format!(
            "client_id={CLIENT}&client_secret={SENTINEL}&grant_type=client_credentials&\
             scope=https%3A%2F%2Fvault.azure.net%2F.default"
        )
    );
    assert_eq!(attempt.credential.way(), Way::ServicePrincipal);
}

#[test]
fn a_secret_goes_before_a_certificate_and_a_file_before_both() {
    let environment =
        || Environment { certificate_path: Some("/etc/sp.pem".into()), ..with_secret() };
    let desk = Desk::default()
        .file("/etc/sp.pem", "-----BEGIN CERTIFICATE-----")
        .file("/root/secret", "from the file\n")
        .file("/root/sp.pem", "-----BEGIN CERTIFICATE-----");
    for (word, name, value) in [
        ("service-principal", "client_secret", SENTINEL),
        ("service-principal:/root/secret", "client_secret", "from%20the%20file"),
    ] {
        let mut attempt = Try::new(Some(word), environment(), &desk, [good("t")]);
        attempt.token().unwrap();
        assert_eq!(field(&body(&attempt.fake, 0), name), value);
    }
    for (word, environment) in [
        ("service-principal:/root/sp.pem", environment()),
        ("service-principal", Environment { client_secret: None, ..environment() }),
    ] {
        let mut attempt = Try::new(Some(word), environment, &desk, [good("t")]);
        attempt.token().unwrap();
        let sent = body(&attempt.fake, 0);
        assert_eq!(field(&sent, "client_secret"), "");
        assert_eq!(field(&sent, "client_assertion").split('.').count(), 3);
        let kind = field(&sent, "client_assertion_type");
        assert!(kind.ends_with("client-assertion-type%3Ajwt-bearer"), "{kind}");
    }
}

#[test]
fn the_federated_token_is_read_at_each_use() {
    let environment = || Environment { federated_token_file: Some("/run/token".into()), ..half() };
    let desk = Desk::default().file("/run/token", "a.b.c\n");
    let mut attempt =
        Try::new(Some("workload-identity"), environment(), &desk, [good("t1"), good("t2")]);
    attempt.token().unwrap();
    let desk = desk.file("/run/token", "d.e.f");
    assert_eq!(text(&attempt.token().unwrap()), "t2");
    assert_eq!(field(&body(&attempt.fake, 0), "client_assertion"), "a.b.c");
    assert_eq!(field(&body(&attempt.fake, 1), "client_assertion"), "d.e.f");
    drop(desk);
}

#[test]
fn az_is_asked_for_the_resource_and_its_answer_read() {
    let json = |expires: &str| {
        format!(
            r#"{{"accessToken":"t-az","expiresOn":"2026-01-01 12:00:00","tenant":"t"{expires}}}"#
        )
    };
    let later = format!(r#","expires_on":{}"#, NOW + 100);
    for (expires, lifetime) in [
        (later.as_str(), Some(Duration::from_secs(100))),
        ("", None),
        (r#","expires_on":"1""#, Some(Duration::ZERO)),
    ] {
        let desk = Desk::default().az([az_says(true, &json(expires), "WARNING: preview")]);
        let mut attempt = Try::new(Some("az"), Environment::default(), &desk, []);
        let token = attempt.token_for("h.managedhsm.azure.net").unwrap();
        assert_eq!((text(&token).as_str(), token.lifetime), ("t-az", lifetime));
        let runs = desk.0.borrow().az_runs.clone();
        assert_eq!(runs, [("https://managedhsm.azure.net".to_owned(), Duration::from_secs(30))]);
        assert_eq!(attempt.fake.requests(), []);
    }
}

#[test]
fn a_device_code_is_polled_at_its_interval() {
    let pending = || no(400, "authorization_pending", 70016, "Pending.");
    let slow_down = || no(400, "slow_down", 70015, "Slow down.");
    let answers = [code(), pending(), slow_down(), pending(), good("t-person")];
    let desk = Desk::default();
    let mut attempt = Try::new(Some("device-code"), Environment::default(), &desk, answers);
    attempt.limit = None;
    assert_eq!(text(&attempt.token().unwrap()), "t-person");
    // 5 s, 5 s, then 10 s each: slow_down holds for all later polls.
    assert_eq!(crate::deadline::Clock::now(&attempt.clock), Duration::from_secs(30));
    let shown = desk.shown();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].code, "ABCD12345");
    assert_eq!(shown[0].url, "https://microsoft.com/devicelogin");
    let lines = attempt.fake.lines();
    assert_eq!(lines[0], format!("POST {LOGIN}/organizations/oauth2/v2.0/devicecode"));
    assert_eq!(lines[1..], vec![format!("POST {LOGIN}/organizations/oauth2/v2.0/token"); 4]);
    assert!(body(&attempt.fake, 0).ends_with("default%20offline_access"));
    assert_eq!(field(&body(&attempt.fake, 4), "device_code"), SENTINEL);
}

#[test]
fn polls_survive_a_network_that_comes_and_goes() {
    let busy = || answer(503, "<html>");
    let answers = [
        Err(HttpError::TimedOut),
        code(),
        busy(),
        Err(HttpError::Interrupted("connection closed".into())),
        no(400, "authorization_pending", 70016, "Pending."),
        good("t"),
    ];
    let mut attempt =
        Try::new(Some("device-code"), Environment::default(), &Desk::default(), answers);
    assert!(attempt.token().is_ok());
    assert_eq!(attempt.fake.requests().len(), 6);
}

#[test]
fn a_second_audience_needs_no_second_code() {
    let with_refresh = |token: &str, refresh: &str| {
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}","refresh_token":"{refresh}"}}"#
        );
        answer(200, &body)
    };
    let answers = [code(), with_refresh("t1", "r1"), with_refresh("t2", "r2"), good("t3")];
    let desk = Desk::default();
    let mut attempt = Try::new(Some("device-code"), half(), &desk, answers);
    assert_eq!(text(&attempt.token().unwrap()), "t1");
    assert_eq!(text(&attempt.token_for("h.managedhsm.azure.net").unwrap()), "t2");
    assert_eq!(text(&attempt.token().unwrap()), "t3");
    assert_eq!(desk.shown().len(), 1);
    assert_eq!(field(&body(&attempt.fake, 2), "refresh_token"), "r1");
    let scope = field(&body(&attempt.fake, 2), "scope");
    assert_eq!(scope, "https%3A%2F%2Fmanagedhsm.azure.net%2F.default%20offline_access");
    assert_eq!(field(&body(&attempt.fake, 3), "refresh_token"), "r2");
    assert!(attempt.fake.lines().iter().all(|line| line.contains(TENANT)));
}

#[test]
fn a_refused_refresh_token_means_a_new_code() {
    let first = r#"{"access_token":"t1","refresh_token":"r1"}"#;
    let answers = [
        code(),
        answer(200, first),
        no(400, "invalid_grant", 700082, "Expired."),
        code(),
        good("t2"),
    ];
    let desk = Desk::default();
    let mut attempt = Try::new(Some("device-code"), half(), &desk, answers);
    attempt.token().unwrap();
    assert_eq!(text(&attempt.token().unwrap()), "t2");
    assert_eq!(desk.shown().len(), 2);
}

#[test]
fn a_token_is_taken_in_every_dress() {
    let json = r#"{"accessToken": "t-pasted", "expires_on": 1800000060}"#;
    for dress in ["t-pasted", "t-pasted\n", "  t-pasted\r\n", "Bearer t-pasted", json] {
        let desk = Desk::default().file("/run/t", dress).stdin(dress);
        for word in ["token:/run/t", "token:-"] {
            let mut attempt = Try::new(Some(word), Environment::default(), &desk, []);
            assert_eq!(text(&attempt.token().unwrap()), "t-pasted", "{dress}");
            // Standard input gives it once, the run needs it as often as it likes.
            assert_eq!(text(&attempt.token().unwrap()), "t-pasted", "{dress}");
            assert_eq!(attempt.fake.requests(), []);
        }
    }
}

#[test]
fn the_configured_authority_is_asked_and_the_vaults_cloud_without_one() {
    for (configured, vault, host) in [
        (
            Some("https://login.microsoftonline.us/"),
            "kv.vault.azure.net",
            "login.microsoftonline.us",
        ),
        (None, "kv.vault.usgovcloudapi.net", "login.microsoftonline.us"),
        (None, "kv.vault.azure.cn", "login.chinacloudapi.cn"),
    ] {
        let environment =
            Environment { authority_host: configured.map(str::to_owned), ..with_secret() };
        let mut attempt =
            Try::new(Some("service-principal"), environment, &Desk::default(), [good("t")]);
        attempt.token_for(vault).unwrap();
        assert!(attempt.fake.lines()[0].starts_with(&format!("POST {host}/")));
    }
}
