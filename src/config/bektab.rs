//! One line of /etc/bektab: crypttab's four fields, strictly.
//!
//! The file is ours, so whatever is not understood is an error with its place; a volume is never
//! opened on a guess. Which names are taken is the whole file's business (config.rs).

use super::line::{Fault, Line, Word};
use super::{fields, options};
use crate::error::Kind;
use crate::volume::{KeySpec, Options, Volume};

/// Parses a line; `None` for a blank line or a comment.
pub fn parse(line: &Line<'_>) -> Result<Option<Volume>, Kind> {
    let words = line.words();
    if words.is_empty() {
        return Ok(None);
    }
    volume(line, &words).map(Some).map_err(|fault| line.blame(fault))
}

/// The volume of one line's fields.
pub(super) fn volume(line: &Line<'_>, words: &[Word<'_>]) -> Result<Volume, Fault> {
    let (name, rest) = match words {
        [] => return Err(line.end("a name and a device are needed")),
        [name, rest @ ..] => (fields::name(name)?, rest),
    };
    let (device, rest) = match rest {
        [] => return Err(line.end("the device is missing")),
        [device, rest @ ..] => (fields::device(device)?, rest),
    };
    if let [_, _, first, more @ ..] = rest {
        return Err(surplus(first, more.last().unwrap_or(first)));
    }
    let (key_word, option_word) = (rest.first(), rest.get(1));
    let key = match key_word {
        Some(word) if option_word.is_none() && options::is_list(word.raw) => {
            return Err(word.fault("options are the fourth field; write - for the key"));
        }
        Some(word) => fields::key(word)?,
        None => KeySpec::Find,
    };
    let mut options = Options::default();
    if let Some(word) = option_word {
        options = options::parse(*word)?;
        agree(&key, &options, word)?;
    }
    Ok(Volume { name, device, key, options })
}

/// Refuses what contradicts the key: a secret's URL leaves nothing to look for in a vault.
///
/// `kek=` goes with every key, for a wrapped key may lie on the key disk or in a file too.
pub(super) fn agree(key: &KeySpec, options: &Options, field: &Word<'_>) -> Result<(), Fault> {
    let given =
        [("vault", options.vault.is_some()), ("machine-name", options.machine_name.is_some())];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) if matches!(key, KeySpec::Secret(_)) => {
            let word = options::find(*field, name).unwrap_or(*field);
            Err(word.fault(format!("{name}= is for finding a secret; the key names it")))
        }
        _ => Ok(()),
    }
}

/// Everything from the fifth field on.
fn surplus(first: &Word<'_>, last: &Word<'_>) -> Fault {
    let message = if first.raw.starts_with('#') {
        "a comment needs a line of its own"
    } else {
        "a line has four fields; options are separated by commas alone"
    };
    let end = last.column + last.raw.chars().count();
    Fault { length: end - first.column, ..first.fault(message) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::volume::DeviceSpec;

    fn parsed(text: &str) -> Result<Option<Volume>, Kind> {
        parse(&Line { file: Path::new("/etc/bektab"), number: 1, text })
    }

    fn volume(text: &str) -> Volume {
        parsed(text).unwrap().unwrap()
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        for text in ["", " \t ", "#", "# data1 /dev/sdc", "\t#data1 /dev/sdc", "#\u{1b}"] {
            assert_eq!(parsed(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn two_three_and_four_fields() {
        for text in [
            "data1 UUID=5f1e",
            "data1\tUUID=5f1e\t-",
            "  data1  UUID=5f1e  none  ",
            "data1 UUID=5f1e - -",
            "data1 UUID=\"5f1e\" none none",
        ] {
            let volume = volume(text);
            assert_eq!(volume.name.as_str(), "data1");
            assert_eq!(volume.device, DeviceSpec::Uuid("5f1e".to_owned()), "{text}");
            assert_eq!((volume.key, volume.options), (KeySpec::Find, Options::default()));
        }
    }

    #[test]
    fn a_kek_goes_with_every_key() {
        for key in ["-", "k", "/etc/k", "https://v.vault.azure.net/secrets/s"] {
            let kek = "kek=https://v.vault.azure.net/keys/k/1";
            assert!(volume(&format!("data1 /dev/sdc {key} {kek}")).options.kek.is_some());
        }
    }

    #[test]
    fn what_is_wrong_is_marked_exactly() {
        for (text, column, length, words, suggestion) in [
            ("data1", 6, 1, "the device is missing", None),
            ("data1 \t", 6, 1, "the device is missing", None),
            ("da/ta1 /dev/sdc", 3, 1, "'/' is not allowed", None),
            ("d\u{e4}ta1 /dev/sdc", 2, 1, "U+00E4 is not allowed", None),
            ("da\\040ta /dev/sdc", 3, 4, "' ' is not allowed", None),
            (".. /dev/sdc", 1, 2, "must not be empty", None),
            ("data1 sdc", 7, 3, "a device is an absolute path", None),
            ("data1 UUID=", 7, 5, "UUID= has no value", None),
            ("data1 PARTUUID=\"\" -", 7, 11, "PARTUUID= has no value", None),
            ("data1 UUID=a/b", 12, 3, "UUID has no /", None),
            ("data1 uuid=5f1e", 7, 4, "unknown tag \"uuid\"", Some("UUID=")),
            ("data1 LABLE=a", 7, 5, "unknown tag \"LABLE\"", Some("LABEL=")),
            ("data1 ID=a", 7, 2, "unknown tag \"ID\"", None),
            ("data1 /dev/sdc nofail", 16, 6, "write - for the key", None),
            ("data1 /dev/sdc x,discard", 16, 9, "write - for the key", None),
            ("data1 /dev/sdc timeout=9", 16, 9, "write - for the key", None),
            ("data1 /dev/sdc keys/k", 20, 1, "has no / and no \\", None),
            ("data1 /dev/sdc /mnt/azure_bek_disk", 16, 19, "file name after it", None),
            ("data1 /dev/sdc /mnt/azure_bek_disk/", 16, 20, "file name after it", None),
            ("data1 /dev/sdc /mnt/azure_bek_disk/a/b", 37, 1, "has no /", None),
            ("data1 /dev/sdc /mnt/azure_bek_disk/..", 36, 2, "not a file name", None),
            ("data1 /dev/sdc /key:LABEL=x", 20, 8, "PATH:DEVICE is not read", None),
            ("data1 /dev/sdc http://v.w/secrets/s", 16, 4, "https is needed", Some("https")),
            ("data1 /dev/sdc https://v.w/keys/k/1", 28, 4, "a KEK belongs in kek=", None),
            ("data1 /dev/sdc - nofail, discard", 26, 7, "separated by commas alone", None),
            ("data1 /dev/sdc - nofail # why so", 25, 8, "a line of its own", None),
            ("data1 /dev/sdc - nofial", 18, 6, "unknown option \"nofial\"", Some("nofail")),
            ("data1 /dev/sd\u{7}c", 14, 1, "U+0007 is not allowed", None),
            ("data1\u{a0}/dev/sdc -", 6, 1, "U+00A0 is not allowed", None),
            (
                "data1 /dev/sdc https://v.w/secrets/s nofail,vault=https://v.w",
                45,
                17,
                "vault= is for finding a secret",
                None,
            ),
            (
                "data1 /dev/sdc https://v.w/secrets/s machine-name=vm1,luks",
                38,
                16,
                "machine-name= is for finding a secret",
                None,
            ),
        ] {
            let Err(Kind::Configuration(diagnostic)) = parsed(text) else { panic!("{text}") };
            let place = (diagnostic.line, diagnostic.column, diagnostic.length);
            assert_eq!(place, (1, column, length), "{text}: {}", diagnostic.message);
            assert!(diagnostic.message.contains(words), "{text}: {}", diagnostic.message);
            assert_eq!(diagnostic.suggestion.as_deref(), suggestion, "{text}");
            assert_eq!(diagnostic.text, text);
        }
    }
}
