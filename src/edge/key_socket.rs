//! The socket on which systemd-cryptsetup(8) asks for a key.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};

use super::key_pipe::KeyPipe;
use super::listening;
use crate::error::Kind;
use crate::key::asker::Asker;

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
    pub fn inherited() -> Result<Self, Kind> {
        let listener = listening::inherited("key-service", "bek-unlock-key@.socket")?;
        Self::new(listener).map_err(|error| Kind::Internal {
            call: "taking over a socket",
            reason: error.kind().to_string(),
        })
    }

    /// Takes over a socket that listens.
    pub fn new(listener: UnixListener) -> io::Result<Self> {
        let listener = listening::listening(listener)?;
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
