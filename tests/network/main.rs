//! The process that talks to the network: what it cannot do, and what all volumes share in it.
//!
//! The real program before the emulator at Azure's own addresses. Run as root by `make check-root`
//! (tests/root/run), in namespaces whose /etc is thrown away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test fails loudly"
)]

use std::thread;
use std::time::Duration;

mod rights;
mod shared;
#[path = "../rekey/world.rs"]
#[allow(dead_code, reason = "the world of enroll and rotate has more in it")]
mod world;

/// Waits for what another process does, ten seconds at the most.
fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}
