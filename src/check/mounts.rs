//! What fstab(5) makes of a volume: who mounts it, and what a boot does while it is closed.

use std::path::Path;

use super::{Finding, Topic};
use crate::initramfs::fstab;
use crate::volume::{DeviceSpec, Network, Volume};

/// Where ADE mounts the key disk.
const KEY_DISK: &str = "/mnt/azure_bek_disk";

/// The lines of fstab as far as they are about volumes.
pub struct Mounts<'a> {
    /// Those that mount something.
    pub lines: &'a [fstab::Line],
    /// Whether the network comes up before local file systems are mounted, as systemd-networkd's.
    pub network_is_early: bool,
}

impl Mounts<'_> {
    /// What is to be said of `volume`; nothing where no line is about it. `encrypted` tells whether
    /// a field of fstab names its encrypted device, `opened` whether it names what is on it, as far
    /// as the volume is open now.
    pub fn of(
        &self,
        volume: &Volume,
        encrypted: &dyn Fn(&DeviceSpec) -> bool,
        opened: &dyn Fn(&DeviceSpec) -> bool,
    ) -> Vec<Finding> {
        let mapped = volume.name.mapped_path();
        let mut found = Vec::new();
        for line in self.lines {
            let spec = DeviceSpec::parse(&line.device);
            if spec.as_ref().is_some_and(encrypted) {
                let point = line.point.display();
                found.push(Finding::bad(
                    Topic::Fstab,
                    format!("{point} is to be {}, the encrypted device", line.device),
                    format!("write {} there", mapped.display()),
                ));
            } else if Path::new(&line.device) == mapped || spec.as_ref().is_some_and(opened) {
                let text = format!("mounted at {}", line.point.display());
                let good = || Finding::good(Topic::Fstab, text);
                found.push(self.problem(line, volume).unwrap_or_else(good));
            }
        }
        found
    }

    /// What is wrong between the two lines.
    fn problem(&self, line: &fstab::Line, volume: &Volume) -> Option<Finding> {
        let (point, options) = (line.point.display(), &volume.options);
        if line.point == Path::new("/") || line.point == Path::new("/usr") {
            return options.nofail.then(|| {
                Finding::warning(
                    Topic::Fstab,
                    format!("{point} is on it, and its line in bektab has nofail"),
                    "take nofail out there: nothing boots without it",
                )
            });
        }
        let optional = is_optional(line);
        if volume.network() == Network::Always
            && !(has(line, "_netdev") || optional || self.network_is_early)
        {
            return Some(Finding::bad(
                Topic::Fstab,
                format!("{point} has no _netdev: the boot waits for it before there is a network"),
                "add _netdev to that line of /etc/fstab",
            ));
        }
        let limit = options.timeout.0.map(|limit| limit.as_secs());
        let wait = line.option("x-systemd.device-timeout").filter(|wait| shorter(wait, limit));
        if let Some(wait) = wait {
            let own = limit.map_or("for ever".to_owned(), |limit| format!("{limit} s"));
            return Some(Finding::warning(
                Topic::Fstab,
                format!("{point} gives up after {wait}, while the unlock may take {own}"),
                format!("take x-systemd.device-timeout={wait} out of /etc/fstab"),
            ));
        }
        match (options.nofail || options.noauto, optional) {
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
}

/// ADE's line for the key disk holds up every boot without one, where it lacks `nofail`.
pub fn key_disk(lines: &[fstab::Line]) -> Option<Finding> {
    let line = lines.iter().find(|line| line.point == Path::new(KEY_DISK))?;
    (!is_optional(line)).then(|| {
        Finding::warning(
            Topic::Fstab,
            format!("{KEY_DISK} is mounted without nofail: no boot without a key disk"),
            "add nofail to that line of /etc/fstab; bek-unlock itself needs none",
        )
    })
}

fn has(line: &fstab::Line, option: &str) -> bool {
    line.options.split(',').any(|word| word == option)
}

/// Whether a boot goes on without the mount.
fn is_optional(line: &fstab::Line) -> bool {
    has(line, "nofail") || has(line, "noauto")
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
