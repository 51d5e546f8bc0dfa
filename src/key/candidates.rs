//! Which files of a key disk may hold a volume's key, and in which order to try them.
//!
//! ADE's own tools take one name and give up, or the first match in directory order and may take
//! another disk's key. The order here comes from what goes wrong in practice: a disk moved to
//! another LUN keeps its old name, and an OS disk repaired as a data disk has a data disk's name.

use crate::slot::Slot;
use crate::volume::KeyFileName;

/// What is known about the file that is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The name in bektab or in the secret's tag `DiskEncryptionKeyFileName`; else ADE's own
    /// `BekFileName`.
    exact: Option<KeyFileName>,
    /// Where the volume's disk is plugged in.
    slot: Option<Slot>,
    /// Whether BitLocker's .BEK files are looked for, and not a passphrase.
    windows: bool,
}

impl Wanted {
    /// `named` comes from bektab or a tag, `configured` from [`configured`], `slot` from sysfs or
    /// the device field.
    pub fn new(
        named: Option<KeyFileName>,
        configured: Option<KeyFileName>,
        slot: Option<Slot>,
    ) -> Self {
        // ADE writes its default name there too, on every VM: that says nothing, and as the first
        // choice it would put the OS disk's key before the data disk's own.
        let custom = configured.filter(|name| !same(name.as_str(), KeyFileName::OS));
        Self { exact: named.or(custom), slot, windows: false }
    }

    /// The .BEK files of a BitLocker volume, whose names say nothing about the disk.
    pub fn windows() -> Self {
        // To be reported; no name on vfat has an asterisk.
        Self { exact: KeyFileName::parse("*.BEK"), slot: None, windows: true }
    }

    /// The name to report when no file fits.
    pub fn name(&self) -> Option<&KeyFileName> {
        self.exact.as_ref()
    }

    /// The names a secret's tag may carry for this key, likeliest first: the exact one, the slot's,
    /// the plain one. No others: a vault serves many machines, and a tag is all that tells them
    /// apart where the host name was not recorded.
    pub fn tags(&self) -> Vec<KeyFileName> {
        let own = self.slot.and_then(Slot::key_file);
        let plain = KeyFileName::parse(KeyFileName::OS);
        let mut names: Vec<KeyFileName> = Vec::new();
        for name in [self.exact.clone(), own, plain].into_iter().flatten() {
            if !names.iter().any(|known| same(known.as_str(), name.as_str())) {
                names.push(name);
            }
        }
        names
    }

    /// How well `name` fits, best first; `None` when the file is no candidate. Upper and lower
    /// case are one, as on FAT.
    pub fn rank(&self, name: &KeyFileName) -> Option<Rank> {
        let own = self.slot.and_then(Slot::key_file);
        let is = |wanted: &KeyFileName| same(wanted.as_str(), name.as_str());
        if self.exact.as_ref().is_some_and(is) {
            Some(Rank::Exact)
        } else if own.as_ref().is_some_and(is) {
            Some(Rank::Slot)
        } else if !self.windows && same(name.as_str(), KeyFileName::OS) {
            Some(Rank::Plain)
        } else if self.is_relative(name) {
            Some(Rank::Other)
        } else {
            None
        }
    }

    /// The candidates among `listing`, best first, each once; the order does not depend on that
    /// of the directory.
    pub fn choose(&self, listing: &[KeyFileName]) -> Vec<KeyFileName> {
        let mut ranked: Vec<_> = listing
            .iter()
            .filter_map(|name| Some((self.rank(name)?, Slot::of_key_file(name), name)))
            .collect();
        ranked.sort();
        ranked.dedup();
        ranked.into_iter().map(|(_, _, name)| name.clone()).collect()
    }

    /// `*.BEK`; or `LinuxPassPhraseFileName*`, and what contains the exact name: ADE's own second choice
    /// (BekUtilVolumeImpl.py).
    fn is_relative(&self, name: &KeyFileName) -> bool {
        let lower = name.as_str().to_ascii_lowercase();
        if self.windows {
            return lower.ends_with(".bek");
        }
        let contains = |exact: &KeyFileName| lower.contains(&exact.as_str().to_ascii_lowercase());
        lower.starts_with(&KeyFileName::OS.to_ascii_lowercase())
            || self.exact.as_ref().is_some_and(contains)
    }
}

/// How well a file fits, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The name asked for.
    Exact,
    /// The name of the disk's slot.
    Slot,
    /// The OS disk's name.
    Plain,
    /// Another disk's name.
    Other,
}

/// The value of `BekFileName` in ADE's azure_crypt_config.ini, which Python's ConfigParser wrote:
/// `name = value` or `name: value`, names in any case, `#` and `;` begin a comment line.
pub fn configured(text: &str) -> Option<KeyFileName> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';', '[']))
        .filter_map(|line| line.split_once(['=', ':']))
        .find(|(name, _)| same(name.trim(), "BekFileName"))
        .and_then(|(_, value)| KeyFileName::parse(value.trim()))
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<KeyFileName> {
        names.iter().map(|name| KeyFileName::parse(name).unwrap()).collect()
    }

    fn wanted(exact: &str, slot: Option<(u8, u16)>) -> Wanted {
        let slot = slot.and_then(|(controller, lun)| Slot::new(controller, lun));
        Wanted::new(KeyFileName::parse(exact), None, slot)
    }

    #[test]
    fn bitlocker_has_files_of_its_own() {
        let windows = ["04030201-0605.BEK", "c.bek"];
        let disk = [&windows[..], &["x.bek.txt", "LinuxPassPhraseFileName"]].concat();
        assert_eq!(Wanted::windows().choose(&names(&disk)), names(&windows));
    }

    const DISK: [&str; 7] = [
        "CRITICAL_DATA_WARNING_README.txt",
        "LinuxPassPhraseFileName_1_10",
        "LinuxPassPhraseFileName_2_0",
        "LinuxPassPhraseFileName_1_2",
        "LinuxPassPhraseFileName",
        "custom.key",
        "settings_00.json",
    ];

    #[test]
    fn tags_are_looked_for_by_the_same_order_and_no_further() {
        let name = |name: &str| KeyFileName::parse(name).unwrap();
        let names = Wanted::new(Some(name("own")), None, Slot::new(1, 4)).tags();
        let plain = name(KeyFileName::OS);
        assert_eq!(names, [name("own"), name("LinuxPassPhraseFileName_1_4"), plain.clone()]);
        assert_eq!(Wanted::new(Some(plain.clone()), None, None).tags(), [plain]);
    }

    #[test]
    fn exact_then_slot_then_plain_then_the_others_by_slot() {
        let expected = [
            "custom.key",
            "LinuxPassPhraseFileName_1_10",
            "LinuxPassPhraseFileName",
            "LinuxPassPhraseFileName_1_2",
            "LinuxPassPhraseFileName_2_0",
        ];
        let wanted = wanted("custom.key", Some((1, 10)));
        assert_eq!(wanted.choose(&names(&DISK)), names(&expected));
        let mut reversed = names(&DISK);
        reversed.reverse();
        assert_eq!(wanted.choose(&reversed), names(&expected));
    }

    #[test]
    fn one_file_is_one_candidate() {
        let listing = names(&["LinuxPassPhraseFileName_1_0"]);
        let wanted = wanted("LinuxPassPhraseFileName_1_0", Some((1, 0)));
        assert_eq!(wanted.choose(&listing), listing);
    }

    #[test]
    fn fat_has_no_case() {
        let listing = names(&["LINUXPASSPHRASEFILENAME_1_0", "linuxpassphrasefilename"]);
        assert_eq!(wanted("", Some((1, 0))).choose(&listing), listing);
    }

    #[test]
    fn files_of_no_key_are_left_alone() {
        let listing = names(&["settings_00.json", "0f3c.bek", "LinuxPassPhraseFileNam"]);
        assert_eq!(wanted("", None).choose(&listing), []);
    }

    #[test]
    fn what_contains_the_exact_name_is_a_last_resort() {
        let listing = names(&["my-custom.key.bak", "LinuxPassPhraseFileName"]);
        let expected = names(&["LinuxPassPhraseFileName", "my-custom.key.bak"]);
        assert_eq!(wanted("custom.key", None).choose(&listing), expected);
    }

    #[test]
    fn only_a_custom_configured_name_is_preferred() {
        let slot = Slot::new(1, 0);
        let listing = names(&["LinuxPassPhraseFileName", "LinuxPassPhraseFileName_1_0", "own"]);
        let first = |configured: &str| {
            Wanted::new(None, KeyFileName::parse(configured), slot).choose(&listing).remove(0)
        };
        assert_eq!(first("own").as_str(), "own");
        assert_eq!(first("LinuxPassPhraseFileName").as_str(), "LinuxPassPhraseFileName_1_0");
    }

    #[test]
    fn the_name_in_ade_s_configuration_is_read() {
        let ini = "[azure_crypt_config]\n# bekfilename = no\nvolumetype = All\nbekfilename = own\n";
        assert_eq!(configured(ini), KeyFileName::parse("own"));
        assert_eq!(configured("BekFileName: own"), KeyFileName::parse("own"));
    }

    #[test]
    fn a_configured_name_cannot_leave_the_key_disk() {
        for ini in ["bekfilename = ../etc/shadow", "bekfilename =", "volumetype = All", ""] {
            assert_eq!(configured(ini), None, "{ini}");
        }
    }
}
