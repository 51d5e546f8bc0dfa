//! The socket on which systemd-cryptsetup(8) asks for a key, as systemd hands it over.
//!
//! sd_listen_fds(3): descriptors from 3 on are ours when LISTEN_PID is this process, and LISTEN_FDS
//! says how many they are. systemd keeps its own copy of the socket, and what is not accepted here
//! starts the service again: a process that ends leaves nobody without an answer.

use std::io::{self, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};

use super::key_pipe::KeyPipe;
use crate::error::Kind;
use crate::key::asker::Asker;

/// SD_LISTEN_FDS_START of sd-daemon.h.
const FIRST: i32 = 3;

/// Nobody reads slowly what fits into the socket's buffer; somebody may not read at all.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// `(uid_t)-1`, which no process has.
const NOBODY: u32 = u32::MAX;

/// A listening socket.
#[derive(Debug)]
pub struct KeySocket(UnixListener);

/// Somebody who asks; closed, and so answered with nothing, when dropped.
#[derive(Debug)]
pub struct Question {
    /// Who it is.
    pub asker: Asker,
    stream: UnixStream,
}

impl KeySocket {
    /// The one that systemd passed to this process.
    ///
    /// Errors: `Usage` when it passed none, or something else.
    #[expect(clippy::disallowed_methods, reason = "sd_listen_fds(3) is a protocol of variables")]
    pub fn inherited() -> Result<Self, Kind> {
        let [pid, count] = ["LISTEN_PID", "LISTEN_FDS"].map(|name| std::env::var(name).ok());
        if !is_one_for(std::process::id(), pid.as_deref(), count.as_deref()) {
            return Err(refused("which passes one socket"));
        }
        Self::new(UnixListener::from(third())).map_err(|_| refused("which passes a UNIX socket"))
    }

    /// Takes over a socket that listens.
    pub fn new(listener: UnixListener) -> io::Result<Self> {
        // A child would keep it, and with it those who wait.
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        listener.local_addr()?;
        if !getsockopt(&listener, sockopt::AcceptConn)? {
            return Err(ErrorKind::NotConnected.into());
        }
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// The next one who waits for an answer; `None` when nobody does.
    pub fn next(&self) -> io::Result<Option<Question>> {
        loop {
            match self.0.accept() {
                Ok((stream, address)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_write_timeout(Some(WRITE_LIMIT))?;
                    let uid = getsockopt(&stream, sockopt::PeerCredentials)
                        .map_or(NOBODY, |credentials| credentials.uid());
                    let name = address.as_abstract_name().unwrap_or_default().to_vec();
                    return Ok(Some(Question { asker: Asker { uid, name }, stream }));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Question {
    /// Where the key goes; closed with it.
    pub fn into_pipe(self) -> KeyPipe {
        KeyPipe::socket(self.stream)
    }
}

/// Whether the variables pass exactly one descriptor to the process `own`.
fn is_one_for(own: u32, pid: Option<&str>, count: Option<&str>) -> bool {
    pid.and_then(|pid| pid.parse().ok()) == Some(own) && count == Some("1")
}

fn refused(what: &str) -> Kind {
    Kind::Usage(format!("key-service is started by bek-unlock-key@.socket, {what}"))
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
    use std::os::unix::net::UnixDatagram;

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
        assert!(KeySocket::new(UnixListener::from(OwnedFd::from(stream))).is_err());
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        assert!(KeySocket::new(UnixListener::from(OwnedFd::from(datagram))).is_err());
        let inet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(KeySocket::new(UnixListener::from(OwnedFd::from(inet))).is_err());
    }

    #[test]
    fn no_child_inherits_it() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("key")).unwrap();
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let socket = KeySocket::new(listener).unwrap();
        let flags = fcntl(socket.0.as_fd(), FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & FdFlag::FD_CLOEXEC.bits(), FdFlag::FD_CLOEXEC.bits());
        assert!(socket.next().unwrap().is_none());
    }
}
