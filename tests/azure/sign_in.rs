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

mod refusals;

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
