//! One line of ADE's azure_crypt_mount, the file it used before crypttab.
//!
//! Six or seven fields, written by `add_crypt_item_to_azure_crypt_mount` (azure-linux-extensions,
//! DiskUtil.py): mapper, device, detached header or `None`, mount point or `None`, file system,
//! whether the clear-text key opens it, and the current keyslot. The same line is kept inside each
//! volume as `.azure_ade_backup_mount_info/azure_crypt_mount_line`. Mounting is not our business.

use std::path::PathBuf;

use super::bektab;
use super::line::{Fault, Line, Word};
use super::option_value::path;
use crate::error::Kind;
use crate::volume::{KeySpec, Options, Volume};

/// Where ADE keeps its state.
pub const STATE_DIRECTORY: &str = "/var/lib/azure_disk_encryption_config";

/// ADE's name for the mapping of the OS disk.
pub const OS_MAPPER: &str = "osencrypt";

/// Parses a line; `None` for a blank line or a comment.
pub fn parse(line: &Line<'_>) -> Result<Option<Volume>, Kind> {
    let words = line.words();
    if words.is_empty() {
        return Ok(None);
    }
    volume(line, &words).map(Some).map_err(|fault| line.blame(fault))
}

fn volume(line: &Line<'_>, words: &[Word<'_>]) -> Result<Volume, Fault> {
    let (name, device, header, mount, cleartext, slot) = match words {
        [name, device, header, mount, _, cleartext] => {
            (name, device, header, mount, cleartext, None)
        }
        [name, device, header, mount, _, cleartext, slot] => {
            (name, device, header, mount, cleartext, Some(slot))
        }
        [_, _, _, _, _, _, _, more, ..] => {
            return Err(more.fault("a line of azure_crypt_mount has 6 or 7 fields"));
        }
        _ => return Err(line.end("a line of azure_crypt_mount has 6 or 7 fields")),
    };
    let name = bektab::name(name)?;
    let header = match header.raw {
        "None" => None,
        // ADE writes the device itself where the header is not detached.
        same if same == device.raw => None,
        _ => Some(path(&header.decode()?)?),
    };
    let device = bektab::device(device)?;
    // Its LUKS keyslots are all tried; the number is what ADE once rotated, and may be stale.
    if let Some(slot) = slot.filter(|slot| slot.raw.parse::<i32>().is_err()) {
        return Err(slot.fault("the keyslot is a number"));
    }
    let key = match cleartext.raw {
        "True" => KeySpec::Path(cleartext_key(name.as_str())),
        "False" | "None" => KeySpec::Find,
        _ => return Err(cleartext.fault("\"True\" or \"False\" is needed here")),
    };
    // ADE mounted these itself, after the boot; a crypttab line it writes for one has nofail.
    let nofail = mount.raw != "/" && name.as_str() != OS_MAPPER;
    Ok(Volume { name, device, key, options: Options { header, nofail, ..Options::default() } })
}

/// The key that lies in clear on the OS disk while an encryption is being disabled
/// (`create_cleartext_key` in DiskUtil.py).
fn cleartext_key(mapper: &str) -> PathBuf {
    PathBuf::from(format!("{STATE_DIRECTORY}/cleartext_key{mapper}"))
}
