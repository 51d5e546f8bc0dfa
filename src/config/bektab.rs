//! One line of /etc/bektab: crypttab's four fields, strictly.
//!
//! The file is ours, so whatever is not understood is an error with its place; a volume is never
//! opened on a guess. Which names are taken is the whole file's business (config.rs).

use super::line::{Fault, Line, Value, Word};
use super::nearest::nearest;
use super::option_value::plain_path;
use super::options;
use super::url::{self, Wanted};
use crate::azure::id::SecretId;
use crate::error::Kind;
use crate::volume::{DeviceSpec, KeyFileName, KeySpec, NameProblem, Options, Volume, VolumeName};

/// Where ADE mounts the key disk; a path below it means the key disk, mounted or not.
pub const KEY_DISK_MOUNT: &str = "/mnt/azure_bek_disk";

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
        [name, rest @ ..] => (self::name(name)?, rest),
    };
    let (device, rest) = match rest {
        [] => return Err(line.end(format!("{name} has no device"))),
        [device, rest @ ..] => (self::device(device)?, rest),
    };
    if let [_, _, first, more @ ..] = rest {
        return Err(surplus(first, more.last().unwrap_or(first)));
    }
    let (key_word, option_word) = (rest.first(), rest.get(1));
    let key = match key_word {
        Some(word) if option_word.is_none() && is_option_list(word.raw) => {
            return Err(word.fault("options are the fourth field; write - for the key"));
        }
        Some(word) => self::key(word)?,
        None => KeySpec::Find,
    };
    let options = match option_word {
        Some(word) => options::parse(*word)?,
        None => Options::default(),
    };
    if let Some(word) = option_word {
        agree(&key, *word)?;
    }
    Ok(Volume { name, device, key, options })
}

/// The first field.
pub(super) fn name(word: &Word<'_>) -> Result<VolumeName, Fault> {
    let value = word.decode()?;
    VolumeName::parse(value.as_str()).map_err(|problem| match problem {
        NameProblem::Character(c) => {
            let at = value.as_str().find(c).unwrap_or_default();
            value.part(at..at + c.len_utf8(), problem.to_string())
        }
        NameProblem::Empty | NameProblem::Long => value.fault(problem.to_string()),
    })
}

/// The second field.
pub(super) fn device(word: &Word<'_>) -> Result<DeviceSpec, Fault> {
    let value = word.decode()?;
    DeviceSpec::parse(value.as_str()).ok_or_else(|| {
        let tags = ["LABEL=", "PARTLABEL=", "PARTUUID=", "UUID="];
        match value.as_str().split_once('=') {
            Some((tag, rest)) if tags.iter().any(|known| known.strip_suffix('=') == Some(tag)) => {
                if rest.contains('/') {
                    return value
                        .part(tag.len() + 1..value.as_str().len(), format!("{tag} has no /"));
                }
                value.fault(format!("{tag}= has no value"))
            }
            Some((tag, _)) => {
                let meant = nearest(&format!("{tag}="), tags);
                value.part(0..tag.len(), format!("unknown tag {tag:?}")).suggest(meant)
            }
            None => value.fault("a device is an absolute path or a tag such as UUID="),
        }
    })
}

/// The third field.
pub(super) fn key(word: &Word<'_>) -> Result<KeySpec, Fault> {
    let value = word.decode()?;
    let text = value.as_str();
    if matches!(text, "" | "-" | "none") {
        return Ok(KeySpec::Find);
    }
    if text == KEY_DISK_MOUNT {
        return Err(value.fault("the key disk needs a file name after it"));
    }
    if let Some(rest) = text.strip_prefix(KEY_DISK_MOUNT).filter(|rest| rest.starts_with('/')) {
        let rest = rest.trim_start_matches('/');
        let from = text.len() - rest.len();
        return key_file(&value.slice(from..text.len())).map_err(|fault| match rest {
            "" => value.fault("the key disk needs a file name after it"),
            _ => fault,
        });
    }
    if text.starts_with('/') {
        let refusal = "a key must be a file by itself; PATH:DEVICE is not read";
        return plain_path(&value, refusal).map(KeySpec::Path);
    }
    if text.contains("://") {
        let secret = SecretId::parse(text).ok_or_else(|| url::explain(&value, Wanted::Secret))?;
        return Ok(KeySpec::Secret(secret));
    }
    key_file(&value)
}

fn key_file(value: &Value) -> Result<KeySpec, Fault> {
    KeyFileName::parse(value.as_str()).map(KeySpec::KeyFile).ok_or_else(|| {
        match value.as_str().find(['/', '\\']) {
            Some(at) => value.part(at..at + 1, "a file name on the key disk has no / and no \\"),
            None => value.fault("not a file name on the key disk"),
        }
    })
}

/// Refuses what contradicts the key: a secret's URL leaves nothing to look for in a vault.
///
/// `kek=` goes with every key, for a wrapped key may lie on the key disk or in a file too.
fn agree(key: &KeySpec, field: Word<'_>) -> Result<(), Fault> {
    if matches!(key, KeySpec::Secret(_)) {
        for name in ["vault", "machine-name"] {
            if let Some(word) = options::find(field, name) {
                return Err(word.fault(format!("{name}= is for finding a key; the key is given")));
            }
        }
    }
    Ok(())
}

/// Whether a third field holds options: somebody left the key out.
fn is_option_list(text: &str) -> bool {
    text.split(',').next().is_some_and(options::is_option)
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
