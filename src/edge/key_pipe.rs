//! Hands a key to whoever opens the volume: cryptsetup(8) or the plugin in libcryptsetup at the other
//! end of a pipe, or systemd-cryptsetup(8) at that of a socket.
//!
//! For cryptsetup it stands where libcryptsetup stands in an unlock, so that the key sources, their
//! order and every refusal are the same; only that a key which fits is written instead of used.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use nix::sys::stat::{SFlag, fstat};

use crate::error::Kind;
use crate::key::frame;
use crate::mapping::{Instead, Luks, OpenFailure};
use crate::secret::Secret;

/// Where a key that fits goes.
#[derive(Clone, Debug)]
pub struct KeyPipe(Rc<OwnedFd>);

impl KeyPipe {
    /// Standard output.
    ///
    /// Errors: `Usage` when it is no pipe. A key shown on a terminal or written to a file stays
    /// there, on a serial console's log for good.
    pub fn stdout() -> Result<Self, Kind> {
        let refuse = |what: &str| Kind::Usage(format!("a key is written into a pipe only; {what}"));
        let pipe = io::stdout().as_fd().try_clone_to_owned();
        let pipe = pipe.map_err(|_| refuse("standard output is closed"))?;
        let mode = fstat(&pipe).map_or(0, |stat| stat.st_mode);
        if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFIFO {
            return Err(refuse("standard output is no pipe"));
        }
        Ok(Self(Rc::new(pipe)))
    }

    /// A connection of somebody who may have the key.
    pub fn socket(stream: UnixStream) -> Self {
        Self(Rc::new(stream.into()))
    }

    /// Tests keys with `luks` and writes the one that fits into the pipe.
    pub fn behind<L: Luks + 'static>(&self, luks: L) -> impl Luks + use<L> {
        let pipe = Rc::clone(&self.0);
        Instead::new(luks, move |device, _, key, options| {
            let keyslot = device.test(key, options)?;
            write(&pipe, key.expose()).map_err(|error| {
                let reason = error.kind().to_string();
                OpenFailure::Other(Kind::Internal { call: "handing over the key", reason })
            })?;
            Ok(keyslot)
        })
    }

    /// Writes what the plugin reads, a key or text, in a frame.
    ///
    /// Errors: `KeyMalformed` when it is empty or too large for a key.
    pub fn answer(&self, bytes: &Secret) -> Result<(), Kind> {
        let head = frame::head(bytes.len()).ok_or_else(|| Kind::KeyMalformed {
            what: "the key in the LUKS2 token".to_owned(),
            reason: format!("has {} bytes, not 1 to {}", bytes.len(), frame::LIMIT),
        })?;
        let written = write(&self.0, &head).and_then(|()| write(&self.0, bytes.expose()));
        written.map_err(|error| Kind::Internal {
            call: "handing over the key",
            reason: error.kind().to_string(),
        })
    }
}

/// Writes the bytes as they are, past the buffer of [`io::stdout`], which nobody wipes.
fn write(pipe: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    std::fs::File::from(pipe.try_clone()?).write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_bytes_arrive_as_they_are() {
        let (mut reader, writer) = io::pipe().unwrap();
        let writer = OwnedFd::from(writer);
        write(&writer, b"key\n\0\xff").unwrap();
        drop(writer);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"key\n\0\xff");
    }

    #[test]
    fn the_plugin_reads_how_long_the_key_is() {
        let (mut reader, writer) = io::pipe().unwrap();
        let pipe = KeyPipe(Rc::new(writer.into()));
        pipe.answer(&Secret::new(b"key".to_vec())).unwrap();
        for bytes in [0, frame::LIMIT + 1] {
            let kind = pipe.answer(&Secret::new(vec![1; bytes])).unwrap_err();
            assert_eq!(kind.name(), "key-malformed");
        }
        drop(pipe);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"BEK\x01\x03\0\0\0key");
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = write(&OwnedFd::from(writer), b"key").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
