//! `enroll` and `rotate` as a user runs them: the real programs on LUKS images in files, before the
//! emulator at Azure's own addresses, over TLS.
//!
//! Nothing is mapped, so this needs no device-mapper; whether a volume opens, cryptsetup(8) says, or
//! the program by the volume's own line. Run by `make check-root` (tests/root/run), in namespaces
//! whose /etc and /var/lib are thrown away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

mod documented;
mod enroll;
mod kept;
mod killed;
#[path = "../secrets/needles.rs"]
mod needles;
mod older;
mod refused;
mod rotate;
mod sdk;
mod secrecy;
#[path = "../secrets/trace.rs"]
mod trace;
mod world;
