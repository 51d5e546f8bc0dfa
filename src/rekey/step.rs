//! The steps of a rekeying, in words: one line each, said before it is taken.

use std::fmt;
use std::path::PathBuf;

use super::{Line, Store};

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The plan is noted, so that an interrupted run can be finished.
    Record,
    /// The new key gets its keyslot.
    Keyslot(u32),
    /// The keyslot is tried.
    Open(u32),
    /// The wrapped key is stored.
    Store(Store),
    /// It is read back, unwrapped and tried.
    ReadBack(Store),
    /// bektab is changed.
    Line(Line),
    /// The volume's key is found as the next boot will find it.
    Prove,
    /// The old keyslot goes.
    OldKeyslot(u32),
    /// The old file goes.
    OldFile(PathBuf),
    /// The plan's note goes.
    Forget,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("noting what is under way"),
            Self::Keyslot(number) => write!(f, "adding keyslot {number}"),
            Self::Open(number) => write!(f, "opening keyslot {number}"),
            Self::Store(store) => write!(f, "storing the wrapped key: {store}"),
            Self::ReadBack(store) => write!(f, "reading it back and opening with it: {store}"),
            Self::Line(line) => write!(f, "writing the line of {} to /etc/bektab", line.name),
            Self::Prove => f.write_str("finding the key as the next boot will"),
            Self::OldKeyslot(number) => write!(f, "removing the old keyslot {number}"),
            Self::OldFile(path) => write!(f, "removing the old file {}", path.display()),
            Self::Forget => f.write_str("done; forgetting the note"),
        }
    }
}
