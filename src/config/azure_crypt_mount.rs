//! One line of ADE's azure_crypt_mount, the file it used before crypttab.
//!
//! Six or seven fields, written by `add_crypt_item_to_azure_crypt_mount` (azure-linux-extensions,
//! DiskUtil.py): mapper, device, detached header or `None`, mount point or `None`, file system,
//! whether the clear-text key opens it, and the current keyslot. The same line is kept inside each
//! volume as `.azure_ade_backup_mount_info/azure_crypt_mount_line`. Mounting is not our business.

use std::path::PathBuf;

use super::ade::{OS_MAPPER, STATE_DIRECTORY};
use super::fields;
use super::line::{Fault, Line, Word};
use super::option_value::path;
use crate::error::Kind;
use crate::volume::{HeaderSpec, KeySpec, Options, Volume};

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
    let name = fields::name(name)?;
    let header = match header.raw {
        "None" => None,
        // ADE writes the device itself where the header is not detached.
        same if same == device.raw => None,
        _ => Some(HeaderSpec::Path(path(&header.decode()?)?)),
    };
    let device = fields::device(device)?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::volume::DeviceSpec;

    fn parsed(text: &str) -> Result<Option<Volume>, Kind> {
        parse(&Line { file: Path::new("azure_crypt_mount"), number: 1, text })
    }

    fn volume(text: &str) -> Volume {
        parsed(text).unwrap().unwrap()
    }

    #[test]
    fn the_line_ade_writes() {
        let text = "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22 /dev/disk/azure/scsi1/lun0 None \
                    /mnt/data ext4 False 0";
        let data = volume(text);
        assert_eq!(data.name.as_str(), "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22");
        assert_eq!(data.device, DeviceSpec::Path("/dev/disk/azure/scsi1/lun0".into()));
        assert_eq!(data.key, KeySpec::Find);
        assert_eq!(data.options, Options { nofail: true, ..Options::default() });
        for same in [text.trim_end_matches(" 0"), &text.replace(' ', "\t"), &format!("{text} ")] {
            assert_eq!(volume(same), data, "{same}");
        }
        assert_eq!(volume(&text.replace(" 0", " -1")), data);
        assert_eq!(volume(&text.replace("/mnt/data ext4", "None None")), data);
    }

    #[test]
    fn a_clear_text_key_is_the_file_of_that_mapper() {
        let key = volume("data1 /dev/sdc None /mnt/data ext4 True 1").key;
        let path = "/var/lib/azure_disk_encryption_config/cleartext_keydata1";
        assert_eq!(key, KeySpec::Path(path.into()));
    }

    #[test]
    fn the_os_disk_is_not_optional() {
        for text in [
            "osencrypt /dev/sda2 /boot/luks/osluksheader / ext4 False 0",
            "osencrypt /dev/sda2 /boot/luks/osluksheader None ext4 False",
            "root /dev/sda2 /boot/luks/osluksheader / ext4 False",
        ] {
            let options = volume(text).options;
            assert!(!options.nofail);
            assert_eq!(options.header, HeaderSpec::parse("/boot/luks/osluksheader"));
        }
    }

    #[test]
    fn a_header_on_the_device_itself_is_not_detached() {
        assert_eq!(volume("osencrypt /dev/sda2 /dev/sda2 / ext4 False -1").options.header, None);
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        for text in ["", "  ", "# data1 /dev/sdc"] {
            assert_eq!(parsed(text), Ok(None));
        }
    }

    #[test]
    fn what_ade_does_not_write_is_refused() {
        for (text, column, length) in [
            ("data1 /dev/sdc None /mnt/data ext4", 35, 1),
            ("data1", 6, 1),
            ("data1 /dev/sdc None /mnt ext4 False 0 data2", 39, 5),
            ("data1 /dev/sdc None /mnt ext4 false 0", 31, 5),
            ("data1 /dev/sdc None /mnt ext4 False zero", 37, 4),
            ("data1 /dev/sdc header /mnt ext4 False 0", 16, 6),
            ("data1 sdc None /mnt ext4 False 0", 7, 3),
            ("da/ta /dev/sdc None /mnt ext4 False 0", 3, 1),
        ] {
            let Err(Kind::Configuration(diagnostic)) = parsed(text) else { panic!("{text}") };
            assert_eq!((diagnostic.column, diagnostic.length), (column, length), "{text}");
        }
    }
}
