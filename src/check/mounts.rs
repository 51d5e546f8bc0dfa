//! What fstab(5) makes of a volume: who mounts it, and what a boot does while it is closed.

use std::path::Path;

use super::{Finding, Topic};
use crate::initramfs::fstab;
use crate::volume::{DeviceSpec, Network, Volume};

/// Where ADE mounts the key disk.
const KEY_DISK: &str = "/mnt/azure_bek_disk";

/// The lines of fstab as far as they are about volumes.
pub struct Mounts<'a> {
    lines: &'a [fstab::Line],
}

impl<'a> Mounts<'a> {
    /// Of these lines.
    pub fn new(lines: &'a [fstab::Line]) -> Self {
        Self { lines }
    }

    /// What is to be said of `volume`, whose encrypted device is `device`; nothing where no line
    /// is about it. `same` tells whether a field of fstab names the encrypted device.
    pub fn of(&self, volume: &Volume, same: &dyn Fn(&DeviceSpec) -> bool) -> Vec<Finding> {
        let mut found = Vec::new();
        for line in self.lines {
            let spec = DeviceSpec::parse(&line.device);
            if spec.as_ref().is_some_and(same) {
                found.push(Finding::bad(
                    Topic::Fstab,
                    format!(
                        "{} mounts {}, the encrypted device",
                        line.point.display(),
                        line.device
                    ),
                    format!("write {} there", volume.name.mapped_path().display()),
                ));
            } else if is_mapped(line, volume) {
                found.extend(problem(line, volume));
                if found.is_empty() {
                    let text = format!("mounted at {}", line.point.display());
                    found.push(Finding::good(Topic::Fstab, text));
                }
            }
        }
        found
    }

    /// ADE's line for the key disk holds up every boot without one, where it lacks `nofail`.
    pub fn key_disk(&self) -> Option<Finding> {
        let line = self.lines.iter().find(|line| line.point == Path::new(KEY_DISK))?;
        (!is_optional(line)).then(|| {
            Finding::warning(
                Topic::Fstab,
                format!("{KEY_DISK} is mounted without nofail: no boot without a key disk"),
                "add nofail to that line of /etc/fstab; bek-unlock itself needs none",
            )
        })
    }
}

fn is_mapped(line: &fstab::Line, volume: &Volume) -> bool {
    Path::new(&line.device) == volume.name.mapped_path()
}

fn has(line: &fstab::Line, option: &str) -> bool {
    line.options.split(',').any(|word| word == option)
}

/// Whether a boot goes on without the mount.
fn is_optional(line: &fstab::Line) -> bool {
    has(line, "nofail") || has(line, "noauto")
}

/// What is wrong between the two lines.
fn problem(line: &fstab::Line, volume: &Volume) -> Option<Finding> {
    let (point, options) = (line.point.display(), &volume.options);
    let is_root = line.point == Path::new("/") || line.point == Path::new("/usr");
    if is_root {
        return options.nofail.then(|| {
            Finding::warning(
                Topic::Fstab,
                format!("{point} is on it, and its line in bektab has nofail"),
                "take nofail out there: nothing boots without it",
            )
        });
    }
    // systemd's own network comes up after local-fs.target on many systems.
    if volume.network() == Network::Always && !has(line, "_netdev") && !is_optional(line) {
        return Some(Finding::bad(
            Topic::Fstab,
            format!("{point} has no _netdev: the boot waits for it before there is a network"),
            "add _netdev to that line of /etc/fstab",
        ));
    }
    if let Some(wait) = line.option("x-systemd.device-timeout") {
        let own = format!("{}s", options.timeout.0.map_or(0, |limit| limit.as_secs()));
        if shorter(wait, options.timeout.0.map(|limit| limit.as_secs())) {
            return Some(Finding::warning(
                Topic::Fstab,
                format!("{point} gives up after {wait}, while the unlock may take {own}"),
                format!("take x-systemd.device-timeout={wait} out of /etc/fstab"),
            ));
        }
    }
    match (options.nofail || options.noauto, is_optional(line)) {
        (true, false) => Some(Finding::warning(
            Topic::Fstab,
            format!("{point} has no nofail: a boot with the volume closed ends in a shell"),
            "add nofail to that line of /etc/fstab, as in bektab",
        )),
        (false, true) => Some(Finding::warning(
            Topic::Fstab,
            format!("{point} has nofail, and its line in bektab has not: a boot waits for it"),
            "add nofail in bektab, too",
        )),
        _ => None,
    }
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
