//! Hands a key to whoever opens the volume: cryptsetup(8) at the other end of a pipe.
//!
//! Stands where libcryptsetup stands in an unlock, so that the key sources, their order and every
//! refusal are the same; only that a key which fits is written instead of used.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::sys::stat::{SFlag, fstat};

use crate::error::Kind;
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

    /// Tests keys with `luks` and writes the one that fits into the pipe.
    pub fn behind<L: Luks + 'static>(&self, luks: L) -> impl Luks + use<L> {
        let pipe = Rc::clone(&self.0);
        Instead::new(luks, move |device, _, key, options| {
            let keyslot = device.test(key, options)?;
            hand_over(&pipe, key).map_err(|error| {
                let reason = error.kind().to_string();
                OpenFailure::Other(Kind::Internal { call: "handing over the key", reason })
            })?;
            Ok(keyslot)
        })
    }
}

/// Writes the bytes as they are, past the buffer of [`io::stdout`], which nobody wipes.
fn hand_over(pipe: &OwnedFd, key: &Secret) -> io::Result<()> {
    std::fs::File::from(pipe.try_clone()?).write_all(key.expose())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_bytes_arrive_as_they_are() {
        let (mut reader, writer) = io::pipe().unwrap();
        let writer = OwnedFd::from(writer);
        hand_over(&writer, &Secret::new(b"key\n\0\xff".to_vec())).unwrap();
        drop(writer);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"key\n\0\xff");
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = hand_over(&OwnedFd::from(writer), &Secret::new(b"key".to_vec())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
