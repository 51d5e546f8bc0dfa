//! The fields every configuration file has: a name, a device, a key.
//!
//! The types of volume.rs decide what is one; this file says which part is not, and in which words.

use super::ade::KEY_DISK_MOUNT;
use super::line::{Fault, Value, Word, quoted};
use super::nearest::nearest;
use super::option_value::plain_path;
use super::url::{self, Wanted};
use crate::azure::id::SecretId;
use crate::volume::{DeviceSpec, KeyFileName, KeySpec, NameProblem, VolumeName};

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
                value.part(0..tag.len(), format!("unknown tag {}", quoted(tag))).suggest(meant)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn word(raw: &str) -> Word<'_> {
        Word { raw, column: 0 }
    }

    #[test]
    fn devices_as_crypttab_and_fstab_write_them() {
        for (field, device) in [
            ("LABEL=BEK\\040VOLUME", DeviceSpec::Label("BEK VOLUME".to_owned())),
            ("LABEL=\"my\\040disk\"", DeviceSpec::Label("my disk".to_owned())),
            ("PARTLABEL=data", DeviceSpec::PartLabel("data".to_owned())),
            ("PARTUUID=0C0A", DeviceSpec::PartUuid("0C0A".to_owned())),
            (
                "/dev/disk/by-label/BEK\\x20VOLUME",
                DeviceSpec::Path("/dev/disk/by-label/BEK\\x20VOLUME".into()),
            ),
            ("/srv/my\\040image", DeviceSpec::Path("/srv/my image".into())),
        ] {
            assert_eq!(super::device(&word(field)).unwrap(), device);
        }
    }

    #[test]
    fn keys_of_every_kind() {
        let file = |name| KeySpec::KeyFile(KeyFileName::parse(name).unwrap());
        let secret = |url| KeySpec::Secret(SecretId::parse(url).unwrap());
        for (field, key) in [
            ("-", KeySpec::Find),
            ("none", KeySpec::Find),
            ("LinuxPassPhraseFileName_1_0", file("LinuxPassPhraseFileName_1_0")),
            ("my\\040key", file("my key")),
            ("/mnt/azure_bek_disk/LinuxPassPhraseFileName", file("LinuxPassPhraseFileName")),
            ("/mnt/azure_bek_disk//k", file("k")),
            ("/mnt/azure_bek_disk2/k", KeySpec::Path("/mnt/azure_bek_disk2/k".into())),
            ("/etc/keys/data1", KeySpec::Path("/etc/keys/data1".into())),
            ("/etc/a:b", KeySpec::Path("/etc/a:b".into())),
            ("https://v.vault.azure.net/secrets/s", secret("https://v.vault.azure.net/secrets/s")),
            (
                "HTTPS://V.vault.azure.net:443/Secrets/S/0a/",
                secret("https://v.vault.azure.net/secrets/s/0a"),
            ),
        ] {
            assert_eq!(super::key(&word(field)).unwrap(), key);
        }
    }

    #[test]
    fn names_are_decoded_before_they_are_checked() {
        assert_eq!(name(&word("dat\\1411")).unwrap().as_str(), "data1");
        let long = "n".repeat(128);
        let fault = name(&word(&long)).unwrap_err();
        assert_eq!((fault.column, fault.length), (0, 128));
    }
}
