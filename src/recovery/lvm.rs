//! Which LVM volume group is on a device, from the bytes of its physical volume.
//!
//! A label in one of the first four sectors leads to metadata areas, each of which has a ring of
//! text with the latest description of the group (lib/label/label.h and lib/format_text/layout.h
//! of LVM2). The bytes may be anybody's: every place and size is checked before it is used, and
//! what does not fit its checksum is not looked at. Names come out only when LVM would allow them.

use std::io::{self, Read, Seek, SeekFrom};

mod text;

/// LABEL_SCAN_SECTORS and the size of a sector.
const SCAN_SECTORS: usize = 4;
const SECTOR: usize = 512;

/// MDA_HEADER_SIZE: the text's ring begins behind it.
const HEADER: u64 = 512;

/// FMTT_MAGIC.
const MAGIC: &[u8; 16] = b"\x20LVM2\x20x[5A%r0N*>";

/// RAW_LOCN_IGNORED.
const IGNORED: u32 = 1;

/// How many metadata areas are looked at; LVM makes two at the most.
const AREAS_MAX: usize = 4;

/// The most text that is read, in bytes; LVM's areas have 1 MiB.
const TEXT_MAX: u64 = 4 << 20;

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeGroup {
    /// Its name.
    pub name: String,
    /// Its UUID, 32 characters without the dashes.
    pub uuid: String,
    /// Its logical volumes, as far as LVM shows them.
    pub volumes: Vec<String>,
}

/// The group that the physical volume on `device` belongs to; `None` when it belongs to none, or is
/// none, or is damaged.
///
/// Errors: those of reading.
pub fn read(device: &mut (impl Read + Seek)) -> io::Result<Option<VolumeGroup>> {
    let Some(start) = bytes_at(device, 0, SCAN_SECTORS * SECTOR)? else { return Ok(None) };
    for (place, size) in areas(&start).unwrap_or_default() {
        let found = group(device, place, size)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

impl VolumeGroup {
    /// Whether the device-mapper device with this UUID is one of its logical volumes.
    pub fn has_device(&self, dm_uuid: &str) -> bool {
        group_of(dm_uuid).is_some_and(|uuid| uuid == self.uuid)
    }

    /// Whether a device of this name is, by its name, a logical volume of a group called the same.
    /// Device-mapper's names are `GROUP-VOLUME`, with the dashes of each doubled.
    pub fn shares_name(&self, dm_name: &str) -> bool {
        let mangled = self.name.replace('-', "--");
        let rest = dm_name.strip_prefix(&mangled).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|volume| !volume.starts_with('-'))
    }
}

/// The group's UUID in that of a device of LVM: `LVM-`, 32 characters, and what follows.
pub fn group_of(dm_uuid: &str) -> Option<&str> {
    dm_uuid.strip_prefix("LVM-")?.get(..32)
}

/// Place and size of each metadata area.
fn areas(start: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (number, label) = start.chunks_exact(SECTOR).enumerate().find(|(_, sector)| {
        sector.starts_with(b"LABELONE") && sector.get(24..32) == Some(b"LVM2 001")
    })?;
    let checked = label.get(20..)?;
    if u64_at(label, 8)? != number as u64 || u32_at(label, 16)? != checksum(checked) {
        return None;
    }
    // The volume's UUID and its size, then two lists that end with a zero: data, metadata.
    let mut at = usize::try_from(u32_at(label, 20)?).ok()?.checked_add(32 + 8)?;
    let mut areas = Vec::new();
    for is_metadata in [false, true] {
        loop {
            let (offset, size) = (u64_at(label, at)?, u64_at(label, at.checked_add(8)?)?);
            at = at.checked_add(16)?;
            match offset {
                0 => break,
                _ if is_metadata && areas.len() < AREAS_MAX => areas.push((offset, size)),
                _ => {}
            }
        }
    }
    Some(areas)
}

/// The group that a metadata area describes.
fn group(
    device: &mut (impl Read + Seek),
    start: u64,
    size: u64,
) -> io::Result<Option<VolumeGroup>> {
    let Some(header) = bytes_at(device, start, SECTOR)? else { return Ok(None) };
    let Some((offset, length, sum)) = location(&header, start, size) else { return Ok(None) };
    // What does not fit before the end of the area goes on behind its header.
    let before_end = length.min(size - offset);
    let pieces = [(offset, before_end), (HEADER, length - before_end)];
    let mut text = Vec::new();
    for (from, length) in pieces {
        let (Some(place), Ok(length)) = (start.checked_add(from), usize::try_from(length)) else {
            return Ok(None);
        };
        match bytes_at(device, place, length)? {
            Some(bytes) => text.extend(bytes),
            None => return Ok(None),
        }
    }
    if checksum(&text) != sum {
        return Ok(None);
    }
    Ok(text::group(&String::from_utf8_lossy(&text)))
}

/// Where in the area the text is, how long, and its checksum. Both are within the area.
fn location(header: &[u8], start: u64, size: u64) -> Option<(u64, u64, u32)> {
    let is_header = u32_at(header, 0)? == checksum(header.get(4..)?)
        && header.get(4..20)? == MAGIC
        && u32_at(header, 20)? == 1
        && (u64_at(header, 24)?, u64_at(header, 32)?) == (start, size);
    let (offset, length) = (u64_at(header, 40)?, u64_at(header, 48)?);
    let (sum, flags) = (u32_at(header, 56)?, u32_at(header, 60)?);
    let fits = (HEADER..size).contains(&offset) && length <= TEXT_MAX.min(size - HEADER);
    (is_header && fits && flags & IGNORED == 0).then_some((offset, length, sum))
}

/// `None` where the device ends before.
fn bytes_at(
    device: &mut (impl Read + Seek),
    at: u64,
    length: usize,
) -> io::Result<Option<Vec<u8>>> {
    // Beyond that no device has a place.
    if i64::try_from(at).is_err() {
        return Ok(None);
    }
    device.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; length];
    match device.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// LVM's CRC-32: the usual polynomial, its own start value, not inverted (lib/misc/crc.c).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests;
