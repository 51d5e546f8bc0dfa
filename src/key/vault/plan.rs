//! Which secrets to try, in which order: the plan of a [`super::KeyVault`].

use std::collections::VecDeque;

use crate::azure::id::{SecretId, VaultUrl};
use crate::azure::matching::Disk;
use crate::volume::KeyFileName;

/// Which secrets may hold the key.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// This one; without a version the newest first, then its older versions.
    Secret(SecretId),
    /// Those that may be of a disk from another machine.
    Rescue {
        /// Where to look.
        vault: VaultUrl,
        /// The machine in the tag, where it is known.
        machine: Option<String>,
        /// Which keys come first.
        disk: Disk,
    },
    /// Those whose tags fit.
    Tags {
        /// Where to look.
        vault: VaultUrl,
        /// Values of `DiskEncryptionKeyFileName`, the likeliest first.
        files: Vec<KeyFileName>,
        /// Whose they are.
        machine: MachineName,
    },
}

/// The value of the tag `MachineName` to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineName {
    /// `machine-name=`: this one, or none in the tag.
    Given(String),
    /// The guest's host name, which is what ADE writes, where it is known; then the VM's name from
    /// IMDS; then secrets that name no machine.
    Guest(Option<String>),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read this secret and take its key.
    Read(SecretId),
    /// Plan the secrets that a disk from another machine may have.
    SearchRescue,
    /// Plan the secrets of this machine.
    SearchNamed(String),
    /// Plan the secrets that name no machine.
    SearchUnnamed,
    /// Ask IMDS for the VM's name and plan its secrets.
    SearchVmName,
    /// Plan the older versions of this secret.
    Versions(SecretId),
}

impl Step {
    /// Whether this step plans the versions of `read`.
    pub(super) fn is_versions_of(&self, read: &Self) -> bool {
        matches!((self, read), (Self::Versions(id), Self::Read(read)) if *id == read.newest())
    }
}

/// The plan before anything is known.
pub(super) fn plan(lookup: &Lookup) -> VecDeque<Step> {
    match lookup {
        Lookup::Secret(id) => {
            let older = id.version().is_none().then(|| Step::Versions(id.clone()));
            std::iter::once(Step::Read(id.clone())).chain(older).collect()
        }
        Lookup::Rescue { .. } => VecDeque::from([Step::SearchRescue]),
        Lookup::Tags { machine: MachineName::Given(name), .. } => {
            VecDeque::from([Step::SearchNamed(name.clone()), Step::SearchUnnamed])
        }
        Lookup::Tags { machine: MachineName::Guest(name), .. } => {
            let mut plan: VecDeque<Step> = name.iter().cloned().map(Step::SearchNamed).collect();
            // The host name may have become an FQDN since ADE wrote its first label.
            let first = name.as_deref().and_then(|name| name.split_once('.'));
            plan.extend(first.map(|(label, _)| Step::SearchNamed(label.to_owned())));
            plan.extend([Step::SearchVmName, Step::SearchUnnamed]);
            plan
        }
    }
}
