//! What is wrong with the disk of a volume and its header, when it is mapped, and in what comes
//! out.

use super::{ALL, Disk, Event, GuestCase, Odd, with_file};
use crate::plan::{Fault, Step};

pub fn cases() -> Vec<GuestCase> {
    [header(), activate(), verify()].concat()
}

/// Where the second copy of a header begins, where the keyslots, and where the data: what
/// `cryptsetup luksFormat` makes without options.
const SECOND: u64 = 32;
const KEYSLOTS: u64 = 64;
const DATA: u64 = 32_768;
/// What is said of a disk that fails, which is no wrong device and no damaged header.
const FAILS: &[&str] =
    &["no usable header in /dev/", "it cannot be read: I/O error", "does the disk fail?"];

fn header() -> Vec<GuestCase> {
    let new = |fault, what| with_file(Step::Header, fault, what);
    vec![
        new(Fault::DiskError, "the first copy of the header")
            .on(Disk::Error(0, SECOND))
            .exits(4, FAILS),
        new(Fault::DiskError, "both copies of the header")
            .on(Disk::Error(0, KEYSLOTS))
            .timeout(4)
            .exits(4, FAILS),
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
        new(Fault::Half, "the disk ends before its data")
            .on(Disk::Cut(DATA))
            .exits(4, &["no usable header in /dev/"]),
        new(Fault::Slow, "20 ms for each request").on(Disk::Delay(20)),
        new(Fault::DiskError, "the keyslots")
            .on(Disk::Error(KEYSLOTS, DATA))
            .exits(4, &["no usable header in /dev/", "I/O error", "does the disk fail?"]),
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
        new(Fault::DiskError, "the superblock")
            .on(Disk::Error(0, 64))
            .exits(4, &["reading the opened device"]),
        new(Fault::DiskError, "what is far behind the superblock").on(Disk::Error(20_000, 30_000)),
        new(Fault::Slow, "20 ms for each request").on(Disk::Delay(20)),
        new(Fault::Killed, "what a killed run left open is noise")
            .odd(Odd::LeftOpen)
            .exits(4, closed),
        new(Fault::Terminated, "before the content is read")
            .on(Disk::Delay(150))
            .event(Event::SignalMapped(15))
            .ends_by(15),
        new(Fault::Killed, "before the content is read")
            .on(Disk::Delay(150))
            .event(Event::SignalMapped(9))
            .ends_by(9),
        new(Fault::Twice, "both read the content"),
    ]
}
