//! `bek-unlock check` before set-ups that will not boot, each with one thing wrong, and before those
//! that will.
//!
//! The real program on LUKS images in files, before the emulator at Azure's own addresses, over TLS,
//! with systemd's files and images of an initramfs in an /etc and a /boot that are thrown away. No
//! volume is opened by a check, so this needs no device-mapper. Run by `make check-root`
//! (tests/root/run).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

mod at_need;
mod faults;
mod good;
mod image;
#[path = "../secrets/needles.rs"]
mod needles;
mod secrecy;
mod setup;
#[path = "../secrets/trace.rs"]
mod trace;
#[path = "../rekey/world.rs"]
#[expect(dead_code, reason = "a check rotates no keys")]
mod world;
