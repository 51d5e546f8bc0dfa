//! The main job: one volume, from its bektab line to an open, verified mapping.
//!
//! The order is the contract of design and bek-unlock(8): already open? wait for the device, read
//! the header, ask the key sources in order, try each key, verify the content. Pure: devices,
//! libcryptsetup, clock and key sources come in through traits, so that every refusal is tested
//! without root. Nothing here prints; the outcome or the [`Error`] says it all.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::device::Devices;
use crate::error::{Error, Goal, Kind};
use crate::header::Headers;
use crate::header::choice::Why;
use crate::key::{KeySource, SourceName};
use crate::mapping::{Format, Header, Luks, Mapping, Mappings, Memory};
use crate::volume::{DeviceSpec, HeaderSpec, Volume};

use attempt::{Attempt, Fit};
use header::Reading;
use rounds::ask_all;
use verify::verify;

pub mod account;
pub mod admission;
mod attempt;
#[cfg(test)]
mod fake;
mod header;
pub mod prove;
mod race;
mod rounds;
mod verify;

/// ADE's name for the temporary disk (`ResourceDiskUtil.py`). Azure makes it anew, as NTFS, each
/// time the VM moves to another host.
const RESOURCE_DISK: &str = "resourceencrypt";

/// How often devices, headers and free memory are looked at while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long another run may take from making a mapping to loading its table: two system calls.
const TABLE_PATIENCE: Duration = Duration::from_secs(1);

/// What the unlock works with.
pub struct World<'a> {
    /// Block devices.
    pub devices: &'a mut dyn Devices,
    /// Detached headers.
    pub headers: &'a mut dyn Headers,
    /// libcryptsetup.
    pub luks: &'a mut dyn Luks,
    /// What is mapped already.
    pub mappings: &'a dyn Mappings,
    /// Memory for the KDF.
    pub memory: &'a dyn Memory,
}

/// An encrypted device whose header was read: where more of its key may be found.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The device; its slot decides which key file is its own.
    pub device: PathBuf,
    /// As what it is encrypted.
    pub format: Format,
    /// Where the header's bytes can be read, which may hold tokens: the device itself, or the copy
    /// in memory of a detached one.
    pub header: PathBuf,
    /// What messages call the header: a copy in memory has no name of its own.
    pub place: String,
}

/// Makes the key sources of a volume once its device is known, in the order of trying.
pub trait Sources {
    /// The device is there, and its header is read next: who will be asked first and far away may
    /// be prepared meanwhile.
    fn prepare(&mut self, _volume: &Volume) {}

    /// The sources; those that nothing on the device speaks for are left out.
    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>>;
}

/// A volume that is open now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was open before, on the same device.
    AlreadyOpen {
        /// The encrypted device.
        device: PathBuf,
    },
    /// It is ADE's resource disk, and Azure has given the VM a new one: there is nothing to open.
    NewResourceDisk {
        /// The device, not encrypted.
        device: PathBuf,
    },
    /// This run opened it.
    Opened(Box<Opened>),
}

/// How a volume was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The encrypted device.
    pub device: PathBuf,
    /// What its header says.
    pub header: Header,
    /// Which detached header that was, and why that one.
    pub detached: Option<(HeaderSpec, Why)>,
    /// The keyslot that opened.
    pub keyslot: u32,
    /// The key source that had the key.
    pub source: SourceName,
    /// Where exactly the key came from.
    pub origin: String,
    /// Whether the key opened only without its final newline.
    pub trimmed: bool,
    /// What the sources before it said.
    pub passed_over: Vec<Kind>,
}

impl Opened {
    fn with(
        key: Fit,
        device: PathBuf,
        header: Header,
        detached: Option<(HeaderSpec, Why)>,
        passed_over: Vec<Kind>,
    ) -> Self {
        let Fit { keyslot, source, origin, trimmed } = key;
        Self { device, header, detached, keyslot, source, origin, trimmed, passed_over }
    }
}

/// Opens `volume`, or finds it open.
pub fn attach(
    volume: &Volume,
    world: &mut World<'_>,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
) -> Result<Outcome, Error> {
    let fail = |kind: Kind| Error::new(Goal::Unlock, kind).volume(&volume.name);
    if let Some(mapping) = world.mappings.find(&volume.name).map_err(fail)? {
        return already_open(volume, world, mapping, deadline).map_err(fail);
    }
    open(volume, world, sources, deadline).or_else(|error| {
        // Whoever had what this run had not: hands, or ADE's scripts in the same image.
        let mapping = world.mappings.find(&volume.name).ok().flatten();
        let open = mapping.and_then(|found| already_open(volume, world, found, deadline).ok());
        open.ok_or(error)
    })
}

/// Opens `volume`, which was not open a moment ago.
fn open(
    volume: &Volume,
    world: &mut World<'_>,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
) -> Result<Outcome, Error> {
    let fail = |device: Option<&Path>, kind: Kind| {
        Error::new(Goal::Unlock, kind).volume(&volume.name).device(device)
    };
    let device = wait_for_device(volume, world, deadline).map_err(|kind| fail(None, kind))?;
    let fail = |kind: Kind| fail(Some(&device), kind);
    sources.prepare(volume);
    let mut loaded = match header::load(volume, &device, world, deadline, Reading::AsItIs) {
        Err(Kind::HeaderUnusable { .. }) if is_new_resource_disk(volume, &device, world) => {
            return Ok(Outcome::NewResourceDisk { device });
        }
        loaded => loaded.map_err(fail)?,
    };
    let sources = sources.of(volume, &loaded.encrypted(&device));
    let luks = RefCell::new(&mut *loaded.luks);
    let attempt = Attempt { volume, luks, memory: world.memory, deadline };
    let asked = ask_all(&attempt, sources);
    let (key, passed_over) = match asked {
        Ok(found) => found,
        Err(Error { kind: kind @ (Kind::NameInUse { .. } | Kind::VolumeBusy { .. }), .. }) => {
            return taken_meanwhile(volume, world, kind, deadline).map_err(fail);
        }
        Err(error) => return Err(error.volume(&volume.name).device(Some(&device))),
    };
    let header = loaded.luks.header().clone();
    let kind = Some(header.format.as_str());
    verify(volume, kind, world, deadline).map_err(fail)?;
    let opened = Opened::with(key, device.clone(), header, loaded.detached, passed_over);
    Ok(Outcome::Opened(Box::new(opened)))
}

/// Finds the key of `volume` for somebody else, who opens it and looks at its content.
///
/// `world.luks` takes the opening's place: it hands over the key that fits, and maps nothing.
pub fn find_key(
    volume: &Volume,
    world: &mut World<'_>,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
) -> Result<Opened, Error> {
    let fail = |device: Option<&Path>, kind: Kind| {
        Error::new(Goal::Unlock, kind).volume(&volume.name).device(device)
    };
    let device = wait_for_device(volume, world, deadline).map_err(|kind| fail(None, kind))?;
    sources.prepare(volume);
    let mut loaded = header::load(volume, &device, world, deadline, Reading::AsItIs)
        .map_err(|kind| fail(Some(&device), kind))?;
    let sources = sources.of(volume, &loaded.encrypted(&device));
    let luks = RefCell::new(&mut *loaded.luks);
    let attempt = Attempt { volume, luks, memory: world.memory, deadline };
    let (key, passed_over) = ask_all(&attempt, sources)
        .map_err(|error| error.volume(&volume.name).device(Some(&device)))?;
    let header = loaded.luks.header().clone();
    Ok(Opened::with(key, device, header, loaded.detached, passed_over))
}

/// Success when the mapping is ours, `NameInUse` when it is another device's.
fn already_open(
    volume: &Volume,
    world: &mut World<'_>,
    mapping: Mapping,
    deadline: &Deadline<'_>,
) -> Result<Outcome, Kind> {
    let wanted = world.devices.find(&volume.device)?;
    let same = match (&wanted, &volume.device) {
        (Some(wanted), _) => {
            mapping.devices.iter().find(|device| world.mappings.same_device(device, wanted))
        }
        // An opened device may hide its LUKS UUID from udev; the mapping still carries it.
        (None, DeviceSpec::Uuid(uuid)) => {
            let bare = uuid.replace('-', "").to_ascii_lowercase();
            mapping.devices.first().filter(|_| mapping.uuid.as_deref() == Some(&bare))
        }
        (None, _) => None,
    };
    match same {
        Some(device) => {
            // A run that was killed between opening and looking left it like this.
            verify(volume, mapping.kind.as_deref(), world, deadline)?;
            Ok(Outcome::AlreadyOpen { device: device.clone() })
        }
        None => Err(Kind::NameInUse {
            name: mapping.name,
            device: mapping
                .devices
                .first()
                .map_or_else(|| "another device".to_owned(), |path| path.display().to_string()),
        }),
    }
}

/// What `kind` comes to when another run opened the volume since this one looked: a success.
fn taken_meanwhile(
    volume: &Volume,
    world: &mut World<'_>,
    kind: Kind,
    deadline: &Deadline<'_>,
) -> Result<Outcome, Kind> {
    // The other run may have made the mapping and not loaded its table yet.
    let whole = |mapping: &Mapping| !mapping.devices.is_empty();
    let patience = deadline.within(TABLE_PATIENCE);
    let found =
        patience.poll(LOOK_AGAIN, || Ok(world.mappings.find(&volume.name)?.filter(whole)))?;
    found.map_or(Err(kind), |mapping| already_open(volume, world, mapping, deadline))
}

fn wait_for_device(
    volume: &Volume,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<PathBuf, Kind> {
    let span = deadline.begin(Doing::Device);
    let found = deadline.poll(LOOK_AGAIN, || world.devices.find(&volume.device));
    let missing =
        || Kind::VolumeMissing { device: volume.device.clone(), waited: deadline.elapsed() };
    span.ended(found.and_then(|found| found.ok_or_else(missing)))
}

/// Only what libblkid knows to be neither LUKS nor BitLocker: what is merely damaged is worth an
/// error.
fn is_new_resource_disk(volume: &Volume, device: &Path, world: &mut World<'_>) -> bool {
    let encrypted = |held: &str| ["BitLocker", "crypto_LUKS"].contains(&held);
    volume.name.as_str() == RESOURCE_DISK
        && volume.options.header.is_none()
        && world.devices.signature(device).is_ok_and(|held| !held.as_deref().is_some_and(encrypted))
}

#[cfg(test)]
mod tests;
