//! /run/bek-unlock/report.json: what every run of this boot came to, and where its time went.
//!
//! One file for all volumes, so that it can be read, copied and sent as it is. Many runs end in the
//! same second: each adds its entry under a lock (flock(2), which ends with its process, so nobody
//! can leave it behind) and replaces the file whole, which takes a millisecond. A report is worth no
//! wait: whoever does not get the lock in half a second goes without an entry. /run is handed over
//! by the initramfs, and a new boot begins with an empty one.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::process::SystemClock;
use super::state::{make_readable, put};
use crate::deadline::Deadline;
use crate::unlock::account::Account;
use crate::volume::VolumeName;

/// Its name in the directory.
pub(super) const FILE: &str = "report.json";
/// Of the file, in bytes: 64 volumes that each failed eight times stay below.
const LIMIT: u64 = 16 * 1024 * 1024;
/// Runs of a volume that are kept: the first of the boot and the last ones.
const KEPT: usize = 8;
/// The layout of the file; one of another version is begun anew.
const VERSION: u32 = 1;
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The report, as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    version: u32,
    /// The runs for each volume, the first one first.
    pub volumes: BTreeMap<String, Vec<Account>>,
}

impl Default for Report {
    fn default() -> Self {
        Self { version: VERSION, volumes: BTreeMap::new() }
    }
}

/// The file.
#[derive(Clone, Debug)]
pub struct BootReport {
    directory: PathBuf,
}

impl BootReport {
    /// Below `root`/run.
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("run/bek-unlock") }
    }

    /// Adds a run for `name`. What is no report, somebody else's or damaged, is replaced.
    ///
    /// Errors: those of the file; `WouldBlock` where somebody else keeps the lock.
    pub fn add(&self, name: &VolumeName, account: Account) -> io::Result<()> {
        make_readable(&self.directory)?;
        let _lock = self.lock()?;
        let mut report = self.read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                log::debug!("{FILE} is begun anew: {error}");
            }
            Report::default()
        });
        let runs = report.volumes.entry(name.to_string()).or_default();
        if runs.len() >= KEPT {
            runs.drain(1..=runs.len() - KEPT + 1);
        }
        runs.push(account);
        put(&self.directory.join(FILE), &serde_json::to_vec(&report)?)
    }

    /// The report.
    ///
    /// Errors: `NotFound` where no run has ended in this boot, `InvalidData` for what is no report.
    pub fn read(&self) -> io::Result<Report> {
        let mut text = Vec::new();
        // Without waiting for the other end of what is a pipe by mistake.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(self.directory.join(FILE))?;
        file.take(LIMIT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let report: Report = serde_json::from_slice(&text)?;
        match report.version {
            VERSION => Ok(report),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn lock(&self) -> io::Result<Flock<File>> {
        let path = self.directory.join("report.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)?;
        let clock = SystemClock::new();
        let mut file = Some(file);
        let locked = Deadline::start(&clock, Some(PATIENCE)).poll(LOOK_AGAIN, || {
            let Some(open) = file.take() else { return Err(Errno::EBADF) };
            match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => Ok(Some(lock)),
                Err((open, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                    file = Some(open);
                    Ok(None)
                }
                Err((_, errno)) => Err(errno),
            }
        })?;
        locked.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;
    use std::time::Instant;

    use super::*;

    fn name(name: &str) -> VolumeName {
        VolumeName::parse(name).unwrap()
    }

    fn run(start_ms: u64) -> Account {
        Account { result: "unlocked".to_owned(), start_ms, ..Account::default() }
    }

    fn starts(report: &Report, name: &str) -> Vec<u64> {
        report.volumes[name].iter().map(|run| run.start_ms).collect()
    }

    #[test]
    fn many_at_once_are_all_in_it() {
        let root = tempfile::tempdir().unwrap();
        let report = BootReport::new(root.path());
        assert_eq!(report.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        thread::scope(|scope| {
            for number in 0..16 {
                let report = report.clone();
                scope.spawn(move || report.add(&name(&format!("v{number}")), run(1)).unwrap());
            }
        });
        assert_eq!(report.read().unwrap().volumes.len(), 16);
        let directory = root.path().join("run/bek-unlock");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&directory), mode(&directory.join(FILE))), (0o755, 0o644));
    }

    #[test]
    fn the_first_run_and_the_last_ones_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let report = BootReport::new(root.path());
        for start in 0..11 {
            report.add(&name("data1"), run(start)).unwrap();
        }
        let kept = starts(&report.read().unwrap(), "data1");
        assert_eq!(kept, [0, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn what_is_no_report_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let report = BootReport::new(root.path());
        report.add(&name("data1"), run(1)).unwrap();
        let file = root.path().join("run/bek-unlock").join(FILE);
        let newer = fs::read_to_string(&file).unwrap().replace("\"version\":1", "\"version\":2");
        for text in
            ["{", "", "[]", "{\"version\":1}", "{\"version\":1,\"volumes\":{\"a\":[1]}}", &newer]
        {
            fs::write(&file, text).unwrap();
            assert!(report.read().is_err(), "{text}");
            report.add(&name("data2"), run(2)).unwrap();
            let read = report.read().unwrap();
            assert_eq!((read.volumes.len(), starts(&read, "data2")), (1, vec![2]), "{text}");
        }
        File::create(&file).unwrap().set_len(LIMIT + 1).unwrap();
        assert_eq!(report.read().unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        report.add(&name("data1"), run(3)).unwrap();
        assert_eq!(starts(&report.read().unwrap(), "data1"), [3]);
    }

    #[test]
    fn a_lock_that_somebody_keeps_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let report = BootReport::new(root.path());
        report.add(&name("data1"), run(1)).unwrap();
        let lock = report.lock().unwrap();
        let began = Instant::now();
        let refused = report.add(&name("data2"), run(2)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(began.elapsed() < 20 * PATIENCE);
        drop(lock);
        report.add(&name("data2"), run(2)).unwrap();
        assert_eq!(report.read().unwrap().volumes.len(), 2);
    }
}
