//! Signing in without a managed identity: every way, over real TLS, to a key that opens.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value, json};

use bek_unlock::azure::Azure;
use bek_unlock::azure::auth::{Auth, credential};
use bek_unlock::azure::sign_in::environment::Environment;
use bek_unlock::azure::sign_in::ports::{Person, Ports, UserCode};
use bek_unlock::azure::way::Way;
use bek_unlock::edge::sign_in::az::Az;
use bek_unlock::edge::sign_in::certificate::PemCertificates;
use bek_unlock::edge::sign_in::{MachineFiles, environment, now};
use bek_unlock::error::{Kind, TransportProblem, TrustProblem};

use crate::world::*;

pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const CLIENT: &str = "66666666-6666-4666-8666-666666666666";
pub const CLIENT_SECRET: &str = "a client secret+/=&SENTINEL";
const OLD_SECRET: &str = "an old one SENTINEL";
const TOKEN_PATH: &str = "/oauth2/v2.0/token";

/// A scenario with Entra, one vault that only `rescue` and `person` may read; the rest merged in.
pub fn scenario(entra: Value, faults: Value) -> Value {
    let mut vault = vault();
    let rights = |who: &str| json!({"identity": who, "secrets": ["get"], "keys": ["unwrapKey"]});
    vault["permissions"] = json!([rights("rescue"), rights("person"), rights("vm")]);
    let mut all = json!({
        "applications": [{
            "name": "rescue", "client_id": CLIENT, "object_id": "77777777-7777-4777-8777-777777777777",
            "secrets": [{"value": CLIENT_SECRET}, {"value": OLD_SECRET, "expired": true}],
            "certificate_files": [key("client")],
            "federated": [{"issuer": "https://issuer.example", "subject": "rescue"}],
        }],
    });
    if let (Some(all), Some(entra)) = (all.as_object_mut(), entra.as_object()) {
        all.extend(entra.clone());
    }
    json!({"imds": {"vm": {"name": "vm-resource"}}, "vaults": [vault], "entra": all, "faults": faults})
}

/// `tests/emulator/keys/TEST-ONLY-NAME.pem`.
pub fn key(name: &str) -> PathBuf {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/keys");
    keys.join(format!("TEST-ONLY-{name}.pem"))
}

pub fn application() -> Environment {
    Environment {
        tenant_id: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        ..Environment::default()
    }
}

/// The environment as a process has it.
pub fn variables(pairs: &[(&str, &str)]) -> Environment {
    let all = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT)];
    environment::read(|name| {
        let found = pairs.iter().chain(&all).find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    })
}

pub fn by_secret(secret: &str) -> Environment {
    variables(&[("AZURE_CLIENT_SECRET", secret)])
}

fn by_certificate(path: &Path) -> Environment {
    Environment { certificate_path: Some(path.to_owned()), ..application() }
}

/// Remembers what it was shown.
#[derive(Clone, Default)]
pub struct Somebody(Rc<RefCell<Vec<UserCode>>>);

impl Person for Somebody {
    fn show(&mut self, code: &UserCode) -> Result<(), String> {
        self.0.borrow_mut().push(code.clone());
        Ok(())
    }
}

/// The real ports, but for the terminal and PATH.
pub fn ports(path: &Path, person: Option<Somebody>) -> Ports {
    let path = path.as_os_str().to_owned();
    Ports {
        files: Box::new(MachineFiles),
        az: Box::new(Az::new(move |name| (name == "PATH").then(|| path.clone()))),
        certificates: Box::new(PemCertificates),
        person: person.map(|person| Box::new(person) as Box<dyn Person>),
        now,
    }
}

pub fn client(world: &World, word: Option<&str>, environment: Environment, ports: Ports) -> Azure {
    let auth = word.map(|word| Auth::parse(word).unwrap());
    world.azure().signing_in_with(credential(auth.as_ref(), environment, None, ports))
}

fn open(world: &World, word: &str, environment: Environment) -> Result<Vec<u8>, Kind> {
    let ports = ports(Path::new("/nonexistent"), Some(Somebody::default()));
    unlock(client(world, Some(word), environment, ports))
}

/// Requests to Entra, as `METHOD /path -> status` without the tenant.
fn asked(world: &World) -> Vec<String> {
    let requests = world.emulator.requests().into_iter().filter(|request| request.host == LOGIN);
    let line = |request: azure_emulator::LoggedRequest| {
        let path = request.path.replacen(&format!("/{TENANT}"), "", 1);
        format!("{} {path} -> {}", request.method, request.status.unwrap_or(0))
    };
    requests.map(line).collect()
}

fn jwt(claims: Value) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims))
}

pub fn federated(change: Value) -> String {
    let mut claims = json!({"iss": "https://issuer.example", "sub": "rescue",
                            "aud": "api://AzureADTokenExchange", "exp": now() + 600});
    if let (Some(claims), Some(change)) = (claims.as_object_mut(), change.as_object()) {
        claims.extend(change.clone());
    }
    jwt(claims)
}

pub fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

/// A directory with an `az` that prints this token.
pub fn installed(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let az = directory.path().join("az");
    fs::write(&az, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(az, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A token of the emulator, got as `rescue` gets one.
pub fn token(world: &World) -> String {
    use bek_unlock::azure::auth::{Credential, Exchange};
    use bek_unlock::azure::id::Host;
    use bek_unlock::azure::trust::Trust;
    let ports = ports(Path::new("/nonexistent"), None);
    let auth = Auth::ServicePrincipal(None);
    let mut credential: Box<dyn Credential> =
        credential(Some(&auth), by_secret(CLIENT_SECRET), None, ports);
    let clock = hurried();
    let host = Trust::new(&[]).check(&Host::parse(HOST).unwrap()).unwrap();
    let token = credential.token(&mut Exchange {
        http: &mut world.network(world.ca.path().to_owned()),
        audience: host.audience(),
        random: || 0.5,
        deadline: &bek_unlock::deadline::Deadline::start(&clock, None),
    });
    String::from_utf8(token.unwrap().secret.expose().to_vec()).unwrap()
}

#[test]
fn a_client_secret_opens_and_costs_one_request() {
    let world = World::of(scenario(json!({}), json!([])));
    let passphrase = open(&world, "service-principal", by_secret(CLIENT_SECRET)).unwrap();
    assert_eq!(passphrase, PASSPHRASE.as_bytes());
    assert_eq!(asked(&world), [format!("POST {TOKEN_PATH} -> 200")]);
    assert_eq!(world.requests(azure_emulator::Service::Imds), 0);
    let first = &world.emulator.requests()[0];
    assert_eq!(first.authorization, "absent");
    for unwanted in ["metadata", "referer", "cookie", "via", "proxy-authorization"] {
        assert!(!first.header_names.iter().any(|name| name == unwanted), "{unwanted}");
    }
    let secret = file(&format!("{CLIENT_SECRET}\n"));
    let word = format!("service-principal:{}", secret.path().display());
    assert!(open(&world, &word, application()).is_ok());
}

#[test]
fn a_certificate_signs_what_entra_verifies() {
    let world = World::of(scenario(json!({}), json!([])));
    for name in ["client", "client-pkcs1"] {
        assert!(open(&world, "service-principal", by_certificate(&key(name))).is_ok(), "{name}");
    }
    let chain = Environment { send_chain: true, ..by_certificate(&key("client")) };
    assert!(open(&world, "service-principal", chain).is_ok());
    // The key before the certificate, and another certificate before its own.
    let text = |name: &str| fs::read_to_string(key(name)).unwrap();
    let own = text("client");
    let (certificate, secret) = own.split_at(own.find("-----BEGIN PRIVATE").unwrap());
    let other = text("client-other");
    let issuer = &other[..other.find("-----BEGIN PRIVATE").unwrap()];
    for mixed in [format!("{secret}{certificate}"), format!("{issuer}{certificate}{secret}")] {
        let mixed = file(&mixed);
        let word = format!("service-principal:{}", mixed.path().display());
        assert!(open(&world, &word, application()).is_ok());
    }
}

#[test]
fn another_issuers_token_is_exchanged() {
    let world = World::of(scenario(json!({}), json!([])));
    let token = file(&(federated(json!({})) + "\n"));
    let environment = variables(&[("AZURE_FEDERATED_TOKEN_FILE", token.path().to_str().unwrap())]);
    assert!(open(&world, "workload-identity", environment).is_ok());
    assert_eq!(asked(&world).len(), 1);
}

#[test]
fn a_person_enters_a_code() {
    let person = json!({"person": {"slow_down": 1, "pending": 2}});
    let world = World::of(scenario(person, json!([])));
    let somebody = Somebody::default();
    let ports = ports(Path::new("/nonexistent"), Some(somebody.clone()));
    let azure = client(&world, Some("device-code"), Environment::default(), ports);
    assert_eq!(unlock(azure).unwrap(), PASSPHRASE.as_bytes());
    let shown = somebody.0.borrow();
    assert_eq!((shown.len(), shown[0].url.as_str()), (1, "https://microsoft.com/devicelogin"));
    let poll = |status: u16| format!("POST /organizations{TOKEN_PATH} -> {status}");
    assert_eq!(
        asked(&world),
        [
            "POST /organizations/oauth2/v2.0/devicecode -> 200".to_owned(),
            poll(400),
            poll(400),
            poll(400),
            poll(200),
        ]
    );
}

#[test]
fn az_and_a_token_that_was_handed_over_open_too() {
    let world = World::of(scenario(json!({}), json!([])));
    let token = token(&world);
    let json = json!({"accessToken": token, "expires_on": now() + 3000, "tokenType": "Bearer"});
    let directory = installed(&format!("echo '{json}'"));
    let azure = client(&world, Some("az"), application(), ports(directory.path(), None));
    assert_eq!(azure.way(), Way::Az);
    assert!(unlock(azure).is_ok());
    let token = file(&token);
    assert!(open(&world, &format!("token:{}", token.path().display()), application()).is_ok());
}

#[test]
fn the_default_order_finds_the_one_that_works() {
    let world = World::of(scenario(json!({}), json!([])));
    let directory = installed("echo \"Please run 'az login'\" >&2; exit 1");
    let somebody = Somebody::default();
    let ports = ports(directory.path(), Some(somebody.clone()));
    // IMDS is there and has no identity; az is there and has no login; somebody sits there.
    let azure = client(&world, None, Environment::default(), ports);
    assert!(unlock(azure).is_ok());
    assert_eq!(somebody.0.borrow().len(), 1);
    let imds: Vec<String> =
        world.lines().into_iter().filter(|line| line.contains("/metadata")).collect();
    assert_eq!(
        imds,
        [
            "GET /metadata/versions -> 200",
            "GET /metadata/identity/oauth2/token -> 400",
            "GET /metadata/identity/oauth2/token -> 400",
        ]
    );
}

#[test]
fn the_report_has_a_line_for_each_way() {
    let world = World::new(json!({}), json!([fault("/metadata/*", 9, json!("drop"))]));
    let ports = ports(Path::new("/nonexistent"), None);
    let kind = unlock(client(&world, None, Environment::default(), ports)).unwrap_err();
    let error = bek_unlock::error::Error::new(bek_unlock::error::Goal::Run, kind);
    let missing = "AZURE_TENANT_ID, AZURE_CLIENT_ID,";
    assert_eq!(
        bek_unlock::report::lines(&error),
        [
            "error: cannot run".to_owned(),
            "cause: no way to sign in to Azure".to_owned(),
            format!("cause: service principal: {missing} AZURE_CLIENT_SECRET are not set"),
            format!("cause: workload identity: {missing} AZURE_FEDERATED_TOKEN_FILE are not set"),
            "cause: managed identity: no metadata service here; not an Azure VM".to_owned(),
            "cause: az: the Azure CLI is not installed".to_owned(),
            "cause: device code: there is no terminal to show a code on".to_owned(),
            "hint: simplest: az login, then run this again".to_owned(),
            "hint: or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET".to_owned(),
        ]
    );
    // One probe, and nobody else was asked.
    assert_eq!(world.lines().len(), 1);
}

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
