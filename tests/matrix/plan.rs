//! What a case is made of: the step that meets the fault, and how the run has to end.

/// A step of opening a volume, in the order of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    DeviceWait,
    Header,
    KeyDisk,
    Mount,
    Read,
    Token,
    Secret,
    List,
    Unwrap,
    Decode,
    Activate,
    Verify,
}

impl Step {
    pub const ALL: [Self; 12] = [
        Self::DeviceWait,
        Self::Header,
        Self::KeyDisk,
        Self::Mount,
        Self::Read,
        Self::Token,
        Self::Secret,
        Self::List,
        Self::Unwrap,
        Self::Decode,
        Self::Activate,
        Self::Verify,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::DeviceWait => "device wait",
            Self::Header => "header",
            Self::KeyDisk => "key disk",
            Self::Mount => "mount",
            Self::Read => "read",
            Self::Token => "token",
            Self::Secret => "secret",
            Self::List => "list",
            Self::Unwrap => "unwrap",
            Self::Decode => "decode",
            Self::Activate => "activate",
            Self::Verify => "verify",
        }
    }
}

/// What goes wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Not there, or nobody answers.
    Absent,
    /// There or answered after a while; or after the deadline.
    Late,
    /// There at once and whole in the end.
    Slow,
    /// The beginning of what should be there.
    Half,
    /// Bytes of another kind.
    Garbage,
    /// More than it can be.
    Oversized,
    /// Well-formed, and another one's.
    Wrong,
    /// No, for good.
    Refused,
    /// Not now.
    Throttled,
    /// The connection broke.
    Reset,
    /// Sent elsewhere.
    Redirect,
    /// Dates that do not agree with this machine's clock.
    Clock,
    /// An I/O error.
    DiskError,
    /// The KDF wants more than is free.
    MemoryShort,
    /// SIGTERM in the middle of it.
    Terminated,
    /// SIGKILL in the middle of it.
    Killed,
    /// Another run for the same volume at the same time.
    Twice,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::Absent,
        Self::Late,
        Self::Slow,
        Self::Half,
        Self::Garbage,
        Self::Oversized,
        Self::Wrong,
        Self::Refused,
        Self::Throttled,
        Self::Reset,
        Self::Redirect,
        Self::Clock,
        Self::DiskError,
        Self::MemoryShort,
        Self::Terminated,
        Self::Killed,
        Self::Twice,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Late => "late",
            Self::Slow => "slow",
            Self::Half => "half",
            Self::Garbage => "garbage",
            Self::Oversized => "oversized",
            Self::Wrong => "wrong",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Reset => "reset",
            Self::Redirect => "redirect",
            Self::Clock => "clock wrong",
            Self::DiskError => "disk error",
            Self::MemoryShort => "memory short",
            Self::Terminated => "SIGTERM",
            Self::Killed => "SIGKILL",
            Self::Twice => "second run",
        }
    }
}

/// How a run has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With the key: the fault was got over.
    Opens,
    /// With this exit status and one error block.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl End {
    pub fn name(self) -> String {
        match self {
            Self::Opens => "opens".to_owned(),
            Self::Exit(status) => format!("exit {status}"),
            Self::Signal(15) => "SIGTERM".to_owned(),
            Self::Signal(_) => "SIGKILL".to_owned(),
        }
    }
}

/// A case as the summary counts it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub step: Step,
    pub fault: Fault,
    pub end: End,
}
