//! Entra's endpoints with a raw client: shapes of answers, and each refusal's number.

use azure_emulator::{Emulator, LoggedRequest};
use serde_json::{Value, json};

use super::client::{Answer, HOST, request, start, vault};

const LOGIN: &str = "login.microsoftonline.com";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const SCOPE: &str = "scope=https%3A%2F%2Fvault.azure.net%2F.default";

fn world(entra: Value) -> Emulator {
    let mut all = json!({"applications": [{
        "name": "rescue", "client_id": "app-1", "object_id": "object-1",
        "secrets": [{"value": "s+1 "}, {"value": "old", "expired": true}],
    }]});
    all.as_object_mut().unwrap().extend(entra.as_object().unwrap().clone());
    let secrets = json!([{"name": "s", "versions": [{"value": "v"}]}]);
    start(json!({"entra": all, "vaults": [{"host": HOST, "secrets": secrets,
        "permissions": [{"identity": "rescue", "secrets": ["get"]}]}]}))
}

fn post(emulator: &Emulator, path: &str, form: &str) -> Answer {
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    vault(emulator, LOGIN, &request("POST", path, LOGIN, &[form_type], form))
}

fn token(emulator: &Emulator, form: &str) -> Answer {
    post(emulator, &format!("/{TENANT}/oauth2/v2.0/token"), form)
}

/// Status, error and number of a refusal.
fn refusal(answer: &Answer) -> (u16, String, u64) {
    let body = answer.json();
    let code = body["error_codes"][0].as_u64().unwrap();
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    (answer.status, body["error"].as_str().unwrap().to_owned(), code)
}

#[test]
fn a_secret_gives_a_token_for_one_audience() {
    let emulator = world(json!({}));
    let form =
        format!("grant_type=client_credentials&client_id=app-1&client_secret=s%2B1+&{SCOPE}");
    let answer = token(&emulator, &form);
    assert_eq!(answer.status, 200);
    let body = answer.json();
    // Numbers are numbers, where IMDS writes strings.
    assert!(body["expires_in"].is_u64() && body["token_type"] == "Bearer", "{body}");
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    let bearer = format!("Authorization: Bearer {}", body["access_token"].as_str().unwrap());
    let get = |host| {
        let request = request("GET", "/secrets/s?api-version=7.4", host, &[bearer.as_str()], "");
        vault(&emulator, host, &request)
    };
    assert_eq!(get(HOST).json()["value"], "v");
    let log = format!("{:?}", emulator.requests());
    assert!(!log.contains("s+1") && !log.contains("s%2B1") && !log.contains("emulated."), "{log}");
}

#[test]
fn each_refusal_has_its_number() {
    let emulator = world(json!({}));
    let grant = "grant_type=client_credentials";
    for (form, status, error, code) in [
        (String::new(), 400, "invalid_request", 900_144),
        ("grant_type=password".to_owned(), 400, "unsupported_grant_type", 70_003),
        (grant.to_owned(), 400, "invalid_request", 900_144),
        (format!("{grant}&client_id=app-2"), 400, "unauthorized_client", 700_016),
        (format!("{grant}&client_id=app-1"), 401, "invalid_client", 7_000_218),
        (format!("{grant}&client_id=app-1&client_secret=x"), 401, "invalid_client", 7_000_215),
        (format!("{grant}&client_id=app-1&client_secret=old"), 401, "invalid_client", 7_000_222),
        (format!("{grant}&client_id=app-1&client_assertion=x"), 400, "invalid_request", 900_144),
        (format!("{grant}&client_id=app-1&client_secret=s%2B1+"), 400, "invalid_scope", 70_011),
        (
            format!(
                "{grant}&client_id=app-1&client_secret=s%2B1+&scope=https://x.example/.default"
            ),
            400,
            "invalid_resource",
            500_011,
        ),
        ("grant_type=refresh_token&refresh_token=x".to_owned(), 400, "invalid_grant", 70_008),
    ] {
        let answer = token(&emulator, &form);
        assert_eq!(refusal(&answer), (status, error.to_owned(), code), "{form}");
    }
    let elsewhere = post(&emulator, "/contoso.example/oauth2/v2.0/token", grant);
    assert_eq!(refusal(&elsewhere).2, 90_002);
    assert_eq!(post(&emulator, "/x/oauth2/token", grant).status, 404);
}

#[test]
fn a_code_is_pending_then_good_once() {
    let emulator = world(json!({"person": {"slow_down": 1, "pending": 1, "expires_in": 60}}));
    let begin = format!("/{TENANT}/oauth2/v2.0/devicecode");
    let body = post(&emulator, &begin, &format!("client_id=cli&{SCOPE}%20offline_access")).json();
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!(60), &json!(5)));
    let code = body["device_code"].as_str().unwrap();
    let poll = |client: &str| {
        let grant = "grant_type=urn:ietf:params:oauth:grant-type:device_code";
        token(&emulator, &format!("{grant}&client_id={client}&device_code={code}"))
    };
    assert_eq!(refusal(&poll("somebody")).1, "bad_verification_code");
    assert_eq!(refusal(&poll("cli")).1, "slow_down");
    assert_eq!(refusal(&poll("cli")).1, "authorization_pending");
    let good = poll("cli");
    assert_eq!(good.status, 200);
    let refresh = good.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&poll("cli")).1, "bad_verification_code");
    let renew = |client: &str| {
        let form =
            format!("grant_type=refresh_token&client_id={client}&refresh_token={refresh}&{SCOPE}");
        token(&emulator, &form).status
    };
    assert_eq!((renew("cli"), renew("somebody")), (200, 400));
}

#[test]
fn it_is_found_by_its_host_and_only_when_there_is_one() {
    let emulator = world(json!({}));
    let get = |path: &str| vault(&emulator, LOGIN, &request("GET", path, LOGIN, &[], ""));
    let configuration = get(&format!("/{TENANT}/v2.0/.well-known/openid-configuration")).json();
    let endpoint = format!("https://{LOGIN}/{TENANT}/oauth2/v2.0/token");
    assert_eq!(configuration["token_endpoint"], endpoint.as_str());
    let aliases = get("/common/discovery/instance").json();
    assert_eq!(aliases["metadata"][0]["aliases"], json!([LOGIN]));
    assert_eq!(get("/").status, 404);
    let hosts: Vec<String> =
        emulator.requests().into_iter().map(|request: LoggedRequest| request.host).collect();
    assert_eq!(hosts, [LOGIN; 3]);
    let without = super::client::one_vault(json!({}));
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let answer = vault(&without, HOST, &request("POST", &path, LOGIN, &[], ""));
    assert_eq!(answer.status, 404);
}

#[test]
fn a_scenario_that_cannot_work_says_why() {
    let refused = |scenario: Value| {
        let scenario = azure_emulator::Scenario::from_value(scenario).unwrap();
        scenario.check(None).unwrap_err().to_string()
    };
    let application = |more: Value| json!({"entra": {"applications": [more]}});
    let none =
        refused(application(json!({"client_id": "a", "certificate_files": ["/nonexistent"]})));
    assert!(none.contains("/nonexistent"), "{none}");
    let broken = refused(application(json!({"client_id": "a", "certificates": ["no PEM"]})));
    assert!(broken.contains("application a"), "{broken}");
    let twice = refused(json!({"entra": {"host": HOST}, "vaults": [{"host": HOST}]}));
    assert!(twice.contains("a vault has this host"), "{twice}");
}
