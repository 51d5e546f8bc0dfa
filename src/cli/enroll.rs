//! `bek-unlock enroll`: a key of its own for a volume that something else opens now, or for a new
//! one.
//!
//! What opened the volume before opens it afterwards, too: taking that away is `rotate`'s, or the
//! operator's, once the new key has proven itself at a boot.

use std::path::Path;

use super::args::enroll::EnrollArgs;
use super::azure;
use super::rekey::{Rekeying, device, root};
use crate::azure::Azure;
use crate::config::{self, Origin};
use crate::deadline::{Deadline, Pauses};
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::process::{self, SystemClock};
use crate::edge::rekey::random;
use crate::error::{Error, Goal, Kind, SecretProblem};
use crate::keyslots::Keyslots;
use crate::mapping::Format;
use crate::rekey::plan::{Wrap, WrappedKey};
use crate::rekey::{self, Keys, Plan, Store, line, passphrase};
use crate::report::logger;
use crate::report::rekey::{self as report, Rekeyed};
use crate::secret::Secret;
use crate::token::Token;
use crate::volume::{DeviceSpec, HeaderSpec, KeySpec, Options, Volume, VolumeName};

mod existing;
mod format;
mod tags;

/// Gives the volume on `args.device` a key of its own.
pub fn run(args: &EnrollArgs, json: bool) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Enroll, kind).device(Some(&args.device));
    process::harden().map_err(fail)?;
    let device = device(&args.device).map_err(fail)?;
    let name = name(args, &device).map_err(fail)?;
    let fail = |kind: Kind| fail(kind).volume(&name);
    logger::about(&name);
    let clock = SystemClock::new();
    let pauses = Pauses::default();
    let deadline = Deadline::start(&clock, args.timeout.0).pausing(&pauses);
    let enrolling = Enrolling { args, device: &device, name: &name, deadline: &deadline };
    enrolling.run(json).map_err(|error| match error {
        Stop::Found(error) => Error { goal: Goal::Enroll, ..error },
        Stop::Kind(kind) => fail(kind),
    })
}

struct Enrolling<'a> {
    args: &'a EnrollArgs,
    device: &'a Path,
    name: &'a VolumeName,
    deadline: &'a Deadline<'a>,
}

/// Why nothing came of it.
enum Stop {
    /// No key that opens it was found; with what each source said.
    Found(Error),
    /// Anything else.
    Kind(Kind),
}

impl From<Kind> for Stop {
    fn from(kind: Kind) -> Self {
        Self::Kind(kind)
    }
}

impl Enrolling<'_> {
    fn run(&self, json: bool) -> Result<(), Stop> {
        let mut azure = azure::client(&self.args.azure);
        let base = self.base()?;
        if self.args.format {
            format::may_be_lost(self.device, self.args)?;
        }
        let made = match self.args.format {
            true => Some(self.new_key(&mut azure)?),
            false => None,
        };
        if let (Some((key, _)), false) = (&made, self.args.dry_run) {
            format::format(self.device, key)?;
        } else if made.is_some() {
            log::info!("{}: the key can be wrapped; nothing was changed (--dry-run)", self.name);
            return Ok(());
        }
        let mut header = ChangedHeader::open(self.device, self.args.header.as_ref())?;
        let mut rekeying = Rekeying { name: self.name, header: &mut header, azure: &mut azure };
        if let (Some(plan), None) = (rekeying.interrupted()?, &made) {
            return self.resume(&plan, &mut rekeying, &base, json);
        }
        self.check(rekeying.header, rekeying.azure)?;
        let existing = match made {
            Some(_) => None,
            None => Some(existing::find(self.args, self.name, self.device, self.deadline)?),
        };
        let (key, wrapped) = match made {
            Some(made) => made,
            None => self.new_key(rekeying.azure)?,
        };
        let plan = self.plan(rekeying.header, wrapped, &key, &base)?;
        report::plan(self.name, &plan);
        if !self.args.dry_run {
            let keys = Keys { existing: existing.as_ref(), new: Some(key) };
            rekeying.carry_out(&plan, keys, self.deadline)?;
        }
        self.report(&plan, &base, false, json)
    }

    /// Finishes what an earlier run began. Its plan holds, whatever was asked for now.
    fn resume(
        &self,
        plan: &Plan,
        rekeying: &mut Rekeying<'_>,
        base: &Volume,
        json: bool,
    ) -> Result<(), Stop> {
        report::resumes();
        report::plan(self.name, plan);
        let existing = match rekeying.needs_key(plan)? {
            true => Some(existing::find(self.args, self.name, self.device, self.deadline)?),
            false => None,
        };
        if !self.args.dry_run {
            let keys = Keys { existing: existing.as_ref(), new: None };
            rekeying.carry_out(plan, keys, self.deadline)?;
        }
        self.report(plan, base, true, json)
    }

    /// A new passphrase, wrapped and proven to come back.
    fn new_key(&self, azure: &mut Azure) -> Result<(Secret, WrappedKey), Kind> {
        let key = passphrase::new(random)?;
        let wrap = Wrap { kek: self.args.kek.clone(), algorithm: self.args.algorithm };
        let wrapped = rekey::wrapped(&wrap, &key, azure, self.deadline)?;
        Ok((key, wrapped))
    }

    /// Refuses what is there already, before anybody is asked for a key: another volume may need it,
    /// or another run made it.
    fn check(&self, header: &mut ChangedHeader, azure: &mut Azure) -> Result<(), Kind> {
        let refuse = |reason: String| Err(Kind::NotRekeyable { reason });
        let there = |what: String| refuse(format!("{what} is there already: rotate renews keys"));
        if let Some(path) = self.args.to_file.as_ref().filter(|path| path.exists()) {
            return there(path.display().to_string());
        }
        if let Some(id) = &self.args.to_secret {
            match azure.secret(id, self.deadline) {
                Err(Kind::SecretMissing { problem: SecretProblem::NotFound, .. }) => {}
                Ok(_) | Err(Kind::SecretMissing { .. }) => {
                    return there(format!("the secret {id}"));
                }
                Err(kind) => return Err(kind),
            }
        }
        if !self.args.to_token {
            return Ok(());
        }
        if header.format() != Format::Luks2 {
            return refuse(
                "it is LUKS1, which has no tokens: use --to-vault or --to-file".to_owned(),
            );
        }
        let tokens = header.tokens()?;
        match tokens.iter().find(|(_, json)| Token::parse(json).is_ok()) {
            Some((number, _)) => refuse(format!(
                "token {number} in its header has a key already: renew it with bek-unlock rotate"
            )),
            None => Ok(()),
        }
    }

    fn plan(
        &self,
        header: &mut ChangedHeader,
        wrapped: WrappedKey,
        key: &Secret,
        base: &Volume,
    ) -> Result<Plan, Kind> {
        // A new volume was formatted with it.
        let keyslot = match (header.fits(key, None)?, header.free()?) {
            (Some(slot), _) | (None, Some(slot)) => slot,
            (None, None) => {
                return Err(Kind::NotRekeyable {
                    reason: "all of its keyslots are in use: see cryptsetup luksDump".to_owned(),
                });
            }
        };
        let stores = self.stores(base);
        let line = line::line(&line::finding(base, &stores, &wrapped))
            .map_err(|unwritable| Kind::NotRekeyable { reason: unwritable.to_string() })?;
        Ok(Plan {
            uuid: header.uuid().to_owned(),
            device: self.device.to_owned(),
            wrapped,
            keyslot,
            stores,
            line: self.args.write.then_some(line),
            proves: self.args.write,
            old_keyslot: None,
            old_file: None,
        })
    }

    fn stores(&self, base: &Volume) -> Vec<Store> {
        let identity = base.options.identity.clone();
        let secret = self
            .args
            .to_secret
            .as_ref()
            .map(|id| Store::Secret { id: id.clone(), tags: tags::of(self.args, self.device) });
        let token = self.args.to_token.then_some(Store::Token { number: None, identity });
        let file = self.args.to_file.as_ref().map(|path| Store::File(path.clone()));
        secret.into_iter().chain(token).chain(file).collect()
    }

    /// The volume as its line has it now, or a new one; its secret is tagged with the machine's name.
    fn base(&self) -> Result<Volume, Kind> {
        let mut volume = self.known()?;
        if let Some(machine) = &self.args.machine_name {
            volume.options.machine_name = Some(machine.clone());
        }
        Ok(volume)
    }

    fn known(&self) -> Result<Volume, Kind> {
        let azure = &self.args.azure;
        match config::load(root()).find(self.name) {
            Ok(entry) => {
                let known = BlockDevices::new().find(&entry.volume.device)?;
                if known.as_deref() != Some(self.device) {
                    let (name, file) = (self.name, entry.file.display());
                    let spec = &entry.volume.device;
                    let reason = format!("{name} in {file} is another device: {spec}");
                    return Err(Kind::NotRekeyable { reason });
                }
                if entry.origin == Origin::Crypttab {
                    log::warn!("/etc/crypttab has {}, too: see bek-unlock adopt", self.name);
                }
                Ok(entry.volume.clone())
            }
            Err(Kind::NotConfigured { .. }) => Ok(Volume {
                name: self.name.clone(),
                device: DeviceSpec::Path(self.args.device.clone()),
                key: KeySpec::Find,
                options: Options {
                    ca: azure.ca.clone(),
                    header: self.args.header.as_ref().map(absolute),
                    identity: azure.identity.clone(),
                    // A disk that is missing must not keep the machine from booting.
                    nofail: true,
                    vault_suffixes: azure.vault_suffixes.clone(),
                    ..Options::default()
                },
            }),
            Err(kind) => Err(kind),
        }
    }

    fn report(&self, plan: &Plan, base: &Volume, resumed: bool, json: bool) -> Result<(), Stop> {
        let found = line::finding(base, &plan.stores, &plan.wrapped);
        let line = line::line(&found).ok().map(|line| line.text);
        report::done(
            &Rekeyed {
                name: self.name,
                plan,
                line: line.as_deref(),
                resumed,
                dry_run: self.args.dry_run,
            },
            json,
        );
        Ok(())
    }
}

/// The volume's name: the one given, or the device's own.
fn name(args: &EnrollArgs, device: &Path) -> Result<VolumeName, Kind> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let file = device.file_name().unwrap_or_default().to_string_lossy();
    let refused = || Kind::Usage("give it a name with --name NAME".to_owned());
    VolumeName::parse(&file).map_err(|_| refused())
}

/// A header's path from the root, which is where a boot looks for it.
fn absolute(header: &HeaderSpec) -> HeaderSpec {
    match header {
        HeaderSpec::Path(path) => {
            HeaderSpec::Path(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
        on => on.clone(),
    }
}
