//! The one type a secret lives in.
//!
//! Holds passphrases and access tokens from the moment their bytes exist until they are wiped. It
//! has no Clone, Display or Serialize, its Debug prints a placeholder, and the only way to the
//! bytes is [`Secret::expose`], so a search for that word finds every use. Memory is locked for
//! the whole process (edge/process.rs), not here: core stays free of system calls.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, Read};

use zeroize::{Zeroize, Zeroizing};

/// Secret bytes, wiped when dropped.
///
/// The buffer never grows after construction, because a reallocation would leave a copy behind in
/// freed memory.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`; they are wiped when this value is dropped, spare capacity included.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads `source` to its end, at most `limit` bytes.
    ///
    /// Errors: whatever `source` reports, and [`io::ErrorKind::FileTooLarge`] when more than
    /// `limit` bytes are there. Nothing read so far survives an error.
    pub fn read_from(source: impl Read, limit: usize) -> io::Result<Self> {
        // One byte more than allowed: tells "exactly the limit" from "too long" without growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit.saturating_add(1)));
        source.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Self(bytes))
    }

    /// The bytes themselves. Whoever calls this may not print, log or copy them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte at all; an empty key file counts as a missing one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same secret without one final newline (LF or CRLF), where there is one.
    ///
    /// Azure writes key files without a newline; editors and `echo` add one. cryptsetup(8) reads
    /// key files verbatim, so this is a second attempt, never the first.
    pub fn without_final_newline(&self) -> Option<Self> {
        let rest = self.0.strip_suffix(b"\n")?;
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        Some(Self::new(rest.to_vec()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Wipes at once instead of at the end of a scope, where a scope is long.
impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_byte() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "Secret(..)");
    }

    #[test]
    fn reads_up_to_the_limit_and_refuses_more() {
        assert_eq!(Secret::read_from(&b"abc"[..], 3).unwrap().expose(), b"abc");
        let error = Secret::read_from(&b"abcd"[..], 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn reading_never_reallocates() {
        let secret = Secret::read_from(&[7u8; 64][..], 64).unwrap();
        assert_eq!(secret.0.capacity(), 65);
    }

    #[test]
    fn one_newline_is_trimmed_and_only_one() {
        let trim = |bytes: &[u8]| {
            Secret::new(bytes.to_vec())
                .without_final_newline()
                .map(|secret| secret.expose().to_vec())
        };
        assert_eq!(trim(b"key\n"), Some(b"key".to_vec()));
        assert_eq!(trim(b"key\r\n"), Some(b"key".to_vec()));
        assert_eq!(trim(b"key\n\n"), Some(b"key\n".to_vec()));
        assert_eq!(trim(b"key"), None);
        assert_eq!(trim(b""), None);
    }

    #[test]
    fn zeroize_empties_it() {
        let mut secret = Secret::new(vec![1, 2, 3]);
        secret.zeroize();
        assert!(secret.is_empty());
    }
}
