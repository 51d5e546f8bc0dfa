//! .BEK files: the binary external key of BitLocker that a Windows disk of ADE is opened with.
//!
//! The layout is that of FVE metadata (libbde, "BitLocker Drive Encryption format"): a header of
//! 48 bytes, then one entry with the external key, all little endian. Checked as far as
//! libcryptsetup's BITLK needs it, so that a damaged file is refused before a disk is tried.

use std::fmt;

use super::refusal::BekProblem;

/// Length of the file's header, which the header itself repeats.
const HEADER: usize = 48;
/// Size, type, value type and version of an entry.
const ENTRY_HEAD: usize = 8;
/// GUID and time in front of the external key's own entries.
const KEY_HEAD: usize = 24;
const STARTUP_KEY: u16 = 6;
const VALUE_KEY: u16 = 1;
const VALUE_EXTERNAL_KEY: u16 = 9;
/// What ADE's .BEK files carry as their description, in UTF-16LE.
const DESCRIPTION: &str = "BitLocker Extension Key Protector";

/// The protector's identifier, which names the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl Guid {
    /// From its 16 bytes as they are on disk, the first three fields little endian.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name that Windows gives the file.
    pub fn file_name(self) -> String {
        format!("{self}.BEK")
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (place, index) in ORDER.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02X}", self.0.get(index).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The GUID in `bytes`; `None` when they are nothing like a .BEK file.
///
/// Like one is what has ADE's description in it, or a header of version 1 that is 48 bytes long.
pub fn read(bytes: &[u8]) -> Option<Result<Guid, BekProblem>> {
    let header = (number(bytes, 4), number(bytes, 8)) == (Some(1), Some(HEADER));
    (header || describes(bytes)).then(|| check(bytes, header))
}

fn check(bytes: &[u8], header: bool) -> Result<Guid, BekProblem> {
    if !header {
        return Err(BekProblem::Version);
    }
    let found = bytes.len();
    for at in [0, 12] {
        let said = number(bytes, at).unwrap_or_default();
        if said != found {
            return Err(BekProblem::Size { said, found });
        }
    }
    let entry = bytes.get(HEADER..).unwrap_or_default();
    let size = usize::from(short(entry, 0).ok_or(BekProblem::Entry)?);
    if size < ENTRY_HEAD + KEY_HEAD || size > entry.len() {
        return Err(BekProblem::Entry);
    }
    if (short(entry, 2), short(entry, 4)) != (Some(STARTUP_KEY), Some(VALUE_EXTERNAL_KEY)) {
        return Err(BekProblem::NoKey);
    }
    let inner = entry.get(ENTRY_HEAD + KEY_HEAD..size).unwrap_or_default();
    if !holds_key(inner)? {
        return Err(BekProblem::NoKey);
    }
    let guid = bytes.get(16..32).and_then(|guid| guid.try_into().ok()).ok_or(BekProblem::Entry)?;
    Ok(Guid(guid))
}

/// Whether one of the entries in `rest` is a key: its head, 4 bytes for the method, the key.
fn holds_key(mut rest: &[u8]) -> Result<bool, BekProblem> {
    let mut found = false;
    while let Some(size @ 1..) = short(rest, 0) {
        let size = usize::from(size);
        if size < ENTRY_HEAD || size > rest.len() {
            return Err(BekProblem::Entry);
        }
        found |= short(rest, 4) == Some(VALUE_KEY) && size > ENTRY_HEAD + 4;
        rest = rest.get(size..).unwrap_or_default();
    }
    Ok(found)
}

fn describes(bytes: &[u8]) -> bool {
    let text: Vec<u8> = DESCRIPTION.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(text.len()).any(|window| window == text)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk::<2>()?))
}
