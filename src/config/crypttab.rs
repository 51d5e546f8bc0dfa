//! Azure Disk Encryption's lines in /etc/crypttab, and only those.
//!
//! The file belongs to systemd and Debian: lines with a key of their own are none of our business,
//! unknown options are left to them, fields after the fourth are ignored as systemd does. What ADE
//! writes is listed in `is_ade`; lines it glued together are taken apart by glue.rs. The same line
//! is kept inside each volume as `.azure_ade_backup_mount_info/crypttab_line`.

use super::ade::{KEY_DISK_MOUNT, KEYSCRIPT, OS_MAPPER, STATE_DIRECTORY};
use super::fields;
use super::glue::{self, Parted};
use super::line::{Fault, Line, Word};
use super::options;
use crate::error::Kind;
use crate::volume::{KeyFileName, KeySpec, Options, Volume};

/// Where ADE's dracut module mounts the key disk inside the initramfs.
const INITRD_KEY_DISK_MOUNT: &str = "/bek";

/// Parses a line; nothing for a blank line, a comment or somebody else's line, and more than one
/// volume when lines were glued together.
pub fn parse(line: &Line<'_>) -> Vec<Result<Volume, Kind>> {
    match parts(line) {
        Ok(parts) => parts.into_iter().filter_map(|part| part.volume).collect(),
        Err(problem) => vec![Err(problem)],
    }
}

/// One of the lines that were glued together, or the only one.
pub(super) struct Part<'a> {
    /// Its fields, at least one; all of them where it is not ADE's.
    pub words: Vec<Word<'a>>,
    /// `None` where it is not ADE's.
    pub volume: Option<Result<Volume, Kind>>,
}

/// Takes a line apart; nothing for a blank line and a comment.
///
/// Errors: `Configuration` where there is something of ADE's and no telling where it begins.
pub(super) fn parts<'a>(line: &Line<'a>) -> Result<Vec<Part<'a>>, Kind> {
    let mut words = line.words();
    // systemd takes a comment behind the fields for more fields, and takes no notice of those.
    words.truncate(words.iter().position(|word| word.raw.starts_with('#')).unwrap_or(words.len()));
    if words.is_empty() {
        return Ok(Vec::new());
    }
    if !words.windows(2).any(is_trace) && !is_ade(&words) {
        return Ok(vec![Part { words, volume: None }]);
    }
    let lines = match glue::part(&words) {
        Parted::Lines(lines) => lines,
        Parted::Unclear(fault) => return Err(line.blame(fault)),
    };
    let part = |words: Vec<Word<'a>>| {
        let read = || volume(line, &words).map_err(|fault| line.blame(fault));
        Part { volume: is_ade(&words).then(read), words }
    };
    Ok(lines.into_iter().map(part).collect())
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
            None => fields::key(word)?,
        },
        None => KeySpec::Find,
    };
    let options = match rest.get(1) {
        Some(word) => options::parse_crypttab(*word)?,
        None => Options::default(),
    };
    Ok(Volume { name: fields::name(name)?, device: fields::device(device)?, key, options })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::volume::{DeviceSpec, Encryption, HeaderSpec};

    fn parsed(text: &str) -> Vec<Result<Volume, Kind>> {
        parse(&Line { file: Path::new("/etc/crypttab"), number: 1, text })
    }

    fn volume(text: &str) -> Volume {
        match <[_; 1]>::try_from(parsed(text)) {
            Ok([Ok(volume)]) => volume,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn key_file(name: &str) -> KeySpec {
        KeySpec::KeyFile(KeyFileName::parse(name).unwrap())
    }

    #[test]
    fn every_line_ade_writes() {
        let os_header = HeaderSpec::parse("/boot/luks/osluksheader");
        for (text, key, header, nofail, discard) in [
            (
                "data1 /dev/disk/azure/scsi1/lun0 /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 \
                 luks,nofail",
                key_file("LinuxPassPhraseFileName_1_0"),
                None,
                true,
                false,
            ),
            (
                "data1 /dev/disk/azure/scsi1/lun0 /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 \
                 luks,nofail,header=/var/lib/azure_disk_encryption_config/azureluksheaderdata1",
                key_file("LinuxPassPhraseFileName_1_0"),
                HeaderSpec::parse("/var/lib/azure_disk_encryption_config/azureluksheaderdata1"),
                true,
                false,
            ),
            (
                "osencrypt /dev/disk/by-partuuid/0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f \
                 /mnt/azure_bek_disk/LinuxPassPhraseFileName \
                 luks,discard,header=/boot/luks/osluksheader",
                key_file("LinuxPassPhraseFileName"),
                os_header.clone(),
                false,
                true,
            ),
            (
                "osencrypt /dev/sda1 none luks,discard,header=/boot/luks/osluksheader,\
                 keyscript=/usr/sbin/azure_crypt_key.sh",
                KeySpec::Find,
                os_header.clone(),
                false,
                true,
            ),
            (
                "osencrypt UUID=osencrypt-locked none discard,header=/osluksheader",
                KeySpec::Find,
                HeaderSpec::parse("/osluksheader"),
                false,
                true,
            ),
            (
                "osencrypt /dev/sda2 /bek/LinuxPassPhraseFileName \
                 timeout=10,discard,header=/boot/luks/osluksheader",
                key_file("LinuxPassPhraseFileName"),
                os_header,
                false,
                true,
            ),
            (
                "data1 /dev/sdc /var/lib/azure_disk_encryption_config/cleartext_keydata1 \
                 luks,nofail",
                KeySpec::Path("/var/lib/azure_disk_encryption_config/cleartext_keydata1".into()),
                None,
                true,
                false,
            ),
        ] {
            let volume = volume(text);
            assert_eq!(volume.key, key, "{text}");
            let encryption = text.contains("luks,").then_some(Encryption::Luks);
            let options = Options { header, nofail, discard, encryption, ..Options::default() };
            assert_eq!(volume.options, options, "{text}");
        }
    }

    #[test]
    fn what_ades_own_parser_does_not_survive() {
        let expected = volume("data1 UUID=5f1e /mnt/azure_bek_disk/k -");
        assert_eq!(expected.device, DeviceSpec::Uuid("5f1e".to_owned()));
        for text in [
            "data1 UUID=5f1e /mnt/azure_bek_disk/k",
            "data1\tUUID=5f1e\t\t/mnt/azure_bek_disk/k\ttries=1",
            "  data1 UUID=\"5f1e\" /mnt/azure_bek_disk/k tries=1  ",
            "data1 UUID=5f1e /mnt/azure_bek_disk/k # luks,nofail",
            "data1 UUID=5f1e /mnt/azure_bek_disk/k tries=1 # was /dev/sdc - before",
            "data1 UUID=5f1e /mnt/azure_bek_disk/k tries=3,cipher=aes-xts-plain64 0 0",
        ] {
            assert_eq!(volume(text), expected, "{text}");
        }
        let label = volume("data1 LABEL=my\\040disk /mnt/azure_bek_disk/my\\040key").device;
        assert_eq!(label, DeviceSpec::Label("my disk".to_owned()));
        assert_eq!(volume("osencrypt PARTUUID=0c0a").key, KeySpec::Find);
    }

    #[test]
    fn other_peoples_lines_are_left_alone() {
        for text in [
            "",
            "# osencrypt /dev/sda1 none luks",
            "swap /dev/sdb1 /dev/urandom swap,cipher=aes-xts-plain64,size=256",
            "home UUID=5f1e none luks",
            "home UUID=5f1e /mnt/azure_bek_disk2/k luks",
            "home UUID=5f1e /root/mnt/azure_bek_disk/k luks",
            "home UUID=5f1e /bek/mine luks",
            "home UUID=5f1e none luks,keyscript=/lib/cryptsetup/scripts/decrypt_keyctl",
            "my-osencrypt UUID=5f1e none luks",
            "osencrypt-old UUID=5f1e none luks",
            "osencrypt UUID=5f1e /root/key luks",
            "home",
            "a b c d e f g",
        ] {
            assert_eq!(parsed(text), [], "{text}");
        }
    }

    #[test]
    fn what_cannot_be_opened_safely_is_marked() {
        for (text, column, length) in [
            ("data1 sdc /mnt/azure_bek_disk/k luks", 7, 3),
            ("data1 UUID= /mnt/azure_bek_disk/k luks", 7, 5),
            ("data1 /dev/sdc /mnt/azure_bek_disk/a/b luks", 37, 1),
            ("data1 /dev/sdc /mnt/azure_bek_disk/k luks,header=osluksheader", 50, 12),
            ("da/ta /dev/sdc /mnt/azure_bek_disk/k luks", 3, 1),
        ] {
            let problems = parsed(text);
            let [Err(Kind::Configuration(problem))] = problems.as_slice() else { panic!("{text}") };
            assert_eq!((problem.column, problem.length), (column, length), "{text}");
        }
    }
}
