//! The default order: who is asked, who is passed over and why, where it ends.

use super::*;

fn versions() -> Answer {
    answer(200, r#"{"apiVersions":["2018-02-01"]}"#)
}

fn nobody() -> Answer {
    Err(HttpError::Connect("No route to host".into()))
}

fn passed_over(kind: Kind) -> Vec<String> {
    said(&kind);
    match kind {
        Kind::SignInUnavailable(ways) => ways.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_complete_environment_goes_first_and_the_rest_is_not_asked() {
    let environment =
        Environment { federated_token_file: Some("/run/token".into()), ..with_secret() };
    let desk = Desk::default();
    let mut attempt = Try::new(None, environment, &desk, [good("t")]);
    attempt.token().unwrap();
    assert_eq!(attempt.credential.way(), Way::ServicePrincipal);
    let environment = Environment { federated_token_file: Some("/run/token".into()), ..half() };
    let desk = desk.file("/run/token", "a.b.c");
    let mut attempt = Try::new(None, environment, &desk, [good("t")]);
    attempt.token().unwrap();
    assert_eq!(attempt.credential.way(), Way::WorkloadIdentity);
    assert!(desk.0.borrow().az_runs.is_empty());
}

#[test]
fn on_a_vm_its_identity_is_taken_and_kept() {
    let answers = [versions(), token_named("t1"), token_named("t2")];
    let mut attempt = Try::new(None, Environment::default(), &Desk::default(), answers);
    assert_eq!(text(&attempt.token().unwrap()), "t1");
    assert_eq!(text(&attempt.token().unwrap()), "t2");
    assert_eq!(attempt.credential.way(), Way::ManagedIdentity);
    assert_eq!(
        attempt.fake.lines(),
        [
            "GET imds/metadata/versions",
            "GET imds/metadata/identity/oauth2/token",
            "GET imds/metadata/identity/oauth2/token",
        ]
    );
}

#[test]
fn the_client_id_of_the_environment_chooses_the_identity() {
    let environment = Environment {
        client_id: Some("6f1c0d52-0000-4000-8000-000000000001".into()),
        ..Environment::default()
    };
    let mut attempt = Try::new(None, environment, &Desk::default(), [versions(), token_named("t")]);
    attempt.token().unwrap();
    assert!(
        attempt.fake.requests()[1]
            .line
            .ends_with("&client_id=6f1c0d52-0000-4000-8000-000000000001")
    );
}

#[test]
fn a_busy_metadata_service_is_there() {
    for status in [410, 429, 503] {
        let answers = [answer(status, ""), token_named("t")];
        let mut attempt = Try::new(None, Environment::default(), &Desk::default(), answers);
        assert!(attempt.token().is_ok(), "{status}");
    }
}

#[test]
fn anything_else_at_its_address_is_not() {
    let text = |status| {
        format!("managed identity: HTTP {status} from a metadata service that is not Azure's")
    };
    for (probe, reason) in [
        (nobody(), "managed identity: no metadata service here; not an Azure VM".to_owned()),
        (
            Err(HttpError::TimedOut),
            "managed identity: no metadata service here; not an Azure VM".to_owned(),
        ),
        (answer(404, "<html>"), text(404)),
        (answer(200, "1.0\nlatest"), text(200)),
        (answer(200, r#"{"apiVersions":"x"}"#), text(200)),
        (answer(302, ""), text(302)),
        (answer(401, ""), text(401)),
    ] {
        let desk = Desk::default();
        let mut attempt = Try::new(None, Environment::default(), &desk, [probe]);
        attempt.credential = {
            let ports = Ports { person: None, ..desk.ports() };
            credential(None, Environment::default(), None, ports)
        };
        let ways = passed_over(attempt.token().unwrap_err());
        assert_eq!(ways[2], reason);
        assert_eq!(attempt.fake.requests().len(), 1);
    }
}

#[test]
fn the_last_error_names_every_way_and_why() {
    let desk = Desk::default().az([az_says(false, "", "Please run 'az login' to setup account.")]);
    let ports = Ports { person: None, ..desk.ports() };
    let mut attempt = Try::new(None, Environment::default(), &desk, [nobody()]);
    attempt.credential = credential(None, Environment::default(), None, ports);
    let kind = attempt.token().unwrap_err();
    assert_eq!(kind.exit_status(), 4);
    assert_eq!(
        passed_over(kind.clone()),
        [
            "service principal: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set",
            "workload identity: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are \
             not set",
            "managed identity: no metadata service here; not an Azure VM",
            "az: nobody is logged in",
            "device code: there is no terminal to show a code on",
        ]
    );
    assert!(kind.to_string().starts_with("no way to sign in to Azure: service principal: "));
}

#[test]
fn a_vm_without_identity_and_an_old_login_are_passed_over() {
    let missing =
        || answer(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#);
    let old = "ERROR: AADSTS70043: The refresh token has expired. SENTINEL";
    let desk = Desk::default().az([az_says(false, "", old)]);
    let mut attempt = Try::new(
        None,
        Environment::default(),
        &desk,
        [versions(), missing(), missing(), code(), good("t")],
    );
    assert_eq!(text(&attempt.token().unwrap()), "t");
    assert_eq!(attempt.credential.way(), Way::DeviceCode);
    let desk = Desk::default().az([az_says(false, "", old)]);
    let mut attempt =
        Try::new(None, Environment::default(), &desk, [versions(), missing(), missing()]);
    attempt.credential =
        credential(None, Environment::default(), None, Ports { person: None, ..desk.ports() });
    let ways = passed_over(attempt.token().unwrap_err());
    assert_eq!(
        ways[2..4],
        [
            "managed identity: this VM has no usable managed identity: HTTP 400: Identity not found",
            "az: sign-in by az: AADSTS70043: its login was refused",
        ]
    );
}

#[test]
fn a_way_that_is_set_up_and_refused_ends_it() {
    let desk = Desk::default();
    let answers = [no(401, "invalid_client", 7000215, "Invalid client secret provided.")];
    let mut attempt = Try::new(None, with_secret(), &desk, answers);
    let kind = attempt.token().unwrap_err();
    assert_eq!(kind.name(), "sign-in-refused");
    assert_eq!(attempt.fake.requests().len(), 1);
    assert!(desk.0.borrow().az_runs.is_empty() && desk.shown().is_empty());
}

#[test]
fn an_unreachable_entra_ends_it_too_and_is_worth_a_retry() {
    let resolve = || Err(HttpError::Resolve("Name or service not known".into()));
    let mut attempt =
        Try::new(None, with_secret(), &Desk::default(), std::iter::repeat_with(resolve).take(200));
    let kind = attempt.token().unwrap_err();
    assert!(kind.is_transient());
    let Kind::SignInUnreachable { unreachable, .. } = &kind else { panic!("{kind:?}") };
    assert_eq!(attempt.fake.requests().len(), unreachable.tries as usize);
    assert!(unreachable.tries > 40, "{unreachable:?}");
    assert!(said(&kind).starts_with("login.microsoftonline.com: name lookup failed: "));
}

#[test]
fn a_chosen_way_is_the_only_one() {
    for word in ["service-principal", "workload-identity", "az", "token:/run/none"] {
        let mut attempt = Try::new(Some(word), Environment::default(), &Desk::default(), []);
        let ways = passed_over(attempt.token().unwrap_err());
        assert_eq!(ways.len(), 1);
        let way = Auth::parse(word).unwrap().way();
        assert!(ways[0].starts_with(&way.to_string()), "{ways:?}");
        assert_eq!(attempt.fake.requests(), []);
    }
    // Without a probe and without patience for it: the user said that there is one.
    let mut attempt = Try::new(
        Some("managed-identity"),
        Environment::default(),
        &Desk::default(),
        [token_named("t")],
    );
    assert!(attempt.token().is_ok());
    assert_eq!(attempt.fake.lines(), ["GET imds/metadata/identity/oauth2/token"]);
}
