//! The edges: the only modules that touch the kernel, the network or C.
//!
//! Each implements a trait that core declares, and maps what it meets to `error::Kind`.

pub mod askpass;
pub mod atomic;
pub mod azure_slot;
pub mod block;
pub mod boot_report;
pub mod disk;
pub mod fat;
pub mod file;
pub mod given;
pub mod header;
pub mod host;
pub mod http;
pub mod initrd;
pub mod key_disk;
pub mod key_paste;
pub mod key_pipe;
pub mod key_save;
pub mod key_socket;
pub mod listening;
pub mod luks;
pub mod mapping;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod mountinfo;
pub mod network;
pub mod probe;
pub mod process;
pub mod rekey;
pub mod resolver;
pub mod rewrite;
pub mod sign_in;
pub mod signals;
pub mod state;
pub mod sysfs;
pub mod tags;
pub mod units;

#[cfg(test)]
pub mod image;
