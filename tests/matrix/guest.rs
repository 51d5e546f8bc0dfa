//! The cases that need device-mapper: key disks, their mounts, activation, and what came out of it.
//!
//! Run by the root ring (tests/root/matrix.rs) on kernels that have it. Nobody is asked here: the key is
//! on a key disk or in a file. A disk is a table of device-mapper over a file, so that any of its sectors
//! can be missing, slow or unreadable, and mended while the program runs.

use crate::plan::{End, Fault, Step};

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

pub fn cases() -> Vec<GuestCase> {
    [header(), key_disk(), mount(), read(), activate(), verify()].concat()
}

/// All of the disk is this or less.
const ALL: u64 = 1 << 40;
const NONE: &[&str] = &["no key disk (vfat, label \"BEK VOLUME\")"];

fn key_disk() -> Vec<GuestCase> {
    let new = |fault, what| with_key_disk(Step::KeyDisk, fault, what);
    vec![
        new(Fault::Absent, "none is attached").key_disk(Disk::Absent).timeout(1).exits(4, NONE),
        new(Fault::Late, "after 1 s").key_disk(Disk::Absent).event(Event::Mended(1000)),
        new(Fault::Late, "a moment too late")
            .key_disk(Disk::Absent)
            .timeout(1)
            .event(Event::Mended(4000))
            .exits(4, NONE),
        new(Fault::Slow, "20 ms for each request").key_disk(Disk::Delay(20)),
        new(Fault::Half, "it ends in its first sector")
            .key_disk(Disk::Cut(1))
            .timeout(4)
            .exits(4, &[]),
        new(Fault::Half, "it ends in its allocation table")
            .key_disk(Disk::Cut(16))
            .timeout(4)
            .exits(4, &[]),
        new(Fault::Garbage, "its first sector is zeros")
            .key_disk(Disk::Zero(0, 8))
            .timeout(1)
            .exits(4, NONE),
        new(Fault::Wrong, "another label").labelled("EFI").timeout(1).exits(4, NONE),
        new(Fault::Wrong, "another machine's")
            .keys(&[(NAME, "other")])
            .exits(2, &["key disk", "does not fit the keyslot"]),
        new(Fault::Wrong, "another machine's beside the right one").odd(Odd::TwoKeyDisks),
        new(Fault::DiskError, "no sector can be read")
            .key_disk(Disk::Error(0, ALL))
            .timeout(1)
            .exits(4, NONE),
        new(Fault::DiskError, "no sector can be read, for 1 s")
            .key_disk(Disk::Error(0, ALL))
            .event(Event::Mended(1000)),
        new(Fault::Refused, "it cannot be written to").key_disk(Disk::ReadOnly),
        new(Fault::Twice, "both wait for it").key_disk(Disk::Absent).event(Event::Mended(1000)),
        new(Fault::Terminated, "before it is there")
            .key_disk(Disk::Absent)
            .event(Event::SignalAfter(15, 1000))
            .ends_by(15),
        new(Fault::Killed, "before it is there")
            .key_disk(Disk::Absent)
            .event(Event::SignalAfter(9, 1000))
            .ends_by(9),
    ]
}

fn mount() -> Vec<GuestCase> {
    let new = |fault, what| with_key_disk(Step::Mount, fault, what);
    vec![
        new(Fault::Absent, "the kernel has no vfat")
            .odd(Odd::NoVfat)
            .says(&["reading it in user space"]),
        new(Fault::Refused, "the mount point is a file").odd(Odd::PointIsFile),
        new(Fault::Refused, "something else is mounted there").odd(Odd::PointIsTaken),
        new(Fault::Wrong, "somebody else's mount, which stays").odd(Odd::MountedByOthers),
        new(Fault::Garbage, "its allocation table is zeros")
            .key_disk(Disk::Zero(1, 400))
            .timeout(4)
            .exits(4, &["key disk"]),
        new(Fault::DiskError, "its allocation table cannot be read")
            .key_disk(Disk::Error(1, ALL))
            .timeout(4)
            .exits(4, &["cannot read key disk", "in user space"]),
        new(Fault::Slow, "100 ms for each request").key_disk(Disk::Delay(100)),
        new(Fault::Terminated, "while it is mounted")
            .key_disk(Disk::Delay(300))
            .event(Event::SignalAfter(15, 1200))
            .ends_by(15),
        new(Fault::Killed, "while it is mounted")
            .key_disk(Disk::Delay(300))
            .event(Event::SignalAfter(9, 1200))
            .ends_by(9),
        new(Fault::Twice, "both mount it"),
    ]
}

/// Where the files begin on a key disk, behind a reserved sector, two tables of 12 and 512 entries of a
/// root directory.
const FILES: u64 = 1 + 2 * 12 + 32;

fn read() -> Vec<GuestCase> {
    let new = |fault, what| with_key_disk(Step::Read, fault, what);
    vec![
        new(Fault::Absent, "a key disk without a key file")
            .keys(&[("README.TXT", "other")])
            .timeout(4)
            .exits(4, &["has no file LinuxPassPhraseFileName*"]),
        new(Fault::Absent, "a key disk with a key file of 0 bytes")
            .keys(&[(NAME, "empty")])
            .timeout(4)
            .exits(4, &["LinuxPassPhraseFileName has 0 bytes"]),
        new(Fault::Half, "the key file's first half")
            .keys(&[(NAME, "half")])
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Garbage, "noise in the key file")
            .keys(&[(NAME, "garbage")])
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Oversized, "70 kB in the key file")
            .keys(&[(NAME, "large")])
            .timeout(4)
            .exits(4, &["is too large for a key"]),
        new(Fault::Oversized, "a newline in the key file")
            .keys(&[(NAME, "newline")])
            .says(&["fits only without its final newline"]),
        new(Fault::Wrong, "the key file has another disk's name")
            .keys(&[(NAME, "other"), ("LinuxPassPhraseFileName_3_7", "right")]),
        new(Fault::DiskError, "the key file's bytes cannot be read")
            .key_disk(Disk::Error(FILES, ALL))
            .timeout(4)
            .exits(4, &["key disk"]),
    ]
}

/// Where the second copy of a header begins, where the keyslots, and where the data: what
/// `cryptsetup luksFormat` makes without options.
const SECOND: u64 = 32;
const KEYSLOTS: u64 = 64;
const DATA: u64 = 32_768;

fn header() -> Vec<GuestCase> {
    let new = |fault, what| with_file(Step::Header, fault, what);
    vec![
        new(Fault::DiskError, "the first copy of the header")
            .on(Disk::Error(0, SECOND))
            .exits(4, &[]),
        new(Fault::DiskError, "both copies of the header")
            .on(Disk::Error(0, KEYSLOTS))
            .timeout(4)
            .exits(4, &[]),
    ]
}

fn activate() -> Vec<GuestCase> {
    let new = |fault, what| with_file(Step::Activate, fault, what);
    vec![
        new(Fault::Wrong, "another volume's key, before device-mapper")
            .key("other")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Wrong, "the name is another device's")
            .odd(Odd::NameTaken)
            .exits(5, &["/dev/mapper/data1 already maps"]),
        new(Fault::Refused, "the device is open under another name")
            .odd(Odd::DeviceTaken)
            .exits(5, &["in use by another mapping"]),
        new(Fault::Refused, "a disk that cannot be written to").on(Disk::ReadOnly),
        new(Fault::Absent, "the kernel has no dm-crypt")
            .odd(Odd::NoDmCrypt)
            .exits(4, &["no mapping was made", "the kernel has no dm-crypt"]),
        new(Fault::Half, "the disk ends before its data").on(Disk::Cut(DATA)).exits(4, &[]),
        new(Fault::Slow, "20 ms for each request").on(Disk::Delay(20)),
        new(Fault::DiskError, "the keyslots").on(Disk::Error(KEYSLOTS, DATA)).exits(4, &[]),
        new(Fault::DiskError, "the data only, which nobody reads").on(Disk::Error(DATA, ALL)),
        new(Fault::Garbage, "zeros for keyslots")
            .on(Disk::Zero(KEYSLOTS, DATA))
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Terminated, "while the key is tried")
            .slow_kdf()
            .event(Event::SignalTrying(15))
            .ends_by(15),
        new(Fault::Killed, "while the key is tried")
            .slow_kdf()
            .event(Event::SignalTrying(9))
            .ends_by(9),
        new(Fault::Twice, "both open it").slow_kdf(),
        new(Fault::Twice, "it is open already")
            .odd(Odd::OpenAlready)
            .says(&["data1 is already unlocked"]),
    ]
}

fn verify() -> Vec<GuestCase> {
    let new = |fault, what| with_file(Step::Verify, fault, what).detached();
    let closed = &["it opens but holds no file system or LVM; closed again"];
    vec![
        new(Fault::Wrong, "another disk").on(Disk::Zero(0, ALL)).exits(4, closed),
        new(Fault::Wrong, "another disk, and content=any")
            .on(Disk::Zero(0, ALL))
            .options("content=any"),
        new(Fault::Garbage, "the superblock is overwritten").on(Disk::Zero(0, 64)).exits(4, closed),
        new(Fault::Half, "the disk ends before the superblock").on(Disk::Cut(2)).exits(4, closed),
        new(Fault::Half, "the disk ends behind the superblock").on(Disk::Cut(64)),
        new(Fault::DiskError, "the superblock").on(Disk::Error(0, 64)).exits(4, &[]),
        new(Fault::DiskError, "what is far behind the superblock").on(Disk::Error(20_000, 30_000)),
        new(Fault::Slow, "20 ms for each request").on(Disk::Delay(20)),
        new(Fault::Killed, "what a killed run left open is noise")
            .odd(Odd::LeftOpen)
            .exits(4, closed),
        new(Fault::Terminated, "before the content is read")
            .on(Disk::Delay(400))
            .event(Event::SignalMapped(15))
            .ends_by(15),
        new(Fault::Killed, "before the content is read")
            .on(Disk::Delay(400))
            .event(Event::SignalMapped(9))
            .ends_by(9),
        new(Fault::Twice, "both read the content"),
    ]
}
