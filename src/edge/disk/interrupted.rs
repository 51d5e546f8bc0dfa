//! ^C while a disk is under rescue: its read-only flag outlives the process, and is cleared on the
//! way out.
//!
//! Only what this run has set is cleared, and nothing that was given back or is to stay.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{Signal, raise};

use super::flag;
use crate::edge::signals;

/// As many as a disk has partitions at the most (part.rs), and the disk itself.
const MAX: usize = 129;
const NONE: RawFd = -1;

/// Descriptors of the devices whose flag is to be cleared.
static FLAGGED: [AtomicI32; MAX] = [const { AtomicI32::new(NONE) }; MAX];
static INSTALL: Once = Once::new();

/// A device that is given back when a signal ends the program before this is dropped.
#[derive(Debug)]
pub struct Noted(usize);

impl Noted {
    /// Notes `device`, which must stay open as long as this lives; `None` when there is no room,
    /// which costs a flag after ^C.
    pub fn new(device: &File) -> Option<Self> {
        INSTALL.call_once(|| signals::before_end(give_back));
        Self::take(device)
    }

    fn take(device: &File) -> Option<Self> {
        let descriptor = device.as_raw_fd();
        let is_free = |slot: &AtomicI32| {
            slot.compare_exchange(NONE, descriptor, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        FLAGGED.iter().position(is_free).map(Self)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(slot) = FLAGGED.get(self.0) {
            slot.store(NONE, Ordering::SeqCst);
        }
    }
}

/// What [`signals::before_end`] allows: ioctl(2) is a system call and nothing else.
extern "C" fn give_back(signal: c_int) {
    for slot in &FLAGGED {
        let descriptor = slot.load(Ordering::SeqCst);
        if descriptor != NONE {
            flag::clear(descriptor);
        }
    }
    if let Ok(signal) = Signal::try_from(signal) {
        let _ = raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_noted_until_it_is_given_back() {
        let file = tempfile::tempfile().unwrap();
        let noted = || FLAGGED.iter().any(|slot| slot.load(Ordering::SeqCst) == file.as_raw_fd());
        let first = Noted::take(&file).unwrap();
        assert!(noted());
        drop(first);
        assert!(!noted());
        let all: Vec<_> = std::iter::from_fn(|| Noted::take(&file)).collect();
        assert_eq!(all.len(), MAX);
        drop(all);
        assert!(!noted() && Noted::take(&file).is_some());
    }
}
