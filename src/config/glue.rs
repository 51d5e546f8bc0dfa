//! Takes apart crypttab lines that ADE wrote without a newline between them.
//!
//! ADE appends the OS disk's line without a trailing newline, so the next line's name ends up
//! behind the last option: `header=/boot/luks/osluksheaderdata1 /dev/... `. The cut is made only
//! where one place is possible: behind an option whose whole text is known, or before a name that
//! only ADE gives. Anything else stays one piece, with both halves named: the wrong cut would open
//! the wrong header.

use super::ade::{KEYSCRIPT, OS_MAPPER, STATE_DIRECTORY};
use super::line::{Fault, Word};
use super::option_table;
use crate::error::printable;
use crate::volume::is_uuid;
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
    // On a line of its own it would be a comment.
    (!name.raw.starts_with('#')).then_some((options, name))
}

/// Options that ADE ends a line with, in full: flags, its two OS headers, its keyscript, and the
/// detached header of the line's own volume.
fn known(own_name: &str) -> Vec<String> {
    let flags = option_table::crypttab_flags().map(str::to_owned);
    let values = [
        "header=/boot/luks/osluksheader".to_owned(),
        "header=/osluksheader".to_owned(),
        format!("header={STATE_DIRECTORY}/azureluksheader{own_name}"),
        format!("keyscript={KEYSCRIPT}"),
    ];
    flags.chain(values).collect()
}

fn two_lines(first: &Word<'_>, glued: &Word<'_>, device: &Word<'_>) -> Fault {
    let (first, device) = (printable(first.raw, 16), printable(device.raw, 20));
    glued.fault(format!("the lines of {first} and of {device} need a newline between"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::line::Line;

    const UUID: &str = "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22";
    const KEY: &str = "/mnt/azure_bek_disk/LinuxPassPhraseFileName";

    fn parted(text: &str) -> Result<Vec<Vec<&str>>, Fault> {
        let line = Line { file: Path::new("/etc/crypttab"), number: 1, text };
        match part(&line.words()) {
            Parted::Lines(lines) => {
                for word in lines.iter().flatten() {
                    let at: usize = text.chars().take(word.column).map(char::len_utf8).sum();
                    assert!(text[at..].starts_with(word.raw), "{text}: {word:?}");
                }
                Ok(lines.iter().map(|line| line.iter().map(|word| word.raw).collect()).collect())
            }
            Parted::Unclear(fault) => Err(fault),
        }
    }

    #[test]
    fn cuts_where_one_place_is_possible() {
        let own = format!("header={STATE_DIRECTORY}/azureluksheaderdata1");
        for (first, options, second) in [
            ("osencrypt", "luks,discard,header=/boot/luks/osluksheader", "data1"),
            ("osencrypt", "luks,discard,header=/boot/luks/osluksheader", UUID),
            ("osencrypt", "discard,header=/osluksheader", "data1"),
            ("osencrypt", "luks,keyscript=/usr/sbin/azure_crypt_key.sh", "data1"),
            ("data1", "luks,nofail", "osencrypt"),
            ("data1", "luks,nofail", "data2"),
            ("data1", "luks", UUID),
            ("data1", &format!("luks,nofail,{own}"), "osencrypt"),
            ("data1", &format!("luks,nofail,{own}"), "data2"),
            ("data1", &format!("luks,nofail,{own}"), UUID),
            ("data1", "luks,header=/srv/other", "osencrypt"),
            ("data1", "luks,header=/srv/other", UUID),
            ("swap", "swap,cipher=aes-xts-plain64", "osencrypt"),
        ] {
            let text =
                format!("{first} /dev/sda {KEY} {options}{second} /dev/sdb {KEY}_1_0 luks,nofail");
            let lines = parted(&text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            let expected = vec![
                vec![first, "/dev/sda", KEY, options],
                vec![second, "/dev/sdb", text.split(' ').nth(5).unwrap(), "luks,nofail"],
            ];
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn three_lines_and_short_last_lines_are_taken_apart_too() {
        let text = "osencrypt /dev/sda none luksdata1 /dev/sdb none nofaildata2 UUID=5f1e -";
        assert_eq!(
            parted(text).unwrap(),
            [
                vec!["osencrypt", "/dev/sda", "none", "luks"],
                vec!["data1", "/dev/sdb", "none", "nofail"],
                vec!["data2", "UUID=5f1e", "-"],
            ]
        );
    }

    #[test]
    fn names_both_where_more_than_one_cut_is_possible() {
        for (glued, why) in [
            ("luks,cipher=aesdata2", "the option's value is not known"),
            ("luks,header=/srv/headerdata2", "nor is this header"),
            (
                "header=/boot/luks/osluksheader-osencrypt",
                "a known option and a known name disagree",
            ),
            ("data2", "no option at all"),
            ("luks,header=/boot/luks/osluksheader", "nothing is glued on"),
            ("luks,nofailda/ta2", "what is left is no name"),
            ("luks,nofail#data2", "what is left is a comment"),
        ] {
            let text = format!("data1 /dev/sda {KEY} {glued} /dev/sdb {KEY}_1_0 luks");
            let fault = parted(&text).expect_err(why);
            assert_eq!((fault.column, fault.length), (59, glued.len()), "{why}");
            let message = "the lines of data1 and of /dev/sdb need a newline between";
            assert_eq!(fault.message, message);
        }
    }

    #[test]
    fn two_whole_lines_joined_by_a_blank_are_named_too() {
        let fault = parted("data1 /dev/sda none luks data2 /dev/sdb none luks").unwrap_err();
        assert_eq!((fault.column, fault.length), (25, 5));
    }

    #[test]
    fn further_fields_that_are_no_line_are_dropped() {
        for text in
            ["a /dev/sda none luks 0 0", "a /dev/sda none luks x y z", "a /dev/sda none luks"]
        {
            assert_eq!(parted(text).unwrap(), [["a", "/dev/sda", "none", "luks"]]);
        }
        assert_eq!(parted("a /dev/sda").unwrap(), [["a", "/dev/sda"]]);
        assert_eq!(parted("").unwrap(), Vec::<Vec<&str>>::new());
    }
}
