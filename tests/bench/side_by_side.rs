//! Side by side: what bek-unlock does, measured beside the tools that do the same.
//!
//! Run by `make bench` (tests/bench/run), which makes the world of the root ring around it. It
//! gives ratios and judges nothing: no test depends on a time. A program that fails ends the run,
//! because the time of a failure is no time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the developers: it fails loudly, and its output is the result"
)]

mod azure;
mod fetch;
mod latency;
mod parallel;
mod program;
mod service;
mod table;
mod volume;

use std::process::ExitCode;
use std::time::Duration;

use fetch::Sdks;
use volume::Others;

const USAGE: &str = "usage: make bench, which runs
    side-by-side volume BEK-UNLOCK ROUNDS [SYSTEMD-CRYPTSETUP] [clevis]
    side-by-side volumes BEK-UNLOCK ROUNDS
    side-by-side fetch BEK-UNLOCK ROUNDS MILLISECONDS PYTHON SCRIPT RUST-SDK
    side-by-side fetches BEK-UNLOCK ROUNDS MILLISECONDS
MILLISECONDS is what the network adds to a round trip.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["peak", .., _] => program::print_peak(&words[1..]),
        ["volume", program, rounds, ref others @ ..] => {
            let clevis = others.contains(&"clevis");
            let systemd = others.iter().copied().find(|other| other.starts_with('/'));
            volume::compare(program, count(rounds), &Others { systemd, clevis });
        }
        ["volumes", program, rounds] => parallel::local(program, count(rounds)),
        ["fetch", program, rounds, delay, python, script, rust] => {
            let sdks = Sdks { python, script, rust };
            fetch::compare(program, count(rounds), &sdks, milliseconds(delay));
        }
        ["fetches", program, rounds, delay] => {
            parallel::vault(program, count(rounds), milliseconds(delay));
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn count(rounds: &str) -> usize {
    let rounds = rounds.parse().expect("ROUNDS is a number");
    assert!(rounds > 0, "ROUNDS is at least 1");
    rounds
}

fn milliseconds(words: &str) -> Duration {
    Duration::from_millis(words.parse().expect("MILLISECONDS is a number"))
}
