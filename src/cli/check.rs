//! `bek-unlock check`: whether the next boot opens the volumes, found out without opening one.
//!
//! Each key is found as an unlock finds it, and tried on its keyslot; the rest is read from files.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::args::check::CheckArgs;
use super::machine::Machine;
use super::sources::KeySources;
use crate::check::boot::{self, Boot, Names};
use crate::check::volume::{self, Looked};
use crate::check::{Checked, Finding, Level, Report, Topic};
use crate::config::{self, Configuration, Entry};
use crate::deadline::Deadline;
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::host::System;
use crate::edge::luks::Libcryptsetup;
use crate::edge::memory::MachineMemory;
use crate::edge::process::{self, SystemClock};
use crate::edge::units::UnitFiles;
use crate::error::{Error, Goal, Kind, printable};
use crate::generator::plan::Plan;
use crate::generator::{self, unit_name};
use crate::initramfs::{Host as _, fstab};
use crate::mapping::Instead;
use crate::report::{self, progress};
use crate::unlock::prove::{self, Proof};
use crate::volume::{DeviceSpec, Volume, VolumeName};

mod image;

/// Checks below /, and reports.
///
/// Errors: `NotConfigured`; else what the next boot would fail with, the first of it, which the
/// report has told already.
pub fn run(args: &CheckArgs, json: bool) -> Result<(), Error> {
    let found = find(args);
    if let (Err(error), true) = (&found, json) {
        report::result(&format!("{}\n", report::failure_json(error)));
    }
    let found = found?;
    report::check::say(&found, json);
    found.failure().map_or(Ok(()), Err)
}

fn find(args: &CheckArgs) -> Result<Report, Error> {
    let fail = |kind: Kind| Error::new(Goal::Check, kind);
    process::harden().map_err(fail)?;
    let root = Path::new("/");
    if config::in_initramfs(root) {
        let text = "check is for the booted system, not for its initramfs";
        return Err(fail(Kind::Usage(text.to_owned())));
    }
    let configuration = config::load(root);
    let opened = image::Opened::new(root, &configuration);
    let by_keyscript = opened.keyscripts(&System::new(root, None).crypttab());
    let broken_keyscripts = opened.broken();
    let entries =
        chosen(&configuration, by_keyscript, &broken_keyscripts, &args.names).map_err(fail)?;
    let patience = args.timeout.0.unwrap_or(Duration::MAX);
    let check = Check::new(root, patience);
    let mut report = Report { machine: check.machine(), volumes: Vec::new() };
    if args.names.is_empty() {
        report.volumes.extend(broken(&configuration));
        report.volumes.extend(broken_keyscripts.iter().map(|(name, kind)| refused(name, kind)));
    }
    for mut entry in entries {
        // ADE's line of the root disk says nothing of it.
        entry.volume.options.initrd |= opened.contains(&entry.volume.name);
        report.volumes.push(check.volume(&entry));
    }
    let image = args.initrd.as_deref();
    report.machine.extend(image::findings(root, &configuration, &opened, &args.names, image));
    Ok(report)
}

/// The lines of these names, or all, those of our keyscript too; the first of each name is the one
/// that counts.
fn chosen(
    configuration: &Configuration,
    by_keyscript: Vec<Entry>,
    broken: &[(String, Kind)],
    names: &[VolumeName],
) -> Result<Vec<Entry>, Kind> {
    if !names.is_empty() {
        let keyscript = |name: &VolumeName| {
            by_keyscript.iter().find(|entry| entry.volume.name == *name).cloned()
        };
        let problem = |name: &VolumeName| broken.iter().find(|(broken, _)| broken == name.as_str());
        let found = |name| match (configuration.find(name), keyscript(name), problem(name)) {
            (Err(Kind::NotConfigured { .. }), Some(entry), _) => Ok(entry),
            (Err(Kind::NotConfigured { .. }), None, Some((_, problem))) => Err(problem.clone()),
            (found, _, _) => found.cloned(),
        };
        return names.iter().map(found).collect();
    }
    let is_first =
        |entry: &&Entry| configuration.find(&entry.volume.name).is_ok_and(|first| first == *entry);
    let mut entries: Vec<Entry> = configuration.entries.iter().filter(is_first).cloned().collect();
    entries.extend(by_keyscript);
    if entries.is_empty() && configuration.problems.is_empty() && broken.is_empty() {
        return Err(Kind::Usage("no volume is configured in /etc/bektab".to_owned()));
    }
    Ok(entries)
}

/// One finding for each line or file that opens nothing.
fn broken(configuration: &Configuration) -> Vec<Checked> {
    let name = |kind: &Kind| match kind {
        Kind::Configuration(diagnostic) => {
            diagnostic.text.split_whitespace().next().map(str::to_owned)
        }
        _ => None,
    };
    let checked = |kind: &Kind| refused(&name(kind).unwrap_or_else(|| "-".to_owned()), kind);
    configuration.problems.iter().map(checked).collect()
}

fn refused(name: &str, problem: &Kind) -> Checked {
    let findings = vec![Finding::failure(Topic::Line, Level::Bad, problem.clone())];
    Checked { name: printable(name, 80), at_boot: true, findings }
}

/// What all volumes are checked with.
struct Check<'a> {
    root: &'a Path,
    patience: Duration,
    units: UnitFiles,
    plan: Plan,
    fstab: Vec<fstab::Line>,
    crypttab: String,
    memory_kib: Option<u64>,
}

impl<'a> Check<'a> {
    fn new(root: &'a Path, patience: Duration) -> Self {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        Self {
            root,
            patience,
            units: UnitFiles::new(root),
            plan: generator::plan(root),
            fstab: fstab::parse(&text("etc/fstab")),
            crypttab: System::new(root, None).crypttab(),
            memory_kib: MachineMemory::new(root).total_kib(),
        }
    }

    fn machine(&self) -> Vec<Finding> {
        boot::machine(&self.units, &self.fstab)
    }

    fn volume(&self, entry: &Entry) -> Checked {
        let volume = &entry.volume;
        let (proof, answers) = self.prove(volume);
        let at_boot = volume::is_opened_at_boot(entry, &self.fstab);
        let memory_kib = self.memory_kib;
        let names = names(&self.plan, &volume.name);
        let looked = Looked {
            entry,
            at_boot,
            proof: &proof,
            answers: &answers,
            unit: names.service.as_deref(),
            memory_kib,
        };
        let mut findings = volume::findings(&looked);
        let same = same_as(proof.device.as_deref().ok());
        let mapped = std::fs::canonicalize(self.root.join(mapped_below(&volume.name))).ok();
        let opened = same_as(mapped.as_deref());
        let boot = Boot {
            units: &self.units,
            names,
            fstab: &self.fstab,
            crypttab: &self.crypttab,
            same: &same,
            opened: &opened,
            without_network: volume::without_network(volume, &proof, &answers),
        };
        findings.extend(boot.findings(entry));
        Checked { name: volume.name.to_string(), at_boot, findings }
    }

    /// Tries each source; with it, what was answered to each over the network.
    fn prove(&self, volume: &Volume) -> (Proof, Vec<Vec<String>>) {
        let mut machine = Machine::new(self.root, false);
        // A key is tried, and nothing mapped.
        let mut luks =
            Instead::new(Libcryptsetup::new(), |device, _, key, options| device.test(key, options));
        let mut world = machine.world(&mut luks);
        let record = Rc::new(RefCell::new(Vec::new()));
        let mut sources = KeySources::witnessed(self.root, volume, Rc::clone(&record));
        let clock = SystemClock::new();
        let deadline = Deadline::start(&clock, None);
        // What was there before a source was asked; the last of them ends at the end.
        let mut starts = Vec::new();
        let mut before = |source| {
            starts.push(record.borrow().len());
            progress::checking(&volume.name, source);
        };
        let proof =
            prove::prove(volume, &mut world, &mut sources, &deadline, self.patience, &mut before);
        progress::clear();
        let all = record.borrow();
        let ends = starts.iter().skip(1).copied().chain([all.len()]);
        let part = |(start, end): (&usize, usize)| {
            all.get(*start..end).map(<[String]>::to_vec).unwrap_or_default()
        };
        (proof, starts.iter().zip(ends).map(part).collect())
    }
}

/// Where the volume is when it is open.
fn mapped_below(name: &VolumeName) -> std::path::PathBuf {
    let path = name.mapped_path();
    path.strip_prefix("/").map_or_else(|_| path.clone(), Path::to_owned)
}

/// Whether a field of another file names the device.
fn same_as(device: Option<&Path>) -> impl Fn(&DeviceSpec) -> bool {
    let device = device.map(Path::to_owned);
    move |spec| {
        let Some(device) = &device else { return false };
        BlockDevices::new().find(spec).ok().flatten().as_ref() == Some(device)
    }
}

/// What systemd calls the units of a volume, and what pulls its service in.
fn names(plan: &Plan, name: &VolumeName) -> Names {
    let service = unit_name::instance("bek-unlock", name.as_str(), "service");
    let socket = unit_name::instance("bek-unlock-key", name.as_str(), "socket");
    let key_service = unit_name::instance("bek-unlock-key", name.as_str(), "service");
    let links = plan
        .files
        .iter()
        .filter(|file| file.path.file_name().and_then(|name| name.to_str()) == service.as_deref());
    let mut by: Vec<String> = links
        .filter_map(|file| {
            let (target, _) = file.path.parent()?.to_str()?.rsplit_once('.')?;
            target.ends_with("cryptsetup.target").then(|| target.to_owned())
        })
        .collect();
    by.dedup();
    Names { service, socket, key_service, by }
}
