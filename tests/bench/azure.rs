//! Azure for the benches: the emulator at Azure's own addresses, and what it saw.
//!
//! It runs in this process and its log is a pipe: the time of a line is the time of its event. A
//! line is written when its answer is ready, before that is sent.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use azure_emulator::{Emulator, Options, Scenario};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::KEY;

/// The vault's address.
pub const VAULT: &str = "https://contoso-kv.vault.azure.net";
/// Where its host name leads.
pub const VAULT_ADDRESS: &str = "169.254.169.253:443";
/// The secret that holds the wrapped key.
pub const SECRET: &str = "wrapped";
/// Its version, and its KEK's.
pub const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// A running emulator.
pub struct Azure {
    events: Receiver<(Instant, Value)>,
    directory: TempDir,
    _emulator: Emulator,
}

/// What was asked from the first request until keys were unwrapped.
pub struct Asked {
    pub first: Instant,
    pub last: Instant,
    /// Requests, those that were refused included.
    pub requests: usize,
    /// Of them, for a token.
    pub tokens: usize,
    /// What the emulator took to make the answers: its RSA, for the most part.
    pub worked: Duration,
}

impl Asked {
    fn since(first: Instant) -> Self {
        Self { first, last: first, requests: 0, tokens: 0, worked: Duration::ZERO }
    }
}

impl Azure {
    /// Serves a vault with one wrapped key.
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let log = directory.path().join("log");
        mkfifo(&log, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let events = follow(log.clone());
        let options = Options {
            imds: "169.254.169.254:80".parse().unwrap(),
            log: Some(log),
            vault: VAULT_ADDRESS.parse().unwrap(),
            ..Options::default()
        };
        let emulator = Emulator::start(Scenario::from_value(scenario()).unwrap(), options).unwrap();
        fs::write(directory.path().join("ca.pem"), emulator.ca_pem()).unwrap();
        Self { events, directory, _emulator: emulator }
    }

    /// A file with the authority that vouches for it.
    pub fn ca(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }

    /// Reads the log until `keys` were unwrapped; `None` when that does not come.
    pub fn unwrapped(&self, keys: usize) -> Option<Asked> {
        let mut asked: Option<Asked> = None;
        let mut left = keys;
        loop {
            let (time, event) = self.events.recv_timeout(Duration::from_secs(5)).ok()?;
            if event["event"] != "request" {
                continue;
            }
            let path = event["path"].as_str().unwrap_or_default();
            let asked = asked.get_or_insert(Asked::since(time));
            asked.requests += 1;
            asked.worked += Duration::from_micros(event["took_us"].as_u64().unwrap());
            asked.tokens += usize::from(path.starts_with("/metadata/identity"));
            // 401 is the challenge that a client without a token may have asked for.
            if path.ends_with("/unwrapkey") && event["status"] == 200 {
                asked.last = time;
                left -= 1;
            }
            if left == 0 {
                break;
            }
        }
        asked
    }
}

/// Reads what is logged, each line with the time it came.
fn follow(log: PathBuf) -> Receiver<(Instant, Value)> {
    let (sender, events) = channel();
    thread::spawn(move || {
        for line in BufReader::new(File::open(log).unwrap()).lines() {
            let time = Instant::now();
            let event = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send((time, event)).is_err() {
                return;
            }
        }
    });
    events
}

fn scenario() -> Value {
    json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1", "object_id": "o1"}]},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "keys": [{"name": "kek", "versions": [{"version": VERSION}]}],
            "secrets": [{"name": SECRET, "versions": [{
                "version": VERSION,
                "wrap": {"key": "kek", "plain": KEY},
                "content_type": "Wrapped BEK",
                "tags": {
                    "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}/keys/kek/{VERSION}"),
                    "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}}]}],
        }],
    })
}
