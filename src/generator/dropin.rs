//! The drop-in of one instance of bek-unlock@.service: what only its line in bektab can say.
//!
//! Dependencies on what the volume is made of (device, header, files), its place in the boot, and
//! limits that follow from `timeout=`. The same dependencies as systemd-cryptsetup-generator(8)
//! writes, but for the differences listed in tests/generator/verify.sh.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::class::{Class, Network};
use super::shipped::{GROUP, ROOT_DEVICE};
use super::text::{Text, path_word};
use super::unit_name;
use crate::config::{Entry, Origin};
use crate::volume::{HeaderSpec, KeySpec, Options, Volume};

/// The text for `entry` in the booted system, and what could not be said in it.
///
/// A volume that `stays_open` when everything else is stopped is bound to nothing.
pub fn instance(entry: &Entry, stays_open: bool) -> (String, Vec<String>) {
    let volume = &entry.volume;
    let mut draft = Draft::new(entry);
    draft.place(volume);
    if stays_open {
        draft.why("Stays open while everything is stopped: bound to no device and to no mount of");
        draft
            .why("its header or key, or the first of them to stop would close it. Where it is not");
        draft.why("open yet, the program waits for them itself.");
    } else {
        draft.source(volume);
        draft.parts(volume);
    }
    draft.start_limit(&volume.options);
    draft.writable(volume);
    draft.finish()
}

/// The text for `entry` in an initramfs.
pub fn instance_in_initramfs(entry: &Entry) -> (String, Vec<String>) {
    let volume = &entry.volume;
    let mut draft = Draft::new(entry);
    draft.awaited_by_mounts(volume);
    if !volume.options.nofail {
        draft.why(
            "The root is looked for when this is open; the emergency shell comes if it fails.",
        );
        draft.add("Before", ROOT_DEVICE);
    }
    draft.finish()
}

/// The text for the service that answers for the key of `entry`, whose volume crypttab(5) opens.
pub fn key_service(entry: &Entry) -> (String, Vec<String>) {
    let mut draft = Draft::new(entry);
    draft.network(&entry.volume);
    draft.parts(&entry.volume);
    draft.finish()
}

struct Draft {
    unit: Text,
    /// Paths the sandbox must leave writable.
    writable: Vec<PathBuf>,
    problems: Vec<String>,
}

impl Draft {
    fn new(entry: &Entry) -> Self {
        let mut unit = Text::new(&entry.file, entry.line);
        unit.section("Unit");
        // systemd compares its time with the unit's; the kernel command line has none.
        if entry.origin != Origin::CommandLine {
            unit.set("SourcePath", &entry.file.to_string_lossy());
        }
        Self { unit, writable: Vec::new(), problems: Vec::new() }
    }

    /// Before what, and after what, the volume is opened.
    fn place(&mut self, volume: &Volume) {
        let class = Class::of(volume);
        self.awaited_by_mounts(volume);
        if !volume.options.nofail {
            self.add("Before", class.target());
            self.add("Before", GROUP);
        }
        if volume.options.netdev {
            self.why("_netdev: as systemd has it, the device may need the network, too.");
            self.add("After", "remote-fs-pre.target");
            if class.network != Network::Never {
                self.add("After", "network.target nss-lookup.target");
            }
        }
        self.network(volume);
    }

    /// Starts the network, where the key can come from there.
    fn network(&mut self, volume: &Volume) {
        if Class::of(volume).network != Network::Never {
            self.why("Started early, waited for inside the program: never ordered after it.");
            self.add("Wants", "network-online.target");
        }
    }

    /// The target that mounts of the mapped device come after, where the template cannot name it.
    fn awaited_by_mounts(&mut self, volume: &Volume) {
        if volume.name.as_str().starts_with('.') {
            self.why("%i of the template escapes a leading dot, a path's unit does not.");
            let target = blockdev(volume);
            self.add("Before", &target);
            self.add("Wants", &target);
        }
    }

    /// The encrypted device, or the file that holds it.
    fn source(&mut self, volume: &Volume) {
        let path = volume.device.udev_path();
        if !is_device(&path) {
            self.why("A file: its mount, and the loop driver, which may be built in.");
            self.mounts_for(&path);
            self.add("Wants", "modprobe@loop.service");
            self.add("After", "modprobe@loop.service");
            return;
        }
        let Some(device) = self.device_unit(&path) else { return };
        if is_azure_link(&path) {
            self.why("Not BindsTo=: without Azure's udev rules this link never appears, and the");
            self.why("program finds the disk by its LUN. If it goes, the volume is closed.");
            self.add("After", &device);
            self.add("StopPropagatedFrom", &device);
        } else {
            self.why("Not before the device is there, and closed when it goes.");
            self.add("BindsTo", &device);
            self.add("After", &device);
        }
    }

    /// Everything else that has to be there first.
    fn parts(&mut self, volume: &Volume) {
        let options = &volume.options;
        if let Some(header) = &options.header {
            self.why("The detached header.");
            match header {
                // Its file system is mounted by the program itself, where nobody else sees it.
                HeaderSpec::On { device, .. } => self.need(&device.udev_path()),
                HeaderSpec::Path(path) => self.need(path),
            }
        }
        if let KeySpec::Path(key) = &volume.key {
            self.why("The key file.");
            self.need(key);
        }
        if let Some(authorities) = &options.ca {
            self.why("The authorities of ca=.");
            self.need(authorities);
        }
    }

    /// Files that hold data or a header, which the sandbox would make read-only.
    fn writable(&mut self, volume: &Volume) {
        let path = volume.device.udev_path();
        if !is_device(&path) && !volume.options.read_only {
            self.writable.push(path);
        }
        if let Some(HeaderSpec::Path(path)) = &volume.options.header {
            if !is_device(path) {
                self.writable.push(path.clone());
            }
        }
    }

    /// Five starts must fit into the interval, or retries would go on for ever.
    fn start_limit(&mut self, options: &Options) {
        const ALLOWED_BY_TEMPLATE: Duration = Duration::from_secs(150);
        let Some(timeout) = options.timeout.0.filter(|timeout| *timeout > ALLOWED_BY_TEMPLATE)
        else {
            return;
        };
        self.why("Longer than the template's: room for 5 attempts of timeout= and RestartSec=30s.");
        let seconds = timeout.as_secs().saturating_add(30).saturating_mul(8);
        self.add("StartLimitIntervalSec", &seconds.to_string());
    }

    fn finish(self) -> (String, Vec<String>) {
        let Self { mut unit, writable, problems } = self;
        // "-": a missing file is reported by the program, in its own words. A path that cannot be
        // written here has its problem already.
        let words: Vec<_> = writable.iter().filter_map(|path| path_word("-", path)).collect();
        if !words.is_empty() {
            unit.section("Service");
            unit.why("Data in a file; and in a header libcryptsetup goes on with a reencryption");
            unit.why("that was interrupted.");
            unit.set("ReadWritePaths", &words.join(" "));
        }
        (unit.finish(), problems)
    }

    fn need(&mut self, path: &Path) {
        if !is_device(path) {
            self.mounts_for(path);
        } else if let Some(device) = self.device_unit(path) {
            self.add("After", &device);
            self.add("Requires", &device);
        }
    }

    fn mounts_for(&mut self, path: &Path) {
        match path_word("", path) {
            Some(word) => self.add("RequiresMountsFor", &word),
            None => self.problems.push(unspeakable(path)),
        }
    }

    fn device_unit(&mut self, path: &Path) -> Option<String> {
        let unit = unit_name::device(path);
        if unit.is_none() {
            self.problems.push(format!("{} has no device unit; not waited for", path.display()));
        }
        unit
    }

    fn add(&mut self, setting: &str, value: &str) {
        self.unit.set(setting, value);
    }

    fn why(&mut self, reason: &str) {
        self.unit.why(reason);
    }
}

/// The target that mounts of the mapped device come after.
fn blockdev(volume: &Volume) -> String {
    format!("blockdev@dev-mapper-{}.target", unit_name::escape_inner(volume.name.as_str()))
}

/// Whether systemd has a device unit for it rather than a mount below it.
pub fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") && path != Path::new("/dev")
}

/// Links of Azure's udev rules, which not every image has.
pub fn is_azure_link(path: &Path) -> bool {
    path.starts_with("/dev/disk/azure")
}

fn unspeakable(path: &Path) -> String {
    format!("{}: no unit file can hold this path; its mount is not waited for", path.display())
}
