//! From the lines of bektab to the files that make systemd open the volumes: pure.
//!
//! A volume is an instance of the shipped template: a link in the directories of what requires or
//! wants it, and drop-ins for what only its line can say. Lines of other files get nothing here:
//! crypttab(5) has systemd's own generator, and ADE's list is opened by its agent.

use std::collections::BTreeSet;
use std::time::Duration;

use super::shipped::{GROUP, TEMPLATE, UNITS};
use super::unit_file::UnitFile;
use super::{class::Class, dropin, text::Text, unit_name};
use crate::config::{Entry, Origin};
use crate::volume::{Limit, Options, Volume};

/// What is to be written, and what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the lines.
    pub files: Vec<UnitFile>,
    /// Warnings, one sentence each, beginning with the place.
    pub notices: Vec<String>,
}

impl Plan {
    /// The plan for `entries`; `competitors` are the names that crypttab defines, too.
    pub fn new(entries: &[Entry], competitors: &BTreeSet<String>) -> Self {
        let mut plan = Self::default();
        for entry in entries.iter().filter(|entry| entry.origin == Origin::Bektab) {
            if competitors.contains(entry.volume.name.as_str()) {
                plan.notice(
                    entry,
                    "/etc/crypttab opens this name, too: remove one of the two lines",
                );
            }
            match Names::of(&entry.volume) {
                Some(names) => plan.volume(entry, &names),
                None => plan.notice(entry, "the name is too long for a unit; open it by hand"),
            }
        }
        if plan.files.iter().any(|file| file.path.starts_with(format!("{GROUP}.wants"))) {
            plan.link("multi-user.target.wants", GROUP, GROUP);
        }
        plan
    }

    fn volume(&mut self, entry: &Entry, names: &Names) {
        let options = &entry.volume.options;
        let directory = format!("{}.d", names.service);
        let (text, problems) = dropin::instance(entry);
        self.text(&directory, "50-bektab.conf", text);
        for problem in problems {
            self.notice(entry, &problem);
        }
        if stays_open(&entry.volume) {
            let mut text = Text::new(&entry.file, entry.line);
            text.why("Opened by the initramfs, closed by systemd-shutdown: hides the template's");
            text.why("drop-in of this name, which would close it at umount.target.");
            self.text(&directory, "10-umount.conf", text.finish());
        }
        // A mount pulls the volume in, also with noauto.
        self.link(&format!("{}.requires", names.mapped), &names.service, TEMPLATE);
        if !options.noauto {
            let kind = if options.nofail { "wants" } else { "requires" };
            let target = Class::of(&entry.volume).target();
            self.link(&format!("{target}.{kind}"), &names.service, TEMPLATE);
            self.link(&format!("{GROUP}.wants"), &names.service, TEMPLATE);
        }
        self.waits(entry, names);
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

    fn text(&mut self, directory: &str, name: &str, text: String) {
        self.files.push(UnitFile::text(directory, name, text));
    }

    fn link(&mut self, directory: &str, name: &str, target: &str) {
        self.files.push(UnitFile::link(directory, name, &format!("{UNITS}/{target}")));
    }

    fn notice(&mut self, entry: &Entry, text: &str) {
        let (file, line) = (entry.file.display(), entry.line);
        self.notices.push(format!("{file}:{line}: {}: {text}", entry.volume.name));
    }
}

/// The names of a volume's units.
struct Names {
    service: String,
    mapped: String,
}

impl Names {
    fn of(volume: &Volume) -> Option<Self> {
        let service = unit_name::instance("bek-unlock", volume.name.as_str(), "service")?;
        let mapped = unit_name::device(&volume.name.mapped_path())?;
        Some(Self { service, mapped })
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
fn seconds(limit: Limit) -> String {
    match limit.0 {
        None => "infinity".to_owned(),
        Some(duration) => duration.as_millis().div_ceil(1000).max(1).to_string(),
    }
}
