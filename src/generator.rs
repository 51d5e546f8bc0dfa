//! bek-unlock-generator: makes systemd open the volumes of bektab(5) at boot.
//!
//! The second composition root, beside cli.rs. systemd runs it before it loads units, with the
//! boot waiting (systemd.generator(7)): it reads below `root`, writes below its output directory
//! and to the kernel's log, and does nothing else. No process, no kernel module, no network, no
//! device is opened, and neither libcryptsetup nor TLS is linked.

pub mod class;
pub mod dropin;
pub mod kmsg;
pub mod plan;
pub mod text;
pub mod unit_file;
pub mod unit_name;
