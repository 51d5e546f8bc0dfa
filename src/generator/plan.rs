//! From the lines of bektab to the files that make systemd open the volumes: pure.
//!
//! A volume is an instance of the shipped template: a link in the directories of what requires or
//! wants it, and drop-ins for what only its line can say. Lines of other files get nothing here:
//! crypttab(5) has systemd's own generator, and ADE's list is opened by its agent.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::unit_file::UnitFile;
use super::{class::Class, dropin, text::Text, unit_name};
use crate::volume::{Limit, Options, Volume};

/// The target that groups all volumes.
pub const GROUP: &str = "bek-unlock.target";

/// Where the template and the group are installed; only a hint for people, see `Content::Link`.
const UNITS: &str = "/usr/lib/systemd/system";

/// A volume and the place of its line.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What is to be opened.
    pub volume: &'a Volume,
    /// The file, as the user knows it.
    pub file: &'a Path,
    /// Counted from 1.
    pub line: usize,
}

/// What is to be written, and what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the lines.
    pub files: Vec<UnitFile>,
    /// Warnings, one sentence each, beginning with the place.
    pub notices: Vec<String>,
}

impl Plan {
    /// The plan for `sources`; `competitors` are the names that crypttab defines, too.
    pub fn new(sources: &[Source<'_>], competitors: &BTreeSet<String>) -> Self {
        let mut plan = Self::default();
        let mut seen = BTreeSet::new();
        for source in sources {
            let name = source.volume.name.as_str();
            if !seen.insert(name) {
                plan.notice(source, "this name has a line above; left out");
                continue;
            }
            if competitors.contains(name) {
                plan.notice(source, "/etc/crypttab opens this name, too: see bek-unlock adopt");
            }
            match Names::of(source.volume) {
                Some(names) => plan.volume(source, &names),
                None => plan.notice(source, "the name is too long for a unit; open it by hand"),
            }
        }
        if plan.files.iter().any(|file| file.path.starts_with(format!("{GROUP}.wants"))) {
            plan.link("multi-user.target.wants", GROUP, GROUP);
        }
        plan
    }

    fn volume(&mut self, source: &Source<'_>, names: &Names) {
        let options = &source.volume.options;
        let directory = format!("{}.d", names.service);
        let (text, problems) = dropin::instance(source.volume, source.file, source.line);
        self.text(&directory, "50-bektab.conf", text);
        for problem in problems {
            self.notice(source, &problem);
        }
        if stays_open(source.volume) {
            let mut text = Text::new(source.file, source.line);
            text.why("Opened by the initramfs, closed by systemd-shutdown: hides the template's");
            text.why("drop-in of this name, which would close it at umount.target.");
            self.text(&directory, "10-umount.conf", text.finish());
        }
        // A mount pulls the volume in, also with noauto.
        self.link(&format!("{}.requires", names.mapped), &names.service, TEMPLATE);
        if !options.noauto {
            let kind = if options.nofail { "wants" } else { "requires" };
            let target = Class::of(source.volume).target();
            self.link(&format!("{target}.{kind}"), &names.service, TEMPLATE);
            self.link(&format!("{GROUP}.wants"), &names.service, TEMPLATE);
        }
        self.waits(source, names);
    }

    /// How long others wait for the mapped device, and this volume for its own.
    fn waits(&mut self, source: &Source<'_>, names: &Names) {
        let options = &source.volume.options;
        let mut text = Text::new(source.file, source.line);
        text.section("Unit");
        if options.nofail || options.noauto {
            text.why("Whoever waits for the device gives up after the unlock has.");
            text.set("JobTimeoutSec", &seconds(mapped_wait(options)));
        } else {
            text.why("The unlock has its own deadline; mounts must not give up before it.");
            text.set("JobTimeoutSec", "infinity");
        }
        self.text(&format!("{}.d", names.mapped), "40-bek-unlock.conf", text.finish());

        let path = source.volume.device.udev_path();
        let Some(device) = unit_name::device(&path).filter(|_| dropin::is_device(&path)) else {
            return;
        };
        let Some(limit) = own_device_wait(options) else { return };
        let mut text = Text::new(source.file, source.line);
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

    fn notice(&mut self, source: &Source<'_>, text: &str) {
        let (file, line) = (source.file.display(), source.line);
        self.notices.push(format!("{file}:{line}: {}: {text}", source.volume.name));
    }
}

const TEMPLATE: &str = "bek-unlock@.service";

/// The names of a volume's units.
struct Names {
    service: String,
    mapped: String,
}

impl Names {
    /// `None` when one of the file names below would be longer than 255 bytes.
    fn of(volume: &Volume) -> Option<Self> {
        const LONGEST_SUFFIX: usize = ".requires".len();
        let service = unit_name::instance("bek-unlock", volume.name.as_str(), "service")?;
        let mapped = unit_name::device(&volume.name.mapped_path())?;
        let fits = service.len().max(mapped.len()) + LONGEST_SUFFIX <= 255;
        fits.then_some(Self { service, mapped })
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
