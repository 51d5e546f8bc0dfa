//! What is missing, wrong or too old on this side: nobody is asked for a token then.

use super::*;

#[test]
fn an_incomplete_environment_is_named_and_nobody_asked() {
    let none = Environment::default;
    for (word, environment, reason) in [
        ("service-principal", half(), "AZURE_CLIENT_SECRET is not set"),
        (
            "service-principal",
            Environment { client_id: None, ..with_secret() },
            "AZURE_CLIENT_ID is not set",
        ),
        (
            "service-principal",
            Environment { tenant_id: None, ..with_secret() },
            "AZURE_TENANT_ID is not set",
        ),
        (
            "service-principal",
            none(),
            "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set",
        ),
        (
            "service-principal",
            Environment { tenant_id: Some("../common".into()), ..with_secret() },
            "AZURE_TENANT_ID is no tenant",
        ),
        (
            "service-principal",
            Environment { client_id: Some("a b".into()), ..with_secret() },
            "AZURE_CLIENT_ID is no client id",
        ),
        (
            "service-principal",
            Environment { client_secret: Some(secret("")), ..half() },
            "the client secret is empty",
        ),
        ("service-principal:/root/none", half(), "/root/none: does not exist"),
        ("service-principal:/root/empty", half(), "/root/empty: is empty"),
        ("service-principal:/root/large", half(), "/root/large: is larger than 64 KiB"),
        ("service-principal:/root/dir", half(), "/root/dir: not a regular file"),
        ("workload-identity", half(), "AZURE_FEDERATED_TOKEN_FILE is not set"),
        (
            "workload-identity",
            Environment { federated_token_file: Some("/root/none".into()), ..half() },
            "/root/none: does not exist",
        ),
        (
            "workload-identity",
            Environment { federated_token_file: Some("/root/empty".into()), ..half() },
            "/root/empty: is empty",
        ),
        (
            "workload-identity",
            Environment { federated_token_file: Some("/root/odd".into()), ..half() },
            "/root/odd: holds no JWT",
        ),
        (
            "device-code",
            Environment { tenant_id: Some("a/b".into()), ..none() },
            "AZURE_TENANT_ID is no tenant",
        ),
    ] {
        let desk = Desk::default()
            .file("/root/empty", " \n")
            .file("/root/large", "TOO LARGE")
            .file("/root/dir", "DIRECTORY")
            .file("/root/odd", "SENTINEL");
        let (name, exit, said, requests) = fails(Try::new(Some(word), environment, &desk, []));
        assert_eq!((name, exit, requests), ("sign-in-unavailable", 4, 0), "{reason}");
        let way = Auth::parse(word).unwrap().way();
        assert_eq!(said, format!("cannot sign in by {way}: {reason}"));
    }
}

#[test]
fn a_certificate_of_no_use_says_why() {
    let desk = Desk::default().file("/root/sp.pem", "-----BEGIN CERTIFICATE-----");
    desk.0.borrow_mut().certificate = Some("its key is encrypted".to_owned());
    let (name, exit, said, requests) =
        fails(Try::new(Some("service-principal:/root/sp.pem"), half(), &desk, []));
    assert_eq!((name, exit, requests), ("sign-in-unavailable", 4, 0));
    assert_eq!(said, "cannot sign in by service principal: /root/sp.pem: its key is encrypted");
}

#[test]
fn az_fails_in_its_ways() {
    for (outcome, name, exit, text) in [
        (
            Err(CliProblem::NotInstalled),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: the Azure CLI is not installed",
        ),
        (
            Err(CliProblem::Start("permission denied".into())),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: cannot start it: permission denied",
        ),
        (
            Err(CliProblem::TimedOut),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: no answer in 30 s",
        ),
        (
            Err(CliProblem::Unsafe("/opt/az".into())),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: /opt/az can be changed by others; it is not run",
        ),
        (Err(CliProblem::TooMuch), "sign-in-untrusted", 76, "az: printed more than a token"),
        (
            az_says(false, "SENTINEL", "ERROR: Please run 'az login' to setup account. SENTINEL"),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: nobody is logged in",
        ),
        (
            az_says(false, "", "ERROR: use az account set SENTINEL"),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: nobody is logged in",
        ),
        (
            az_says(false, "", "Traceback SENTINEL"),
            "sign-in-unavailable",
            4,
            "cannot sign in by az: it failed; az account get-access-token says why",
        ),
        (
            az_says(false, "", "ERROR: AADSTS700082: expired, run az login SENTINEL"),
            "sign-in-refused",
            77,
            "sign-in by az: AADSTS700082: its login was refused",
        ),
        (az_says(true, "SENTINEL", ""), "sign-in-untrusted", 76, "az: printed no token"),
        (az_says(true, "", ""), "sign-in-untrusted", 76, "az: printed no token"),
        (
            az_says(true, r#"{"accessToken":"SENTINEL\n"}"#, ""),
            "sign-in-untrusted",
            76,
            "az: printed no token",
        ),
        (
            az_says(true, r#"{"tokenType":"SENTINEL"}"#, ""),
            "sign-in-untrusted",
            76,
            "az: printed no token",
        ),
    ] {
        let desk = Desk::default().az([outcome]);
        let attempt = Try::new(Some("az"), Environment::default(), &desk, []);
        assert_eq!(fails(attempt), (name, exit, text.to_owned(), 0));
        assert_eq!(desk.0.borrow().az_runs.len(), 1);
    }
}

#[test]
fn a_token_that_was_handed_over_is_looked_at() {
    use ::base64::Engine;
    let jwt = |claims: &str| {
        let payload = ::base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims);
        format!("e30.{payload}.SENTINEL")
    };
    for (content, reason) in [
        ("", "is empty"),
        ("SENTINEL two words", "holds no access token"),
        ("{\"SENTINEL\":1}", "holds no access token"),
        ("{SENTINEL", "holds no access token"),
        ("Bearer ", "holds no access token"),
        (r#"{"accessToken":"SENTINEL","expires_on":1}"#, "it has expired"),
        (
            &jwt(r#"{"aud":"https://management.azure.com/"}"#),
            "it is for https://management.azure.com/, not for https://vault.azure.net",
        ),
        (&jwt(r#"{"aud":"https://vault.azure.net","exp":1799996400}"#), "it expired 3600 s ago"),
    ] {
        let desk = Desk::default().file("/run/t", content);
        let (name, exit, said, requests) =
            fails(Try::new(Some("token:/run/t"), Environment::default(), &desk, []));
        assert_eq!((name, exit, requests), ("sign-in-unavailable", 4, 0), "{content}");
        assert_eq!(said, format!("cannot sign in by token: /run/t: {reason}"));
    }
    let desk = Desk::default();
    desk.0.borrow_mut().stdin = Some(Err("is larger than 64 KiB".to_owned()));
    let (_, _, said, _) = fails(Try::new(Some("token:-"), Environment::default(), &desk, []));
    assert_eq!(said, "cannot sign in by token: standard input: is larger than 64 KiB");
    let (_, _, said, _) =
        fails(Try::new(Some("token:-"), Environment::default(), &Desk::default(), []));
    assert_eq!(said, "cannot sign in by token: standard input: holds no access token");
}

#[test]
fn a_token_for_the_vault_is_none_for_the_hsm() {
    use ::base64::Engine;
    let claims = r#"{"aud":"https://vault.azure.net","exp":1800003600}"#;
    let payload = ::base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims);
    let desk = Desk::default().stdin(&format!("e30.{payload}.c2ln"));
    let mut attempt = Try::new(Some("token:-"), Environment::default(), &desk, []);
    assert_eq!(attempt.token().unwrap().lifetime, Some(Duration::from_secs(3600)));
    let kind = attempt.token_for("h.managedhsm.azure.net").unwrap_err();
    assert!(said(&kind).contains("not for https://managedhsm.azure.net"));
}
