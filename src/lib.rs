//! Opens dm-crypt volumes on Azure Linux VMs: at boot, or by hand, with the key from the key disk
//! or from Key Vault, unwrapped in memory with the VM's own managed identity.
//!
//! # The way of the data
//!
//! ```text
//! bektab line ─► Volume ─► key sources ─► Secret ─► libcryptsetup ─► verify ─► report
//!   config       volume    unlock, key    secret    mapping,         unlock    report, hint
//!                          azure                    edge::luks
//! ```
//!
//! * [`config`] parses bektab, ADE's lines in crypttab and its azure_crypt_mount; each line becomes
//!   a [`volume::Volume`], or an error with line and column.
//! * [`unlock`] is the main job and its order: already open? device, header, sources, content.
//!   [`detach`] is the other half. Both see the machine through the traits of [`device`],
//!   [`mapping`] and [`deadline`].
//! * [`key`] holds the key sources: key disk, file, Key Vault, prompt. The client of IMDS and
//!   Key Vault that one of them asks is [`azure`]; where Azure plugged a disk in is [`slot`].
//! * [`initramfs`] says what an image needs so that the root disk's volumes open in it.
//! * [`rekey`] gives a volume a new key, step by step: [`keyslots`] is a header that is changed,
//!   [`token`] what is put into it.
//! * [`check`] says whether the next boot will do all that.
//! * [`recovery`] finds the key in what people paste when they recover a disk.
//! * A key is a [`secret::Secret`] from its first byte to its last.
//! * A failure is an [`error::Error`]: the facts there, the advice in [`hint`], the journal's
//!   identifiers in [`message_id`]. [`report`] is the only module that speaks.
//!
//! # Core and edge
//!
//! Everything that decides is core: pure, without unsafe code, tested with values. The kernel, the
//! network and C are touched below [`edge`], which implements the traits that core declares; core
//! never imports edge, nor what stands above it. Two composition roots join the two: [`cli`] is
//! bek-unlock(8), [`generator`] is bek-unlock-generator(8). tests/house.rs holds all of this.
//!
//! The library is not a public API: it is there for the two programs and their tests, and changes
//! with them.

pub mod azure;
pub mod check;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod detach;
pub mod device;
pub mod edge;
pub mod error;
pub mod generator;
pub mod header;
pub mod hint;
pub mod initramfs;
pub mod key;
pub mod keyslots;
pub mod mapping;
pub mod message_id;
pub mod recovery;
pub mod rekey;
pub mod report;
pub mod secret;
pub mod slot;
pub mod token;
pub mod unlock;
pub mod volume;
