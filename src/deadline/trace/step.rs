//! What a run does, step by step: the words of a [`Trace`](super::Trace).

use std::time::Duration;

use crate::key::SourceName;

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Asking one key source and trying its keys; the steps below are part of it.
    Source(SourceName),
    /// Waiting for the encrypted device.
    Device,
    /// Waiting for the header, reading and checking it.
    Header,
    /// Waiting for the key disk.
    KeyDisk,
    /// Reading a key disk that is there.
    ReadKeyDisk,
    /// Asking a service over the network, with all tries.
    Request(Asked, String),
    /// Waiting until a KDF has its memory.
    Memory,
    /// Trying keys in the keyslots: the KDF.
    Keyslots,
    /// Looking at what came out of the device.
    Content,
    /// Waiting for a person.
    Question,
}

impl Doing {
    /// The word for it in the report and in the journal.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Device => "device",
            Self::Header => "header",
            Self::KeyDisk => "key-disk",
            Self::ReadKeyDisk => "read-key-disk",
            Self::Request(asked, _) => asked.as_str(),
            Self::Memory => "memory",
            Self::Keyslots => "keyslots",
            Self::Content => "content",
            Self::Question => "question",
        }
    }

    /// Whether a further one belongs to the one before: keys are many, and so are looks.
    pub(super) fn adds_up(&self) -> bool {
        matches!(self, Self::ReadKeyDisk | Self::Memory | Self::Keyslots)
    }
}

/// What is asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An access token.
    Token,
    /// The VM's name.
    VmName,
    /// A secret.
    Secret,
    /// Secrets, or versions of one.
    List,
    /// A key, unwrapped.
    UnwrapKey,
    /// Something that is changed there.
    Change,
}

impl Asked {
    /// The word for it in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::VmName => "vm-name",
            Self::Secret => "secret",
            Self::List => "list",
            Self::UnwrapKey => "unwrap-key",
            Self::Change => "change",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub doing: Doing,
    /// The key source it was done for.
    pub source: Option<SourceName>,
    /// When it began.
    pub start: Duration,
    /// When it ended; of several that add up, the last. `None` when it has not.
    pub end: Option<Duration>,
    /// How long it took, without what was done between several that add up.
    pub spent: Duration,
    /// How often it was tried.
    pub tries: u32,
    /// From the first try to the last one.
    pub retrying: Duration,
    /// The part of that which went by without a connection.
    pub offline: Duration,
    /// Why the last try failed that another one followed.
    pub problem: Option<String>,
    /// Why it came to nothing: [`Kind::name`](crate::error::Kind::name).
    pub failure: Option<&'static str>,
}

impl Step {
    /// One that begins at `start`, on its first try.
    pub(super) fn new(doing: Doing, source: Option<SourceName>, start: Duration) -> Self {
        Self {
            doing,
            source,
            start,
            end: None,
            spent: Duration::ZERO,
            tries: 1,
            retrying: Duration::ZERO,
            offline: Duration::ZERO,
            problem: None,
            failure: None,
        }
    }
}
