//! The root ring: the real binary on real dm-crypt, vfat and loop devices.
//!
//! Run by `make check-root` (tests/root/run), natively where the kernel has them, else inside one
//! VM. Every case is ignored elsewhere: it needs root and changes the machine it runs on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

mod adopt;
mod at_once;
mod azure;
mod bitlk;
mod bitlk_images;
mod boot_report;

mod close;
mod cores;
#[path = "../matrix/guest.rs"]
mod guest;
mod header;
mod header_copy;
mod header_policy;
mod images;
mod key_disk;
mod key_service;
mod keyscript;
mod matrix;
mod matrix_disk;
mod matrix_odd;
mod memory;
#[path = "../secrets/needles.rs"]
mod needles;
mod open;
#[path = "../secrets/places.rs"]
mod places;
#[path = "../matrix/plan.rs"]
#[expect(dead_code, reason = "the summary of tests/matrix counts what this ring only runs")]
mod plan;
mod prompt;
mod recipe;
mod recover;
mod recover_refusals;
mod recover_windows;
mod reencrypt;
mod refuse;
mod rescue;
mod secrecy;
mod token;
mod token_plugin;
#[path = "../secrets/trace.rs"]
mod trace;
mod world;
