//! What one volume's device, header and keys say about its next boot.

use std::path::Path;

use super::{Finding, Level, Topic, in_shell, mounts};
use crate::config::{Entry, Origin};
use crate::error::Kind;
use crate::initramfs::fstab;
use crate::key::SourceName;
use crate::mapping::{Format, Header};
use crate::unlock::prove::{Asked, Content, Fits, Proof};
use crate::volume::{DeviceSpec, Network, Volume};

/// What a volume was looked at with.
#[derive(Debug)]
pub struct Looked<'a> {
    /// Its line.
    pub entry: &'a Entry,
    /// Whether the next boot is to open it ([`is_opened_at_boot`]).
    pub at_boot: bool,
    /// How far it came.
    pub proof: &'a Proof,
    /// What services answered while each source was asked, in the order of the sources.
    pub answers: &'a [Vec<String>],
    /// The unit that opens it, where its name is not too long for one.
    pub unit: Option<&'a str>,
    /// All memory of the machine, in KiB, where it is known.
    pub memory_kib: Option<u64>,
}

/// Whether the next boot opens the volume of `entry`, given the `lines` of fstab; what it does not
/// open waits for a person, or for a program that needs it.
pub fn is_opened_at_boot(entry: &Entry, lines: &[fstab::Line]) -> bool {
    let options = &entry.volume.options;
    if options.key_only || options.initrd {
        return true;
    }
    if options.noauto {
        return mounts::pull_in(lines, entry);
    }
    matches!(entry.origin, Origin::Bektab | Origin::CommandLine)
}

/// The findings, from the line to the last source.
pub fn findings(looked: &Looked<'_>) -> Vec<Finding> {
    let volume = &looked.entry.volume;
    let mut found = vec![line(looked)];
    match &looked.proof.device {
        Ok(device) => found.push(self::device(volume, device)),
        Err(kind) => {
            // Whoever needs the volume attaches its disk first.
            let later = volume.options.noauto && !looked.at_boot;
            let level = match kind {
                Kind::VolumeMissing { .. } if later => Level::Warning,
                _ => Level::Bad,
            };
            found.push(Finding::failure(Topic::Device, level, kind.clone()));
            return found;
        }
    }
    match &looked.proof.content {
        Some(Ok(Content::NewResourceDisk)) => {
            let text = "Azure has given the VM a new resource disk; there is nothing to open";
            found.push(Finding::good(Topic::Header, text));
        }
        Some(Ok(Content::Encrypted { header, detached })) => {
            let place = detached.as_ref().map(|(spec, _)| spec.to_string());
            found.push(Finding::good(Topic::Header, self::header(header, place.as_deref())));
            found.extend(memory(volume, header, looked.memory_kib));
        }
        Some(Err(kind)) => found.push(Finding::failure(Topic::Header, Level::Bad, kind.clone())),
        None => {}
    }
    found.extend(sources(looked));
    found
}

/// A line that nobody opens at boot is as its owner wants it, and is said to be one.
fn line(looked: &Looked<'_>) -> Finding {
    let entry = looked.entry;
    let place = format!("{}:{}", entry.file.display(), entry.line);
    let options = &entry.volume.options;
    let text = match entry.origin {
        _ if options.key_only => format!("{place}, whose key systemd-cryptsetup asks for"),
        _ if options.initrd => format!("{place}, opened in the initramfs"),
        _ if options.noauto && looked.at_boot => format!("{place}, opened for its mount (noauto)"),
        _ if options.noauto => format!("{place}, opened at need only (noauto)"),
        Origin::Crypttab | Origin::AzureCryptMount => {
            let start = looked.unit.map_or_else(String::new, |unit| {
                format!("; or: systemctl start {}", in_shell(unit))
            });
            let text =
                format!("{place} is Azure Disk Encryption's, and bek-unlock opens it by hand");
            let advice = format!("let the boot open it: bek-unlock adopt{start}");
            return Finding::warning(Topic::Line, text, advice);
        }
        Origin::Bektab | Origin::CommandLine => place,
    };
    Finding::good(Topic::Line, text)
}

fn device(volume: &Volume, device: &Path) -> Finding {
    let text = match &volume.device {
        DeviceSpec::Path(path) if path == device => device.display().to_string(),
        spec => format!("{spec} is {}", device.display()),
    };
    if may_be_another(&volume.device) {
        return Finding::warning(
            Topic::Device,
            format!("{text}, which may be another disk after the next boot"),
            "write UUID= or a path below /dev/disk in its second field; see: blkid",
        );
    }
    Finding::good(Topic::Device, text)
}

/// Whether the kernel gives the name in the order in which it finds disks (sd(4)).
fn may_be_another(spec: &DeviceSpec) -> bool {
    let DeviceSpec::Path(path) = spec else { return false };
    let name = path.to_str().and_then(|path| path.strip_prefix("/dev/")).unwrap_or_default();
    let numbered = ["sd", "vd", "hd", "xvd", "nvme"];
    !name.contains('/') && numbered.iter().any(|prefix| name.starts_with(prefix))
}

fn header(header: &Header, detached: Option<&str>) -> String {
    let place = detached.map_or_else(String::new, |place| format!(" in {place}"));
    let count = header.keyslots.len();
    match (header.format, count) {
        (Format::Bitlk, _) => "BitLocker".to_owned(),
        (format, 1) => format!("{format}{place}, 1 keyslot"),
        (format, _) => format!("{format}{place}, {count} keyslots"),
    }
}

/// What the hungriest KDF asks for, beside what there is. A boot has other things in memory.
fn memory(volume: &Volume, header: &Header, total_kib: Option<u64>) -> Option<Finding> {
    let slot = volume.options.key_slot;
    let slots = header.keyslots.iter();
    let needed = slots
        .filter(|keyslot| slot.is_none_or(|slot| slot == keyslot.number))
        .map(|keyslot| keyslot.memory_kib)
        .max()
        .filter(|kib| *kib > 0)?;
    let total = total_kib?;
    let text = format!("the KDF needs {} MiB of {} MiB", needed >> 10, total >> 10);
    if needed > total / 4 * 3 {
        return Some(Finding::warning(
            Topic::Memory,
            format!("{text}: little is left for everything else that boots"),
            "take a smaller --pbkdf-memory: cryptsetup luksConvertKey --help",
        ));
    }
    Some(Finding::good(Topic::Memory, text))
}

/// What it means for the volume when nothing is asked over the network; `None` where it needs none.
///
/// `answers` has what each source was answered there; what one was told already, the next one does
/// not ask again, so of those that always ask the name counts.
pub fn without_network(volume: &Volume, proof: &Proof, answers: &[Vec<String>]) -> Option<Level> {
    let no_answers = Vec::new();
    let answers = answers.iter().chain(std::iter::repeat(&no_answers));
    let fitting = proof.sources.iter().zip(answers).filter(|(one, _)| one.answer.is_ok());
    let (remote, local): (Vec<_>, Vec<_>) = fitting.partition(|(one, answers)| {
        matches!(one.source, SourceName::KeyVault | SourceName::Token) || !answers.is_empty()
    });
    match (remote.is_empty(), local.is_empty()) {
        (false, true) => Some(Level::Bad),
        _ if volume.network() != Network::Never => Some(Level::Warning),
        _ => None,
    }
}

/// One finding for each source. What fails beside one that fits does not keep the volume closed.
fn sources(looked: &Looked<'_>) -> Vec<Finding> {
    let volume = &looked.entry.volume;
    let asked = &looked.proof.sources;
    let opens = looked.proof.opens();
    let by_hand = volume.options.prompt && !opens && !asked.is_empty();
    let no_answers = Vec::new();
    let answers = looked.answers.iter().chain(std::iter::repeat(&no_answers));
    let mut found: Vec<Finding> = asked
        .iter()
        .zip(answers)
        .map(|(one, answers)| match &one.answer {
            Ok(fits) => fitting(one.source, fits, answers),
            Err(kind) => failing(one, kind, answers, asked, opens || by_hand),
        })
        .collect();
    if by_hand {
        found.push(Finding::warning(
            Topic::Key(SourceName::Prompt),
            "no other source opens it, so each boot waits for a person",
            "mend one of the sources above",
        ));
    }
    found
}

fn fitting(source: SourceName, fits: &Fits, answers: &[String]) -> Finding {
    let Fits { keyslot, origin, trimmed } = fits;
    let newline = if *trimmed { ", without its final newline" } else { "" };
    let mut text = format!("{origin} opens keyslot {keyslot}{newline}");
    if !answers.is_empty() {
        text.push_str(&format!(" ({})", answers.join(", ")));
    }
    Finding::good(Topic::Key(source), text)
}

fn failing(one: &Asked, kind: &Kind, answers: &[String], all: &[Asked], opens: bool) -> Finding {
    let topic = Topic::Key(one.source);
    let opened_by = |source| all.iter().any(|asked| asked.source == source && asked.answer.is_ok());
    match kind {
        Kind::KeyDiskMissing { .. } if opens => return no_key_disk(topic, all),
        // Other volumes' keys, more often than not.
        Kind::KeyRejected { .. }
            if one.source == SourceName::KeyDisk && opened_by(SourceName::KeyVault) =>
        {
            return Finding::warning(
                topic,
                format!("{kind}, and each boot tries that first"),
                "name the secret in the third field of its line, and no key disk is looked at",
            );
        }
        _ => {}
    }
    let level = if opens { Level::Warning } else { Level::Bad };
    let mut finding = Finding::failure(topic, level, kind.clone());
    if !answers.is_empty() {
        finding.text.push_str(&format!(" (answered before: {})", answers.join(", ")));
    }
    finding
}

/// Where something else opens the volume, a key disk is missed by the wait for it alone.
fn no_key_disk(topic: Topic, all: &[Asked]) -> Finding {
    if all.iter().any(|asked| asked.source == SourceName::Token) {
        return Finding::good(topic, "none is attached, and none is waited for");
    }
    Finding::warning(
        topic,
        "none is attached, and each boot waits up to 10 s for one",
        "name the secret in the third field of its line, and no key disk is waited for",
    )
}
