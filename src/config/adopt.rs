//! From ADE's lines to lines of bektab(5): what goes where, before anything is written.
//!
//! Pure: texts in, new texts out. A line of crypttab leaves it only when bektab has the volume, and
//! whatever is not clear stays as it is and is said. Other people's lines and all comments are kept
//! byte for byte.

mod legacy;
mod mount;
mod physical;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::ade::OS_MAPPER;
use super::{Configuration, Origin, file, render};
use crate::error::{Kind, printable};
use crate::volume::{Volume, VolumeName};

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
    let mut draft = Draft {
        bektab: &bektab,
        unclear: unclear(&lines),
        root,
        added: BTreeMap::new(),
        plan: Plan::default(),
    };
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

/// A plan in the making.
struct Draft<'a> {
    bektab: &'a Configuration,
    unclear: BTreeSet<String>,
    root: &'a BTreeSet<String>,
    /// The volumes that bektab gets.
    added: BTreeMap<VolumeName, Volume>,
    plan: Plan,
}

impl Draft<'_> {
    /// What is left of a line of crypttab.
    fn physical(&mut self, line: &Physical<'_>) -> Vec<u8> {
        if let Some(problem) = &line.problem {
            self.plan.warnings.push(format!("{problem}; left as it is"));
        }
        let goes: Vec<bool> = line.parts.iter().map(|part| self.part(line.number, part)).collect();
        line.without(&goes)
    }

    /// Whether a part of line `number` of crypttab goes.
    fn part(&mut self, number: usize, part: &Part<'_>) -> bool {
        let volume = match &part.volume {
            None => return false,
            Some(Ok(volume)) => volume,
            Some(Err(problem)) => {
                self.plan.warnings.push(format!("{problem}; left as it is"));
                return false;
            }
        };
        let place = (Origin::Crypttab, number);
        let action = match self.known(volume) {
            Known::By(line) => Action::Remove(line),
            Known::Not => match self.written(volume) {
                Ok(line) => Action::Move(line),
                Err(reason) => return self.leave(place, &volume.name, &reason),
            },
            Known::Otherwise(reason) => return self.leave(place, &volume.name, &reason),
        };
        self.plan.root |= self.is_root(&volume.name);
        let left_out = match action {
            Action::Move(_) => part.left_out.clone(),
            Action::Copy(_) | Action::Remove(_) => Vec::new(),
        };
        self.step(place, volume, part.text, action, left_out);
        true
    }

    /// What bektab says of `volume`, now or after this plan.
    fn known(&self, volume: &Volume) -> Known {
        let name = &volume.name;
        if self.unclear.contains(name.as_str()) {
            return Known::Otherwise("the name is on another line, too".to_owned());
        }
        if self.added.contains_key(name) {
            return Known::By(None);
        }
        let entry = match self.bektab.find(name) {
            Ok(entry) => entry,
            Err(Kind::NotConfigured { .. }) => return Known::Not,
            Err(problem) => return Known::Otherwise(problem.to_string()),
        };
        let (ours, place) = (&entry.volume, format!("/etc/bektab:{}", entry.line));
        if ours.options.key_only {
            return Known::Otherwise(format!("{place} says key-only, so crypttab opens it"));
        }
        if ours.device.udev_path() != volume.device.udev_path() {
            return Known::Otherwise(format!("{place} names another device"));
        }
        Known::By(Some(entry.line))
    }

    /// The line of bektab for `volume`; notes that it is there from now on.
    fn written(&mut self, volume: &Volume) -> Result<String, String> {
        let mut volume = volume.clone();
        // ADE's own scripts in the initramfs knew without being told.
        volume.options.initrd |= self.is_root(&volume.name);
        let line = render::line(&volume).map_err(|unwritable| unwritable.to_string())?;
        self.added.insert(volume.name.clone(), volume);
        Ok(line)
    }

    fn is_root(&self, name: &VolumeName) -> bool {
        name.as_str() == OS_MAPPER || self.root.contains(name.as_str())
    }

    fn step(
        &mut self,
        (origin, line): (Origin, usize),
        volume: &Volume,
        text: &str,
        action: Action,
        left_out: Vec<String>,
    ) {
        let (name, old) = (volume.name.clone(), printable(text, 400));
        self.plan.steps.push(Step { name, origin, line, old, action, left_out });
    }

    /// Says that a line stays; false, because it does not go.
    fn leave(&mut self, (origin, line): (Origin, usize), name: &VolumeName, reason: &str) -> bool {
        let file = origin.path().display();
        self.plan.warnings.push(format!("{file}:{line}: {name}: {reason}; left as it is"));
        false
    }
}

/// What bektab says of a volume.
enum Known {
    /// The same, on this line or on one that is added.
    By(Option<usize>),
    /// Nothing.
    Not,
    /// Something else, in words.
    Otherwise(String),
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
