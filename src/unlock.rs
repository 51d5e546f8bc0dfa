//! The main job: one volume, from its bektab line to an open, verified mapping.
//!
//! The order is the contract of design and bek-unlock(8): already open? wait for the device, read
//! the header, ask the key sources in order, try each key, verify the content. Pure: devices,
//! libcryptsetup, clock and key sources come in through traits, so that every refusal is tested
//! without root. Nothing here prints; the outcome or the [`Error`] says it all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::device::Devices;
use crate::error::{Error, Goal, Kind};
use crate::key::{Candidate, KeySource, SourceName};
use crate::mapping::{Header, Luks, LuksDevice, Mapping, Mappings, Memory, OpenFailure};
use crate::volume::{Content, DeviceSpec, Volume};

/// How long the key disk is waited for while another source is left to ask.
///
/// Azure attaches the key disk before the VM starts: once storage drivers are up it is there. A
/// VM whose key is in Key Vault must not lose its whole `timeout=` to a disk that never comes.
const LOCAL_PATIENCE: Duration = Duration::from_secs(10);

/// ADE's name for the temporary disk (`ResourceDiskUtil.py`). Azure makes it anew, as NTFS, each
/// time the VM moves to another host.
const RESOURCE_DISK: &str = "resourceencrypt";

/// How often devices, headers and free memory are looked at while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What the unlock works with.
pub struct World<'a> {
    /// Block devices.
    pub devices: &'a mut dyn Devices,
    /// libcryptsetup.
    pub luks: &'a mut dyn Luks,
    /// What is mapped already.
    pub mappings: &'a dyn Mappings,
    /// Memory for the KDF.
    pub memory: &'a dyn Memory,
}

/// Makes the key sources of a volume once its device is known, in the order of trying.
pub trait Sources {
    /// The sources; the device's slot decides which key file is its own.
    fn of<'a>(&'a mut self, volume: &'a Volume, device: &Path) -> Vec<Box<dyn KeySource + 'a>>;
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

/// Opens `volume`, or finds it open.
pub fn attach(
    volume: &Volume,
    world: &mut World<'_>,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
) -> Result<Outcome, Error> {
    let fail = |device: Option<&Path>, kind: Kind| {
        Error::new(Goal::Unlock, kind).volume(&volume.name).device(device)
    };
    if let Some(mapping) = world.mappings.find(&volume.name).map_err(|kind| fail(None, kind))? {
        return already_open(volume, world, mapping).map_err(|kind| fail(None, kind));
    }
    let device = wait_for_device(volume, world, deadline).map_err(|kind| fail(None, kind))?;
    let fail = |kind: Kind| fail(Some(&device), kind);
    let mut luks = match load_header(volume, &device, world, deadline) {
        Err(Kind::HeaderUnusable { .. }) if is_new_resource_disk(volume, &device, world) => {
            return Ok(Outcome::NewResourceDisk { device });
        }
        loaded => loaded.map_err(fail)?,
    };
    let mut attempt = Attempt { volume, luks: &mut *luks, memory: world.memory, deadline };

    let mut failures = Vec::new();
    let mut found = None;
    let mut asked = sources.of(volume, &device);
    let count = asked.len();
    for (index, source) in asked.iter_mut().enumerate() {
        let others_left = index + 1 < count;
        let patience = match source.name() {
            SourceName::KeyDisk if others_left => {
                deadline.within(LOCAL_PATIENCE.min(deadline.remaining() / 2))
            }
            // Whoever is to type needs time for it.
            SourceName::KeyVault if others_left => deadline.within(deadline.remaining() / 2),
            _ => *deadline,
        };
        match attempt.ask(&mut **source, &patience) {
            Ok(key) => found = Some(key),
            Err(Refusal::Final(kind)) => return Err(fail(kind)),
            Err(Refusal::TryNext(kind)) => failures.push((index, kind)),
        }
        if found.is_some() {
            break;
        }
    }
    // While later sources were asked a key disk may have come, or the network an earlier one was
    // waiting for: one more look, at the disk without waiting.
    if found.is_none() && count > 1 {
        for (index, kind) in &mut failures {
            let patience = match &*kind {
                Kind::KeyDiskMissing { .. } => deadline.within(Duration::ZERO),
                kind if kind.is_transient() && !deadline.passed() => *deadline,
                _ => continue,
            };
            let Some(source) = asked.get_mut(*index) else { continue };
            match attempt.ask(&mut **source, &patience) {
                Ok(key) => found = Some(key),
                Err(Refusal::Final(kind)) => return Err(fail(kind)),
                // The first answer said how long it was waited for; that is the one to report.
                Err(Refusal::TryNext(Kind::KeyDiskMissing { .. })) => {}
                Err(Refusal::TryNext(later)) => *kind = later,
            }
            if found.is_some() {
                break;
            }
        }
    }
    drop(asked);
    let failures: Vec<Kind> = failures.into_iter().map(|(_, kind)| kind).collect();
    let Some(key) = found else {
        return Err(Error::of_sources(Goal::Unlock, failures)
            .volume(&volume.name)
            .device(Some(&device)));
    };
    let header = luks.header().clone();
    verify(volume, &header, world).map_err(fail)?;
    Ok(Outcome::Opened(Box::new(Opened {
        device: device.clone(),
        header,
        keyslot: key.keyslot,
        source: key.source,
        origin: key.origin,
        trimmed: key.trimmed,
        passed_over: failures,
    })))
}

/// Success when the mapping is ours, `NameInUse` when it is another device's.
fn already_open(volume: &Volume, world: &mut World<'_>, mapping: Mapping) -> Result<Outcome, Kind> {
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
        Some(device) => Ok(Outcome::AlreadyOpen { device: device.clone() }),
        None => Err(Kind::NameInUse {
            name: mapping.name,
            device: mapping
                .devices
                .first()
                .map_or_else(|| "another device".to_owned(), |path| path.display().to_string()),
        }),
    }
}

fn wait_for_device(
    volume: &Volume,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<PathBuf, Kind> {
    deadline.poll(LOOK_AGAIN, || world.devices.find(&volume.device))?.ok_or_else(|| {
        Kind::VolumeMissing { device: volume.device.clone(), waited: deadline.elapsed() }
    })
}

/// Reads the header; a detached one may be on a disk that shows up later than the device.
fn load_header(
    volume: &Volume,
    device: &Path,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<Box<dyn LuksDevice>, Kind> {
    let header = volume.options.header.as_deref();
    if let Some(path) = header {
        let spec = DeviceSpec::Path(path.to_owned());
        let there = deadline.poll(LOOK_AGAIN, || world.devices.find(&spec))?;
        if there.is_none() {
            let reason = "no such file or device".to_owned();
            return Err(Kind::HeaderUnusable { path: path.to_owned(), reason });
        }
    }
    let luks = world.luks.load(device, header)?;
    if luks.header().keyslots.is_empty() {
        let path = header.unwrap_or(device).to_owned();
        return Err(Kind::HeaderUnusable { path, reason: "no keyslot is in use".to_owned() });
    }
    Ok(luks)
}

/// Only what libblkid knows to be no LUKS: a header that is merely damaged is worth an error.
fn is_new_resource_disk(volume: &Volume, device: &Path, world: &mut World<'_>) -> bool {
    volume.name.as_str() == RESOURCE_DISK
        && volume.options.header.is_none()
        && world.devices.signature(device).is_ok_and(|held| held.as_deref() != Some("crypto_LUKS"))
}

/// With a detached header the right key opens *any* device: what came out must be something known.
fn verify(volume: &Volume, header: &Header, world: &mut World<'_>) -> Result<(), Kind> {
    if !header.detached || volume.options.content == Content::Any {
        return Ok(());
    }
    match world.devices.signature(&volume.name.mapped_path()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            world.luks.close(&volume.name)?;
            Err(Kind::ContentUnrecognized)
        }
        Err(kind) => {
            // Not known to be right is not opened; the reason for not knowing is the news.
            world.luks.close(&volume.name)?;
            Err(kind)
        }
    }
}

/// A key that opened the volume.
struct Fit {
    keyslot: u32,
    source: SourceName,
    origin: String,
    trimmed: bool,
}

/// Why a source did not open the volume.
enum Refusal {
    /// No other key can help.
    Final(Kind),
    /// The next source may.
    TryNext(Kind),
}

/// Trying keys on one device.
struct Attempt<'a, 'd> {
    volume: &'a Volume,
    luks: &'a mut dyn LuksDevice,
    memory: &'a dyn Memory,
    deadline: &'a Deadline<'d>,
}

impl Attempt<'_, '_> {
    /// Asks `source` until it has no more keys and tries each.
    fn ask(&mut self, source: &mut dyn KeySource, patience: &Deadline<'_>) -> Result<Fit, Refusal> {
        let mut tried = Vec::new();
        loop {
            let keys = match source.keys(patience) {
                Ok(keys) if keys.is_empty() => break,
                Ok(keys) => keys,
                // What was tried before says more than that there is nothing further.
                Err(_) if !tried.is_empty() => break,
                Err(kind) => return Err(Refusal::TryNext(kind)),
            };
            if let Some(fit) = self.try_all(&keys, source.name())? {
                return Ok(fit);
            }
            tried.extend(keys.into_iter().map(|key| key.origin));
        }
        Err(Refusal::TryNext(Kind::KeyRejected {
            place: common_place(&tried),
            tried: tried.len(),
            keyslots: self.luks.header().keyslots.len(),
        }))
    }

    /// All keys verbatim first; only then key files without their final newline.
    fn try_all(&mut self, keys: &[Candidate], source: SourceName) -> Result<Option<Fit>, Refusal> {
        for trimmed in [false, true] {
            for key in keys {
                let shorter = match trimmed {
                    true if key.from_file => key.secret.without_final_newline(),
                    _ => None,
                };
                let secret = match (&shorter, trimmed) {
                    (Some(shorter), _) => shorter,
                    (None, false) => &key.secret,
                    (None, true) => continue,
                };
                self.wait_for_memory()?;
                match self.luks.open(&self.volume.name, secret, &self.volume.options) {
                    Ok(keyslot) => {
                        let origin = key.origin.clone();
                        return Ok(Some(Fit { keyslot, source, origin, trimmed }));
                    }
                    Err(OpenFailure::WrongKey) => {}
                    Err(OpenFailure::Other(kind)) => return Err(Refusal::Final(kind)),
                }
            }
        }
        Ok(None)
    }

    /// Waits until the hungriest keyslot's KDF fits into free memory.
    ///
    /// Other volumes' KDFs give theirs back in seconds; a VM made smaller than the one that
    /// formatted the volume never has enough, and then this says so instead of the OOM killer.
    fn wait_for_memory(&self) -> Result<(), Refusal> {
        let slot = self.volume.options.key_slot;
        let slots = self.luks.header().keyslots.iter();
        let needed = slots
            .filter(|keyslot| slot.is_none_or(|slot| slot == keyslot.number))
            .map(|keyslot| keyslot.memory_kib)
            .max()
            .unwrap_or(0);
        let mut available = 0;
        let fits: Result<_, Refusal> = self.deadline.poll(LOOK_AGAIN, || {
            available = self.memory.available_kib().unwrap_or(u64::MAX);
            Ok((needed <= available).then_some(()))
        });
        match fits? {
            Some(()) => Ok(()),
            None => Err(Refusal::Final(Kind::MemoryShort {
                needed_kib: needed,
                available_kib: available,
            })),
        }
    }
}

/// Where several keys came from, in one phrase: the part their origins share.
fn common_place(origins: &[String]) -> String {
    let [first, rest @ ..] = origins else { return "this source".to_owned() };
    if rest.is_empty() {
        return first.clone();
    }
    let place = first.split_once(": ").map_or(first.as_str(), |(place, _)| place);
    if rest.iter().all(|origin| origin.starts_with(place)) {
        return place.to_owned();
    }
    let kind: String = place.split(' ').take(2).collect::<Vec<_>>().join(" ");
    format!("{kind}s")
}

#[cfg(test)]
mod tests;
