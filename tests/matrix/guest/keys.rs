//! What is wrong with a key disk, with its mount, and with the files on it.

use super::{ALL, Disk, Event, GuestCase, NAME, Odd, with_key_disk};
use crate::plan::{Fault, Step};

pub fn cases() -> Vec<GuestCase> {
    [key_disk(), mount(), read()].concat()
}

const NONE: &[&str] = &["no key disk (vfat, label \"BEK VOLUME\")"];

fn key_disk() -> Vec<GuestCase> {
    let new = |fault, what| with_key_disk(Step::KeyDisk, fault, what);
    vec![
        new(Fault::Absent, "none is attached").key_disk(Disk::Absent).timeout(1).exits(4, NONE),
        new(Fault::Late, "after 1 s").key_disk(Disk::Absent).event(Event::Mended(1000)),
        new(Fault::Late, "a moment too late")
            .key_disk(Disk::Absent)
            .timeout(1)
            .event(Event::Mended(6000))
            .exits(4, NONE),
        new(Fault::Slow, "20 ms for each request").key_disk(Disk::Delay(20)),
        new(Fault::Half, "it ends in its first sector")
            .key_disk(Disk::Cut(1))
            .timeout(4)
            .exits(4, &["key disk"]),
        new(Fault::Half, "it ends in its allocation table")
            .key_disk(Disk::Cut(16))
            .timeout(4)
            .exits(4, &["key disk"]),
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
        new(Fault::DiskError, "nothing behind its first sector can be read")
            .key_disk(Disk::Error(1, ALL))
            .timeout(4)
            .exits(4, &["key disk"]),
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

/// Where the files begin on a key disk, behind a reserved sector, two tables of 12 and 512 entries
/// of a root directory.
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
