//! header-policy=strict: what a header may ask for, by a list of what is allowed.
//!
//! Nothing authenticates a header. Who can write to a disk or to /boot can change the cipher of the
//! sectors to none: the keyslots stay as they are, so the volume's own key opens it, and what is
//! written from then on is there for him to read. So everything that decides how keys and sectors
//! are protected has to be on a list, and everything that says where something lies has to be where
//! libcryptsetup's own tools put it. What is not known is refused.
//!
//! Read from the bytes of a copy that nobody can change (edge/header/memory.rs), the same that
//! libcryptsetup is given then. Two readers of one text may differ, so what only one of them would
//! take is refused, too.

use std::fmt;
use std::io::{Read, Seek};

use super::cost;
use super::identity::{MAGIC, bytes_at, field};
use crate::error::printable;

mod json;
mod luks1;
mod luks2;

/// Where the sectors are that a header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// The size of the encrypted device, in bytes.
    pub size: u64,
    /// Whether the header is apart from it.
    pub apart: bool,
}

/// What a header has that is not on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the header at the start of `source`.
///
/// Errors: [`Refusal`] for the first thing that is not on the list; also where the header cannot
/// be read or understood.
pub fn check(source: &mut (impl Read + Seek), data: Data) -> Result<(), Refusal> {
    let start = bytes_at::<8>(source, 0).map_err(|error| refuse(error.to_string()))?;
    let start = start.unwrap_or_default();
    let is_luks1 = field::<6>(&start, 0) == *MAGIC && field(&start, 6) == 1_u16.to_be_bytes();
    if is_luks1 { luks1::check(source, data) } else { luks2::check(source, data) }
}

/// The ciphers, all of them in XTS mode: what is encrypted differs by place, no sector can be
/// recognized, and a changed bit makes noise of a block.
const CIPHERS: [&str; 3] = ["aes-xts-plain64", "serpent-xts-plain64", "twofish-xts-plain64"];

/// The sizes of their keys, in bytes: two of 128 or of 256 bits.
const XTS_KEYS: [u64; 2] = [32, 64];

/// The hashes below PBKDF2, digests and the anti-forensic splitter.
const HASHES: [&str; 3] = ["sha256", "sha384", "sha512"];

/// The stripes of the anti-forensic splitter (LUKS1 On-Disk Format, LUKS_STRIPES).
const STRIPES: u64 = 4000;

/// The fewest iterations of PBKDF2 that both formats allow.
const PBKDF2_MIN: u32 = 1000;

/// What protects a keyslot's own material or the volume's sectors; `key` is its key in bytes.
fn cipher(place: &str, name: &str, key: u64) -> Result<(), Refusal> {
    if !CIPHERS.contains(&name) {
        return Err(refuse(format!("{place} has the cipher {}", shown(name))));
    }
    match XTS_KEYS.contains(&key) {
        true => Ok(()),
        false => Err(refuse(format!("{place} has a key of {} bits", key.saturating_mul(8)))),
    }
}

fn hash(place: &str, name: &str) -> Result<(), Refusal> {
    match HASHES.contains(&name) {
        true => Ok(()),
        false => Err(refuse(format!("{place} has the hash {}", shown(name)))),
    }
}

/// The rounds of PBKDF2.
fn pbkdf2(place: &str, iterations: u32) -> Result<(), Refusal> {
    match iterations < PBKDF2_MIN || cost::too_much(iterations, 0) {
        true => Err(refuse(format!("{place} asks for {iterations} iterations"))),
        false => Ok(()),
    }
}

/// Whether parts of the header, as start and size, lie between `from` and `to` and apart.
fn apart(mut areas: Vec<(u64, u64)>, from: u64, to: u64) -> Result<(), Refusal> {
    areas.sort_unstable();
    let mut free = from;
    for (start, size) in areas {
        let end = start.checked_add(size).filter(|end| *end <= to);
        match end {
            Some(end) if start >= free => free = end,
            _ => {
                let words = "lies outside the room for keyslots, or over another one";
                return Err(refuse(format!("the keyslot at byte {start} {words}")));
            }
        }
    }
    Ok(())
}

/// Whether the sectors may begin at `offset`; `header` is where the header ends, in bytes.
fn begins(offset: u64, header: u64, data: Data) -> Result<(), Refusal> {
    if !data.apart && offset < header {
        return Err(refuse(format!("the data begins at byte {offset}, inside the header")));
    }
    match offset < data.size {
        true => Ok(()),
        false => Err(refuse(format!("the data begins at byte {offset}, behind the device's end"))),
    }
}

fn refuse(reason: impl Into<String>) -> Refusal {
    Refusal(reason.into())
}

/// A word of the header, for people.
fn shown(word: &str) -> String {
    match printable(word, 40) {
        word if word.is_empty() => "\"\"".to_owned(),
        word => word,
    }
}

#[cfg(test)]
mod tests;
