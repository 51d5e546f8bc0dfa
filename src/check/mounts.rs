//! What fstab(5) makes of a volume: who mounts it, and what a boot does while it is closed.
//!
//! The generator has the unit of /dev/mapper/NAME start the volume, and be waited for as long as the
//! unlock may take. A line that names what is on it otherwise, by `UUID=` or `LABEL=`, waits for a
//! unit that nobody has told anything.

use std::path::Path;

use super::{Finding, Topic};
use crate::config::{Entry, Origin};
use crate::initramfs::fstab;
use crate::volume::{DeviceSpec, Network, Options};

mod mounted;

use mounted::{Mounted, has};

#[cfg(test)]
mod tests;

/// Where ADE mounts the key disk.
const KEY_DISK: &str = "/mnt/azure_bek_disk";

/// How long systemd waits for a device that nobody has said more of (systemd-system.conf(5)).
const DEVICE_TIMEOUT: &str = "90s";

/// What udev may need beyond the unlock, in seconds; as much as the generator allows it.
const UDEV: u64 = 30;

/// The lines of fstab as far as they are about volumes.
pub struct Mounts<'a> {
    /// Those that mount something.
    pub lines: &'a [fstab::Line],
    /// Whether the network comes up before local file systems are mounted, as systemd-networkd's.
    pub network_is_early: bool,
}

impl Mounts<'_> {
    /// What is to be said of the volume of `entry`; nothing where no line is about it. `encrypted`
    /// tells whether a field of fstab names its encrypted device, `opened` whether it names what is
    /// on it, as far as the volume is open now.
    pub fn of(
        &self,
        entry: &Entry,
        encrypted: &dyn Fn(&DeviceSpec) -> bool,
        opened: &dyn Fn(&DeviceSpec) -> bool,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for line in self.lines {
            let spec = DeviceSpec::parse(&line.device);
            if spec.as_ref().is_some_and(encrypted) {
                let point = line.point.display();
                found.push(Finding::bad(
                    Topic::Fstab,
                    format!("{point} is to be {}, the encrypted device", line.device),
                    format!("write {} there", entry.volume.name.mapped_path().display()),
                ));
            } else if is_by_name(line, entry) || spec.as_ref().is_some_and(opened) {
                found.push(
                    self.problem(line, entry).unwrap_or_else(|| as_it_should_be(line, entry)),
                );
            }
        }
        found
    }

    /// What is wrong between the two lines; of several things the worst.
    fn problem(&self, line: &fstab::Line, entry: &Entry) -> Option<Finding> {
        let options = &entry.volume.options;
        if line.point == Path::new("/") || line.point == Path::new("/usr") {
            return options.nofail.then(|| {
                Finding::warning(
                    Topic::Fstab,
                    format!("{} is on it, and its line in bektab has nofail", line.point.display()),
                    "take nofail out there: nothing boots without it",
                )
            });
        }
        self.too_early(line, entry)
            .or_else(|| self.unstarted(line, entry))
            .or_else(|| gives_up(line, entry))
            .or_else(|| optional_in_one(line, options))
    }

    /// Where local file systems are mounted before there is a network, and the key comes from there.
    fn too_early(&self, line: &fstab::Line, entry: &Entry) -> Option<Finding> {
        let waits = Mounted::of(line) == Mounted::Required && !has(line, "_netdev");
        // What the initramfs opens is there before any mount.
        if !waits || self.network_is_early || entry.volume.options.initrd {
            return None;
        }
        let point = line.point.display();
        (entry.volume.network() == Network::Always).then(|| {
            Finding::bad(
                Topic::Fstab,
                format!("{point} has no _netdev: the boot waits for it before there is a network"),
                "add _netdev to that line of /etc/fstab",
            )
        })
    }

    /// With `noauto` only the device of the volume's own name starts it.
    fn unstarted(&self, line: &fstab::Line, entry: &Entry) -> Option<Finding> {
        let asks = !is_by_name(line, entry) && Mounted::of(line) != Mounted::ByHand;
        if !asks || !needs_name(entry) || !entry.volume.options.noauto || pull_in(self.lines, entry)
        {
            return None;
        }
        let (point, device) = (line.point.display(), &line.device);
        let text = format!("{point} waits for {device}, which does not start a volume with noauto");
        Some(match Mounted::of(line) {
            // In vain, and ends in a shell.
            Mounted::Required => Finding::bad(Topic::Fstab, text, by_name(entry)),
            _ => Finding::warning(Topic::Fstab, text, by_name(entry)),
        })
    }
}

fn as_it_should_be(line: &fstab::Line, entry: &Entry) -> Finding {
    let mounted = Mounted::of(line);
    let at_need = entry.volume.options.noauto && mounted == Mounted::OnAccess;
    let starts = is_generated(entry) && is_by_name(line, entry);
    let opens = if at_need && starts { ", which opens the volume" } else { "" };
    let text = format!("mounted at {}{}{opens}", line.point.display(), mounted.words());
    Finding::good(Topic::Fstab, text)
}

/// Whether a mount has the volume opened at boot, `noauto` or not.
pub fn pull_in(lines: &[fstab::Line], entry: &Entry) -> bool {
    let pulls = |line| is_by_name(line, entry) && Mounted::of(line).at_boot();
    is_generated(entry) && lines.iter().any(pulls)
}

/// Who gives up before the unlock does.
fn gives_up(line: &fstab::Line, entry: &Entry) -> Option<Finding> {
    let limit = entry.volume.options.timeout.0.map(|limit| limit.as_secs());
    let own = line.option("x-systemd.device-timeout");
    // The generator says how long for the volume's own name alone.
    let untold = !is_by_name(line, entry) && needs_name(entry);
    let by_default = (untold && Mounted::of(line) == Mounted::Required).then_some(DEVICE_TIMEOUT);
    let wait = own.or(by_default).filter(|wait| shorter(wait, limit))?;
    let takes = limit.map_or("for ever".to_owned(), |limit| format!("{limit} s"));
    let enough =
        limit.map_or("infinity".to_owned(), |limit| format!("{}s", limit.saturating_add(UDEV)));
    let advice = match (untold, own) {
        (true, None) => format!("{}, or add x-systemd.device-timeout={enough}", by_name(entry)),
        (true, Some(_)) => {
            format!("write x-systemd.device-timeout={enough} in that line of /etc/fstab")
        }
        (false, _) => format!("take x-systemd.device-timeout={wait} out of /etc/fstab"),
    };
    let point = line.point.display();
    let text = format!("{point} gives up after {wait}, while the unlock may take {takes}");
    Some(Finding::warning(Topic::Fstab, text, advice))
}

/// Where one of the two lines lets a boot go on, and the other one does not.
fn optional_in_one(line: &fstab::Line, options: &Options) -> Option<Finding> {
    let (point, mounted) = (line.point.display(), Mounted::of(line));
    if mounted == Mounted::Required && (options.nofail || options.noauto) {
        let advice = match options.nofail {
            true => "add nofail to that line of /etc/fstab, as in bektab",
            false => "add nofail, noauto or x-systemd.automount to that line of /etc/fstab",
        };
        let text = format!("{point} has no nofail: a boot with the volume closed ends in a shell");
        return Some(Finding::warning(Topic::Fstab, text, advice));
    }
    (mounted == Mounted::Wanted && !options.nofail && !options.noauto).then(|| {
        Finding::warning(
            Topic::Fstab,
            format!("{point} has nofail, and its line in bektab has not: a boot waits for it"),
            "add nofail in bektab, too",
        )
    })
}

/// Whether the line is by the path that has the volume's name.
fn is_by_name(line: &fstab::Line, entry: &Entry) -> bool {
    Path::new(&line.device) == entry.volume.name.mapped_path()
}

fn by_name(entry: &Entry) -> String {
    format!("write {} in that line of /etc/fstab", entry.volume.name.mapped_path().display())
}

/// Whether the generator makes the units of the volume.
fn is_generated(entry: &Entry) -> bool {
    entry.origin == Origin::Bektab && !entry.volume.options.key_only
}

/// Whether it matters to a mount what the generator says of that path; what the initramfs opens is
/// there before any mount.
fn needs_name(entry: &Entry) -> bool {
    is_generated(entry) && !entry.volume.options.initrd
}

/// ADE's line for the key disk holds up every boot without one, where it lacks `nofail`.
pub fn key_disk(lines: &[fstab::Line]) -> Option<Finding> {
    let line = lines.iter().find(|line| line.point == Path::new(KEY_DISK))?;
    (Mounted::of(line) == Mounted::Required).then(|| {
        Finding::warning(
            Topic::Fstab,
            format!("{KEY_DISK} is mounted without nofail: no boot without a key disk"),
            "add nofail to that line of /etc/fstab; bek-unlock itself needs none",
        )
    })
}

/// Whether a time of systemd.time(7), seconds where it has no unit, ends before `limit` seconds;
/// what is written in other words is not judged.
fn shorter(wait: &str, limit: Option<u64>) -> bool {
    let digits = wait.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = wait.get(digits.len()..).unwrap_or_default();
    let factor = match unit {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        _ => return false,
    };
    match (digits.parse::<u64>(), limit) {
        (Ok(0) | Err(_), _) => false,
        (Ok(seconds), Some(limit)) => seconds.saturating_mul(factor) < limit,
        (Ok(_), None) => true,
    }
}
