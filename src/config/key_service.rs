//! Which volume systemd-cryptsetup(8) means when it asks for a key: it knows a name and nothing else.
//!
//! The volume is crypttab(5)'s, and stays as it is written there; a line of bektab(5) of that name
//! can say more of where the key is. Whatever else a crypttab knows is systemd's business.

use std::path::Path;

use super::line::{Fault, Line, Word};
use super::{Origin, fields, file, options};
use crate::error::Kind;
use crate::volume::{KeySpec, Options, Volume, VolumeName};

/// The volume of that name: bektab's line, else ADE's, else any line of crypttab, whose key is
/// looked for.
///
/// Errors: `Configuration` where the line does not parse, `NotConfigured` without a line.
pub fn volume(root: &Path, name: &VolumeName) -> Result<Volume, Kind> {
    let configuration = super::load(root);
    let known = match configuration.find(name) {
        // Written before there was a crypttab: what crypttab says now goes before it.
        Ok(entry) if entry.origin == Origin::AzureCryptMount => Some(entry.volume.clone()),
        Ok(entry) => return Ok(answered(entry.volume.clone())),
        Err(Kind::NotConfigured { .. }) => None,
        Err(problem) => return Err(problem),
    };
    let content = file::read(root, Origin::Crypttab.path())?.unwrap_or_default();
    let found = in_crypttab(&content, name)?.or(known);
    found.map(answered).ok_or_else(|| Kind::NotConfigured { name: name.clone() })
}

/// The volume as it is answered for: whoever asks has a prompt of its own.
fn answered(mut volume: Volume) -> Volume {
    volume.options.prompt = false;
    volume
}

/// The first line of that name, as for systemd-cryptsetup-generator(8).
fn in_crypttab(content: &[u8], name: &VolumeName) -> Result<Option<Volume>, Kind> {
    for (number, line) in file::lines(content) {
        let text = String::from_utf8_lossy(line);
        let line = Line { file: Origin::Crypttab.path(), number, text: &text };
        let words = line.words();
        let is_meant = |word: &Word<'_>| word.decode().is_ok_and(|it| it.as_str() == name.as_str());
        if words.first().is_some_and(is_meant) {
            return volume_of(&line, &words, name).map(Some).map_err(|fault| line.blame(fault));
        }
    }
    Ok(None)
}

/// Its key field says where systemd looked, in vain or on the way to asking us.
fn volume_of(line: &Line<'_>, words: &[Word<'_>], name: &VolumeName) -> Result<Volume, Fault> {
    let device = words.get(1).ok_or_else(|| line.end("the device is missing"))?;
    let options = match words.get(3) {
        Some(word) => options::parse_crypttab(*word)?,
        None => Options::default(),
    };
    let device = fields::device(device)?;
    Ok(Volume { name: name.clone(), device, key: KeySpec::Find, options })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::volume::{DeviceSpec, HeaderSpec, KeyFileName};

    const CRYPTTAB: &str = "\
# data0 UUID=0 none luks
data0   UUID=1 - luks
data1   UUID=2 none luks,discard,tries=3,fido2-device=auto,header=/boot/h:UUID=9,key-slot=2,x=y
luks-2  /dev/sdc /run/cryptsetup-keys.d/luks-2.key bitlk
short   UUID=4
data0   UUID=5 none
ade     /dev/sdd /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_2 luks,nofail
both    /dev/sde none luks
broken  /dev/sdf none header=relative
";

    fn asked(name: &str) -> Result<Volume, String> {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("etc/crypttab", CRYPTTAB);
        put("etc/bektab", "both /dev/sde /etc/key key-only,prompt\nwrong /dev/sdg - nofial\n");
        let legacy = "both /dev/x None / ext4 False\ndata0 /dev/y None / ext4 False\n\
                      old /dev/z None /mnt ext4 False\n";
        put("var/lib/azure_disk_encryption_config/azure_crypt_mount", legacy);
        volume(root.path(), &VolumeName::parse(name).unwrap()).map_err(|kind| kind.to_string())
    }

    #[test]
    fn any_line_of_crypttab_is_answered_for() {
        let device = |name: &str| asked(name).unwrap().device;
        assert_eq!(device("data0"), DeviceSpec::Uuid("1".to_owned()));
        assert_eq!(device("short"), DeviceSpec::Uuid("4".to_owned()));
        assert_eq!(device("luks-2"), DeviceSpec::Path("/dev/sdc".into()));
        let volume = asked("data1").unwrap();
        assert_eq!(volume.key, KeySpec::Find);
        let header = HeaderSpec::parse("/boot/h:UUID=9");
        assert_eq!((volume.options.header, volume.options.key_slot), (header, Some(2)));
        assert_eq!(asked("luks-2").unwrap().key, KeySpec::Find);
    }

    #[test]
    fn bektab_says_more_and_ades_line_keeps_its_key_file() {
        let volume = asked("both").unwrap();
        assert_eq!(volume.key, KeySpec::Path("/etc/key".into()));
        assert!(volume.options.key_only && !volume.options.prompt);
        let file = KeyFileName::parse("LinuxPassPhraseFileName_1_2").unwrap();
        assert_eq!(asked("ade").unwrap().key, KeySpec::KeyFile(file));
        // The oldest file counts where no other has the name.
        assert_eq!(asked("old").unwrap().device, DeviceSpec::Path("/dev/z".into()));
    }

    #[test]
    fn what_cannot_be_known_is_an_error() {
        assert!(asked("luks").unwrap_err().starts_with("no line for luks in /etc/bektab"));
        assert!(asked("#").unwrap_err().starts_with("no line for # in"));
        assert!(asked("wrong").unwrap_err().starts_with("/etc/bektab:2:18: unknown option"));
        let broken = asked("broken").unwrap_err();
        assert_eq!(broken, "/etc/crypttab:9:30: not an absolute path");
    }

    #[test]
    fn a_line_without_device_is_an_error_of_that_line() {
        let name = VolumeName::parse("a").unwrap();
        let problem = in_crypttab(b"b\na\n", &name).unwrap_err().to_string();
        assert_eq!(problem, "/etc/crypttab:2:2: the device is missing");
    }
}
