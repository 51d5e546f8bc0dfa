//! Azure Disk Encryption's lines in /etc/crypttab, and only those.
//!
//! The file belongs to systemd and Debian: lines with a key of their own are none of our business,
//! unknown options are left to them, fields after the fourth are ignored as systemd does. What ADE
//! writes is listed in `is_ade`; lines it glued together are taken apart by glue.rs. The same line
//! is kept inside each volume as `.azure_ade_backup_mount_info/crypttab_line`.

use super::azure_crypt_mount::{OS_MAPPER, STATE_DIRECTORY};
use super::bektab::{self, KEY_DISK_MOUNT};
use super::glue::{self, Parted};
use super::line::{Fault, Line, Word};
use super::options;
use crate::error::Kind;
use crate::volume::{KeyFileName, KeySpec, Options, Volume};

/// Where ADE's dracut module mounts the key disk inside the initramfs.
const INITRD_KEY_DISK_MOUNT: &str = "/bek";

/// What ADE's `keyscript=` is called, on Ubuntu 14.04 to 18.04.
pub(super) const KEYSCRIPT: &str = "/usr/sbin/azure_crypt_key.sh";

/// Parses a line; nothing for a blank line, a comment or somebody else's line, and more than one
/// volume when lines were glued together.
pub fn parse(line: &Line<'_>) -> Vec<Result<Volume, Kind>> {
    let words = line.words();
    if !words.windows(2).any(is_trace) && !is_ade(&words) {
        return Vec::new();
    }
    let lines = match glue::part(&words) {
        Parted::Lines(lines) => lines,
        Parted::Unclear(fault) => return vec![Err(line.blame(fault))],
    };
    let ours = lines.iter().filter(|words| is_ade(words));
    ours.map(|words| volume(line, words).map_err(|fault| line.blame(fault))).collect()
}

/// Whether bytes that are not even text look like a line of ADE's.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(KEY_DISK_MOUNT) || text.split_whitespace().next() == Some(OS_MAPPER)
}

/// Whether two neighbouring fields anywhere on a physical line can come from ADE: a key of its
/// own, or a name that ends in `osencrypt`, perhaps behind a line without newline.
fn is_trace(pair: &[Word<'_>]) -> bool {
    match pair {
        [first, second] => {
            is_ade_key(second.raw)
                || second.raw.contains(KEYSCRIPT)
                || (first.raw.ends_with(OS_MAPPER) && glue::is_device(second.raw))
        }
        _ => false,
    }
}

/// Whether a line is one ADE writes: its key is on the key disk or in ADE's state directory, or
/// comes from ADE's keyscript, or there is none and the volume is the OS disk.
fn is_ade(words: &[Word<'_>]) -> bool {
    match words {
        [name, _] => name.raw == OS_MAPPER,
        [name, _, key, rest @ ..] => {
            let found = matches!(key.raw, "-" | "none");
            let script = rest.first().is_some_and(|options| {
                let script = options::find(*options, "keyscript");
                script.is_some_and(|script| script.raw.ends_with("/azure_crypt_key.sh"))
            });
            is_ade_key(key.raw) || (found && (script || name.raw == OS_MAPPER))
        }
        _ => false,
    }
}

fn is_ade_key(field: &str) -> bool {
    [KEY_DISK_MOUNT, STATE_DIRECTORY]
        .iter()
        .any(|place| field.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
        || initrd_key_file(field).is_some()
}

/// `/bek/LinuxPassPhraseFileName...`, as 91adeOnline writes it inside the initramfs.
fn initrd_key_file(field: &str) -> Option<KeyFileName> {
    let name = field.strip_prefix(INITRD_KEY_DISK_MOUNT)?.strip_prefix('/')?;
    KeyFileName::parse(name).filter(|name| name.as_str().starts_with(KeyFileName::OS))
}

fn volume(line: &Line<'_>, words: &[Word<'_>]) -> Result<Volume, Fault> {
    let [name, device, rest @ ..] = words else { return Err(line.end("a device is missing")) };
    let key = match rest.first() {
        Some(word) => match initrd_key_file(word.raw) {
            Some(file) => KeySpec::KeyFile(file),
            None => bektab::key(word)?,
        },
        None => KeySpec::Find,
    };
    let options = match rest.get(1) {
        Some(word) if !word.raw.starts_with('#') => options::parse_crypttab(*word)?,
        _ => Options::default(),
    };
    Ok(Volume { name: bektab::name(name)?, device: bektab::device(device)?, key, options })
}
