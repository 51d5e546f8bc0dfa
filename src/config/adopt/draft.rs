//! What becomes of each line: bektab's word on its volume, and the plan as it grows.

use std::collections::{BTreeMap, BTreeSet};

use super::physical::{Part, Physical};
use super::{Action, Plan, Step};
use crate::config::ade::OS_MAPPER;
use crate::config::{Configuration, Origin, render};
use crate::error::{Kind, printable};
use crate::volume::{Volume, VolumeName};

/// A plan in the making.
pub(super) struct Draft<'a> {
    bektab: &'a Configuration,
    unclear: BTreeSet<String>,
    root: &'a BTreeSet<String>,
    /// The volumes that bektab gets.
    pub added: BTreeMap<VolumeName, Volume>,
    /// As far as it has come.
    pub plan: Plan,
}

impl<'a> Draft<'a> {
    /// An empty one; `unclear` are names whose lines say different things.
    pub(super) fn new(
        bektab: &'a Configuration,
        unclear: BTreeSet<String>,
        root: &'a BTreeSet<String>,
    ) -> Self {
        Self { bektab, unclear, root, added: BTreeMap::new(), plan: Plan::default() }
    }

    /// What is left of a line of crypttab.
    pub(super) fn physical(&mut self, line: &Physical<'_>) -> Vec<u8> {
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
    pub(super) fn known(&self, volume: &Volume) -> Known {
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
    pub(super) fn written(&mut self, volume: &Volume) -> Result<String, String> {
        let mut volume = volume.clone();
        // ADE's own scripts in the initramfs knew without being told.
        volume.options.initrd |= self.is_root(&volume.name);
        let line = render::line(&volume).map_err(|unwritable| unwritable.to_string())?;
        self.added.insert(volume.name.clone(), volume);
        Ok(line)
    }

    pub(super) fn is_root(&self, name: &VolumeName) -> bool {
        name.as_str() == OS_MAPPER || self.root.contains(name.as_str())
    }

    pub(super) fn step(
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
    pub(super) fn leave(
        &mut self,
        (origin, line): (Origin, usize),
        name: &VolumeName,
        reason: &str,
    ) -> bool {
        let file = origin.path().display();
        self.plan.warnings.push(format!("{file}:{line}: {name}: {reason}; left as it is"));
        false
    }
}

/// What bektab says of a volume.
pub(super) enum Known {
    /// The same, on this line or on one that is added.
    By(Option<usize>),
    /// Nothing.
    Not,
    /// Something else, in words.
    Otherwise(String),
}
