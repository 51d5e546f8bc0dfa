//! What systemd will do with a volume at the next boot, and who else wants it.

use std::path::{Path, PathBuf};

use super::mounts::{self, Mounts};
use super::{Finding, Level, Topic, in_shell};
use crate::config::{Entry, Origin};
use crate::initramfs::fstab;
use crate::volume::DeviceSpec;

/// The units that all volumes depend on. Not cryptsetup.target, which Debian 13 has in a package of
/// its own: without it volumes are opened by ours.
const SHARED: [&str; 2] = ["bek-unlock@.service", "bek-unlock.target"];

/// Who talks to the network for the units of volumes, which have none themselves.
const NETWORK: [&str; 2] = ["bek-unlock-network.socket", "bek-unlock-network.service"];

/// What answers when systemd-cryptsetup asks.
const KEY_SERVICE: [&str; 2] = ["bek-unlock-key@.socket", "bek-unlock-key@.service"];

/// systemd's files, as far as a check asks for them.
pub trait Units {
    /// The unit file that systemd takes for `name`.
    fn unit(&self, name: &str) -> Installed;

    /// The generator of that name.
    fn generator(&self, name: &str) -> Installed;

    /// Drop-ins that the administrator gave a unit, those for all its instances, too.
    fn drop_ins(&self, name: &str) -> Vec<PathBuf>;

    /// Whether a link in some `.wants` or `.requires` directory pulls the unit in.
    fn is_enabled(&self, name: &str) -> bool;
}

/// What is there under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// This file.
    At(PathBuf),
    /// A link to /dev/null, or an empty file: systemd takes it for none.
    Masked(PathBuf),
    /// Nothing.
    Missing,
    /// A program that may not be run.
    NotExecutable(PathBuf),
}

/// What is about all volumes.
pub fn machine(units: &dyn Units, lines: &[fstab::Line]) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in SHARED {
        found.extend(missing(name, &units.unit(name)));
    }
    found.extend(missing("bek-unlock-generator", &units.generator("bek-unlock-generator")));
    if found.is_empty() {
        found.push(Finding::good(Topic::Unit, "units and generator are installed"));
    }
    found.extend(mounts::key_disk(lines));
    found
}

/// What is wrong with what has to be there.
fn missing(name: &str, installed: &Installed) -> Option<Finding> {
    match installed {
        Installed::At(_) => None,
        Installed::Masked(path) => Some(Finding::bad(
            Topic::Unit,
            format!("{name} is masked by {}", path.display()),
            match name.ends_with("-generator") {
                true => format!("rm {}", path.display()),
                false => format!("systemctl unmask {}", in_shell(name)),
            },
        )),
        Installed::Missing => Some(Finding::bad(
            Topic::Unit,
            format!("{name} is not installed"),
            "install bek-unlock once more; it was removed, or is only there in part",
        )),
        Installed::NotExecutable(path) => Some(Finding::bad(
            Topic::Unit,
            format!("{} may not be executed", path.display()),
            format!("chmod 0755 {}", path.display()),
        )),
    }
}

/// The units of one volume; none where its name is too long for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// What opens it.
    pub service: Option<String>,
    /// What answers for its key.
    pub socket: Option<String>,
    /// What that starts.
    pub key_service: Option<String>,
    /// What the generator has the service started by.
    pub by: Vec<String>,
}

fn too_long() -> Finding {
    let advice = "give the volume a shorter name";
    Finding::bad(Topic::Unit, "the name is too long for a unit", advice)
}

/// What is about one volume.
pub struct Boot<'a> {
    /// systemd's files.
    pub units: &'a dyn Units,
    /// The volume's own.
    pub names: Names,
    /// fstab(5).
    pub fstab: &'a [fstab::Line],
    /// The text of /etc/crypttab.
    pub crypttab: &'a str,
    /// Whether a field of crypttab or fstab names the volume's encrypted device.
    pub same: &'a dyn Fn(&DeviceSpec) -> bool,
    /// The same for the volume that is open now, if it is.
    pub opened: &'a dyn Fn(&DeviceSpec) -> bool,
    /// What it means for the volume when its unit reaches no network; `None` where it needs none.
    pub without_network: Option<Level>,
}

impl Boot<'_> {
    /// The findings about the volume of `entry`.
    pub fn findings(&self, entry: &Entry) -> Vec<Finding> {
        let mut found = self.unit(entry);
        found.extend(self.crypttab(entry));
        let early = self.units.is_enabled("systemd-networkd.service");
        let mounts = Mounts { lines: self.fstab, network_is_early: early };
        found.extend(mounts.of(entry, self.same, self.opened));
        found
    }

    fn unit(&self, entry: &Entry) -> Vec<Finding> {
        if entry.volume.options.key_only {
            return self.socket(entry);
        }
        if entry.origin != Origin::Bektab {
            return Vec::new();
        }
        let Some(unit) = &self.names.service else { return vec![too_long()] };
        if let Some(masked) = self.masked(unit) {
            return vec![masked];
        }
        let mut found = self.network(entry);
        for path in self.units.drop_ins(unit) {
            found.push(Finding::warning(
                Topic::Unit,
                format!("{} changes {unit}, and is not judged here", path.display()),
                format!("see what it comes to: systemctl cat {}", in_shell(unit)),
            ));
        }
        let text = match self.names.by.as_slice() {
            // A mount or a person will.
            [] => format!("{unit}, started by what needs it"),
            by => format!("{unit}, started by {}", by.join(" and ")),
        };
        found.push(Finding::good(Topic::Unit, text));
        found
    }

    fn masked(&self, unit: &str) -> Option<Finding> {
        let installed = self.units.unit(unit);
        // An instance that is its template's has no file.
        let is_masked = matches!(installed, Installed::Masked(_));
        missing(unit, &installed).filter(|_| is_masked)
    }

    /// What the unit reaches Key Vault through. In the initramfs each run has a process of its own.
    fn network(&self, entry: &Entry) -> Vec<Finding> {
        let Some(level) = self.without_network.filter(|_| !entry.volume.options.initrd) else {
            return Vec::new();
        };
        let wrong = NETWORK.iter().filter_map(|name| missing(name, &self.units.unit(name)));
        wrong
            .map(|finding| Finding {
                level,
                text: format!("{}, so its unit does not reach Key Vault", finding.text),
                ..finding
            })
            .collect()
    }

    /// Who answers when systemd-cryptsetup asks for the key.
    fn socket(&self, entry: &Entry) -> Vec<Finding> {
        let (Some(socket), Some(service)) = (&self.names.socket, &self.names.key_service) else {
            return vec![too_long()];
        };
        let mut found: Vec<Finding> =
            KEY_SERVICE.iter().filter_map(|name| missing(name, &self.units.unit(name))).collect();
        found.extend([socket, service].into_iter().filter_map(|unit| self.masked(unit)));
        found.extend(self.network(entry));
        // What is masked is not enabled either, and is told already.
        if self.masked(socket).is_none() && !self.units.is_enabled(socket) {
            let text = format!("{socket} is not enabled: nobody answers for the key");
            let advice = format!("systemctl enable {}", in_shell(socket));
            found.push(Finding::bad(Topic::Unit, text, advice));
        } else if found.is_empty() {
            found.push(Finding::good(Topic::Unit, format!("{socket} is enabled")));
        }
        found
    }

    /// Two programs for one mapping race; and a key that is asked for needs somebody who asks.
    fn crypttab(&self, entry: &Entry) -> Vec<Finding> {
        let volume = &entry.volume;
        let mut named = false;
        let mut found = Vec::new();
        for (number, line) in (1..).zip(self.crypttab.lines()) {
            let mut fields = line.split_ascii_whitespace();
            let Some(first) = fields.next().filter(|field| !field.starts_with('#')) else {
                continue;
            };
            let own_line = entry.file == Path::new("/etc/crypttab") && entry.line == number;
            let same_name = first == volume.name.as_str();
            named |= same_name;
            let device = fields.next().and_then(DeviceSpec::parse);
            if volume.options.key_only && same_name {
                found.extend(key_named(number, fields.next()));
            }
            if volume.options.key_only || own_line {
                continue;
            }
            let what = match (same_name, device.as_ref().is_some_and(self.same)) {
                (true, _) => "opens it, too",
                (false, true) => "opens the same device",
                (false, false) => continue,
            };
            let text = format!("line {number} of /etc/crypttab {what}");
            let advice = "remove one of the two lines; ADE's are moved by: bek-unlock adopt";
            // By another name they race only where somebody asks for both.
            let at_need = fields.nth(1).is_some_and(|list| list.split(',').any(|o| o == "noauto"));
            found.push(match at_need && !same_name {
                true => Finding::warning(
                    Topic::Crypttab,
                    format!("{text} when it is asked to (noauto)"),
                    advice,
                ),
                false => Finding::bad(Topic::Crypttab, text, advice),
            });
        }
        if volume.options.key_only && !named {
            found.push(Finding::bad(
                Topic::Crypttab,
                "no line of /etc/crypttab has this name, so nobody asks for the key",
                "write one, or take key-only out of its line in bektab",
            ));
        }
        found
    }
}

/// systemd-cryptsetup asks nobody for a key that its line names.
fn key_named(number: usize, field: Option<&str>) -> Option<Finding> {
    let key = field.filter(|field| !["-", "none"].contains(field))?;
    Some(Finding::warning(
        Topic::Crypttab,
        format!("line {number} of /etc/crypttab names the key {key}, which is tried instead"),
        "write none in its third field, so that bek-unlock is asked",
    ))
}
