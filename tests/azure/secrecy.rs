//! Nothing secret reaches a log, of whichever crate.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use bek_unlock::azure::http::{Http, HttpError, Request, Response, Service as Asked};
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::edge::http::Network;

use crate::world::*;

/// The network, with a copy of every token it brings.
struct Spy {
    network: Network,
    tokens: Rc<RefCell<Vec<String>>>,
}

impl Http for Spy {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let response = self.network.send(request, timeout)?;
        if request.service == Asked::Metadata {
            let body: Value = serde_json::from_slice(response.body.expose()).unwrap();
            self.tokens.borrow_mut().push(body["access_token"].as_str().unwrap().to_owned());
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

#[test]
fn no_log_line_holds_a_token_or_a_key() {
    log::set_logger(&JOURNAL).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
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
        // Also in the way bytes are debugged, and in part.
        let part = &secret[..20];
        let bytes = format!("{:?}", part.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for line in lines.iter() {
            assert!(!line.contains(part) && !line.contains(bytes), "{line}");
        }
    }
}
