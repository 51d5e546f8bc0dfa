//! The header of the device: in it, or apart and then the right one of those there are.
//!
//! /boot may be on a disk that shows up later than the one to open, so a detached header is waited
//! for; not for long where a copy can stand in for it, because an old /boot that is broken for good
//! must not take the time that the key needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Encrypted, LOOK_AGAIN, World};
use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::error::{Kind, printable};
use crate::header::choice::{self, Chosen, Why};
use crate::header::{DetachedHeader, Headers};
use crate::mapping::{Format, LuksDevice};
use crate::volume::{DeviceSpec, Encryption, HeaderPolicy, HeaderSpec, Options, Volume};

/// How long the header that is named is waited for when a copy can stand in for it; as long as the
/// key disk, which comes with the same controllers.
const COPY_PATIENCE: Duration = Duration::from_secs(10);

/// How long a header that is there and cannot be used is looked at again: a disk may be there
/// before all of what it is made of.
const SETTLE: Duration = Duration::from_secs(2);

/// How long the file system of a header is left to the unit that mounts it: two mounts of different
/// kinds are refused, and the boot would end in the emergency shell for the sake of a file that is
/// about to be there anyway.
const MOUNT_PATIENCE: Duration = Duration::from_secs(10);

/// A device whose header was read.
pub(super) struct Loaded {
    pub luks: Box<dyn LuksDevice>,
    /// Where the header was, and why there; `None` for one in the device.
    pub detached: Option<(HeaderSpec, Why)>,
    /// Where the same bytes can be read once more.
    bytes: PathBuf,
}

impl Loaded {
    /// What key sources may look at.
    pub fn encrypted(&self, device: &Path) -> Encrypted {
        let detached = self.detached.as_ref().map(|(spec, _)| spec.to_string());
        Encrypted {
            device: device.to_owned(),
            format: self.luks.header().format,
            header: self.bytes.clone(),
            place: detached.unwrap_or_else(|| device.display().to_string()),
        }
    }
}

/// How a header inside its device is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// By libcryptsetup, which mends one of two copies that is damaged.
    AsItIs,
    /// From a copy in memory, so that nothing is written.
    Copy,
}

/// Reads the header of `device`.
pub(super) fn load(
    volume: &Volume,
    device: &Path,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
    reading: Reading,
) -> Result<Loaded, Kind> {
    let span = deadline.begin(Doing::Header);
    span.ended(read(volume, device, world, deadline, reading))
}

fn read(
    volume: &Volume,
    device: &Path,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
    reading: Reading,
) -> Result<Loaded, Kind> {
    let chosen = match &volume.options.header {
        Some(spec) => Some(find(spec, world.headers, deadline)?),
        None => None,
    };
    let strict = volume.options.header_policy == HeaderPolicy::Strict;
    let copied = match &chosen {
        Some(chosen) => Some(chosen.header.clone()),
        None if strict || reading == Reading::Copy => Some(world.headers.inside(device)?),
        None => None,
    };
    if let Some(header) = copied.as_ref().filter(|_| strict) {
        world.headers.check(header, device)?;
    }
    let luks = world.luks.load(device, copied.as_ref())?;
    let own = |reason| Kind::HeaderUnusable { path: device.to_owned(), reason };
    if let Some(reason) = opposed(&volume.options, luks.header().format) {
        return Err(own(reason.to_owned()));
    }
    // Between finding and loading, the name in /dev may have become another disk's.
    if let (DeviceSpec::Uuid(wanted), None) = (&volume.device, &chosen) {
        let found = &luks.header().uuid;
        if !found.eq_ignore_ascii_case(wanted) {
            return Err(own(format!("its UUID is {}", printable(found, 40))));
        }
    }
    if luks.header().format != Format::Bitlk && luks.header().keyslots.is_empty() {
        let path = match &chosen {
            Some(chosen) => chosen.header.spec.to_string().into(),
            None => device.to_owned(),
        };
        return Err(Kind::HeaderUnusable { path, reason: "no keyslot is in use".to_owned() });
    }
    let bytes = copied.map_or_else(|| device.to_owned(), |header| header.copy);
    Ok(Loaded { luks, detached: chosen.map(|chosen| (chosen.header.spec, chosen.why)), bytes })
}

/// What is wrong where an option cannot be meant for a device of this format.
fn opposed(options: &Options, format: Format) -> Option<&'static str> {
    match (format, options.encryption) {
        (Format::Bitlk, Some(Encryption::Luks)) => Some("it is BitLocker, and its line says luks"),
        (Format::Bitlk, _) if options.key_slot.is_some() => {
            Some("it is BitLocker, and its line says key-slot=")
        }
        (Format::Luks1 | Format::Luks2, Some(Encryption::Bitlk)) => {
            Some("it is LUKS, and its line says bitlk")
        }
        _ => None,
    }
}

/// The header that `spec` names, or the copy that takes its place; says what there is to say.
fn find(
    spec: &HeaderSpec,
    headers: &mut dyn Headers,
    deadline: &Deadline<'_>,
) -> Result<Chosen, Kind> {
    let copies = headers.copies(spec);
    let patience = if copies.iter().any(choice::may_stand_in) {
        deadline.within(COPY_PATIENCE.min(deadline.remaining() / 2))
    } else {
        *deadline
    };
    let named = wait(spec, headers, &patience);
    if let Err(kind @ Kind::NotPermitted { .. }) = named {
        return Err(kind);
    }
    let chosen = choice::choose(named, copies)?;
    for note in &chosen.notes {
        if note.fact.is_warning() {
            log::warn!("{note}");
        } else {
            log::info!("{note}");
        }
    }
    Ok(chosen)
}

fn wait(
    spec: &HeaderSpec,
    headers: &mut dyn Headers,
    patience: &Deadline<'_>,
) -> Result<DetachedHeader, Kind> {
    let mut settled = None;
    let mut failure = None;
    let others = patience.within(MOUNT_PATIENCE.min(patience.remaining() / 2));
    let found = patience.poll(LOOK_AGAIN, || match headers.read(spec, others.passed()) {
        Ok(found) => Ok(found),
        Err(kind @ Kind::NotPermitted { .. }) => Err(kind),
        Err(kind) if settled.get_or_insert_with(|| patience.within(SETTLE)).passed() => Err(kind),
        Err(kind) => {
            failure = Some(kind);
            Ok(None)
        }
    })?;
    found.ok_or_else(|| failure.unwrap_or_else(|| missing(spec)))
}

/// It never came.
fn missing(spec: &HeaderSpec) -> Kind {
    let reason = match spec {
        HeaderSpec::On { .. } => "its device is not there",
        HeaderSpec::Path(_) => "no such file or device",
    };
    Kind::HeaderUnusable { path: spec.to_string().into(), reason: reason.to_owned() }
}

#[cfg(test)]
pub(super) mod tests;
