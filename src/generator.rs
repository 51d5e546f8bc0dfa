//! bek-unlock-generator: makes systemd open the volumes of bektab(5) at boot.
//!
//! One program for both systems of a boot: in an initramfs it serves the image's bektab and the
//! kernel command line, in the booted system bektab.
//!
//! The second composition root, beside cli.rs. systemd runs it before it loads units, with the
//! boot waiting (systemd.generator(7)): it reads below `root`, writes below its output directory
//! and to the kernel's log, and does nothing else. No process, no kernel module, no network, no
//! device is opened, and neither libcryptsetup nor TLS is linked. Only /etc, /proc/cmdline and /run
//! are read: during a daemon-reload an automount of /var would wait for the very systemd that waits
//! for us.

pub mod class;
pub mod dropin;
pub mod initramfs;
pub mod kmsg;
pub mod plan;
pub mod shipped;
pub mod text;
pub mod unit_file;
pub mod unit_name;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::class::Stage;
use self::kmsg::Level;
use self::plan::{Plan, Surroundings};
use crate::config;
use crate::edge::state::State;

/// The program: `bek-unlock-generator NORMAL-DIR [EARLY-DIR LATE-DIR]`.
///
/// Everything goes to the first directory, which is weaker than /etc and stronger than /usr
/// (systemd.generator(7), "Output directories"). Exit status 0 also when lines are wrong: they are
/// named in the kernel's log, and the others work. 1 when something could not be written; systemd
/// logs that and boots on.
pub fn main() -> ExitCode {
    let kmsg = Path::new("/dev/kmsg");
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        let usage = "no output directory given; see systemd.generator(7)".to_owned();
        kmsg::say(kmsg, Level::Warning, &[usage]);
        return ExitCode::FAILURE;
    };
    let root = Path::new("/");
    let plan = plan(root);
    let failures = write(&plan, &directory);
    // Nobody reads the journal of an initramfs that does not find its root.
    let level = match Stage::of(root) {
        Stage::Initramfs => Level::Error,
        Stage::System => Level::Warning,
    };
    kmsg::say(kmsg, level, &plan.notices);
    kmsg::say(kmsg, level, &failures);
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the configuration below `root` asks for.
pub fn plan(root: &Path) -> Plan {
    let configuration = config::load_own(root);
    let mut plan = match Stage::of(root) {
        // `rd.bek=0`: nothing, and nothing to be said either.
        Stage::Initramfs if configuration.off => return Plan::default(),
        Stage::Initramfs => initramfs::plan(&configuration, &crypttab_names(root)),
        Stage::System => {
            let surroundings = Surroundings {
                competitors: crypttab_names(root),
                opened: State::new(root).of_initramfs(),
            };
            Plan::new(&configuration.entries, &surroundings)
        }
    };
    plan.notices.splice(0..0, configuration.problems.iter().map(ToString::to_string));
    plan
}

/// Writes `plan` below `directory`; what failed comes back, the rest is there.
pub fn write(plan: &Plan, directory: &Path) -> Vec<String> {
    plan.files
        .iter()
        .filter_map(|file| {
            let error = file.write(directory).err()?;
            Some(format!("cannot write {}: {error}", directory.join(&file.path).display()))
        })
        .collect()
}

/// The first fields of /etc/crypttab, whoever wrote the lines and whether or not the rest parses:
/// systemd-cryptsetup-generator makes a unit for each.
fn crypttab_names(root: &Path) -> BTreeSet<String> {
    const SIZE_MAX: u64 = 1 << 20;
    let mut text = Vec::new();
    let path = root.join("etc/crypttab");
    // Opening a FIFO would wait for its writer.
    if path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        // What was read before an error is still worth a warning.
        let _ = File::open(path).map(|file| file.take(SIZE_MAX).read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('#'))
        .map(str::to_owned)
        .collect()
}
