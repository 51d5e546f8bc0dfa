//! What to open on a disk from another machine.
//!
//! LUKS and BitLocker tell what they are. A disk whose operating system ADE encrypted does not: its
//! partition has no signature, and the header is a file on the partition for /boot beside it. A
//! guess is made only where there is one answer; else people are told what is there.

use std::path::{Path, PathBuf};

use super::no_target::{NoTarget, Why};
use crate::error::Kind;
use crate::volume::{DeviceSpec, HeaderSpec};

pub use found::{Format, Found, Layout};

mod found;

/// Where ADE's header is: on a partition for /boot, and on one that holds /boot.
pub const ADE_PLACES: [&str; 2] = ["/luks/osluksheader", "/boot/luks/osluksheader"];

/// Which file systems are looked at for it. Not btrfs: the kernel knows a copy of a file system
/// that is mounted by its UUID alone, and would show that one.
const WITH_HEADER: [&str; 4] = ["ext2", "ext3", "ext4", "xfs"];

/// How many times larger than all others the partition is that is taken for the system's.
const MUCH_LARGER: u64 = 8;

/// What is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The block device.
    pub device: PathBuf,
    /// Its number, where it is a partition of what was named.
    pub number: Option<u32>,
    /// What it is.
    pub format: Format,
    /// Its detached header.
    pub header: Option<HeaderSpec>,
    /// All of that for people: `LUKS on partition 2 of /tmp/os.img`.
    pub how: String,
}

/// A header of ADE that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdeHeader {
    /// Where, among [`ADE_PLACES`].
    pub place: PathBuf,
    /// Its LUKS UUID.
    pub uuid: String,
}

/// Looks into file systems, read-only.
pub trait Look {
    /// ADE's header on the file system of `partition`; `None` when it has none.
    ///
    /// Errors: [`Kind::HeaderUnusable`] for one that is damaged or cannot be read.
    fn ade_header(&mut self, partition: &Path) -> Result<Option<AdeHeader>, Kind>;
}

/// Decides what to open; `header` is the one that was named.
///
/// Errors: [`Kind::NoTarget`] when there is nothing to open or several things may be meant, and
/// what [`Look`] says when it found no header.
pub fn choose(
    layout: &Layout,
    header: Option<&HeaderSpec>,
    look: &mut dyn Look,
) -> Result<Target, Kind> {
    let device = &layout.device;
    if let Some(format) = device.format() {
        return by_signature(layout, device, format, header);
    }
    if !layout.partitions.is_empty() {
        return of_table(layout, header, look);
    }
    if let Some(header) = header {
        return Ok(without_signature(layout, device, header.clone()));
    }
    match &device.holds {
        Some(kind) => refuse(layout, Why::Plain(kind.clone())),
        None if layout.siblings.is_empty() => refuse(layout, Why::Unknown),
        None => {
            let header = ade_header(layout, &layout.siblings, look)?;
            Ok(without_signature(layout, device, header))
        }
    }
}

/// A disk with partitions.
fn of_table(
    layout: &Layout,
    header: Option<&HeaderSpec>,
    look: &mut dyn Look,
) -> Result<Target, Kind> {
    let encrypted: Vec<(&Found, Format)> =
        layout.partitions.iter().filter_map(|found| Some((found, found.format()?))).collect();
    let unknown: Vec<&Found> =
        layout.partitions.iter().filter(|found| found.may_be_encrypted()).collect();
    match (encrypted.as_slice(), header) {
        (_, Some(header)) if !unknown.is_empty() => {
            let found = largest(layout, unknown)?;
            Ok(without_signature(layout, found, header.clone()))
        }
        ([(found, format)], header) => by_signature(layout, found, *format, header),
        ([(first, _), ..], _) => refuse(layout, Why::Several(layout.path_of(first))),
        ([], _) if unknown.is_empty() => refuse(layout, Why::NoneEncrypted),
        ([], _) => {
            let header = ade_header(layout, &layout.partitions, look)?;
            let found = largest(layout, unknown)?;
            Ok(without_signature(layout, found, header))
        }
    }
}

/// The one that can only be meant: the operating system's, beside small ones with nothing known.
fn largest<'a>(layout: &Layout, mut found: Vec<&'a Found>) -> Result<&'a Found, Kind> {
    found.sort_by_key(|found| std::cmp::Reverse(found.size));
    match found.as_slice() {
        [only] => Ok(only),
        [first, second, ..] if first.size / MUCH_LARGER >= second.size => Ok(first),
        [first, ..] => refuse(layout, Why::Several(layout.path_of(first))),
        [] => refuse(layout, Why::NoneEncrypted),
    }
}

/// The header that ADE left on one of these partitions.
fn ade_header(layout: &Layout, among: &[Found], look: &mut dyn Look) -> Result<HeaderSpec, Kind> {
    let mut headers: Vec<(HeaderSpec, String)> = Vec::new();
    let mut failure = None;
    for found in among.iter().filter(|found| found.holds_one_of(&WITH_HEADER)) {
        match look.ade_header(&found.path) {
            Ok(Some(AdeHeader { place, uuid })) => {
                let device = DeviceSpec::Path(found.path.clone());
                headers.push((HeaderSpec::On { path: place, device }, uuid));
            }
            Ok(None) => {}
            // Another partition may have one that is whole.
            Err(kind) => failure = failure.or(Some(kind)),
        }
    }
    let Some((spec, uuid)) = headers.first() else {
        return failure.map_or_else(|| refuse(layout, Why::NoHeader), Err);
    };
    if headers.iter().any(|(_, other)| other != uuid) {
        let shown = (!layout.is_image).then(|| spec.to_string());
        return refuse(layout, Why::SeveralHeaders(shown));
    }
    Ok(spec.clone())
}

fn by_signature(
    layout: &Layout,
    found: &Found,
    format: Format,
    header: Option<&HeaderSpec>,
) -> Result<Target, Kind> {
    let mut how = format!("{format} on {}", layout.name_of(found));
    match header {
        Some(_) if format == Format::BitLocker => return refuse(layout, Why::HeaderOfBitLocker),
        Some(header) => how.push_str(&format!(", with the header {header}")),
        None => {}
    }
    let (device, number) = (found.path.clone(), found.number);
    Ok(Target { device, number, format, header: header.cloned(), how })
}

fn without_signature(layout: &Layout, found: &Found, header: HeaderSpec) -> Target {
    let how = format!("{}, with the header {}", layout.name_of(found), layout.header_name(&header));
    let (device, number) = (found.path.clone(), found.number);
    Target { device, number, format: Format::Headerless, header: Some(header), how }
}

fn refuse<T>(layout: &Layout, why: Why) -> Result<T, Kind> {
    let named = layout.named.clone();
    Err(Kind::NoTarget(Box::new(NoTarget { named, why, listed: layout.listing() })))
}

#[cfg(test)]
mod tests;
