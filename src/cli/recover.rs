//! `bek-unlock recover`: a disk of another machine, its key, and the way to what is on it.
//!
//! The steps: make the disk read-only, see what is on it, say what will be done, and then an unlock
//! like any other, with key sources of its own (recover/sources.rs). Whatever fails, the disk is
//! given back as it was.

use std::path::{Path, PathBuf};

use super::args::recover::RecoverArgs;
use crate::edge::disk::{RescueDisk, content};
use crate::edge::key_save::SavePlace;
use crate::edge::mapping::MappedDevices;
use crate::edge::process;
use crate::edge::state::{Record, State};
use crate::error::{Error, Goal, Kind};
use crate::mapping::Mappings;
use crate::recovery::next::{self, Content};
use crate::recovery::target::Target;
use crate::recovery::{self, name};
use crate::report::logger;
use crate::report::recovery::{self as report, Found, Recovered};
use crate::secret::Secret;
use crate::volume::{DeviceSpec, KeySpec, Options, Volume, VolumeName};

use job::{Done, Job};

pub mod job;
mod plan;
mod sources;

/// Opens what is on `args.device`.
pub fn run(args: &RecoverArgs, json: bool) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Recover, kind).device(Some(&args.device));
    process::harden().map_err(fail)?;
    let mut disk = RescueDisk::open(&args.device, args.read_write).map_err(fail)?;
    let target = disk.target(args.header.as_ref()).map_err(fail)?;
    let volume = volume(args, &disk, &target).map_err(fail)?;
    logger::about(&volume.name);
    report::plan(&volume, &plan::of(args, &target));
    // Before a key is looked for: what cannot be saved is better not asked for.
    let place = match &args.save_key {
        Some(path) if !args.dry_run => Some(SavePlace::prepare(path).map_err(fail)?),
        _ => None,
    };
    let job = Job { args, volume: &volume, target: &target, keeps: args.save_key.is_some() };
    let done = job.run().map_err(|error| Error { goal: Goal::Recover, ..error })?;
    let Done { opened, key, elapsed } = done;
    let named = disk.named().to_owned();
    let found = Found { disk: &named, how: &target.how, opened: &opened, elapsed };
    if args.dry_run {
        report::key_fits(&volume, &found, json);
        return Ok(());
    }
    remember(&volume, &Record::of(&opened, elapsed, false));
    // It is open, and stays so when the key cannot be saved.
    let (saved, problem) = match save(place, key, &volume) {
        Ok(saved) => (saved, None),
        Err(kind) => (None, Some(kind)),
    };
    let content = content(&volume);
    let next = next::lines(&next::Opened {
        name: &volume.name,
        content: &content,
        writable: args.read_write,
        read_only: &disk.keep(),
    });
    let recovered = Recovered { found, content: content.kind, next, saved: saved.as_deref() };
    report::recovered(&volume, &recovered, json);
    problem.map_or(Ok(()), |kind| Err(fail(kind).volume(&volume.name)))
}

/// What is opened as what; read-only unless somebody wants to write.
fn volume(args: &RecoverArgs, disk: &RescueDisk, target: &Target) -> Result<Volume, Kind> {
    let mapped = MappedDevices::new(Path::new("/"));
    let taken = |name: &VolumeName| !matches!(mapped.find(name), Ok(None));
    // A loop device's number says less than the image's name.
    let named = if disk.is_image() { disk.named() } else { &target.device };
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name::unused(named, taken).ok_or_else(|| {
            Kind::Usage("no name is left for it: give one with --name".to_owned())
        })?,
    };
    let options = Options {
        header: target.header.clone(),
        read_only: !args.read_write,
        timeout: args.timeout,
        ..Options::default()
    };
    let device = DeviceSpec::Path(target.device.clone());
    Ok(Volume { name, device, key: KeySpec::Find, options })
}

/// What it holds; not to know that is no reason to close it again.
fn content(volume: &Volume) -> Content {
    content::read(Path::new("/"), &volume.name.mapped_path()).unwrap_or_else(|kind| {
        log::warn!("{kind}");
        Content::default()
    })
}

/// For `status`; losing it costs a column there.
fn remember(volume: &Volume, record: &Record) {
    if let Err(error) = State::new(Path::new("/")).write(&volume.name, record) {
        log::debug!("remembering how {} was opened: {error}", volume.name);
    }
}

/// Writes the key to the file that was asked for.
fn save(
    place: Option<SavePlace>,
    key: Option<Secret>,
    volume: &Volume,
) -> Result<Option<PathBuf>, Kind> {
    let (Some(place), Some(key)) = (place, key) else { return Ok(None) };
    let name = recovery::file_name(&key).unwrap_or_else(|| format!("{}.key", volume.name));
    let (path, mode) = place.write(&key, &name)?;
    report::key_saved(&path, mode);
    Ok(Some(path))
}
