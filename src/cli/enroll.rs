//! `bek-unlock enroll`: a key of its own for a volume that something else opens now, or for a new
//! one.
//!
//! What opened the volume before opens it afterwards, too: taking that away is `rotate`'s, or the
//! operator's, once the new key has proven itself at a boot.

use std::path::Path;

use super::args::enroll::EnrollArgs;
use super::azure;
use super::rekey::{Rekeying, Stop, device, is_carried, root};
use crate::azure::Azure;
use crate::deadline::{Deadline, Pauses};
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::process::{self, SystemClock};
use crate::edge::rekey::{Notes, random};
use crate::error::{Error, Goal, Kind, SecretProblem};
use crate::keyslots::Keyslots;
use crate::mapping::Format;
use crate::rekey::plan::{Wrap, WrappedKey};
use crate::rekey::{self, Keys, Plan, Store, line, passphrase};
use crate::report::logger;
use crate::report::rekey::{self as report, Rekeyed};
use crate::secret::Secret;
use crate::token::Token;
use crate::volume::VolumeName;

use base::Base;

mod base;
mod existing;
mod format;
mod tags;

/// Gives the volume on `args.device` a key of its own.
pub fn run(args: &EnrollArgs, json: bool) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Enroll, kind).device(Some(&args.device));
    process::harden().map_err(fail)?;
    let device = device(&args.device).map_err(fail)?;
    let name = name(args, &device).map_err(fail)?;
    logger::about(&name);
    let clock = SystemClock::new();
    let pauses = Pauses::default();
    let deadline = Deadline::start(&clock, args.timeout.0).pausing(&pauses);
    let enrolling = Enrolling { args, device: &device, name: &name, deadline: &deadline };
    enrolling.run(json).map_err(|stop| stop.error(Goal::Enroll, &name).device(Some(&args.device)))
}

struct Enrolling<'a> {
    args: &'a EnrollArgs,
    device: &'a Path,
    name: &'a VolumeName,
    deadline: &'a Deadline<'a>,
}

impl Enrolling<'_> {
    fn run(&self, json: bool) -> Result<(), Stop> {
        let mut azure = azure::client(&self.args.azure);
        let base = Base::find(self.args, self.name, self.device)?;
        if let (true, Some(header)) = (self.args.format, base.header(self.args)) {
            let reason = format!(
                "its line has header={header}, and --format makes a header on the disk: take it \
                 out of the line first"
            );
            return Err(Kind::NotRekeyable { reason }.into());
        }
        let mut notes = Notes::open(root())?;
        let made = match self.args.format {
            true => Some(self.format(&mut azure, &mut notes)?),
            false => None,
        };
        if let (Some((_, wrapped)), true) = (&made, self.args.dry_run) {
            report::could_be_formatted(self.name, self.device, wrapped, json);
            return Ok(());
        }
        let mut header = ChangedHeader::open(self.device, base.header(self.args))?;
        let (header, azure) = (&mut header, &mut azure);
        let mut rekeying = Rekeying { name: self.name, header, azure, notes };
        if let Some(plan) = rekeying.interrupted()? {
            return self.resume(&plan, &mut rekeying, &base, json);
        }
        if made.is_none() {
            self.stores_are_free(rekeying.azure)?;
        }
        self.header_takes_it(rekeying.header)?;
        let (existing, (key, wrapped)) = match made {
            Some(made) => (None, made),
            None => (Some(self.existing(&base)?), self.new_key(rekeying.azure)?),
        };
        let plan = self.plan(rekeying.header, wrapped, &base)?;
        report::plan(self.name, &plan);
        if !self.args.dry_run {
            let keys = Keys { existing: existing.as_ref(), new: Some(key) };
            rekeying.carry_out(&plan, keys, self.deadline)?;
        }
        self.report(&plan, &base, false, json);
        Ok(())
    }

    /// Finishes what an earlier run began. Its plan holds, whatever was asked for now.
    fn resume(
        &self,
        plan: &Plan,
        rekeying: &mut Rekeying<'_>,
        base: &Base,
        json: bool,
    ) -> Result<(), Stop> {
        report::resumes();
        report::plan(self.name, plan);
        let existing = match rekeying.needs_key(plan)? {
            true => Some(self.existing(base)?),
            false => None,
        };
        if !self.args.dry_run {
            rekeying.resume(plan, existing.as_ref(), self.deadline)?;
        }
        self.report(plan, base, true, json);
        Ok(())
    }

    /// Makes the device a new volume, with its key; all that could be refused is refused before.
    fn format(&self, azure: &mut Azure, notes: &mut Notes) -> Result<(Secret, WrappedKey), Kind> {
        self.stores_are_free(azure)?;
        format::may_be_lost(self.device, self.args)?;
        let (key, wrapped) = self.new_key(azure)?;
        if !self.args.dry_run {
            format::format(self.device, &key, notes)?;
        }
        Ok((key, wrapped))
    }

    fn existing(&self, base: &Base) -> Result<Secret, Stop> {
        let header = base.header(self.args);
        existing::find(self.args, self.name, self.device, header, self.deadline)
    }

    /// A new passphrase, wrapped and proven to come back.
    fn new_key(&self, azure: &mut Azure) -> Result<(Secret, WrappedKey), Kind> {
        let key = passphrase::new(random)?;
        let wrap = Wrap { kek: self.args.kek.clone(), algorithm: self.args.algorithm };
        let wrapped = rekey::wrapped(&wrap, &key, azure, self.deadline)?;
        Ok((key, wrapped))
    }

    /// Refuses a secret or file that is there already, before anybody is asked for a key: another
    /// volume may need it, or another run made it.
    fn stores_are_free(&self, azure: &mut Azure) -> Result<(), Kind> {
        let there = |what: String| {
            Err(Kind::NotRekeyable {
                reason: format!("{what} is there already: rotate renews keys"),
            })
        };
        if let Some(path) = self.args.to_file.as_ref().filter(|path| path.exists()) {
            return there(path.display().to_string());
        }
        let Some(id) = &self.args.to_secret else { return Ok(()) };
        match azure.secret(id, self.deadline) {
            Err(Kind::SecretMissing { problem: SecretProblem::NotFound, .. }) => Ok(()),
            Ok(_) | Err(Kind::SecretMissing { .. }) => there(format!("the secret {id}")),
            Err(kind) => Err(kind),
        }
    }

    /// The same of a token, which a header has to have room for.
    fn header_takes_it(&self, header: &mut ChangedHeader) -> Result<(), Kind> {
        let refuse = |reason: String| Err(Kind::NotRekeyable { reason });
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
        base: &Base,
    ) -> Result<Plan, Kind> {
        let all_used = || Kind::NotRekeyable {
            reason: "all of its keyslots are in use: see cryptsetup luksDump".to_owned(),
        };
        let keyslot = match self.args.format {
            true => format::KEYSLOT,
            false => header.free()?.ok_or_else(all_used)?,
        };
        let stores = self.stores(base);
        let volume = base.volume(header.uuid());
        let line = line::line(&line::finding(&volume, &stores, &wrapped))
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
            old_salt: None,
            old_file: None,
        })
    }

    fn stores(&self, base: &Base) -> Vec<Store> {
        let secret = self.args.to_secret.as_ref().map(|id| Store::Secret {
            id: id.clone(),
            tags: tags::of(self.args, self.device, base.header(self.args).is_some()),
        });
        let identity = base.identity();
        let token = self.args.to_token.then_some(Store::Token { number: None, identity });
        let file = self.args.to_file.as_ref().map(|path| Store::File(path.clone()));
        secret.into_iter().chain(token).chain(file).collect()
    }

    fn report(&self, plan: &Plan, base: &Base, resumed: bool, json: bool) {
        let found = line::finding(&base.volume(&plan.uuid), &plan.stores, &plan.wrapped);
        if plan.line.is_some() && is_carried(&found) {
            report::image_is_old(plan);
        }
        if found.options.netdev {
            // Else it is ordered before what the volume waits for.
            log::info!("{}: its line in /etc/fstab needs _netdev or nofail", self.name);
        }
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
