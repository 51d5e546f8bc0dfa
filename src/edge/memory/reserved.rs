//! What each process has set aside: one file for each below /run/bek-unlock/kdf, named by its PID.
//!
//! A reservation is a lock on its file (flock(2)), which the kernel lifts however a process ends, so
//! nobody waits for one that was killed. The directory has a lock of its own, for the moment in
//! which one process looks and adds.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::kib;
use crate::mapping::Reserved;
use crate::unlock::admission::Other;

/// A reservation holds two numbers.
const SIZE_MAX: u64 = 64;

/// All reservations of this machine.
#[derive(Clone, Debug)]
pub(super) struct Reservations {
    directory: PathBuf,
    processes: PathBuf,
}

/// All of them, while nobody else looks.
pub(super) struct Locked<'a> {
    all: &'a Reservations,
    _lock: Flock<File>,
}

/// One, given back when dropped.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Reserved for Own {}

impl Drop for Own {
    fn drop(&mut self) {
        // Before the lock is lifted, so that nobody locks a file that is about to go.
        let _ = fs::remove_file(&self.path);
    }
}

impl Reservations {
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("run/bek-unlock/kdf"), processes: root.join("proc") }
    }

    /// `None` while another process looks. Not waited for: it may have been stopped, and there is a
    /// deadline.
    pub fn lock(&self) -> io::Result<Option<Locked<'_>>> {
        if let Some(parent) = self.directory.parent() {
            fs::create_dir_all(parent)?;
            // As state.rs has it, whoever comes first: what status reads is beside these.
            fs::set_permissions(parent, Permissions::from_mode(0o755))?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let lock = try_lock(self.open("lock", true)?)?;
        Ok(lock.map(|lock| Locked { all: self, _lock: lock }))
    }

    fn open(&self, name: &str, create: bool) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create(create).mode(0o600);
        options.open(self.directory.join(name))
    }

    /// What the process has in memory now, in KiB.
    fn resident(&self, pid: u32) -> Option<u64> {
        let status = self.processes.join(pid.to_string()).join("status");
        kib(&fs::read_to_string(status).ok()?, "VmRSS:")
    }
}

impl Locked<'_> {
    /// Those of other processes that live.
    pub fn others(&self) -> Vec<Other> {
        let entries = fs::read_dir(&self.all.directory).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| self.other(name.parse().ok()?)).collect()
    }

    fn other(&self, pid: u32) -> Option<Other> {
        let name = pid.to_string();
        let file = self.all.open(&name, false).ok()?;
        if let Ok(Some(_ended)) = try_lock(file.try_clone().ok()?) {
            let _ = fs::remove_file(self.all.directory.join(name));
            return None;
        }
        let mut text = String::new();
        (&file).take(SIZE_MAX).read_to_string(&mut text).ok()?;
        let (reserved, before) = text.trim().split_once(' ')?;
        let (reserved_kib, before): (u64, u64) = (reserved.parse().ok()?, before.parse().ok()?);
        // What cannot be read counts as not taken: too little at once, never too much.
        let now = self.all.resident(pid).unwrap_or(0);
        Some(Other { reserved_kib, taken_kib: now.saturating_sub(before).min(reserved_kib) })
    }

    /// Sets `needed_kib` aside for this process.
    pub fn add(&self, needed_kib: u64) -> io::Result<impl Reserved + use<>> {
        let name = process::id().to_string();
        let path = self.all.directory.join(&name);
        let file = self.all.open(&name, true)?;
        let lock = try_lock(file)?.ok_or(io::ErrorKind::WouldBlock)?;
        let own = Own { path, _lock: lock };
        let before = self.all.resident(process::id()).unwrap_or(0);
        own._lock.set_len(0)?;
        (&*own._lock).write_all(format!("{needed_kib} {before}\n").as_bytes())?;
        Ok(own)
    }
}

/// `None` where another process has the lock.
fn try_lock(file: File) -> io::Result<Option<Flock<File>>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reservations of which another one, of process 7, is locked by hand.
    fn beside(text: &str, resident: &str) -> (tempfile::TempDir, Flock<File>, Reservations) {
        let root = tempfile::tempdir().unwrap();
        let all = Reservations::new(root.path());
        drop(all.lock().unwrap().unwrap());
        fs::write(all.directory.join("7"), text).unwrap();
        let other = try_lock(all.open("7", false).unwrap()).unwrap().unwrap();
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        fs::write(root.path().join("proc/7/status"), resident).unwrap();
        (root, other, all)
    }

    #[test]
    fn what_another_process_has_taken_since_is_known() {
        for (resident, taken_kib) in [
            ("VmRSS:\t  5000 kB\n", 0),
            ("VmRSS:\t  5600 kB\n", 600),
            ("", 0),
            ("VmRSS: 9999999 kB", 1000),
        ] {
            let (_root, _other, all) = beside("1000 5000\n", resident);
            let others = all.lock().unwrap().unwrap().others();
            assert_eq!(others, [Other { reserved_kib: 1000, taken_kib }], "{resident}");
        }
    }

    #[test]
    fn what_a_process_leaves_behind_is_gone_with_it() {
        let (_root, other, all) = beside("1000 0\n", "");
        drop(other);
        assert_eq!(all.lock().unwrap().unwrap().others(), []);
        assert!(!all.directory.join("7").exists());
    }

    #[test]
    fn noise_in_the_directory_is_nobodys() {
        for text in ["", "x y\n", "1000\n", "-1 0\n"] {
            let (_root, _other, all) = beside(text, "");
            fs::write(all.directory.join("name"), "1000 0\n").unwrap();
            assert_eq!(all.lock().unwrap().unwrap().others(), [], "{text:?}");
        }
    }

    #[test]
    fn one_looks_at_a_time_and_its_own_goes_when_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let all = Reservations::new(root.path());
        let locked = all.lock().unwrap().unwrap();
        assert!(all.lock().unwrap().is_none());
        let own = locked.add(1000).unwrap();
        drop(locked);
        let path = all.directory.join(process::id().to_string());
        assert!(path.exists());
        drop(own);
        assert!(!path.exists());
    }
}
