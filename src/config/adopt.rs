//! From ADE's lines to lines of bektab(5): what goes where, before anything is written.
//!
//! Pure: texts in, new texts out. A line of crypttab leaves it only when bektab has the volume, and
//! whatever is not clear stays as it is and is said. Other people's lines and all comments are kept
//! byte for byte.

mod draft;
mod legacy;
mod mount;
mod physical;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Configuration, Origin, file};
use crate::error::Kind;
use crate::volume::{Volume, VolumeName};

use self::draft::Draft;
pub use self::mount::KeyDiskMount;
use self::physical::{Part, Physical};

/// What stands above the lines that are added.
const HEADING: &str = "# Taken over from Azure Disk Encryption by bek-unlock adopt:";

/// The files as they are.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// /etc/bektab; `None` where there is none.
    pub bektab: Option<Vec<u8>>,
    /// /etc/crypttab.
    pub crypttab: Option<Vec<u8>>,
    /// ADE's azure_crypt_mount.
    pub azure_crypt_mount: Option<Vec<u8>>,
    /// /etc/fstab.
    pub fstab: Option<Vec<u8>>,
}

impl Texts {
    /// Reads them below `root`.
    ///
    /// Errors: `ConfigurationUnreadable`.
    pub fn read(root: &Path) -> Result<Self, Kind> {
        let read = |path: &Path| file::read(root, path);
        Ok(Self {
            bektab: read(Origin::Bektab.path())?,
            crypttab: read(Origin::Crypttab.path())?,
            azure_crypt_mount: read(Origin::AzureCryptMount.path())?,
            fstab: read(Path::new(mount::FSTAB))?,
        })
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Line by line.
    pub steps: Vec<Step>,
    /// What is left as it is, and why.
    pub warnings: Vec<String>,
    /// bektab with the new lines, where there are any; written first.
    pub bektab: Option<Vec<u8>>,
    /// crypttab without the old ones.
    pub crypttab: Option<Vec<u8>>,
    /// The lines of fstab that mount the key disk.
    pub mounts: Vec<KeyDiskMount>,
    /// Whether a line of the root disk changes, and with it what an initramfs is made of.
    pub root: bool,
}

/// What becomes of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Whose line it is.
    pub name: VolumeName,
    /// The file it stands in.
    pub origin: Origin,
    /// Where, counted from 1.
    pub line: usize,
    /// The line, printable.
    pub old: String,
    /// What becomes of it.
    pub action: Action,
    /// Its options that have no counterpart in bektab.
    pub left_out: Vec<String>,
}

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Bektab gets this line, and the old one goes.
    Move(String),
    /// Bektab gets this line; the old one is in a file that ADE's agent owns.
    Copy(String),
    /// It goes; bektab has the volume in this line, or gets it from an earlier one.
    Remove(Option<usize>),
}

/// Plans for `texts`; `root` are the mappings that the root file system stands on, as far as they
/// are known.
///
/// Errors: `Internal` when what would be written would not be read as it was meant.
pub fn plan(texts: &Texts, root: &BTreeSet<String>) -> Result<Plan, Kind> {
    let bektab = parse(Origin::Bektab, texts.bektab.as_deref());
    let lines = physical::lines(texts.crypttab.as_deref().unwrap_or_default());
    let mut draft = Draft::new(&bektab, unclear(&lines), root);
    let kept: Vec<Vec<u8>> = lines.iter().map(|line| draft.physical(line)).collect();
    legacy::add(&mut draft, &lines, texts.azure_crypt_mount.as_deref());
    let Draft { added, mut plan, .. } = draft;

    let crypttab = kept.concat();
    if texts.crypttab.as_ref().is_some_and(|old| *old != crypttab) {
        plan.crypttab = Some(crypttab);
    }
    plan.bektab = with_lines(texts.bektab.as_deref(), &plan.steps);
    plan.mounts = mount::of_key_disk(texts.fstab.as_deref().unwrap_or_default());
    prove(&plan, &added)?;
    Ok(plan)
}

fn parse(origin: Origin, content: Option<&[u8]>) -> Configuration {
    Configuration::parse(origin, origin.path(), content.unwrap_or_default())
}

/// The names of crypttab that stand on lines which do not say the same: of those nobody knows which
/// one is meant.
fn unclear(lines: &[Physical<'_>]) -> BTreeSet<String> {
    let mut said: BTreeMap<&str, &Part<'_>> = BTreeMap::new();
    let mut unclear = BTreeSet::new();
    for part in lines.iter().flat_map(|line| &line.parts) {
        let first = said.entry(part.name.as_str()).or_insert(part);
        let same = match (&first.volume, &part.volume) {
            (Some(Ok(one)), Some(Ok(other))) => one == other,
            _ => std::ptr::eq(*first, part),
        };
        if !same {
            unclear.insert(part.name.clone());
        }
    }
    unclear
}

/// The text of bektab with the new lines at its end; `None` without any.
fn with_lines(old: Option<&[u8]>, steps: &[Step]) -> Option<Vec<u8>> {
    let added = steps.iter().filter_map(|step| match &step.action {
        Action::Move(line) | Action::Copy(line) => Some(line.as_str()),
        Action::Remove(_) => None,
    });
    let lines: Vec<&str> = std::iter::once(HEADING).chain(added).collect();
    if lines.len() == 1 {
        return None;
    }
    let mut text = old.unwrap_or_default().to_vec();
    // A line without its newline would have ours glued to it.
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    text.extend(lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()));
    Some(text)
}

/// Reads what would be written, and compares: the next boot depends on it.
fn prove(plan: &Plan, added: &BTreeMap<VolumeName, Volume>) -> Result<(), Kind> {
    let wrong = |reason: String| Kind::Internal { call: "taking over lines", reason };
    let bektab = parse(Origin::Bektab, plan.bektab.as_deref());
    for (name, volume) in added {
        match bektab.find(name) {
            Ok(entry) if entry.volume == *volume => {}
            Ok(_) => return Err(wrong(format!("{name} would be read as another volume"))),
            Err(problem) => return Err(wrong(problem.to_string())),
        }
    }
    let crypttab = parse(Origin::Crypttab, plan.crypttab.as_deref());
    let gone = |step: &&Step| !matches!(step.action, Action::Copy(_));
    for step in plan.steps.iter().filter(gone) {
        if plan.crypttab.is_none() || crypttab.find(&step.name).is_ok() {
            return Err(wrong(format!("{} would stay in /etc/crypttab", step.name)));
        }
    }
    Ok(())
}

/// Where a file is kept before it is changed: the first of these names that is free.
pub fn backups(file: &Path) -> impl Iterator<Item = PathBuf> {
    let name = format!("{}.before-bek-unlock", file.display());
    let numbered = (1..1000).map({
        let name = name.clone();
        move |number| PathBuf::from(format!("{name}.{number}"))
    });
    std::iter::once(PathBuf::from(name)).chain(numbered)
}

#[cfg(test)]
mod tests;
