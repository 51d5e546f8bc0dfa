//! LUKS1: one block of fixed fields (LUKS1 On-Disk Format 1.2.3, `struct luks_phdr`).

use std::io::{Read, Seek};

use super::{Data, HASHES, Refusal, STRIPES, apart, begins, cipher, pbkdf2, refuse, shown};
use crate::header::identity::{EXTENT_MAX, bytes_at, field};

const BLOCK: usize = 592;

const SECTOR: u64 = 512;

const ACTIVE: u32 = 0x00ac_71f3;

const INACTIVE: u32 = 0x0000_dead;

/// Volumes that Azure Disk Encryption made on Ubuntu 16.04 have it. Of a hash inside PBKDF2 and
/// the splitter nothing is asked that SHA-1 has lost.
const OLD_HASH: &str = "sha1";

pub(super) fn check(source: &mut (impl Read + Seek), data: Data) -> Result<(), Refusal> {
    let block = bytes_at::<BLOCK>(source, 0).map_err(|error| refuse(error.to_string()))?;
    let block = block.ok_or_else(|| refuse("it ends early"))?;
    let number = |offset| u32::from_be_bytes(field(&block, offset));
    let key = u64::from(number(108));
    cipher("the volume", &format!("{}-{}", word(&block, 8), word(&block, 40)), key)?;
    let hash = word(&block, 72);
    if hash != OLD_HASH && !HASHES.contains(&hash.as_str()) {
        return Err(refuse(format!("the header has the hash {}", shown(&hash))));
    }
    pbkdf2("the digest of the key", number(164))?;
    let (mut areas, mut end) = (Vec::new(), 0);
    for (slot, at) in (208..BLOCK).step_by(48).enumerate() {
        let (start, stripes) = (u64::from(number(at + 40)) * SECTOR, u64::from(number(at + 44)));
        if stripes != STRIPES {
            return Err(refuse(format!("keyslot {slot} has {stripes} stripes")));
        }
        match number(at) {
            ACTIVE => pbkdf2(&format!("keyslot {slot}"), number(at + 4))?,
            INACTIVE => {}
            other => return Err(refuse(format!("keyslot {slot} has the state {other:#x}"))),
        }
        areas.push((start, key * STRIPES));
        end = end.max(start + key * STRIPES);
    }
    apart(areas, (BLOCK as u64).next_multiple_of(SECTOR), EXTENT_MAX)?;
    begins(u64::from(number(104)) * SECTOR, end, data)
}

/// A text of 32 bytes as C reads it.
fn word(block: &[u8], offset: usize) -> String {
    let bytes = field::<32>(block, offset);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
