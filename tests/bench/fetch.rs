//! Getting a wrapped key from Key Vault: bek-unlock beside Azure's own Python SDK.
//!
//! The clock runs from the start of the process until the emulator has the answer to unwrapKey
//! ready, so that it makes no difference whether this kernel could open the volume afterwards.
//! The emulator runs in here and its log is a pipe: the time of a line is the time of its event.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use azure_emulator::{Emulator, Options, Scenario};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::program::{Disk, KEY, NAME, run};
use crate::table::{self, Row, median, millis};

const VAULT: &str = "https://contoso-kv.vault.azure.net";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// A line of the emulator's log, and when it was written.
type Event = (Instant, Value);

/// Times `rounds` fetches by each, alternately.
pub fn compare(program: &str, rounds: usize, python: &Path, script: &str) {
    let disk = Disk::new();
    let ca = disk.path("ca.pem");
    let (emulator, events) = emulator(&disk.path("log"));
    fs::write(&ca, emulator.ca_pem()).unwrap();

    let url = format!("{VAULT}/secrets/wrapped/{VERSION}");
    let options = format!("timeout=20,ca={ca}");
    let mut ours = Command::new(program);
    ours.args(["attach", NAME, &disk.device, &url, &options]).env_clear();
    let mut sdk = Command::new(python);
    // requests and ssl each have a way of their own to name a CA.
    sdk.args(["-I", script, VAULT, "wrapped", VERSION]).env_clear();
    sdk.env("REQUESTS_CA_BUNDLE", &ca).env("SSL_CERT_FILE", &ca);

    let mut contenders =
        [Contender::new("bek-unlock attach", ours), Contender::new("Azure SDK for Python", sdk)];
    // The first round fills caches; it does not count.
    for round in 0..=rounds {
        for contender in &mut contenders {
            contender.fetch(&events, round > 0);
            if Path::new("/dev/mapper").join(NAME).exists() {
                run(&[program, "detach", NAME]);
            }
        }
    }
    let rows: Vec<Row> = contenders.into_iter().map(Contender::row).collect();
    let title = "fetching a wrapped key: process start until the vault has answered unwrapKey";
    table::print(title, &["to 1st request", "requests"], &rows);
}

struct Contender {
    row: Row,
    command: Command,
    first: Vec<f64>,
    requests: usize,
}

impl Contender {
    fn new(name: &str, command: Command) -> Self {
        Self { row: Row::new(name), command, first: Vec::new(), requests: 0 }
    }

    /// One run. Its exit status is not asked: without device-mapper bek-unlock fails, after the
    /// key was fetched. That the key was fetched is in the log.
    fn fetch(&mut self, events: &Receiver<Event>, counts: bool) {
        let start = Instant::now();
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        let since = |time: Instant| time.duration_since(start).as_secs_f64();
        let mut first = None;
        self.requests = 0;
        loop {
            // A line is written before its answer is sent, so all of them are on their way.
            let Ok((time, event)) = events.recv_timeout(Duration::from_secs(5)) else {
                panic!("no unwrapKey: {}", String::from_utf8_lossy(&output.stderr));
            };
            if event["event"] != "request" {
                continue;
            }
            self.requests += 1;
            first.get_or_insert(time);
            let unwrap = event["path"].as_str().is_some_and(|path| path.ends_with("/unwrapkey"));
            // 401 is the challenge that a client without a token may have asked for.
            if unwrap && event["status"] == 200 {
                if counts {
                    self.row.push(since(time));
                    self.first.push(since(first.unwrap_or(time)));
                }
                return;
            }
        }
    }

    fn row(mut self) -> Row {
        self.row.note(millis(median(&self.first)));
        self.row.note(self.requests.to_string());
        self.row
    }
}

/// Serves Azure at its own addresses; what it logs comes through the channel.
fn emulator(log: &str) -> (Emulator, Receiver<Event>) {
    mkfifo(log, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let (sender, events) = channel();
    let pipe = log.to_owned();
    thread::spawn(move || {
        for line in BufReader::new(File::open(pipe).unwrap()).lines() {
            let time = Instant::now();
            let event = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send((time, event)).is_err() {
                return;
            }
        }
    });
    let options = Options {
        imds: "169.254.169.254:80".parse().unwrap(),
        log: Some(log.into()),
        vault: "169.254.169.253:443".parse().unwrap(),
        ..Options::default()
    };
    let emulator = Emulator::start(Scenario::from_value(scenario()).unwrap(), options).unwrap();
    (emulator, events)
}

fn scenario() -> Value {
    json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1", "object_id": "o1"}]},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "keys": [{"name": "kek", "versions": [{"version": VERSION}]}],
            "secrets": [{"name": "wrapped", "versions": [{
                "version": VERSION,
                "wrap": {"key": "kek", "plain": KEY},
                "content_type": "Wrapped BEK",
                "tags": {
                    "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}/keys/kek/{VERSION}"),
                    "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}}]}],
        }],
    })
}
