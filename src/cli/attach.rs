//! `bek-unlock attach`: the volume from its line, the world around it, and the report.

use std::path::Path;
use std::time::Duration;

use super::account::{self, Ended};
use super::machine::Machine;
use super::sources::KeySources;
use crate::config::{self, Configuration, Origin};
use crate::deadline::Deadline;
use crate::deadline::trace::Trace;
use crate::edge::luks::Libcryptsetup;
use crate::edge::process::{self, SystemClock};
use crate::edge::state::{Record, State};
use crate::error::{Error, Goal, Kind};
use crate::report::{self, logger};
use crate::unlock::{self, Outcome};
use crate::volume::{Volume, VolumeName};

/// Opens the volume `name` of the configuration, or the one `fields` describe.
pub fn run(name: &VolumeName, fields: &[String], json: bool) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Unlock, kind).volume(name);
    process::harden().map_err(fail)?;
    let clock = SystemClock::new();
    let trace = account::trace(&clock, name);
    let in_initramfs = config::in_initramfs(Path::new("/"));
    let result = open(name, fields, (&clock, &trace), in_initramfs);
    if let Ok((volume, outcome, elapsed)) = &result {
        report::opened(volume, outcome, *elapsed, json);
    }
    let ended = Ended::Attach(result.as_ref().map(|(_, outcome, _)| outcome));
    account::keep(name, ended, &trace, &clock, in_initramfs);
    result.map(|_| ())
}

/// What it came to, and how long it took.
fn open(
    name: &VolumeName,
    fields: &[String],
    (clock, trace): (&SystemClock, &Trace),
    in_initramfs: bool,
) -> Result<(Volume, Outcome, Duration), Error> {
    let root = Path::new("/");
    let volume =
        volume(root, name, fields).map_err(|kind| Error::new(Goal::Unlock, kind).volume(name))?;
    logger::about(name);
    let deadline = Deadline::start(clock, volume.options.timeout.0).traced(trace);
    let mut machine = Machine::new(root, in_initramfs);
    let mut luks = Libcryptsetup::new();
    let mut world = machine.world(&mut luks);
    let mut sources = KeySources::new(root, &volume);
    let outcome = unlock::attach(&volume, &mut world, &mut sources, &deadline)?;

    let elapsed = deadline.elapsed();
    if let Outcome::Opened(opened) = &outcome {
        let record = Record::of(opened, elapsed, in_initramfs);
        if let Err(error) = State::new(root).write(name, &record) {
            log::debug!("remembering how {name} was opened: {error}");
        }
    }
    Ok((volume, outcome, elapsed))
}

fn volume(root: &Path, name: &VolumeName, fields: &[String]) -> Result<Volume, Kind> {
    if let [device, rest @ ..] = fields {
        let [key, options] = [0, 1].map(|index| rest.get(index).map(String::as_str));
        return config::volume_from_arguments(name.as_str(), device, key, options);
    }
    let configuration = config::load(root);
    let entry = configuration.find(name)?;
    warn_of_other_lines(&configuration, entry.origin);
    Ok(entry.volume.clone())
}

/// Mistakes on other volumes' lines do not stop this one, but somebody should know: the line that
/// does not parse is the volume that will not open next time.
fn warn_of_other_lines(configuration: &Configuration, origin: Origin) {
    for problem in &configuration.problems {
        let here = match problem {
            Kind::Configuration(diagnostic) => diagnostic.file == origin.path(),
            Kind::ConfigurationUnreadable { path, .. } => path == origin.path(),
            _ => false,
        };
        if here {
            report::passing_problem(problem);
        }
    }
}
