//! Where keys come from: the interface of a key source, and what it hands over.
//!
//! A source is asked for keys under a deadline and answers with candidates, best first; unlock.rs
//! tries them. A source never opens a volume and never speaks; why it failed is a [`Kind`].

#![forbid(unsafe_code)]

pub mod asker;
pub mod candidates;
pub mod checked;
pub mod disk;
pub mod file;
pub mod frame;
pub mod material;
pub mod prompt;
pub mod unwrap;
pub mod vault;

use std::fmt;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::Kind;
use crate::secret::Secret;

/// A place a key can come from.
pub trait KeySource {
    /// Which one this is.
    fn name(&self) -> SourceName;

    /// Keys that were not handed over before, best first; waits for what is not there yet, never
    /// past `deadline`.
    ///
    /// Asked again after all of them were rejected: then with further, less likely keys, or with
    /// an empty list when there are no more. Also asked again after an error, because what was not
    /// there in time may be there now. Errors say why there is nothing.
    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind>;

    /// Whether it can be asked beside the others, by [`KeySource::look`]: a person.
    fn is_beside(&self) -> bool {
        false
    }

    /// The same as [`KeySource::keys`] without waiting: `None` when there is nothing yet. What it
    /// began for that, it goes on with, until `deadline` or until it is dropped.
    fn look(&mut self, deadline: &Deadline<'_>) -> Result<Option<Vec<Candidate>>, Kind> {
        self.keys(&deadline.within(Duration::ZERO)).map(Some)
    }
}

impl<S: KeySource + ?Sized> KeySource for Box<S> {
    fn name(&self) -> SourceName {
        (**self).name()
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        (**self).keys(deadline)
    }

    fn is_beside(&self) -> bool {
        (**self).is_beside()
    }

    fn look(&mut self, deadline: &Deadline<'_>) -> Result<Option<Vec<Candidate>>, Kind> {
        (**self).look(deadline)
    }
}

/// A source that has its keys now or not at all, where nobody will attach a disk while this waits.
#[derive(Debug)]
pub struct AtOnce<S>(pub S);

impl<S: KeySource> KeySource for AtOnce<S> {
    fn name(&self) -> SourceName {
        self.0.name()
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        self.0.keys(&deadline.within(Duration::ZERO))
    }
}

/// A passphrase that may open the volume, and where it came from.
#[derive(Debug)]
pub struct Candidate {
    /// The exact bytes for libcryptsetup.
    pub secret: Secret,
    /// For people: `key disk /dev/sdc1: LinuxPassPhraseFileName_1_0`. Never holds key bytes.
    pub origin: String,
    /// Whether a final newline may be trimmed in a second attempt: true for key files only.
    pub from_file: bool,
}

/// The key sources, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceName {
    /// The small vfat disk labelled `BEK VOLUME`.
    KeyDisk,
    /// A key or wrapped-key file, or what somebody pasted.
    File,
    /// A token in a LUKS2 header: ours, or that of a confidential VM.s disk.
    Token,
    /// A secret in Key Vault, by URL or by tags.
    KeyVault,
    /// A person.
    Prompt,
}

impl SourceName {
    /// The word for it in messages, journal fields and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyDisk => "key-disk",
            Self::File => "file",
            Self::Token => "luks2-token",
            Self::KeyVault => "key-vault",
            Self::Prompt => "prompt",
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
