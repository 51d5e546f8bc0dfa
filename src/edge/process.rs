//! The process itself: what it may leave behind, and the real clock.
//!
//! Called first thing in a run that will hold a secret, before any thread exists.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{close, geteuid};

use crate::deadline::Clock;
use crate::error::Kind;

pub use kernel::{end, ends_with_us};

mod kernel;

/// More memory than a run that opens nothing ever maps, in bytes.
const ROOM: u64 = 64 * 1024 * 1024;

/// [`keep_secrets`] for a run that opens devices and mappings.
///
/// Errors: `NotPermitted` when not root.
pub fn harden() -> Result<(), Kind> {
    if !geteuid().is_root() {
        return Err(Kind::NotPermitted {
            action: "open devices and mappings",
            reason: "not root".to_owned(),
        });
    }
    keep_secrets();
    Ok(())
}

/// Makes sure that key bytes stay in this process's memory: no core dump, no ptrace by others,
/// no swap, and nothing it creates is readable by others.
///
/// A limit that cannot be set is no reason to leave a machine locked: it is logged at debug level,
/// and the unit sets the same limits from outside. Without root, memory stays unlocked where
/// RLIMIT_MEMLOCK could refuse what is allocated later, which would end the program.
pub fn keep_secrets() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    note("RLIMIT_CORE", setrlimit(Resource::RLIMIT_CORE, 0, 0));
    // Also hides /proc/PID/{mem,environ,maps} from everybody but root (prctl(2)).
    note("PR_SET_DUMPABLE", prctl::set_dumpable(false));
    if !geteuid().is_root()
        && getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft < ROOM)
    {
        log::debug!("mlock: RLIMIT_MEMLOCK is too small");
        return;
    }
    note("mlock", kernel::lock_memory());
}

/// What ps(1) shows, where the name of the file would be "exe".
pub fn call_itself(name: &CStr) {
    note("PR_SET_NAME", prctl::set_name(name));
}

/// Closes what came with the process but the standard streams and `keep`: a device or key file that
/// a C library left open across exec(3) is nothing for a process without rights.
pub fn close_inherited(keep: Option<BorrowedFd<'_>>) {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let kept = keep.map(|descriptor| descriptor.as_raw_fd());
    for number in numbers.into_iter().filter(|number| *number > 2 && Some(*number) != kept) {
        // The directory's own is among them, and closed by now.
        let _ = close(number);
    }
}

fn note(what: &str, result: Result<(), Errno>) {
    if let Err(errno) = result {
        log::debug!("{what}: {}", errno.desc());
    }
}

/// CLOCK_MONOTONIC, counted from the clock's creation.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock that starts at zero now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// How long after the kernel's start this clock began (CLOCK_BOOTTIME, clock_gettime(2)).
    pub fn after_boot(&self) -> Duration {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
        now.saturating_sub(self.now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that really waits")]
    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}
