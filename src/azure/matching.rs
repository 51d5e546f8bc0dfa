//! Which of a vault's secrets may hold the key of a volume, by the tags on them.
//!
//! Several may: they come back best first, and only trying them tells. What carries no usable file
//! name is no disk's key.

use super::list::ListedSecret;
use crate::volume::KeyFileName;

/// The machine a secret has to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine<'a> {
    /// Whatever the tag says.
    Any,
    /// The tag names it, without regard to case.
    Named(&'a str),
    /// The tag is empty or missing: ADE leaves it out when the host name is an FQDN.
    Unnamed,
}

/// What kind of disk a key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// ADE's Linux data disk, or nobody knows.
    Data,
    /// ADE's Linux OS disk.
    Os,
    /// A BitLocker volume.
    Windows,
}

/// The secrets that may hold the key of a `disk` from some machine, or from `machine`: those that
/// name it first, by how likely the file name is, then the newest first; disabled ones last.
///
/// Where a machine is given, a secret that names none stays in.
pub fn of_disk<'a>(
    secrets: &'a [ListedSecret],
    machine: Option<&str>,
    disk: Disk,
) -> Vec<&'a ListedSecret> {
    let mut found: Vec<((bool, bool, usize), &ListedSecret)> = Vec::new();
    for secret in secrets {
        let named = secret.tags.machine.as_deref();
        let is_named = match (machine, named) {
            (Some(machine), Some(tag)) if !tag.eq_ignore_ascii_case(machine) => continue,
            (Some(_), named) => named.is_some(),
            (None, _) => true,
        };
        let place = secret.tags.file.as_ref().and_then(|file| likelihood(file, disk));
        if let Some(place) = place {
            found.push(((!secret.attributes.enabled, !is_named, place), secret));
        }
    }
    found.sort_by_key(|(place, secret)| (*place, std::cmp::Reverse(secret.attributes.created)));
    found.into_iter().map(|(_, secret)| secret).collect()
}

/// How likely a key in `file` is a `disk`'s, 0 most; `None` when it is of the other system.
///
/// An OS disk that was repaired as a data disk has a data disk's name, and the other way round.
fn likelihood(file: &KeyFileName, disk: Disk) -> Option<usize> {
    let is_os = file.as_str().eq_ignore_ascii_case(KeyFileName::OS);
    let is_windows = file.as_str().to_ascii_lowercase().ends_with(".bek");
    match disk {
        Disk::Windows => is_windows.then_some(0),
        Disk::Data | Disk::Os if is_windows => None,
        // A name of somebody's own (`BekFileName`) may be of any disk.
        Disk::Data | Disk::Os if !is_ade(file) => Some(2),
        Disk::Data => Some(usize::from(is_os)),
        Disk::Os => Some(usize::from(!is_os)),
    }
}

/// The secrets that may hold the key in one of `files` of `machine`: by the order of `files`, then
/// the newest first by `attributes.created`; disabled ones last, as they can only be reported.
///
/// Of a machine that the tag names, its other disks' secrets come after those: a disk that moved
/// to another LUN keeps its old name, and without Azure's links the slot may not be known.
pub fn matching<'a>(
    secrets: &'a [ListedSecret],
    files: &[KeyFileName],
    machine: Machine<'_>,
) -> Vec<&'a ListedSecret> {
    let mut found: Vec<(usize, &ListedSecret)> = secrets
        .iter()
        .filter(|secret| match (machine, &secret.tags.machine) {
            (Machine::Named(name), Some(tag)) => tag.eq_ignore_ascii_case(name),
            (Machine::Unnamed, None) | (Machine::Any, _) => true,
            (Machine::Named(_), None) | (Machine::Unnamed, Some(_)) => false,
        })
        .filter_map(|secret| {
            let file = secret.tags.file.as_ref()?;
            // The key disk is vfat, whose names have no case.
            let place =
                files.iter().position(|name| name.as_str().eq_ignore_ascii_case(file.as_str()));
            let other = matches!(machine, Machine::Named(_)) && is_ade(file);
            Some((place.or(other.then_some(files.len()))?, secret))
        })
        .collect();
    found.sort_by_key(|(place, secret)| {
        (!secret.attributes.enabled, *place, std::cmp::Reverse(secret.attributes.created))
    });
    found.into_iter().map(|(_, secret)| secret).collect()
}

/// Whether it is a name as ADE gives them, `LinuxPassPhraseFileName*`.
fn is_ade(file: &KeyFileName) -> bool {
    let stem = file.as_str().get(..KeyFileName::OS.len());
    stem.is_some_and(|stem| stem.eq_ignore_ascii_case(KeyFileName::OS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::attributes::Attributes;
    use crate::azure::id::SecretId;
    use crate::azure::tags::DiskTags;

    fn secret(name: &str, file: &str, machine: &str, created: u64) -> ListedSecret {
        ListedSecret {
            id: SecretId::parse(&format!("https://kv.vault.azure.net/secrets/{name}")).unwrap(),
            attributes: Attributes {
                enabled: !name.starts_with("off"),
                created: Some(created),
                not_before: None,
                expires: None,
            },
            content_type: None,
            tags: DiskTags {
                file: KeyFileName::parse(file),
                machine: (!machine.is_empty()).then(|| machine.to_owned()),
                ..DiskTags::default()
            },
        }
    }

    #[test]
    fn secrets_match_by_file_and_machine() {
        let os = "LinuxPassPhraseFileName";
        let data = "LinuxPassPhraseFileName_1_0";
        let secrets = [
            secret("old", data, "vm-1", 10),
            secret("new", data, "VM-1", 30),
            secret("off", data, "vm-1", 40),
            secret("os", os, "vm-1", 99),
            secret("other", data, "vm-2", 50),
            secret("nobody", data, "", 60),
            secret("slot2", "LinuxPassPhraseFileName_1_2", "vm-1", 70),
            secret("slot3", "LinuxPassPhraseFileName_1_3", "", 80),
            secret("windows", "6F1C0D52.BEK", "vm-1", 90),
        ];
        let files: Vec<KeyFileName> =
            [data, os].iter().map(|name| KeyFileName::parse(name).unwrap()).collect();
        let found = |machine| -> Vec<&str> {
            matching(&secrets, &files, machine).iter().map(|s| s.id.name().as_str()).collect()
        };
        // Nobody's secrets may be anybody's: of those only the exact names.
        assert_eq!(found(Machine::Named("vm-1")), ["new", "old", "os", "slot2", "off"]);
        assert_eq!(found(Machine::Unnamed), ["nobody"]);
        assert_eq!(found(Machine::Named("vm")), Vec::<&str>::new());
    }

    #[test]
    fn a_disk_from_elsewhere_has_the_secrets_of_its_system() {
        let secrets = [
            secret("os", "LinuxPassPhraseFileName", "vm-1", 10),
            secret("data", "LinuxPassPhraseFileName_1_0", "vm-1", 20),
            secret("newer", "linuxpassphrasefilename_1_0", "VM-2", 30),
            secret("own", "custom.key", "vm-1", 40),
            secret("nobody", "LinuxPassPhraseFileName", "", 50),
            secret("off", "LinuxPassPhraseFileName_1_0", "vm-1", 60),
            secret("windows", "6F1C0D52.BEK", "vm-3", 70),
        ];
        let found = |machine, disk| -> Vec<&str> {
            of_disk(&secrets, machine, disk).iter().map(|s| s.id.name().as_str()).collect()
        };
        assert_eq!(found(None, Disk::Data), ["newer", "data", "nobody", "os", "own", "off"]);
        assert_eq!(found(None, Disk::Os), ["nobody", "os", "newer", "data", "own", "off"]);
        assert_eq!(found(Some("vm-1"), Disk::Os), ["os", "data", "own", "nobody", "off"]);
        assert_eq!(found(None, Disk::Windows), ["windows"]);
        assert_eq!(found(Some("vm-1"), Disk::Windows), Vec::<&str>::new());
    }
}
