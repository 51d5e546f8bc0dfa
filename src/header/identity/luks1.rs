//! LUKS1: one block of 592 bytes, then keyslots where it says. No checksum, no epoch.

use std::io::{Read, Seek};

use super::{Identity, MAGIC, Needs, Problem, Reencryption, bytes_at, field, text};

/// `struct luks_phdr`.
const BLOCK: usize = 592;

const SECTOR: u64 = 512;

/// The header; `None` when it is not version 1.
pub(super) fn read(source: &mut (impl Read + Seek)) -> Result<Option<Identity>, Problem> {
    let Some(block) = bytes_at::<BLOCK>(source, 0)? else { return Ok(None) };
    if field::<6>(&block, 0) != *MAGIC || field(&block, 6) != 1_u16.to_be_bytes() {
        return Ok(None);
    }
    let number = |offset| u64::from(u32::from_be_bytes(field(&block, offset)));
    let key_bytes = number(108);
    // libcryptsetup wants all eight to lie within the header, in use or not.
    let end = (0..8)
        .map(|slot| 208 + slot * 48)
        .map(|slot| (number(slot + 40) * SECTOR, key_bytes.saturating_mul(number(slot + 44))))
        .map(|(start, size)| start.saturating_add(size))
        .max()
        .unwrap_or(0);
    let word = |offset| text(&field::<32>(&block, offset));
    let cipher = format!("{}-{}", word(8), word(40));
    Ok(Some(Identity {
        version: 1,
        uuid: text(&field::<40>(&block, 168)),
        epoch: None,
        requirements: Vec::new(),
        reencryption: Reencryption::None,
        half_damaged: false,
        extent: end.max(4096).checked_next_multiple_of(4096).unwrap_or(u64::MAX),
        needs: Needs { ciphers: [cipher].into(), ..Needs::default() },
    }))
}
