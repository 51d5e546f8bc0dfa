//! From the lines of bektab to the files that make the booted system open the volumes: pure.
//!
//! A volume is an instance of the shipped template: a link in the directories of what requires or
//! wants it, and drop-ins for what only its line can say. Lines of other files get nothing here:
//! crypttab(5) has systemd's own generator, and ADE's list is opened by its agent. A line with
//! `key-only` is a drop-in of the service that answers for its key, and no more: its volume is
//! crypttab's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::shipped::{CLOSE_AT_SHUTDOWN, GROUP, TEMPLATE, UNITS};
use super::unit_file::UnitFile;
use super::{class::Class, dropin, text::Text, unit_name};
use crate::config::{Entry, Origin};
use crate::volume::{Limit, Options, Volume, VolumeName};

/// What is to be written, and what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the lines.
    pub files: Vec<UnitFile>,
    /// Warnings, one sentence each, beginning with the place.
    pub notices: Vec<String>,
}

/// What the plan depends on beside bektab.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The names that crypttab defines, too.
    pub competitors: BTreeSet<String>,
    /// The volumes that the initramfs opened.
    pub opened: BTreeSet<VolumeName>,
}

impl Plan {
    /// The plan for `entries`.
    pub fn new(entries: &[Entry], surroundings: &Surroundings) -> Self {
        let Surroundings { competitors, opened } = surroundings;
        let mut plan = Self::default();
        let bektab = entries.iter().filter(|entry| entry.origin == Origin::Bektab);
        let (asked, ours): (Vec<&Entry>, Vec<&Entry>) =
            bektab.partition(|entry| entry.volume.options.key_only);
        for entry in asked {
            plan.key_service(entry);
        }
        for entry in &ours {
            plan.competition(entry, competitors);
            if let Some(names) = plan.names(entry) {
                plan.volume(entry, &names, opened);
            }
        }
        plan.carried_over(&ours, opened);
        if plan.files.iter().any(|file| file.path.starts_with(format!("{GROUP}.wants"))) {
            plan.link("multi-user.target.wants", GROUP, GROUP);
        }
        plan
    }

    /// Reports a name that systemd's own generator serves, too.
    pub(super) fn competition(&mut self, entry: &Entry, competitors: &BTreeSet<String>) {
        if competitors.contains(entry.volume.name.as_str()) {
            self.notice(entry, "/etc/crypttab opens this name, too: remove one of the two lines");
        }
    }

    /// The names of a volume's units, or a notice where it cannot have any.
    pub(super) fn names(&mut self, entry: &Entry) -> Option<Names> {
        let names = Names::of(&entry.volume.name);
        if names.is_none() {
            self.notice(entry, "the name is too long for a unit; open it by hand");
        }
        names
    }

    /// What the key of a line with `key-only` needs; somebody has enabled its socket, or not.
    fn key_service(&mut self, entry: &Entry) {
        let name = entry.volume.name.as_str();
        let Some(service) = unit_name::instance("bek-unlock-key", name, "service") else {
            self.notice(entry, "the name is too long for a unit; nobody answers for its key");
            return;
        };
        let (text, problems) = dropin::key_service(entry);
        self.text(&format!("{service}.d"), "50-bektab.conf", text);
        for problem in problems {
            self.notice(entry, &problem);
        }
    }

    fn volume(&mut self, entry: &Entry, names: &Names, opened: &BTreeSet<VolumeName>) {
        let options = &entry.volume.options;
        let stays_open = stays_open(&entry.volume) || opened.contains(&entry.volume.name);
        let (text, problems) = dropin::instance(entry, stays_open);
        self.text(&names.drop_ins(), "50-bektab.conf", text);
        for problem in problems {
            self.notice(entry, &problem);
        }
        if stays_open {
            self.never_closed(&names.drop_ins(), Text::new(&entry.file, entry.line));
        }
        self.pulled_in_by_mounts(names);
        if !options.noauto {
            let kind = if options.nofail { "wants" } else { "requires" };
            let target = Class::of(&entry.volume).target();
            self.link(&format!("{target}.{kind}"), &names.service, TEMPLATE);
            self.link(&format!("{GROUP}.wants"), &names.service, TEMPLATE);
        }
        self.waits(entry, names);
    }

    /// What the initramfs opened and none of `ours` names, such as ADE's root or a volume of the
    /// kernel command line: its unit was handed over and has nothing but the shipped files now.
    fn carried_over(&mut self, ours: &[&Entry], opened: &BTreeSet<VolumeName>) {
        let listed: BTreeSet<_> = ours.iter().map(|entry| &entry.volume.name).collect();
        for name in opened.iter().filter(|name| !listed.contains(name)) {
            if let Some(names) = Names::of(name) {
                self.never_closed(&names.drop_ins(), Text::for_all());
            }
        }
    }

    /// Hides the shipped drop-in that closes a volume at shutdown.
    fn never_closed(&mut self, directory: &str, mut text: Text) {
        text.why("Opened by the initramfs, closed by systemd-shutdown: hides the template's");
        text.why("drop-in of this name, which would close it at umount.target.");
        self.text(directory, CLOSE_AT_SHUTDOWN, text.finish());
    }

    /// A mount pulls the volume in, also with noauto.
    pub(super) fn pulled_in_by_mounts(&mut self, names: &Names) {
        self.link(&format!("{}.requires", names.mapped), &names.service, TEMPLATE);
    }

    /// How long others wait for the mapped device, and this volume for its own.
    fn waits(&mut self, entry: &Entry, names: &Names) {
        let options = &entry.volume.options;
        let mut text = Text::new(&entry.file, entry.line);
        text.section("Unit");
        let optional = options.nofail || options.noauto;
        let limit = if optional { mapped_wait(options) } else { Limit(None) };
        text.why(if limit.0.is_some() {
            "Whoever waits for the device gives up after the unlock has."
        } else {
            "The unlock has its own deadline; mounts must not give up before it."
        });
        text.set("JobTimeoutSec", &seconds(limit));
        self.text(&format!("{}.d", names.mapped), "40-bek-unlock.conf", text.finish());

        let path = entry.volume.device.udev_path();
        if !dropin::is_device(&path) || dropin::is_azure_link(&path) {
            return;
        }
        let Some(device) = unit_name::device(&path) else { return };
        let Some(limit) = own_device_wait(options) else { return };
        let mut text = Text::new(&entry.file, entry.line);
        text.section("Unit").set("JobRunningTimeoutSec", &seconds(limit));
        // Named after the volume: two of them may share a device, and systemd-cryptsetup-generator
        // writes here, too.
        self.text(&format!("{device}.d"), &format!("50-{}.conf", names.service), text.finish());
    }

    pub(super) fn text(&mut self, directory: &str, name: &str, text: String) {
        self.files.push(UnitFile::text(directory, name, text));
    }

    pub(super) fn link(&mut self, directory: &str, name: &str, target: &str) {
        self.files.push(UnitFile::link(directory, name, &format!("{UNITS}/{target}")));
    }

    pub(super) fn notice(&mut self, entry: &Entry, text: &str) {
        let (file, line) = (entry.file.display(), entry.line);
        self.notices.push(format!("{file}:{line}: {}: {text}", entry.volume.name));
    }
}

/// The names of a volume's units.
pub(super) struct Names {
    /// The instance of the template.
    pub service: String,
    /// The device it makes.
    pub mapped: String,
}

impl Names {
    /// `None` where one of them is too long for a unit.
    pub fn of(name: &VolumeName) -> Option<Self> {
        let service = unit_name::instance("bek-unlock", name.as_str(), "service")?;
        let mapped = unit_name::device(&name.mapped_path())?;
        Some(Self { service, mapped })
    }

    /// The directory of the instance's own drop-ins.
    pub fn drop_ins(&self) -> String {
        format!("{}.d", self.service)
    }
}

/// Opened before systemd of the real system runs; as systemd 254 and later has it.
fn stays_open(volume: &Volume) -> bool {
    volume.options.initrd || matches!(volume.name.as_str(), "root" | "usr")
}

/// `x-systemd.device-timeout=`, else a `timeout=` that differs from systemd's own 90 s.
fn own_device_wait(options: &Options) -> Option<Limit> {
    let by_timeout = Some(options.timeout).filter(|limit| *limit != Options::default().timeout);
    options.device_timeout.or(by_timeout)
}

/// The wait for the encrypted device, then the unlock, then half a minute for udev.
fn mapped_wait(options: &Options) -> Limit {
    const UDEV: Duration = Duration::from_secs(30);
    let device = own_device_wait(options).unwrap_or(options.timeout);
    let both = device.0.zip(options.timeout.0);
    Limit(both.map(|(device, unlock)| device.saturating_add(unlock).saturating_add(UDEV)))
}

/// systemd.time(7); rounded up, because 0 would be no limit.
pub(super) fn seconds(limit: Limit) -> String {
    match limit.0 {
        None => "infinity".to_owned(),
        Some(duration) => duration.as_millis().div_ceil(1000).max(1).to_string(),
    }
}
