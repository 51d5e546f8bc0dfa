//! The searches of a [`KeyVault`]: what further secrets come into its plan, and in which order.

use std::time::Duration;

use super::plan::{Lookup, Step};
use super::{KeyVault, missing};
use crate::azure::id::SecretId;
use crate::azure::list::ListedSecret;
use crate::azure::matching::{Disk, Machine, matching, of_disk};
use crate::deadline::Deadline;
use crate::error::{Kind, SecretProblem, printable};
use crate::key::Candidate;
use crate::volume::KeyFileName;

/// IMDS answers this from memory; the VM's name is not worth more.
const VM_NAME_LIMIT: Duration = Duration::from_secs(10);

/// How many secrets of other machines are tried on one disk: each costs two requests and a KDF.
const RESCUE_LIMIT: usize = 32;

impl KeyVault {
    /// The VM's name, if there is a secret it could decide about; IMDS is asked for nothing else.
    pub(super) fn vm_name(&self, deadline: &Deadline<'_>) -> Result<Option<String>, Kind> {
        let Lookup::Tags { vault, files, .. } = &self.lookup else { return Ok(None) };
        let mut azure = self.azure.borrow_mut();
        let listing = azure.disk_secrets(vault, deadline)?;
        let undecided = matching(&listing.secrets, files, Machine::Any)
            .into_iter()
            .any(|found| found.tags.machine.is_some() && !self.is_planned(&found.id));
        if !undecided {
            return Ok(None);
        }
        Ok(azure.vm_name(&deadline.within(VM_NAME_LIMIT)).unwrap_or_else(|kind| {
            log::debug!("going on without the VM's name: {kind}");
            None
        }))
    }

    /// Whether a search found it already: its older versions stand at the end of the plan.
    fn is_planned(&self, id: &SecretId) -> bool {
        self.plan.contains(&Step::Versions(id.clone()))
    }

    /// Plans the secrets with fitting tags: they next, their older versions last of all.
    pub(super) fn search(
        &mut self,
        machine: Machine<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Candidate>, Kind> {
        let Lookup::Tags { vault, files, .. } = &self.lookup else { return Ok(None) };
        let listing = self.azure.borrow_mut().disk_secrets(vault, deadline)?;
        self.plan_all(&matching(&listing.secrets, files, machine));
        Ok(None)
    }

    /// Plans the secrets that the disk of another machine may have, if they are few enough.
    pub(super) fn search_rescue(
        &mut self,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Candidate>, Kind> {
        let Lookup::Rescue { vault, machine, disk } = &self.lookup else { return Ok(None) };
        let listing = self.azure.borrow_mut().disk_secrets(vault, deadline)?;
        let found = of_disk(&listing.secrets, machine.as_deref(), *disk);
        let enabled = found.iter().filter(|secret| secret.attributes.enabled).count();
        if enabled > RESCUE_LIMIT {
            let what = self.wanted();
            let problem = SecretProblem::TooMany(enabled);
            return Err(Kind::SecretMissing { vault: vault.host().clone(), what, problem });
        }
        self.plan_all(&found);
        Ok(None)
    }

    fn plan_all(&mut self, found: &[&ListedSecret]) {
        let mut next = Vec::new();
        for secret in found {
            if self.is_planned(&secret.id) {
                continue;
            }
            self.plan.push_back(Step::Versions(secret.id.clone()));
            if secret.attributes.enabled {
                next.push(Step::Read(secret.id.clone()));
            } else {
                self.remember(missing(&secret.id, SecretProblem::Disabled));
            }
        }
        for step in next.into_iter().rev() {
            self.plan.push_front(step);
        }
    }

    /// What is looked for by tags, in a word.
    pub(super) fn wanted(&self) -> String {
        match &self.lookup {
            Lookup::Secret(id) => id.short(),
            Lookup::Rescue { machine: Some(machine), disk, .. } => {
                format!("{} of {}", word(*disk), printable(machine, 60))
            }
            Lookup::Rescue { disk, .. } => word(*disk).to_owned(),
            Lookup::Tags { files, .. } => {
                files.first().map_or("this disk".to_owned(), KeyFileName::to_string)
            }
        }
    }

    /// Plans the older versions of a secret whose newest one did not do.
    pub(super) fn versions(
        &mut self,
        id: &SecretId,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Candidate>, Kind> {
        let listed = self.azure.borrow_mut().versions(id, deadline);
        let versions = match listed {
            Ok(versions) => versions,
            // Not a failure of its own: reading a secret by URL needs no right to list.
            Err(kind @ Kind::VaultDenied(_)) => {
                log::debug!("older versions of {id} are not tried: {kind}");
                return Ok(None);
            }
            Err(kind) => return Err(kind),
        };
        let usable = versions.into_iter().filter(|version| version.attributes.enabled);
        let unread: Vec<Step> = usable
            .filter(|version| !self.seen.contains(&version.id))
            .map(|version| Step::Read(version.id))
            .collect();
        for step in unread.into_iter().rev() {
            self.plan.push_front(step);
        }
        Ok(None)
    }
}

fn word(disk: Disk) -> &'static str {
    match disk {
        Disk::Data | Disk::Os => "a Linux disk",
        Disk::Windows => "a Windows disk",
    }
}
