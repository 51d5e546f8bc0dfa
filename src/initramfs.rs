//! What an initramfs needs so that the volumes of the root disk open in it.
//!
//! Decided once, when the image is built, by `bek-unlock initramfs plan`; the scripts of dracut and
//! initramfs-tools copy what it says and decide nothing. What depends on the boot loader's word is
//! not decided here but at boot. What has to be asked of the system that is being built comes
//! through [`Host`]; nothing here reads a file.
//!
//! A plan never fails: what would keep the image from unlocking is a warning in it, because an
//! image that is built with a warning is better than none.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::keyscript::Listed;
use crate::config::{self, Configuration, Origin};
use crate::error::printable;
use crate::volume::{Network, VolumeName};

pub use self::host::{FileState, FileSystem, Host, ModuleState, Place, Stack};
pub use self::names::{names, network};

mod carried;
mod competing;
pub mod fstab;
mod host;
pub mod modules;
mod names;
mod selection;
#[cfg(test)]
mod tests;

/// The program that builds the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// dracut(8).
    Dracut,
    /// initramfs-tools(7).
    InitramfsTools,
}

impl Tool {
    /// Its name on the command line.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "dracut" => Some(Self::Dracut),
            "initramfs-tools" => Some(Self::InitramfsTools),
            _ => None,
        }
    }

    /// What builds the image anew.
    pub fn rebuild(self) -> &'static str {
        match self {
            Self::Dracut => "dracut --force",
            Self::InitramfsTools => "update-initramfs -u",
        }
    }
}

/// What goes into the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The volumes it opens; the image needs none of ours without one.
    pub volumes: Vec<VolumeName>,
    /// The volumes that cryptsetup-initramfs opens in it with our keyscript, as crypttab(5) writes
    /// them.
    pub keyscripts: Vec<String>,
    /// The lines of its bektab.
    pub lines: Vec<String>,
    /// Files to copy under the same path.
    pub files: BTreeSet<PathBuf>,
    /// LUKS UUIDs of those volumes, as far as they are known, in lower case: dracut asks for such a
    /// device on its own account, and must not.
    pub luks_uuids: BTreeSet<String>,
    /// Kernel modules that have to be there.
    pub modules: BTreeSet<String>,
    /// Kernel modules that are taken where the kernel has them.
    pub modules_maybe: BTreeSet<String>,
    /// Whether Key Vault can be needed.
    pub network: Option<Network>,
    /// What is wrong with the image.
    pub warnings: Vec<Warning>,
}

/// Something that a person has to look at before the next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// ASCII, with place and next step; begins with the name of the volume that it is about.
    pub text: String,
    /// Whether the image leaves that volume closed; else it opens it, later, or while nobody else
    /// does.
    pub closed: bool,
}

/// Plans the image of the system that `host` answers for, in which cryptsetup-initramfs opens the
/// volumes of `keyscripts`.
pub fn plan(
    configuration: &Configuration,
    keyscripts: &[Listed],
    host: &dyn Host,
    tool: Tool,
) -> Plan {
    let mut plan = Plan::default();
    let mut selection = selection::select(configuration, keyscripts, host);
    // ADE's name makes a line ADE's, whatever its keyscript: one of them opens the volume.
    selection.entries.retain(|entry| {
        let name = entry.volume.name.as_str();
        entry.origin == Origin::Bektab || keyscripts.iter().all(|line| line.name != name)
    });
    plan.warnings.extend(selection.warnings);
    modules::always(&mut plan);
    for entry in &selection.entries {
        carried::carry(&mut plan, entry, host);
        competing::warn(&mut plan, entry, host);
    }
    for line in keyscripts {
        carried::keyscript(&mut plan, line, host);
    }
    let image = Configuration { entries: selection.entries, ..Configuration::default() };
    asked(&mut plan, image, host);
    competing::ade(&mut plan, host, tool);
    modules::check(&mut plan, host);
    for warning in &mut plan.warnings {
        warning.text = printable(&warning.text.replace("{rebuild}", tool.rebuild()), 400);
    }
    plan
}

/// Adds what the kernel command line of this boot asks for, which is likely that of the next one:
/// the volumes and what they need, and no line of bektab, for the words are read again at boot.
fn asked(plan: &mut Plan, image: Configuration, host: &dyn Host) {
    let boot = config::at_boot(image, &host.command_line());
    for entry in boot.entries.iter().filter(|entry| entry.origin == Origin::CommandLine) {
        carried::need(plan, &entry.volume, host);
        if !plan.volumes.contains(&entry.volume.name) {
            plan.volumes.push(entry.volume.name.clone());
        }
    }
    for problem in &boot.problems {
        plan.closed(format!(
            "{problem}; what it is about stays closed; mend the boot loader's configuration"
        ));
    }
}

impl Plan {
    /// A volume opens all the same.
    fn warn(&mut self, text: String) {
        self.warnings.push(Warning { text, closed: false });
    }

    /// A volume stays closed.
    fn closed(&mut self, text: String) {
        self.warnings.push(Warning { text, closed: true });
    }

    /// One item a line: a word, a tab, a value.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut add = |word: &str, value: &str| {
            // A line break in a path would make a line of its own choosing.
            if !value.contains(['\n', '\t']) {
                text.push_str(&format!("{word}\t{value}\n"));
            }
        };
        self.volumes.iter().for_each(|name| add("volume", name.as_str()));
        self.keyscripts.iter().for_each(|name| add("keyscript", name));
        self.lines.iter().for_each(|line| add("bektab", line));
        self.files.iter().filter_map(|path| path.to_str()).for_each(|path| add("file", path));
        self.luks_uuids.iter().for_each(|uuid| add("luks-uuid", uuid));
        self.modules.iter().for_each(|name| add("module", name));
        self.modules_maybe.iter().for_each(|name| add("module-maybe", name));
        match self.network {
            Some(Network::Always) => add("network", "yes"),
            Some(Network::Maybe) => add("network", "maybe"),
            Some(Network::Never) | None => {}
        }
        self.warnings.iter().for_each(|warning| add("warning", &warning.text));
        text
    }
}
