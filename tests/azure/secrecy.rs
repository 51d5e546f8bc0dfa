//! Nothing secret reaches a log, of whichever crate, nor an error.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, Once};
use std::time::Duration;

use serde_json::{Value, json};

use bek_unlock::azure::auth::{Auth, credential};
use bek_unlock::azure::http::{Http, HttpError, Request, Response, Service as Asked};
use bek_unlock::azure::sign_in::environment::Environment;
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::edge::http::Network;

use crate::sign_in::{
    CLIENT_SECRET, Somebody, by_secret, installed, key, ports, scenario, token, variables,
};
use crate::world::*;

/// The network, with a copy of every token it brings and of everything a sign-in sends.
struct Spy {
    network: Network,
    tokens: Rc<RefCell<Vec<String>>>,
}

impl Http for Spy {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let response = self.network.send(request, timeout)?;
        if matches!(request.service, Asked::Metadata | Asked::SignIn(_)) {
            let body: Value = serde_json::from_slice(response.body.expose()).unwrap_or_default();
            for field in ["access_token", "refresh_token", "device_code"] {
                self.tokens.borrow_mut().extend(body[field].as_str().map(str::to_owned));
            }
        }
        if let (Asked::SignIn(_), Some(form)) = (request.service, request.body) {
            let form = String::from_utf8(form.expose().to_vec()).unwrap();
            for field in ["client_secret", "client_assertion", "device_code", "refresh_token"] {
                let value =
                    form.split('&').find_map(|pair| pair.strip_prefix(field)?.strip_prefix('='));
                self.tokens.borrow_mut().extend(value.map(str::to_owned));
            }
        }
        Ok(response)
    }
}

/// Everything any crate logs, down to trace.
struct Journal(Mutex<Vec<String>>);

impl log::Log for Journal {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

static JOURNAL: Journal = Journal(Mutex::new(Vec::new()));

/// Takes everything down from now on; all tests of this process share one journal.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&JOURNAL).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Looks for `secret` in every line, also in the way bytes are debugged, and in part.
fn assert_secret(secret: &str, lines: &[String]) {
    // Nothing of a JWT's header: others' may begin like it.
    let tail = &secret[secret.len() - 16..];
    for part in [secret, &secret[..16], tail] {
        if part.starts_with("eyJ") {
            continue;
        }
        let bytes = format!("{:?}", part.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for line in lines {
            assert!(!line.contains(part) && !line.contains(bytes), "{line}");
        }
    }
}

#[test]
fn no_log_line_holds_a_token_or_a_key() {
    listen();
    let faults = json!([fault("/keys/*", 1, json!({"throttled": {}}))]);
    let world = World::new(json!({}), faults);
    let tokens = Rc::new(RefCell::new(Vec::new()));
    let spy =
        Spy { network: world.network(world.ca.path().to_owned()), tokens: Rc::clone(&tokens) };
    let settings = Settings { identity: None, suffixes: Vec::new(), random: || 0.5 };
    assert_eq!(unlock(Azure::new(Box::new(spy), settings)).unwrap(), PASSPHRASE.as_bytes());
    let lines = JOURNAL.0.lock().unwrap();
    let retry = "contoso-kv: HTTP 429; try 2 in 0.5 s, gives up in ";
    assert!(lines.iter().any(|line| line.contains(retry)), "{lines:#?}");
    let tokens = tokens.borrow();
    assert!(!tokens.is_empty() && tokens.iter().all(|token| token.len() > 20));
    let wrapped = world.emulator.secret_value(HOST, "bek-1").unwrap();
    for secret in tokens.iter().map(String::as_str).chain([PASSPHRASE, wrapped.as_str()]) {
        assert_secret(secret, &lines);
    }
}

#[test]
fn no_log_line_and_no_error_holds_what_somebody_signs_in_with() {
    listen();
    let person = json!({"person": {"pending": 1}});
    let busy = json!([{"match": {"host": LOGIN}, "times": 1, "action": {"throttled": {}}}]);
    let world = World::of(scenario(person, busy));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let outputs = RefCell::new(Vec::new());
    let run = |word: &str, environment: Environment, path: &Path| {
        let network = world.network(world.ca.path().to_owned());
        let spy = Spy { network, tokens: Rc::clone(&seen) };
        let settings = Settings { identity: None, suffixes: Vec::new(), random: || 0.5 };
        let auth = Auth::parse(word).unwrap();
        let ports = ports(path, Some(Somebody::default()));
        let azure = Azure::new(Box::new(spy), settings).signing_in_with(credential(
            Some(&auth),
            environment,
            None,
            ports,
        ));
        outputs.borrow_mut().push(format!("{azure:?}"));
        if let Err(kind) = unlock(azure) {
            let report = bek_unlock::error::Error::new(bek_unlock::error::Goal::Run, kind.clone());
            let lines = bek_unlock::report::lines(&report).join("\n");
            let json = bek_unlock::report::failure_json(&report);
            outputs.borrow_mut().push(format!("{lines} {json} {kind:?} {kind}"));
        }
    };
    let nowhere = Path::new("/nonexistent");
    let none = Environment::default;
    run("service-principal", by_secret(CLIENT_SECRET), nowhere);
    let wrong = "a wrong secret SENTINEL 0123456789";
    run("service-principal", by_secret(wrong), nowhere);
    // A copy that others can read, which is worth a warning.
    let open = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(open.path(), std::fs::read(key("client")).unwrap()).unwrap();
    std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let word = format!("service-principal:{}", open.path().display());
    run(&word, variables(&[]), nowhere);
    let word = format!("service-principal:{}", key("client-other").display());
    run(&word, variables(&[]), nowhere);
    run("device-code", none(), nowhere);
    let pasted = token(&world);
    let directory = installed(&format!("echo '{{\"accessToken\":\"{pasted}\"}}'"));
    run("az", none(), directory.path());
    let leaky = "a token that az shows in its own words";
    let broken = installed(&format!("echo '{leaky}'; echo '{leaky}' >&2; exit 1"));
    run("az", none(), broken.path());
    let keys = std::fs::read_to_string(key("client")).unwrap();
    let private = keys.split("PRIVATE KEY-----\n").nth(1).unwrap().lines().nth(3).unwrap();

    let mut lines = JOURNAL.0.lock().unwrap().clone();
    assert!(lines.iter().any(|line| line.contains("HTTP 429; try 2 in 0.5 s")), "{lines:#?}");
    let warning = format!("{} can be read by others; chmod 600 closes it", open.path().display());
    assert!(lines.iter().any(|line| line.ends_with(&warning)), "{warning}");
    lines.extend(outputs.into_inner());
    let seen = seen.borrow();
    // A secret twice, two assertions, device code, polls, tokens: something of each was seen.
    assert!(
        seen.len() >= 10 && seen.iter().any(|secret| secret.contains(".eyJ")),
        "{}",
        seen.len()
    );
    for secret in seen.iter().map(String::as_str).chain([
        CLIENT_SECRET,
        wrong,
        pasted.as_str(),
        leaky,
        private,
    ]) {
        assert_secret(secret, &lines);
    }
}
