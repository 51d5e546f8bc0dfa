//! The disk secrets of a vault as somebody looks through them: whose, of which disk, of what use.
//!
//! Nothing here is a value; a list has none. Every text came from tags that anybody with the right
//! to write secrets may have set, and is printable.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::id::VaultUrl;
use super::list::{ListedSecret, Listing};
use super::wrapped::Claim;
use crate::error::{Kind, SecretProblem, printable};
use crate::slot::Slot;
use crate::volume::KeyFileName;

/// Which secrets to show; those that carry no name of a key file are none of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Only of this machine, without regard to case.
    pub machine: Option<&'a str>,
    /// Only with this key file, likewise.
    pub file: Option<&'a KeyFileName>,
}

/// A secret and what its tags and times mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSecret<'a> {
    /// As the vault lists it.
    pub secret: &'a ListedSecret,
    /// The name of its key file.
    pub file: &'a KeyFileName,
    /// Which disk of the machine it is for.
    pub disk: Disk,
    /// `enabled`, `disabled`, `expired`, `not valid yet`; only a disabled one cannot be read.
    pub state: &'static str,
    /// Whether the key in it is wrapped; `None` when neither tags nor content type say.
    pub wrapped: Option<bool>,
}

/// A disk, by the name of its key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disk {
    /// `LinuxPassPhraseFileName`.
    Os,
    /// `LinuxPassPhraseFileName_C_L`.
    Data(Slot),
    /// A .BEK file.
    Windows,
    /// A name that somebody gave.
    Other,
}

impl Disk {
    /// By the name of its key file, in any case, as on the key disk.
    pub fn of(file: &KeyFileName) -> Self {
        let name = file.as_str();
        if name.eq_ignore_ascii_case(KeyFileName::OS) {
            Self::Os
        } else if let Some(slot) = Slot::of_key_file(file) {
            Self::Data(slot)
        } else if name.to_ascii_lowercase().ends_with(".bek") {
            Self::Windows
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os => f.write_str("OS disk"),
            Self::Data(slot) => write!(f, "data disk {}:{}", slot.controller(), slot.lun()),
            Self::Windows => f.write_str("Windows"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// The disk secrets that `filter` lets through, by machine, then disk, the newest first; `now` in
/// seconds since 1970.
///
/// Errors: `SecretMissing` when there is none.
pub fn disk_secrets<'a>(
    vault: &VaultUrl,
    listing: &'a Listing,
    filter: Filter<'_>,
    now: u64,
) -> Result<Vec<DiskSecret<'a>>, Kind> {
    let machine = filter.machine.map(|name| printable(name, 255));
    let is_wanted = |secret: &&ListedSecret| {
        let tag = secret.tags.machine.as_deref().unwrap_or_default();
        let file = secret.tags.file.as_ref().map(KeyFileName::as_str).unwrap_or_default();
        machine.as_ref().is_none_or(|name| tag.eq_ignore_ascii_case(name))
            && filter.file.is_none_or(|name| file.eq_ignore_ascii_case(name.as_str()))
    };
    let wanted = listing.secrets.iter().filter(is_wanted);
    let mut found: Vec<_> = wanted.filter_map(|secret| explain(secret, now)).collect();
    if found.is_empty() {
        return Err(none(vault, listing, filter));
    }
    found.sort_by_cached_key(|row| {
        let machine = row.secret.tags.machine.as_ref().map(|name| name.to_ascii_lowercase());
        // Those that nobody put a name to come last.
        (machine.is_none(), machine, row.disk, Reverse(row.secret.attributes.created))
    });
    Ok(found)
}

fn explain(secret: &ListedSecret, now: u64) -> Option<DiskSecret<'_>> {
    let file = secret.tags.file.as_ref()?;
    let state = match secret.attributes.outside_window(now) {
        _ if !secret.attributes.enabled => "disabled",
        Some(odd) => odd,
        None => "enabled",
    };
    let wrapped = match Claim::of(secret.tags.kek.is_some(), secret.content_type.as_deref()) {
        Claim::Nothing => None,
        Claim::Plain => Some(false),
        Claim::Wrapped => Some(true),
    };
    Some(DiskSecret { secret, file, disk: Disk::of(file), state, wrapped })
}

/// What was looked for, among how many, and which machines there are instead.
fn none(vault: &VaultUrl, listing: &Listing, filter: Filter<'_>) -> Kind {
    let machine = filter.machine.map(|name| format!("machine {}", printable(name, 255)));
    let file = filter.file.map(|name| format!("file {name}"));
    let asked: Vec<String> = machine.into_iter().chain(file).collect();
    let what = if asked.is_empty() { "a disk".to_owned() } else { asked.join(" and ") };
    let machines: BTreeMap<String, String> = listing
        .secrets
        .iter()
        .map(|secret| secret.tags.machine.as_deref().unwrap_or("(no name)"))
        .map(|name| (name.to_ascii_lowercase(), name.to_owned()))
        .collect();
    let problem = match machines.len() {
        0 => SecretProblem::NoneMatches(listing.seen),
        _ => SecretProblem::OthersMatch {
            seen: listing.seen,
            machines: machines.into_values().collect(),
        },
    };
    Kind::SecretMissing { vault: vault.host().clone(), what, problem }
}

#[cfg(test)]
mod tests;
