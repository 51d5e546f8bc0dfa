//! Getting a wrapped key from Key Vault: bek-unlock beside Azure's own SDKs.
//!
//! The clock runs from the start of the process until the answer to unwrapKey is back, as the
//! emulator's log and the network's delay say it, so that it makes no difference whether this
//! kernel could open the volume afterwards.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::azure::{Azure, SECRET, VAULT, VAULT_ADDRESS, VERSION};
use crate::latency;
use crate::program::{Disk, NAME, forget};
use crate::service::Service;
use crate::table::{self, Row, median, millis};

/// What nobody can do without: TCP and the request for the token, beside TCP and TLS 1.3 to the
/// vault; then the secret, then its unwrapping.
const ROUND_TRIPS: u32 = 4;

/// Who is compared with the program.
pub struct Sdks<'a> {
    pub python: &'a str,
    pub script: &'a str,
    /// The program in tests/bench/rust-sdk, built.
    pub rust: &'a str,
}

/// Times `rounds` fetches by each, alternately, over a network whose round trip takes `delay`.
pub fn compare(program: &str, rounds: usize, sdks: &Sdks<'_>, delay: Duration) {
    let disk = Disk::new();
    let azure = Azure::start();
    if !delay.is_zero() {
        latency::move_behind(delay);
    }
    let ca = azure.ca();
    let mut ours = Command::new(program);
    ours.args(["attach", NAME, &disk.device]).args(source(&ca)).env_clear();
    let sdk = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args([VAULT, SECRET, VERSION]).env_clear();
        // requests, Python's ssl and Rust's rustls-native-certs; each has a way to name a CA.
        command.env("REQUESTS_CA_BUNDLE", &ca).env("SSL_CERT_FILE", &ca);
        command
    };
    let mut shared = Command::new(program);
    shared.args(["attach", NAME, &disk.device]).args(source(&ca)).env_clear();
    let mut contenders = [
        Contender::new("bek-unlock attach", ours),
        // As at boot, where another volume was there before.
        Contender {
            service: Some(program.to_owned()),
            ..Contender::new("the same, with its service", shared)
        },
        Contender::new("Azure SDK for Rust", sdk(&[sdks.rust])),
        Contender::new("Azure SDK for Python", sdk(&[sdks.python, "-I", sdks.script])),
    ];
    // The first round fills caches; it does not count.
    for round in 0..=rounds {
        for contender in &mut contenders {
            contender.fetch(&azure, delay / 2, round > 0);
            forget(program, &[NAME]);
        }
    }
    let round_trip = if delay.is_zero() { 0.0 } else { round_trip() };
    let floor = round_trip * f64::from(ROUND_TRIPS);
    let rows: Vec<Row> = contenders.into_iter().map(|one| one.row(floor)).collect();
    let mut title =
        "fetching a wrapped key, from process start to the answer of unwrapKey".to_owned();
    if floor > 0.0 {
        title += &format!(
            "\n  {} ms each round trip, {} as TCP measures it; the floor is {ROUND_TRIPS} of those, {} ms",
            delay.as_millis(),
            millis(round_trip),
            millis(floor)
        );
    }
    table::print(&title, &["to 1st request", "requests", "the emulator's", "rest of floor"], &rows);
}

/// What a round trip really takes, in seconds: timers and threads add to the delay. A connection is
/// one, and nobody computes anything for it.
fn round_trip() -> f64 {
    let connect = || {
        let start = Instant::now();
        TcpStream::connect(VAULT_ADDRESS).unwrap();
        start.elapsed().as_secs_f64()
    };
    median(&std::iter::repeat_with(connect).take(15).collect::<Vec<_>>())
}

/// The words of `attach` for the key and how to get it.
pub fn source(ca: &str) -> [String; 2] {
    [format!("{VAULT}/secrets/{SECRET}/{VERSION}"), format!("timeout=60,ca={ca}")]
}

struct Contender {
    row: Row,
    command: Command,
    times: Vec<f64>,
    first: Vec<f64>,
    /// What the emulator took.
    worked: Vec<f64>,
    requests: usize,
    /// The program whose process for the network is there when the clock starts.
    service: Option<String>,
}

impl Contender {
    fn new(name: &str, command: Command) -> Self {
        let row = Row::new(name);
        let [times, first, worked] = [const { Vec::new() }; 3];
        Self { row, command, times, first, worked, requests: 0, service: None }
    }

    /// One run. Its exit status is not asked: without device-mapper bek-unlock fails, after the
    /// key was fetched. That the key was fetched is in the log.
    fn fetch(&mut self, azure: &Azure, way_back: Duration, counts: bool) {
        let _service = self.service.as_deref().map(Service::start);
        let start = Instant::now();
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        let Some(asked) = azure.unwrapped(1) else {
            panic!("no unwrapKey: {}", String::from_utf8_lossy(&output.stderr));
        };
        self.requests = asked.requests;
        if counts {
            let time = (asked.last + way_back).duration_since(start).as_secs_f64();
            self.row.push(time);
            self.times.push(time);
            // As the client has it: on its way for as long as the answer.
            let first = asked.first.duration_since(start).saturating_sub(way_back);
            self.first.push(first.as_secs_f64());
            self.worked.push(asked.worked.as_secs_f64());
        }
    }

    fn row(mut self, floor: f64) -> Row {
        self.row.note(millis(median(&self.first)));
        self.row.note(self.requests.to_string());
        let worked = median(&self.worked);
        self.row.note(millis(worked));
        // A real vault computes as well, and that is not the client's.
        let of_floor = (median(&self.times) - worked) / floor;
        self.row.note(if floor > 0.0 { format!("{of_floor:.2}") } else { "-".to_owned() });
        self.row
    }
}
