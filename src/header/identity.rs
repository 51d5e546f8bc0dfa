//! What a LUKS header says about itself: version, UUID, how new it is, whether it is whole.
//!
//! Read from the bytes and not through libcryptsetup, which has no call for the epoch and mends a
//! damaged copy while it looks. Layouts: LUKS1 On-Disk Format 1.2.3 and LUKS2 On-Disk Format 1.1.1.
//! The bytes may be anybody's: every size is checked before it is used, and libcryptsetup has the
//! last word on what it opens.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::error::printable;
use crate::secret::Secret;

mod luks1;
pub(super) mod luks2;

/// The most that a header and its keyslots may take, in bytes. ADE's file has 32 MiB, cryptsetup's
/// own default is 16 MiB.
pub const EXTENT_MAX: u64 = 64 << 20;

/// How much of a device or file has to be read for all that is told here, in bytes: the larger of
/// LUKS2's areas before the keyslots.
pub const HEAD: usize = 4 << 20;

/// What LUKS begins with, either version.
pub const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";

/// Who a header is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 1 or 2.
    pub version: u8,
    /// As written in it.
    pub uuid: String,
    /// LUKS2 counts each change of a header; LUKS1 does not.
    pub epoch: Option<u64>,
    /// What a program must know to use it (`config.requirements` of LUKS2).
    pub requirements: Vec<String>,
    /// Whether the volume is on its way from one key to another.
    pub reencryption: Reencryption,
    /// Whether only one of LUKS2's two copies is whole.
    pub half_damaged: bool,
    /// How many bytes from the start belong to it, keyslots included.
    pub extent: u64,
    /// What it asks of the kernel.
    pub needs: Needs,
}

/// What a header asks of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// dm-crypt's words, such as `aes-xts-plain64`: of the volume and of its keyslots.
    pub ciphers: BTreeSet<String>,
    /// What authenticates its sectors, such as `hmac(sha256)`.
    pub integrity: BTreeSet<String>,
}

/// How far a reencryption is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reencryption {
    /// There is none.
    None,
    /// Between two steps: the header says for each sector which key it has.
    Between,
    /// Stopped in the middle of a step, which has to be mended before the volume can be used.
    Interrupted,
}

/// Why something is no header.
#[derive(Debug)]
pub enum Problem {
    /// It is LUKS, and this is wrong with it.
    Damaged(&'static str),
    /// It has none of LUKS's marks.
    NotLuks,
    /// It wants more than [`EXTENT_MAX`].
    TooLarge,
    /// It could not be read.
    Unreadable(io::Error),
}

/// Reads the header at the start of `source`.
pub fn read(source: &mut (impl Read + Seek)) -> Result<Identity, Problem> {
    let identity = match luks1::read(source)? {
        Some(identity) => identity,
        None => luks2::read(source)?,
    };
    if identity.extent > EXTENT_MAX { Err(Problem::TooLarge) } else { Ok(identity) }
}

/// The JSON metadata of a LUKS2 header at the start of `source`, from the newer copy that is whole.
///
/// Errors: as for [`read`]; [`Problem::NotLuks`] for LUKS1, which has none.
pub fn metadata(source: &mut (impl Read + Seek)) -> Result<Secret, Problem> {
    luks2::metadata(source)
}

/// `N` bytes at `offset`; `None` where `source` has fewer.
pub(super) fn bytes_at<const N: usize>(
    source: &mut (impl Read + Seek),
    offset: u64,
) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    source.seek(SeekFrom::Start(offset))?;
    match source.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        done => done.map(|()| Some(bytes)),
    }
}

/// The bytes of a field, without those after its first NUL.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    printable(&String::from_utf8_lossy(field.get(..end).unwrap_or_default()), 40)
}

/// `N` bytes of a block that has them.
pub(super) fn field<const N: usize>(block: &[u8], offset: usize) -> [u8; N] {
    let slice = block.get(offset..).and_then(|rest| rest.first_chunk());
    slice.copied().unwrap_or([0; N])
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
            Self::NotLuks => f.write_str("it is not LUKS, or damaged"),
            Self::TooLarge => write!(f, "it wants more than {} MiB", EXTENT_MAX >> 20),
            Self::Unreadable(error) => write!(f, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests;
