//! The cases that need device-mapper: key disks, their mounts, activation, and what came out of it.
//!
//! Run by the root ring (tests/root/matrix.rs) on kernels that have it. Nobody is asked here: the
//! key is on a key disk or in a file. A disk is a table of device-mapper over a file, so that any
//! of its sectors can be missing, slow or unreadable, and mended while the program runs.

use crate::plan::{End, Fault, Step};

// Two test programs have this file: each would look for them elsewhere.
#[path = "guest/keys.rs"]
mod keys;
#[path = "guest/volumes.rs"]
mod volumes;

/// What a disk is made of; sectors of 512 bytes.
#[derive(Clone, Copy, Debug)]
pub enum Disk {
    /// As it is.
    Whole,
    /// The first so many sectors.
    Cut(u64),
    /// Sectors from the first to before the second cannot be read or written.
    Error(u64, u64),
    /// Those are zeros.
    Zero(u64, u64),
    /// Everything takes so many milliseconds.
    Delay(u32),
    /// It cannot be written to.
    ReadOnly,
    /// There is none.
    Absent,
}

/// The key disk of a case.
#[derive(Clone, Copy, Debug)]
pub struct KeyDisk {
    pub label: &'static str,
    /// Files by their names; contents by the names in [`content`].
    pub files: &'static [(&'static str, &'static str)],
    pub disk: Disk,
}

/// What else is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    Nothing,
    /// The kernel has no vfat and gets none.
    NoVfat,
    /// Where the key disk is mounted is a file.
    PointIsFile,
    /// Something else is mounted there.
    PointIsTaken,
    /// The key disk is mounted there by somebody else.
    MountedByOthers,
    /// Another disk with the label, whose files are another machine's, comes first.
    TwoKeyDisks,
    /// The volume is open under its name.
    OpenAlready,
    /// The name is another device's.
    NameTaken,
    /// The device is open under another name.
    DeviceTaken,
    /// A run that was killed left what it had opened, and it is noise.
    LeftOpen,
    /// The kernel has no dm-crypt and gets none.
    NoDmCrypt,
}

/// What happens while the program runs.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Nothing,
    /// The disk of the case is whole after so many milliseconds.
    Mended(u64),
    /// This signal when so many milliseconds have passed.
    SignalAfter(i32, u64),
    /// This signal while a key is tried.
    SignalTrying(i32),
    /// This signal as soon as the mapping is there.
    SignalMapped(i32),
}

#[derive(Clone, Copy, Debug)]
pub struct GuestCase {
    pub step: Step,
    pub fault: Fault,
    pub what: &'static str,
    /// The disk with the volume.
    pub disk: Disk,
    /// Whether its header is a file of its own.
    pub detached: bool,
    /// Its KDF takes seconds.
    pub slow_kdf: bool,
    /// `None`: the key is in the file `key` instead.
    pub key_disk: Option<KeyDisk>,
    pub key: &'static str,
    pub options: &'static str,
    /// `timeout=` in seconds.
    pub timeout: u64,
    pub odd: Odd,
    pub event: Event,
    pub end: End,
    pub says: &'static [&'static str],
}

/// The name that ADE gives the OS disk's key file.
pub const NAME: &str = "LinuxPassPhraseFileName";

/// What is in a key file.
pub fn content(kind: &str, key: &[u8]) -> Vec<u8> {
    match kind {
        "right" => key.to_vec(),
        "half" => key.iter().copied().take(key.len() / 2).collect(),
        "newline" => [key, b"\n"].concat(),
        "garbage" => (0..256_u32).map(|n| (n * 7 + 13) as u8).collect(),
        "large" => vec![b'k'; 70_000],
        "empty" => Vec::new(),
        _ => b"the key of another volume".to_vec(),
    }
}

const RIGHT: KeyDisk =
    KeyDisk { label: "BEK VOLUME", files: &[(NAME, "right")], disk: Disk::Whole };

/// A volume that opens with the key disk; nothing is wrong yet.
const fn with_key_disk(step: Step, fault: Fault, what: &'static str) -> GuestCase {
    GuestCase {
        step,
        fault,
        what,
        disk: Disk::Whole,
        detached: false,
        slow_kdf: false,
        key_disk: Some(RIGHT),
        key: "-",
        options: "",
        timeout: 20,
        odd: Odd::Nothing,
        event: Event::Nothing,
        end: End::Opens,
        says: &[],
    }
}

/// The same with the key in a file.
const fn with_file(step: Step, fault: Fault, what: &'static str) -> GuestCase {
    GuestCase { key_disk: None, key: "right", ..with_key_disk(step, fault, what) }
}

impl GuestCase {
    pub fn name(&self) -> String {
        format!("{} x {}: {}", self.step.name(), self.fault.name(), self.what)
    }

    fn on(self, disk: Disk) -> Self {
        Self { disk, ..self }
    }

    fn keys(self, files: &'static [(&'static str, &'static str)]) -> Self {
        Self { key_disk: Some(KeyDisk { files, ..RIGHT }), ..self }
    }

    fn key_disk(self, disk: Disk) -> Self {
        Self { key_disk: Some(KeyDisk { disk, ..RIGHT }), ..self }
    }

    fn labelled(self, label: &'static str) -> Self {
        Self { key_disk: Some(KeyDisk { label, ..RIGHT }), ..self }
    }

    fn key(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    fn options(self, options: &'static str) -> Self {
        Self { options, ..self }
    }

    fn detached(self) -> Self {
        Self { detached: true, ..self }
    }

    fn slow_kdf(self) -> Self {
        Self { slow_kdf: true, ..self }
    }

    fn timeout(self, timeout: u64) -> Self {
        Self { timeout, ..self }
    }

    fn odd(self, odd: Odd) -> Self {
        Self { odd, ..self }
    }

    fn event(self, event: Event) -> Self {
        Self { event, ..self }
    }

    fn says(self, says: &'static [&'static str]) -> Self {
        Self { says, ..self }
    }

    fn exits(self, status: i32, says: &'static [&'static str]) -> Self {
        Self { end: End::Exit(status), says, ..self }
    }

    fn ends_by(self, signal: i32) -> Self {
        Self { end: End::Signal(signal), ..self }
    }
}

/// All of the disk is this or less.
const ALL: u64 = 1 << 40;

pub fn cases() -> Vec<GuestCase> {
    [keys::cases(), volumes::cases()].concat()
}
