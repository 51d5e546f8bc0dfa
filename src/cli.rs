//! The program: arguments to a command, a command to its exit status.
//!
//! One of the two composition roots (the other is generator.rs): here, and nowhere else, the use
//! cases get their real devices, libcryptsetup, network and clock. What happens inside is in
//! unlock.rs and detach.rs; what is said about it, in report.rs.

use std::path::Path;
use std::time::Duration;

use args::{Action, Command};

use crate::config;
use crate::deadline::Deadline;
use crate::detach;
use crate::edge::luks::Libcryptsetup;
use crate::edge::mapping::MappedDevices;
use crate::edge::process::{self, SystemClock};
use crate::edge::state::State;
use crate::error::{Error, Goal, Kind, exit};
use crate::report::{self, logger, panic};
use crate::volume::VolumeName;

mod account;
mod adopt;
pub mod args;
mod attach;
pub mod azure;
mod check;
mod decode;
mod enroll;
mod initramfs;
mod key_service;
mod keyscript;
mod last_boot;
mod machine;
mod network;
mod recover;
mod rekey;
mod rotate;
pub mod secrets;
mod sources;
mod status;
mod table;
mod token;
mod token_key;

/// How long a busy mapping is tried at the most, whatever `timeout=` says: at shutdown every
/// second counts, and systemd-shutdown takes down what is left.
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

/// Runs the program with the process's arguments, and ends it.
pub fn main() -> ! {
    process::end(exit_status())
}

fn exit_status() -> u8 {
    panic::install();
    let command = match Command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            logger::install(false);
            return finish(&Err(error), false);
        }
    };
    // The process that talks to the network closes what it inherits first, see network.rs.
    if command.action != Action::Network {
        logger::install(command.verbose);
    }
    let result = panic::caught(|| run(&command))
        .unwrap_or_else(|place| Err(crashed(&command.action, place)));
    // A check that fails has said so in its one object already.
    let json = command.json && !matches!(command.action, Action::Check(_));
    finish(&result, json)
}

fn run(command: &Command) -> Result<(), Error> {
    match &command.action {
        Action::Adopt { dry_run } => {
            adopt::run(Path::new("/"), *dry_run, command.json, &mut report::result)
        }
        Action::Attach { name, fields } => attach::run(name, fields, command.json),
        Action::Check(args) => check::run(args, command.json),
        Action::Decode => decode::run(),
        Action::Detach { name } => close(name, command.json),
        Action::Enroll(args) => enroll::run(args, command.json),
        Action::Help => {
            report::result(args::HELP);
            Ok(())
        }
        Action::InitramfsNames => {
            report::result(&initramfs::names(Path::new("/")));
            Ok(())
        }
        Action::InitramfsNetwork => {
            report::result(initramfs::network(Path::new("/")));
            Ok(())
        }
        Action::InitramfsPlan { crypttab, kernel, root, tool } => {
            let crypttab = crypttab.as_deref();
            report::result(&initramfs::plan(root, *tool, kernel.as_deref(), crypttab)?);
            Ok(())
        }
        Action::KeyService { name } => key_service::run(name),
        Action::Keyscript => keyscript::run(),
        Action::Network => network::run(),
        Action::Recover(args) => recover::run(args, command.json),
        Action::Rotate(args) => rotate::run(args, command.json),
        Action::Secrets(args) => {
            report::result(&secrets::run(args, command.json)?);
            Ok(())
        }
        Action::Status { names, last_boot } => {
            let show = if *last_boot { last_boot::run } else { status::run };
            report::result(&show(Path::new("/"), names, command.json)?);
            Ok(())
        }
        Action::Token(args) => {
            report::result(&token::run(Path::new("/"), args, command.json)?);
            Ok(())
        }
        Action::TokenKey(question) => token_key::run(question),
        Action::Version => {
            report::result(concat!("bek-unlock ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        }
    }
}

/// `bek-unlock detach`.
fn close(name: &VolumeName, json: bool) -> Result<(), Error> {
    process::harden().map_err(|kind| Error::new(Goal::Close, kind).volume(name))?;
    let root = Path::new("/");
    // The unit's bektab line may be gone by now; closing must work all the same.
    let limit = match config::load(root).find(name) {
        Ok(entry) => entry.volume.options.timeout.0.unwrap_or(CLOSE_LIMIT).min(CLOSE_LIMIT),
        Err(_) => CLOSE_LIMIT,
    };
    let clock = SystemClock::new();
    let deadline = Deadline::start(&clock, Some(limit));
    let was_open =
        detach::detach(name, &mut Libcryptsetup::new(), &MappedDevices::new(root), &deadline)?;
    if let Err(error) = State::new(root).remove(name) {
        log::debug!("forgetting {name}: {error}");
    }
    report::closed(name, was_open, json);
    Ok(())
}

/// The failure that a panic at `place` is.
fn crashed(action: &Action, place: String) -> Error {
    let error = |goal| Error::new(goal, Kind::Internal { call: "panic", reason: place });
    match action {
        Action::Adopt { .. } => error(Goal::Adopt),
        Action::Attach { name, .. } | Action::KeyService { name } => {
            error(Goal::Unlock).volume(name)
        }
        Action::Check(_) => error(Goal::Check),
        Action::Decode => error(Goal::Decode),
        Action::Detach { name } => error(Goal::Close).volume(name),
        Action::Enroll(_) => error(Goal::Enroll),
        Action::Rotate(_) => error(Goal::Rotate),
        Action::Help
        | Action::InitramfsNames
        | Action::InitramfsNetwork
        | Action::InitramfsPlan { .. }
        | Action::Network
        | Action::Recover(_)
        | Action::Version => error(Goal::Run),
        Action::Keyscript | Action::TokenKey(_) => error(Goal::Unlock),
        Action::Secrets(_) => error(Goal::List),
        Action::Status { .. } => error(Goal::Show),
        Action::Token(_) => error(Goal::Token),
    }
}

/// Reports a failure and gives the process's exit status.
fn finish(result: &Result<(), Error>, json: bool) -> u8 {
    match result {
        Ok(()) => exit::OK,
        Err(error) => {
            report::failure(error, json);
            error.kind.exit_status()
        }
    }
}
