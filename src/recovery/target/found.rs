//! What was seen on a disk, in values, and how it is shown.

use std::fmt;
use std::path::PathBuf;

use crate::error::printable;
use crate::volume::{DeviceSpec, HeaderSpec};

/// How something is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Windows's.
    BitLocker,
    /// Nothing known is on it; LUKS with its header elsewhere.
    Headerless,
    /// LUKS1 or LUKS2.
    Luks,
}

/// Types of partitions that hold firmware's or Windows's own bytes and no file system: GPT's
/// (systemd's gpt.h has them by name, for one) and MBR's.
const NEVER_ENCRYPTED: [(&str, &str); 6] = [
    ("21686148-6449-6e6f-744e-656564454649", "BIOS boot"),
    ("9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PReP boot"),
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"),
    ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "reserved for Windows"),
    ("0x41", "PReP boot"),
    ("0xef", "EFI system"),
];

/// How much of a name is shown, in characters; a cut adds three.
const NAME_LIMIT: usize = 12;

/// A device and what is on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its block device.
    pub path: PathBuf,
    /// Its number, where it is a partition.
    pub number: Option<u32>,
    /// libblkid's word for its content; `None` for nothing known.
    pub holds: Option<String>,
    /// Its name in a GPT.
    pub label: Option<String>,
    /// The type the table gives it: a GUID, or `0x83`.
    pub kind: Option<String>,
    /// How many bytes it has.
    pub size: u64,
}

/// A disk, a partition or an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What was named: a device, or an image file.
    pub named: PathBuf,
    /// Whether it is an image file, whose devices are named after loop devices.
    pub is_image: bool,
    /// The whole of it.
    pub device: Found,
    /// Its partitions.
    pub partitions: Vec<Found>,
    /// Where it is a partition itself: the others of its disk.
    pub siblings: Vec<Found>,
}

impl Found {
    /// How it is encrypted, if it says so.
    pub(super) fn format(&self) -> Option<Format> {
        match self.holds.as_deref() {
            Some("BitLocker") => Some(Format::BitLocker),
            Some("crypto_LUKS") => Some(Format::Luks),
            _ => None,
        }
    }

    /// Whether nothing known is on it, and nothing has to be.
    pub(super) fn may_be_encrypted(&self) -> bool {
        self.holds.is_none() && self.purpose().is_none()
    }

    /// Whether it holds one of these, in libblkid's words.
    pub(super) fn holds_one_of(&self, words: &[&str]) -> bool {
        self.holds.as_deref().is_some_and(|holds| words.contains(&holds))
    }

    /// What its type says it is for, where that is not to be encrypted.
    fn purpose(&self) -> Option<&'static str> {
        let kind = self.kind.as_deref()?;
        NEVER_ENCRYPTED.iter().find(|(known, _)| kind.eq_ignore_ascii_case(known)).map(|row| row.1)
    }

    fn content(&self) -> String {
        match (self.format(), &self.holds, self.purpose()) {
            (Some(format), ..) => format!("{format}, encrypted"),
            (None, Some(holds), _) => printable(holds, NAME_LIMIT),
            (None, None, Some(purpose)) => purpose.to_owned(),
            (None, None, None) => "nothing known".to_owned(),
        }
    }
}

impl Layout {
    /// What people call it: its device, but an image's have no names that last.
    pub(super) fn name_of(&self, found: &Found) -> String {
        match found.number {
            Some(number) if self.is_image => {
                format!("partition {number} of {}", self.named.display())
            }
            _ if self.is_image => self.named.display().to_string(),
            _ => found.path.display().to_string(),
        }
    }

    /// The same for a header that may be on one of its partitions.
    pub(super) fn header_name(&self, header: &HeaderSpec) -> String {
        let HeaderSpec::On { path, device: DeviceSpec::Path(device) } = header else {
            return header.to_string();
        };
        match self.partitions.iter().chain(&self.siblings).find(|found| found.path == *device) {
            Some(found) => format!("{} on {}", path.display(), self.name_of(found)),
            None => header.to_string(),
        }
    }

    /// A name that can be given instead of the disk's, where there is one.
    pub(super) fn path_of(&self, found: &Found) -> Option<PathBuf> {
        (!self.is_image).then(|| found.path.clone())
    }

    /// One line for each partition, or for what there is instead: 67 columns at the most.
    pub(super) fn listing(&self) -> Vec<String> {
        let rows = if self.partitions.is_empty() {
            std::slice::from_ref(&self.device)
        } else {
            &self.partitions
        };
        rows.iter().map(|found| self.row(found)).collect()
    }

    fn row(&self, found: &Found) -> String {
        let place = match found.number {
            Some(number) if self.is_image => format!("partition {number}"),
            _ if self.is_image => "the image".to_owned(),
            // Those of partitions are short: /dev/nvme0n1p15.
            _ => printable(&found.path.display().to_string(), 15),
        };
        let label = found.label.as_deref().map(|label| printable(label, NAME_LIMIT));
        let label = label.map(|label| format!("  \"{label}\"")).unwrap_or_default();
        format!("{place:<15}{:>11}  {}{label}", size(found.size), found.content())
    }
}

/// A size as people say it: `29.9 GiB`.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| u128::from(bytes) * 10 / u128::from(unit);
    let (tenths, unit) = match bytes {
        0..=0xf_ffff => (tenths(1 << 10), "KiB"),
        0x10_0000..=0x3fff_ffff => (tenths(1 << 20), "MiB"),
        _ => (tenths(1 << 30), "GiB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BitLocker => "BitLocker",
            Self::Headerless => "LUKS without its header",
            Self::Luks => "LUKS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (32_000_000_000, "29.8 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn lines_fit_and_what_a_table_says_cannot_reach_the_terminal() {
        let found = Found {
            path: "/dev/disk/by-id/a-very-long-name-of-a-disk".into(),
            number: Some(128),
            holds: Some("several signatures".to_owned()),
            label: Some("a\x1b[2J name that has no end at all".to_owned()),
            kind: None,
            size: 64 << 40,
        };
        let mut layout = Layout { partitions: vec![found], ..Layout::default() };
        for is_image in [false, true] {
            layout.is_image = is_image;
            let line = layout.listing().remove(0);
            assert!(line.len() <= 67 && line.chars().all(|c| (' '..='~').contains(&c)), "{line}");
        }
    }
}
