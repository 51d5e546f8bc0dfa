//! Takes apart crypttab lines that ADE wrote without a newline between them.
//!
//! ADE appends the OS disk's line without a trailing newline, so the next line's name ends up
//! behind the last option: `header=/boot/luks/osluksheaderdata1 /dev/... `. The cut is made only
//! where one place is possible: behind an option whose whole text is known, or before a name that
//! only ADE gives. Anything else stays one piece, with both halves named: the wrong cut would open
//! the wrong header.

use super::azure_crypt_mount::{OS_MAPPER, STATE_DIRECTORY};
use super::crypttab::KEYSCRIPT;
use super::line::{Fault, Word};
use super::option_value::is_uuid;
use super::options;
use crate::volume::{DeviceSpec, VolumeName};

/// A physical line, taken apart.
pub(super) enum Parted<'a> {
    /// The fields of each line it was; at most four of each.
    Lines(Vec<Vec<Word<'a>>>),
    /// There are two lines, and it is not clear where one ends.
    Unclear(Fault),
}

/// Takes `words` apart.
pub(super) fn part<'a>(words: &[Word<'a>]) -> Parted<'a> {
    let mut lines = Vec::new();
    let Some((first, mut rest)) = words.split_first() else { return Parted::Lines(lines) };
    let mut name = *first;
    loop {
        // A second line is a device and a key behind the field that holds its name.
        let (own_device, own_key, glued, device, tail) = match rest {
            [own_device, own_key, glued, device, key, ..] if is_line(device, key) => {
                (own_device, own_key, glued, device, rest.get(3..).unwrap_or_default())
            }
            [_, _, _, second, device, key, ..] if is_line(device, key) => {
                return Parted::Unclear(two_lines(&name, second, device));
            }
            _ => {
                lines.push([&[name], rest.get(..3).unwrap_or(rest)].concat());
                return Parted::Lines(lines);
            }
        };
        let Some((options, next)) = cut(name.raw, *glued) else {
            return Parted::Unclear(two_lines(&name, glued, device));
        };
        lines.push(vec![name, *own_device, *own_key, options]);
        (name, rest) = (next, tail);
    }
}

/// Whether a field can be crypttab's second one.
pub(super) fn is_device(field: &str) -> bool {
    DeviceSpec::parse(field).is_some()
}

fn is_line(device: &Word<'_>, key: &Word<'_>) -> bool {
    is_device(device.raw) && (key.raw.starts_with('/') || matches!(key.raw, "-" | "none"))
}

/// Cuts `glued` into options and the next line's name, where only one cut is possible.
fn cut<'a>(own_name: &str, glued: Word<'a>) -> Option<(Word<'a>, Word<'a>)> {
    let last = glued.raw.rfind(',').map_or(0, |comma| comma + 1);
    let option = glued.raw.get(last..)?;
    let mut places: Vec<usize> = known(own_name)
        .iter()
        .filter(|text| option.starts_with(text.as_str()))
        .map(String::len)
        .collect();
    if own_name != OS_MAPPER && option.ends_with(OS_MAPPER) {
        places.push(option.len() - OS_MAPPER.len());
    }
    // The name of a data disk is a UUID of version 4.
    let uuid = option.len().saturating_sub(36);
    if option.get(uuid..).is_some_and(is_uuid) {
        places.push(uuid);
    }
    places.retain(|at| *at > 0);
    places.sort_unstable();
    places.dedup();
    let [at] = places.as_slice() else { return None };
    let (options, name) = glued.split_at(last + at)?;
    VolumeName::parse(name.raw).ok()?;
    Some((options, name))
}

/// Options that ADE ends a line with, in full: flags, its two OS headers, its keyscript, and the
/// detached header of the line's own volume.
fn known(own_name: &str) -> Vec<String> {
    let flags = options::crypttab_flags().map(str::to_owned);
    let values = [
        "header=/boot/luks/osluksheader".to_owned(),
        "header=/osluksheader".to_owned(),
        format!("header={STATE_DIRECTORY}/azureluksheader{own_name}"),
        format!("keyscript={KEYSCRIPT}"),
    ];
    flags.chain(values).collect()
}

fn two_lines(first: &Word<'_>, glued: &Word<'_>, device: &Word<'_>) -> Fault {
    let message =
        format!("the lines of {} and of {} need a newline between", first.raw, device.raw);
    glued.fault(message)
}
