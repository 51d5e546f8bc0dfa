//! What signing in needs of the machine: the ports of azure/sign_in/ports.rs, made real.
//!
//! For commands that a person or a pipeline runs; nothing of this is used at boot.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::azure::sign_in::environment::Environment;
use crate::azure::sign_in::ports::{Files, Person, Ports};
use crate::edge::file::SystemFiles;
use crate::error::{FileProblem, printable};
use crate::key::disk::MAX_KEY_FILE;
use crate::key::file::KeyFiles;
use crate::secret::Secret;

use az::Az;
use certificate::PemCertificates;
use terminal::Terminal;

pub mod az;
pub mod certificate;
pub mod environment;
pub mod terminal;

/// What the environment of this process says.
pub fn environment() -> Environment {
    environment::read(environment::variable)
}

/// The ports of this machine; a person takes part when standard error is a terminal.
pub fn ports() -> Ports {
    let terminal = || Box::new(Terminal::new(io::stderr())) as Box<dyn Person>;
    Ports {
        files: Box::new(MachineFiles),
        az: Box::new(Az::new(environment::variable)),
        certificates: Box::new(PemCertificates),
        person: io::stderr().is_terminal().then(terminal),
        now,
    }
}

/// Seconds since 1970 by the wall clock; 0 before that.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The files of this machine, and standard input.
#[derive(Clone, Copy, Debug)]
pub struct MachineFiles;

impl Files for MachineFiles {
    fn read(&mut self, path: &Path) -> Result<(Secret, u32), FileProblem> {
        KeyFiles::read(&mut SystemFiles, path)
    }

    fn stdin(&mut self) -> Result<Secret, String> {
        read(io::stdin().lock())
    }
}

fn read(source: impl Read) -> Result<Secret, String> {
    Secret::read_from(source, MAX_KEY_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => "is larger than 64 KiB".to_owned(),
        kind => printable(&kind.to_string(), 80),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_without_end_is_cut_off() {
        assert_eq!(read(&b"token\n"[..]).unwrap().len(), 6);
        assert_eq!(read(io::repeat(b'A')).unwrap_err(), "is larger than 64 KiB");
    }

    #[test]
    fn the_wall_clock_is_past_2020() {
        assert!(now() > 1_577_836_800);
    }
}
