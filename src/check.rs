//! Whether the next boot will open the volumes: what `bek-unlock check` finds, and what it means.
//!
//! A finding is one thing that was looked at: good, or a warning, or bad; what is not good has one
//! line of advice. Where the facts come from is the edge's: what one volume's device, header and
//! keys say is judged in volume.rs, what systemd and the tables of mounts say in boot.rs, what an
//! image of the initramfs holds in image.rs. Nothing is opened, and nothing is written.

#![forbid(unsafe_code)]

use std::fmt;

use crate::error::{Error, Goal, Kind, printable};
use crate::key::SourceName;
use crate::volume::VolumeName;

pub mod boot;
pub mod image;
pub mod mounts;
pub mod volume;
pub mod witness;

#[cfg(test)]
mod tests;

/// The longest sentence, in characters.
const TEXT_MAX: usize = 600;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// The volume opens all the same, later than it could, or as long as nothing else fails.
    Warning,
    /// The next boot does not open the volume, or stops.
    Bad,
}

impl Level {
    /// The word for it in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "failed",
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The line of bektab(5).
    Line,
    /// The encrypted device.
    Device,
    /// Its header.
    Header,
    /// Memory for the keyslot's KDF.
    Memory,
    /// A key source.
    Key(SourceName),
    /// The unit that opens the volume.
    Unit,
    /// crypttab(5), where somebody else may open it.
    Crypttab,
    /// fstab(5), where somebody waits for it.
    Fstab,
    /// The image of the initramfs.
    Image,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Line => "line",
            Self::Device => "device",
            Self::Header => "header",
            Self::Memory => "memory",
            Self::Key(source) => source.as_str(),
            Self::Unit => "unit",
            Self::Crypttab => "crypttab",
            Self::Fstab => "fstab",
            Self::Image => "initramfs",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub topic: Topic,
    /// How it is.
    pub level: Level,
    /// The sentence, without what it is about.
    pub text: String,
    /// What to do; none where it is good.
    pub advice: Option<String>,
    /// What an unlock would fail with.
    pub kind: Option<Kind>,
}

impl Finding {
    /// As it should be.
    pub fn good(topic: Topic, text: impl AsRef<str>) -> Self {
        Self { topic, level: Level::Good, text: shown(text), advice: None, kind: None }
    }

    /// Not as it should be.
    pub fn warning(topic: Topic, text: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        let advice = Some(shown(advice));
        Self { topic, level: Level::Warning, text: shown(text), advice, kind: None }
    }

    /// Nothing that a boot gets over.
    pub fn bad(topic: Topic, text: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self { level: Level::Bad, ..Self::warning(topic, text, advice) }
    }

    /// What an unlock fails with; its advice is that of the failure.
    pub fn failure(topic: Topic, level: Level, kind: Kind) -> Self {
        let advice = crate::hint::for_kind(&kind).into_iter().next();
        Self { topic, level, text: shown(kind.to_string()), advice, kind: Some(kind) }
    }
}

/// The name of a unit as it is pasted into a shell, which takes a backslash for itself.
fn in_shell(unit: &str) -> String {
    match unit.contains('\\') {
        true => format!("'{unit}'"),
        false => unit.to_owned(),
    }
}

/// Names out of an image or a table of mounts are anybody's text.
fn shown(text: impl AsRef<str>) -> String {
    printable(text.as_ref(), TEXT_MAX)
}

/// One volume, and all that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its name, or what stands in its place on a line that does not parse.
    pub name: String,
    /// Whether the next boot is to open it; else a person or a program does, when it is needed.
    pub at_boot: bool,
    /// In the order in which a boot meets them.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// The worst of its findings.
    pub fn level(&self) -> Level {
        worst(&self.findings)
    }
}

/// All that was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is about no volume, or about all.
    pub machine: Vec<Finding>,
    /// The volumes, as they are configured.
    pub volumes: Vec<Checked>,
}

impl Report {
    /// The worst of all findings.
    pub fn level(&self) -> Level {
        self.volumes.iter().map(Checked::level).fold(worst(&self.machine), Level::max)
    }

    /// Why the next boot is not one to trust: the first thing that keeps a volume closed. Its exit
    /// status is the one that the unlock will have.
    pub fn failure(&self) -> Option<Error> {
        let of_volumes = self.volumes.iter().filter_map(|checked| {
            let error = failure(&checked.findings)?;
            let name = VolumeName::parse(&checked.name).ok();
            Some(name.iter().fold(error, |error, name| error.volume(name)))
        });
        failure(&self.machine).or_else(|| of_volumes.into_iter().next())
    }
}

/// Of key sources that all failed, the one decides that does in an unlock.
fn failure(findings: &[Finding]) -> Option<Error> {
    let mut bad = findings.iter().filter(|found| found.level == Level::Bad);
    let first = bad.next()?;
    if let Topic::Key(_) = first.topic {
        let keys =
            std::iter::once(first).chain(bad).filter(|one| matches!(one.topic, Topic::Key(_)));
        let kinds: Vec<Kind> = keys.filter_map(|finding| finding.kind.clone()).collect();
        return Some(Error::of_sources(Goal::Check, kinds));
    }
    let kind = first.kind.clone().unwrap_or_else(|| Kind::BootNotReady {
        reason: format!("{}: {}", first.topic, first.text),
        advice: first.advice.clone().unwrap_or_default(),
    });
    Some(Error::new(Goal::Check, kind))
}

fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Good)
}
