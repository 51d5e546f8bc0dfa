//! The machine's memory, and the part of it that each KDF sets aside before it begins.
//!
//! Numbers come from /proc/meminfo and the control groups; what other processes have set aside from
//! reservations in /run (memory/reserved.rs). What may begin is decided in unlock/admission.rs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Shortage;
use crate::mapping::{Memory, Reserved};
use crate::unlock::admission::{self, State};

use reserved::Reservations;

mod group;
mod reserved;

/// What the kernel says of it, below a root directory (`/`, or a fixture).
#[derive(Clone, Debug)]
pub struct MachineMemory {
    root: PathBuf,
    reservations: Reservations,
}

impl MachineMemory {
    /// Reads `root`/proc and `root`/sys, writes to `root`/run.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), reservations: Reservations::new(root) }
    }

    /// All of it, in KiB, where the kernel says so.
    pub fn total_kib(&self) -> Option<u64> {
        self.state().total_kib
    }

    fn state(&self) -> State {
        let table = fs::read_to_string(self.root.join("proc/meminfo")).unwrap_or_default();
        State {
            total_kib: kib(&table, "MemTotal:"),
            available_kib: kib(&table, "MemAvailable:"),
            groups: group::limited(&self.root),
            others: Vec::new(),
        }
    }
}

impl Memory for MachineMemory {
    fn reserve(&self, needed_kib: u64) -> Result<Box<dyn Reserved>, Shortage> {
        if needed_kib == 0 {
            return Ok(Box::new(()));
        }
        match self.reservations.lock() {
            Ok(Some(locked)) => {
                let others = locked.others();
                admission::admit(needed_kib, &State { others, ..self.state() })?;
                locked.add(needed_kib).map(|own| Box::new(own) as _).or_else(|error| {
                    unreserved(&error);
                    Ok(Box::new(()) as _)
                })
            }
            Ok(None) => Err(Shortage::Busy),
            Err(error) => {
                unreserved(&error);
                admission::admit(needed_kib, &self.state()).map(|()| Box::new(()) as _)
            }
        }
    }
}

/// A volume that may open is not left closed for the sake of those that open beside it.
fn unreserved(error: &io::Error) {
    log::debug!("memory for the KDF is not set aside: {error}");
}

/// A line of a table of proc(5), in KiB.
fn kib(table: &str, name: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 10;

    /// A machine with 1000 of 2000 MiB free.
    fn machine() -> (tempfile::TempDir, MachineMemory) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let table = "MemTotal:  2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\n";
        fs::write(root.path().join("proc/meminfo"), table).unwrap();
        let memory = MachineMemory::new(root.path());
        (root, memory)
    }

    #[test]
    fn memory_is_that_of_proc_and_may_be_had_again_when_it_was_given_back() {
        let (_root, memory) = machine();
        let kib = 1_024_000;
        assert_eq!(memory.reserve(kib + 1).unwrap_err(), Shortage::Free { kib, others: 0 });
        assert_eq!(memory.reserve(kib * 2).unwrap_err(), Shortage::Machine { kib: kib * 2 });
        drop(memory.reserve(kib).unwrap());
        memory.reserve(kib).unwrap();
    }

    #[test]
    fn without_a_place_to_write_to_free_memory_decides_alone() {
        let (root, memory) = machine();
        fs::write(root.path().join("run"), "no directory").unwrap();
        memory.reserve(1000 * MIB).unwrap();
        assert!(matches!(memory.reserve(1001 * MIB), Err(Shortage::Free { .. })));
    }

    #[test]
    fn a_kdf_without_memory_leaves_no_trace() {
        let (root, memory) = machine();
        memory.reserve(0).unwrap();
        assert!(!root.path().join("run").exists());
    }
}
