//! A listening socket, as systemd hands it over.
//!
//! sd_listen_fds(3): descriptors from 3 on are ours when LISTEN_PID is this process, and LISTEN_FDS
//! says how many they are. systemd keeps its own copy of the socket, and what is not accepted here
//! starts the service again: a process that ends leaves nobody without an answer.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};

use crate::error::Kind;

/// SD_LISTEN_FDS_START of sd-daemon.h.
const FIRST: i32 = 3;

/// The socket that systemd passed to this process, which `command` is started with by `unit`.
///
/// Errors: `Usage` when it passed none, or something else.
#[expect(clippy::disallowed_methods, reason = "sd_listen_fds(3) is a protocol of variables")]
pub fn inherited(command: &str, unit: &str) -> Result<UnixListener, Kind> {
    let refused = |what: &str| Kind::Usage(format!("{command} is started by {unit}, {what}"));
    let [pid, count] = ["LISTEN_PID", "LISTEN_FDS"].map(|name| std::env::var(name).ok());
    if !is_one_for(std::process::id(), pid.as_deref(), count.as_deref()) {
        return Err(refused("which passes one socket"));
    }
    listening(UnixListener::from(third())).map_err(|_| refused("which passes a UNIX socket"))
}

/// `listener`, if it is one.
pub fn listening(listener: UnixListener) -> std::io::Result<UnixListener> {
    // A child would keep it, and with it those who wait.
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    listener.local_addr()?;
    if !getsockopt(&listener, sockopt::AcceptConn)? {
        return Err(std::io::ErrorKind::NotConnected.into());
    }
    Ok(listener)
}

/// Whether the variables pass exactly one descriptor to the process `own`.
fn is_one_for(own: u32, pid: Option<&str>, count: Option<&str>) -> bool {
    pid.and_then(|pid| pid.parse().ok()) == Some(own) && count == Some("1")
}

#[expect(unsafe_code, reason = "a number in the environment is all there is of the descriptor")]
fn third() -> OwnedFd {
    // SAFETY: LISTEN_PID and LISTEN_FDS promise that it is open and this process's own; it is
    // called once, before anything else is opened on that promise.
    unsafe { OwnedFd::from_raw_fd(FIRST) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    #[test]
    fn only_one_descriptor_for_this_process_is_taken() {
        assert!(is_one_for(7, Some("7"), Some("1")));
        for (pid, count) in [
            (None, None),
            (Some("7"), None),
            (None, Some("1")),
            (Some("8"), Some("1")),
            (Some("7"), Some("0")),
            (Some("7"), Some("2")),
            (Some("x"), Some("1")),
            (Some(""), Some("1")),
        ] {
            assert!(!is_one_for(7, pid, count), "{pid:?} {count:?}");
        }
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let (stream, _other) = UnixStream::pair().unwrap();
        assert!(listening(UnixListener::from(OwnedFd::from(stream))).is_err());
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        assert!(listening(UnixListener::from(OwnedFd::from(datagram))).is_err());
        let inet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listening(UnixListener::from(OwnedFd::from(inet))).is_err());
    }

    #[test]
    fn no_child_inherits_it() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("key")).unwrap();
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let listener = listening(listener).unwrap();
        let flags = fcntl(listener.as_fd(), FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & FdFlag::FD_CLOEXEC.bits(), FdFlag::FD_CLOEXEC.bits());
    }
}
