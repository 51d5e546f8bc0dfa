//! Signals that ask the program to end, put off while a mapping is being made.
//!
//! Ended between activation and the check of what came out, a run would leave a mapping that
//! nobody looked at and no unit closes. Everywhere else the signals keep their default action:
//! mounts are in a namespace that ends with the process, and nothing else outlives it. SIGKILL
//! cannot be put off; unlock.rs looks at what is already open for its sake.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

/// systemd's stop, a person's ^C, a terminal that went away.
const SIGNALS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

/// The latest one that came while they were put off; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

/// Calls `handler` before a signal ends the program; it has to do nothing that signal-safety(7)
/// forbids, and to raise the signal again. A signal that is ignored stays ignored.
pub fn before_end(handler: extern "C" fn(c_int)) {
    // Reset to the default before the handler runs, and not blocked in it: raised again it ends.
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    for signal in SIGNALS {
        match set(signal, &action) {
            Some(old) if matches!(old.handler(), SigHandler::SigIgn) => {
                set(signal, &old);
            }
            _ => {}
        }
    }
}

/// Signals are put off until this is dropped; the second one ends the process all the same.
pub struct PutOff {
    before: Vec<(Signal, SigAction)>,
}

impl PutOff {
    /// Begins, for the whole process; a signal that was ignored stays ignored.
    pub fn begin() -> Self {
        CAME.store(0, Ordering::SeqCst);
        // SA_RESTART: the system calls of libcryptsetup and libdevmapper go on.
        let note = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
        let mut before = Vec::new();
        for signal in SIGNALS {
            match set(signal, &note) {
                Some(old) if matches!(old.handler(), SigHandler::SigIgn) => {
                    set(signal, &old);
                }
                Some(old) => before.push((signal, old)),
                None => {}
            }
        }
        Self { before }
    }

    /// The signal that came meanwhile.
    pub fn came(&self) -> Option<Signal> {
        Signal::try_from(CAME.load(Ordering::SeqCst)).ok()
    }
}

impl Drop for PutOff {
    fn drop(&mut self) {
        for (signal, old) in &self.before {
            set(*signal, old);
        }
    }
}

/// Lets `signal` have the effect it would have had; only for when nothing is put off any more.
pub fn obey(signal: Signal) {
    if let Err(errno) = raise(signal) {
        log::debug!("{signal}: {}", errno.desc());
    }
}

/// A second one means it: a KDF can take long, and libcryptsetup cannot be interrupted.
#[expect(unsafe_code, reason = "_exit(2) is all a handler may do")]
extern "C" fn note(signal: c_int) {
    if CAME.swap(signal, Ordering::SeqCst) != 0 {
        // SAFETY: async-signal-safe (signal-safety(7)); runs no destructor and no handler of exit.
        unsafe { nix::libc::_exit(128 + signal) }
    }
}

#[expect(unsafe_code, reason = "nix cannot know what a handler does")]
fn set(signal: Signal, action: &SigAction) -> Option<SigAction> {
    // SAFETY: `note` does nothing signal-safety(7) forbids, the handler given to `before_end` has to
    // keep that promise, and the others are those that were there before.
    unsafe { sigaction(signal, action) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for all of it: dispositions are the whole process's.
    #[test]
    fn a_signal_waits_and_is_known() {
        // Under nohup(1) it is ignored.
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        let before = set(Signal::SIGHUP, &default).unwrap();
        let put_off = PutOff::begin();
        assert_eq!(put_off.came(), None);
        obey(Signal::SIGHUP);
        assert_eq!(put_off.came(), Some(Signal::SIGHUP));
        drop(put_off);
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        let default = set(Signal::SIGHUP, &ignore).unwrap();
        assert!(matches!(default.handler(), SigHandler::SigDfl));
        let put_off = PutOff::begin();
        obey(Signal::SIGHUP);
        assert_eq!(put_off.came(), None);
        drop(put_off);
        let ignored = set(Signal::SIGHUP, &before).unwrap();
        assert!(matches!(ignored.handler(), SigHandler::SigIgn));
    }
}
