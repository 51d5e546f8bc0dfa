//! `bek-unlock rotate`: a new passphrase, a new version of the KEK, or both, for volumes whose key
//! is wrapped.
//!
//! Where the wrapped key is (rotate/current.rs) the new one goes, too. The old keyslot is removed
//! last, after the volume's own sources were asked anew and opened it by the new one.

use std::path::Path;

use super::args::rotate::{NewKek, RotateArgs};
use super::rekey::{Rekeying, Stop, is_carried, root};
use super::{azure, sources};
use crate::azure::Azure;
use crate::config::{self, Configuration, Entry, Origin};
use crate::deadline::{Deadline, Pauses};
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::process::{self, SystemClock};
use crate::edge::rekey::{Notes, random};
use crate::error::{Error, Goal, Kind};
use crate::keyslots::Keyslots;
use crate::rekey::plan::Wrap;
use crate::rekey::{self, Keys, Plan, Store, line, passphrase};
use crate::report::rekey::{self as report, Rekeyed};
use crate::report::{failure, logger};
use crate::secret::Secret;
use crate::volume::{KekAlgorithm, KeySpec, Volume};

use current::Current;

mod current;

/// Gives the volume, or each of bektab's, a new key.
pub fn run(args: &RotateArgs, json: bool) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Rotate, kind);
    process::harden().map_err(fail)?;
    let configuration = config::load(root());
    let Some(name) = &args.name else { return all(args, &configuration, json) };
    let entry = configuration.find(name).map_err(|kind| fail(kind).volume(name))?;
    one(args, &configuration, entry, json)
}

/// Every volume of bektab that has a wrapped key. Those that cannot be rotated are said to be left
/// alone; one that fails does not keep the others from it.
fn all(args: &RotateArgs, configuration: &Configuration, json: bool) -> Result<(), Error> {
    let entries = configuration.entries.iter().filter(|entry| entry.origin == Origin::Bektab);
    let entries: Vec<&Entry> = entries.collect();
    let mut last: Option<Error> = None;
    let mut failed = |error: Error| {
        if let Some(earlier) = last.replace(error) {
            failure(&earlier, json);
        }
    };
    // Their keys stay as they are, and somebody is about to disable a KEK.
    for problem in configuration.problems.iter().filter(|problem| is_of_bektab(problem)) {
        failed(Error::new(Goal::Rotate, problem.clone()));
    }
    for (number, entry) in entries.iter().enumerate() {
        let name = &entry.volume.name;
        log::info!("{name}: volume {} of {}", number + 1, entries.len());
        match one(args, configuration, entry, json) {
            Ok(()) => {}
            Err(Error { kind: Kind::NotRekeyable { reason }, .. }) => {
                report::left_alone(name, &reason);
            }
            Err(error) => failed(error),
        }
    }
    last.map_or(Ok(()), Err)
}

fn is_of_bektab(problem: &Kind) -> bool {
    match problem {
        Kind::Configuration(diagnostic) => diagnostic.file == Origin::Bektab.path(),
        Kind::ConfigurationUnreadable { path, .. } => path == Origin::Bektab.path(),
        _ => false,
    }
}

fn one(
    args: &RotateArgs,
    configuration: &Configuration,
    entry: &Entry,
    json: bool,
) -> Result<(), Error> {
    let volume = &entry.volume;
    let clock = SystemClock::new();
    let pauses = Pauses::default();
    let deadline = Deadline::start(&clock, volume.options.timeout.0).pausing(&pauses);
    logger::about(&volume.name);
    let rotation = Rotation { args, configuration, entry, volume, deadline: &deadline };
    rotation.run(json).map_err(|stop| stop.error(Goal::Rotate, &volume.name))
}

struct Rotation<'a> {
    args: &'a RotateArgs,
    configuration: &'a Configuration,
    entry: &'a Entry,
    volume: &'a Volume,
    deadline: &'a Deadline<'a>,
}

impl Rotation<'_> {
    fn run(&self, json: bool) -> Result<(), Stop> {
        let volume = self.volume;
        let device = BlockDevices::new().find(&volume.device)?.ok_or_else(|| {
            Kind::VolumeMissing { device: volume.device.clone(), waited: Default::default() }
        })?;
        let mut azure = self.azure();
        let mut header = ChangedHeader::open(&device, volume.options.header.as_ref())?;
        let name = &volume.name;
        let (header, azure, notes) = (&mut header, &mut azure, Notes::open(root())?);
        let mut rekeying = Rekeying { name, header, azure, notes };
        if let Some(plan) = rekeying.interrupted()? {
            report::resumes();
            report::plan(name, &plan);
            let existing = match rekeying.needs_key(&plan)? {
                true => Some(current::key(volume, self.deadline)?.1),
                false => None,
            };
            if !self.args.dry_run {
                rekeying.resume(&plan, existing.as_ref(), self.deadline)?;
            }
            return self.report(&plan, true, json);
        }
        let current = Current::find(self.entry, rekeying.header, rekeying.azure, self.deadline)?;
        let (plan, key) = self.plan(&device, &current, &mut rekeying)?;
        report::plan(name, &plan);
        self.vm_unwraps(&plan)?;
        if !self.args.dry_run {
            let keys = Keys { existing: Some(&current.key), new: Some(key) };
            rekeying.carry_out(&plan, keys, self.deadline)?;
        }
        self.report(&plan, false, json)
    }

    /// Asks as the VM itself, before anything is changed: whoever rotates may have rights that it
    /// lacks, and a token has no older version to go back to.
    fn vm_unwraps(&self, plan: &Plan) -> Result<(), Kind> {
        let of_token = plan.stores.iter().find_map(|store| match store {
            Store::Token { identity, .. } => identity.clone(),
            _ => None,
        });
        let mut options = self.volume.options.clone();
        options.identity = of_token.or(options.identity);
        let wrapped = &plan.wrapped;
        let mut azure = sources::azure(root(), &options);
        azure.unwrap_key(&wrapped.kek, wrapped.algorithm, &wrapped.bytes, self.deadline).map(|_| ())
    }

    fn report(&self, plan: &Plan, resumed: bool, json: bool) -> Result<(), Stop> {
        let dry_run = self.args.dry_run;
        if plan.line.is_some() && is_carried(self.volume) {
            report::image_is_old(plan);
        }
        let line = plan.line.as_ref().map(|line| line.text.as_str());
        report::done(&Rekeyed { name: &self.volume.name, plan, line, resumed, dry_run }, json);
        Ok(())
    }

    /// Makes the new key, has it wrapped, and decides what becomes of the old one.
    fn plan(
        &self,
        device: &Path,
        current: &Current,
        rekeying: &mut Rekeying<'_>,
    ) -> Result<(Plan, Secret), Kind> {
        let (key, keyslot) = match self.args.keep_passphrase {
            true => (Secret::new(current.key.expose().to_vec()), current.keyslot),
            false => {
                let all_used = || Kind::HeaderUnusable {
                    path: device.to_owned(),
                    reason: "all of its keyslots are in use: see cryptsetup luksDump".to_owned(),
                };
                (passphrase::new(random)?, rekeying.header.free()?.ok_or_else(all_used)?)
            }
        };
        let wrap = self.wrap(current)?;
        let wrapped = rekey::wrapped(&wrap, &key, rekeying.azure, self.deadline)?;
        let mut stores = current.stores.clone();
        let mut old_file = None;
        for store in &mut stores {
            if let Store::File(path) = store {
                old_file = Some(path.clone());
                *path = current::new_file(path, &self.volume.name, keyslot, &wrapped.kek);
            }
        }
        // A secret that is named with its version, or a file: the line is what switches over.
        let mut found = match self.volume.key {
            KeySpec::Path(_) | KeySpec::Secret(_) => line::finding(self.volume, &stores, &wrapped),
            KeySpec::Find | KeySpec::KeyFile(_) => self.volume.clone(),
        };
        if keyslot != current.keyslot {
            found.options.key_slot = None;
        }
        let line = match found != *self.volume {
            false => None,
            true if self.entry.origin != Origin::Bektab => {
                return Err(Kind::NotRekeyable {
                    reason: format!(
                        "its line is ADE's, in {}: take it over with bek-unlock adopt",
                        self.entry.file.display()
                    ),
                });
            }
            true => Some(
                line::line(&found)
                    .map_err(|unwritable| Kind::NotRekeyable { reason: unwritable.to_string() })?,
            ),
        };
        // The old line is in an image, too, and the next boot opens by that one.
        let stays = line.is_some() && is_carried(self.volume);
        let old_keyslot = (!stays && keyslot != current.keyslot).then_some(current.keyslot);
        let old_salt = match old_keyslot {
            Some(slot) => rekeying.header.salt(slot)?,
            None => None,
        };
        let plan = Plan {
            uuid: rekeying.header.uuid().to_owned(),
            device: device.to_owned(),
            wrapped,
            keyslot,
            stores,
            line,
            proves: true,
            old_keyslot,
            old_salt,
            old_file: old_file.filter(|path| !stays && !self.is_named_by_another(path)),
        };
        Ok((plan, key))
    }

    /// Whether another volume's line has the file, too.
    fn is_named_by_another(&self, path: &Path) -> bool {
        let names = |entry: &&Entry| {
            entry.volume.name != self.volume.name
                && matches!(&entry.volume.key, KeySpec::Path(named) if named == path)
        };
        let other = self.configuration.entries.iter().find(names);
        if let Some(entry) = other {
            log::warn!("{} stays: the line of {} has it, too", path.display(), entry.volume.name);
        }
        other.is_some()
    }

    fn wrap(&self, current: &Current) -> Result<Wrap, Kind> {
        let unwrapped = || Kind::NotRekeyable {
            reason: "its key is not wrapped now: name a KEK for it with --kek URL".to_owned(),
        };
        let old = current.wrap.as_ref();
        let kek = match &self.args.kek {
            NewKek::Named(kek) => kek.clone(),
            NewKek::Newest => old.map(|wrap| wrap.kek.newest()).ok_or_else(unwrapped)?,
            NewKek::Kept => old.map(|wrap| wrap.kek.clone()).ok_or_else(unwrapped)?,
        };
        let algorithm = self.args.algorithm.or(old.map(|wrap| wrap.algorithm));
        let algorithm = algorithm.unwrap_or(KekAlgorithm::RsaOaep);
        Ok(Wrap { kek, algorithm })
    }

    /// The client that wraps and stores: as whoever asks for it, and trusting what the volume's line
    /// trusts.
    fn azure(&self) -> Azure {
        let options = &self.volume.options;
        let mut flags = self.args.azure.clone();
        flags.ca = flags.ca.or_else(|| options.ca.clone());
        if flags.auth.is_none() {
            flags.identity = flags.identity.or_else(|| options.identity.clone());
        }
        flags.vault_suffixes.extend(options.vault_suffixes.iter().cloned());
        azure::client(&flags)
    }
}
