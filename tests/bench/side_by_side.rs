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

mod fetch;
mod program;
mod table;
mod volume;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: make bench, which runs
    side-by-side volume BEK-UNLOCK ROUNDS [SYSTEMD-CRYPTSETUP]
    side-by-side fetch BEK-UNLOCK ROUNDS PYTHON SCRIPT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["volume", program, rounds] => volume::compare(program, count(rounds), None),
        ["volume", program, rounds, systemd] => {
            volume::compare(program, count(rounds), Some(systemd));
        }
        ["fetch", program, rounds, python, script] => {
            fetch::compare(program, count(rounds), Path::new(python), script);
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
