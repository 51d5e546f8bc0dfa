//! The Azure client over real HTTP, TLS and RSA, against the emulator.
//!
//! What a single answer means is tested in src/azure with a scripted network; here is what only a
//! wire can show: connections, certificates, broken answers, headers, and that nothing secret
//! reaches a log. Waits are not slept: the clock jumps over them and attempts are counted.

// clippy.toml allows these in tests, but takes only #[test] functions for tests, not their helpers.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod broken;
mod refusals;
mod secrecy;
mod secrets;
mod sign_in;
mod tls;
mod wire;
mod world;
