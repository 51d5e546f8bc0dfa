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

/// The protector's identifier, which names the file: 16 bytes as they are on disk, the first three
/// fields little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl Guid {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::fake::{GUID, bek_file as file};

    #[test]
    fn the_guid_is_the_file_s_name() {
        for description in ["ExternalKey", DESCRIPTION] {
            let guid = read(&file(description, 7)).unwrap().unwrap();
            assert_eq!(guid.to_string(), GUID);
            assert_eq!(guid.file_name(), format!("{GUID}.BEK"));
        }
    }

    #[test]
    fn a_file_that_lost_or_gained_bytes_is_damaged() {
        let whole = file(DESCRIPTION, 7);
        for length in 16..whole.len() {
            let damaged = read(&whole[..length]).unwrap().unwrap_err();
            assert_eq!(damaged, BekProblem::Size { said: whole.len(), found: length });
        }
        let more = [whole.clone(), b"\r\n".to_vec()].concat();
        let size = BekProblem::Size { said: whole.len(), found: more.len() };
        assert_eq!(read(&more), Some(Err(size)));
        assert_eq!(size.to_string(), "its header says 200 bytes, 202 are there");
    }

    #[test]
    fn every_field_that_is_changed_is_found() {
        for (at, byte, problem) in [
            (0, 0, BekProblem::Size { said: 0, found: 156 }),
            (4, 2, BekProblem::Version),
            (8, 47, BekProblem::Version),
            (13, 1, BekProblem::Size { said: 412, found: 156 }),
            (48, 31, BekProblem::Entry),
            (48, 109, BekProblem::Entry),
            (50, 7, BekProblem::NoKey),
            (52, 1, BekProblem::NoKey),
            (80, 7, BekProblem::Entry),
            (81, 9, BekProblem::Entry),
            (112, 45, BekProblem::Entry),
            (116, 2, BekProblem::NoKey),
        ] {
            let mut bytes = file("ExternalKey", 7);
            assert_eq!(bytes.len(), 156);
            bytes[at] = byte;
            // Without version and size in the header only the description makes it one.
            let expected = (problem != BekProblem::Version).then_some(Err(problem));
            assert_eq!(read(&bytes), expected, "{at}");
        }
        let mut bytes = file(DESCRIPTION, 7);
        bytes[4] = 2;
        assert_eq!(read(&bytes), Some(Err(BekProblem::Version)));
    }

    #[test]
    fn other_bytes_are_none() {
        for bytes in [&b""[..], b"1", &[0; 48], &[0xff; 200], b"BitLocker Extension Key Protector"]
        {
            assert_eq!(read(bytes), None);
        }
    }
}
