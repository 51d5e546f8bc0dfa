//! Why a disk that was to be recovered is not opened: it is none, or what to open on it is not
//! plain to see.

use std::fmt;
use std::path::PathBuf;

/// A disk on which nothing is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTarget {
    /// The device or image file that was named.
    pub named: PathBuf,
    /// Why.
    pub why: Why,
    /// What is on it, one line for each partition.
    pub listed: Vec<String>,
}

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// An image in a format that is not the disk's bytes.
    Format(&'static str),
    /// BitLocker's metadata is in the volume; a header of its own was named.
    HeaderOfBitLocker,
    /// There are partitions with nothing known on them and no header of ADE beside them.
    NoHeader,
    /// The kernel attaches no loop device, in its words.
    NoLoop(String),
    /// It has partitions, and each holds something that is not encrypted.
    NoneEncrypted,
    /// Neither a block device nor a regular file.
    NotADisk,
    /// It holds something that is not encrypted, in libblkid's word.
    Plain(String),
    /// Several partitions may be meant; one of them, where it can be named.
    Several(Option<PathBuf>),
    /// There are headers of ADE of different volumes; one of them, as `--header` takes it.
    SeveralHeaders(Option<String>),
    /// Nothing known is on it, and nobody said where its header is.
    Unknown,
    /// It cannot be read, in the system's words.
    Unreadable(String),
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.named.display();
        match &self.why {
            Why::Format(format) => {
                write!(f, "{named} is a {format} image, which is not the bytes of the disk")
            }
            Why::HeaderOfBitLocker => {
                write!(f, "{named} is a BitLocker volume, which has no header apart from it")
            }
            Why::NoHeader => {
                write!(f, "{named} may be encrypted, but ADE's header is on no partition of it")
            }
            Why::NoLoop(reason) => write!(f, "no loop device for {named}: {reason}"),
            Why::NoneEncrypted => write!(f, "no partition of {named} is encrypted"),
            Why::NotADisk => write!(f, "{named} is neither a disk nor an image of one"),
            Why::Plain(kind) => write!(f, "{named} is not encrypted; it holds {kind}"),
            Why::Several(_) => write!(f, "{named} has several partitions that may be meant"),
            Why::SeveralHeaders(_) => write!(f, "{named} has ADE's headers of several volumes"),
            Why::Unknown => {
                write!(f, "{named} holds nothing known: it is empty, or its header is elsewhere")
            }
            Why::Unreadable(reason) => write!(f, "cannot read {named}: {reason}"),
        }
    }
}
