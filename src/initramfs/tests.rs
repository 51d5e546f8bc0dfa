//! Plans for systems that are made of values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::config::Origin;
use crate::config::keyscript::{self, Listed};
use crate::secret::Secret;
use crate::volume::DeviceSpec;

mod keyscripts;
mod warned;

const OS: &str = "osencrypt PARTUUID=0c0a LinuxPassPhraseFileName header=/boot/luks/osluksheader";

/// A VM as Azure Disk Encryption leaves it: the root on osencrypt, its header on /boot.
#[derive(Clone)]
struct Machine {
    bektab: String,
    crypttab: String,
    command_line: String,
    dracut_modules: Vec<String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    stack: Stack,
    boot: Option<FileSystem>,
    modules: BTreeMap<String, ModuleState>,
    authorities: Option<PathBuf>,
}

impl Machine {
    fn new(bektab: &str) -> Self {
        let files = ["/boot/luks/osluksheader", "/etc/hostname", "/etc/ssl/ca.pem"];
        Self {
            bektab: bektab.to_owned(),
            crypttab: String::new(),
            command_line: String::new(),
            dracut_modules: vec!["50bek-unlock".to_owned(), "90crypt".to_owned()],
            files: files.iter().map(|path| (path.into(), Vec::new())).collect(),
            stack: Stack { mappings: vec!["osencrypt".to_owned()], unknown: vec![] },
            boot: Some(FileSystem {
                is_mounted: true,
                point: "/boot".into(),
                path: "/luks/osluksheader".into(),
                device: Some(DeviceSpec::Uuid("1111-22".to_owned())),
                kind: Some("ext4".to_owned()),
            }),
            modules: BTreeMap::new(),
            authorities: Some("/etc/ssl/ca.pem".into()),
        }
    }

    fn with(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn configuration(&self) -> Configuration {
        let mut all = Configuration::default();
        for (origin, text) in [(Origin::Bektab, &self.bektab), (Origin::Crypttab, &self.crypttab)] {
            let one = Configuration::parse(origin, origin.path(), text.as_bytes());
            all.entries.extend(one.entries);
            all.problems.extend(one.problems);
        }
        all
    }

    fn plan(&self) -> Plan {
        plan(&self.configuration(), &self.keyscripts(), self, Tool::Dracut)
    }

    /// As cryptsetup-initramfs copies them.
    fn keyscripts(&self) -> Vec<Listed> {
        keyscript::listed(self.crypttab.as_bytes())
    }

    fn warnings(&self) -> Vec<String> {
        self.plan().said().into_iter().map(str::to_owned).collect()
    }
}

impl Host for Machine {
    fn authorities(&self) -> Option<PathBuf> {
        self.authorities.clone()
    }

    fn command_line(&self) -> String {
        self.command_line.clone()
    }

    fn crypttab(&self) -> String {
        self.crypttab.clone()
    }

    fn device(&self, device: &DeviceSpec) -> bool {
        *device != DeviceSpec::Uuid("gone".to_owned())
    }

    fn dracut_modules(&self) -> Vec<String> {
        self.dracut_modules.clone()
    }

    fn file(&self, path: &Path) -> FileState {
        match self.files.contains_key(path) {
            true => FileState::File,
            false if path.starts_with("/dev") => FileState::Device,
            false => FileState::Missing,
        }
    }

    fn head(&self, path: &Path, limit: usize) -> Vec<u8> {
        let content = self.files.get(path).cloned().unwrap_or_default();
        content.into_iter().take(limit).collect()
    }

    fn key(&self, path: &Path) -> Option<Secret> {
        self.files.get(path).cloned().map(Secret::new)
    }

    fn module(&self, name: &str) -> ModuleState {
        self.modules.get(name).cloned().unwrap_or(ModuleState::Available)
    }

    fn place(&self, path: &Path) -> Place {
        let boot = self.boot.clone().filter(|boot| path.starts_with(&boot.point));
        boot.map_or(Place::Root, Place::Separate)
    }

    fn root_stack(&self) -> Stack {
        self.stack.clone()
    }

    fn file_system(&self, _: &DeviceSpec) -> Option<String> {
        Some("xfs".to_owned())
    }

    fn luks_uuid(&self, _: &DeviceSpec) -> Option<String> {
        None
    }
}

impl Plan {
    /// The texts of its warnings.
    fn said(&self) -> Vec<&str> {
        self.warnings.iter().map(|warning| warning.text.as_str()).collect()
    }
}

fn names_of(plan: &Plan) -> Vec<&str> {
    plan.volumes.iter().map(VolumeName::as_str).collect()
}

fn luks1(cipher: &str, mode: &str) -> Vec<u8> {
    let mut head = b"LUKS\xba\xbe\x00\x01".to_vec();
    head.resize(592, 0);
    head[8..8 + cipher.len()].copy_from_slice(cipher.as_bytes());
    head[40..40 + mode.len()].copy_from_slice(mode.as_bytes());
    head
}

#[test]
fn the_header_on_a_boot_of_its_own_is_read_there_and_never_copied() {
    let plan = Machine::new(&format!("{OS},x-initrd.attach\n")).plan();
    assert_eq!(names_of(&plan), ["osencrypt"]);
    assert_eq!(
        plan.lines,
        ["osencrypt PARTUUID=0c0a LinuxPassPhraseFileName \
             x-initrd.attach,header=/luks/osluksheader:UUID=1111-22"]
    );
    assert_eq!((&plan.files, plan.network, plan.said()), (&BTreeSet::new(), None, vec![]));
    assert!(plan.modules.contains("vfat") && plan.modules_maybe.contains("ext4"));
}

#[test]
fn the_header_on_the_root_goes_along() {
    let machine = Machine::new(&format!("{OS},x-initrd.attach\n")).with(|m| m.boot = None);
    let plan = machine.plan();
    assert_eq!(plan.files, BTreeSet::from(["/boot/luks/osluksheader".into()]));
    assert!(plan.lines[0].contains("header=/boot/luks/osluksheader"), "{:?}", plan.lines);
    assert_eq!(plan.said(), [""; 0]);
}

#[test]
fn what_the_root_stands_on_is_taken_and_data_volumes_are_not() {
    let bektab = format!("{OS},noauto\ndata1 UUID=5f1e - nofail\n");
    let plan = Machine::new(&bektab).plan();
    assert_eq!(names_of(&plan), ["osencrypt"]);
    assert!(plan.lines[0].contains("x-initrd.attach") && !plan.lines[0].contains("noauto"));
    assert_eq!(plan.said().len(), 1, "{:?}", plan.said());
    assert!(plan.said()[0].contains("write x-initrd.attach on line 1 of /etc/bektab"));
}

#[test]
fn ades_own_line_is_taken_without_a_word() {
    let line = "osencrypt /dev/disk/by-partuuid/0c0a /mnt/azure_bek_disk/LinuxPassPhraseFileName \
                luks,discard,header=/boot/luks/osluksheader";
    let machine = Machine::new("").with(|m| m.crypttab = line.to_owned());
    let plan = machine.plan();
    assert_eq!(
        plan.lines,
        ["osencrypt /dev/disk/by-partuuid/0c0a LinuxPassPhraseFileName \
             discard,luks,x-initrd.attach,header=/luks/osluksheader:UUID=1111-22"]
    );
    assert_eq!(plan.said(), [""; 0]);
    // In a tree nobody knows what the root stands on, and ADE's name says it.
    let unknown = || Stack { mappings: vec![], unknown: vec!["UUID=1".to_owned()] };
    assert_eq!(names_of(&machine.clone().with(|m| m.stack = unknown()).plan()), ["osencrypt"]);
    // A machine whose root is no longer encrypted keeps ADE's line for a while.
    assert_eq!(names_of(&machine.with(|m| m.stack = Stack::default()).plan()), [""; 0]);
}

#[test]
fn nothing_is_planned_without_a_volume_of_the_root() {
    let plan = Machine::new("data1 UUID=5f1e - nofail\n").plan();
    assert!(plan.volumes.is_empty() && plan.lines.is_empty() && plan.said().is_empty());
    assert!(!plan.render().contains("volume\t"));
    let machine = Machine::new("data1 UUID=5f1e\n");
    let unknown = machine.with(|m| m.stack.unknown = vec!["/dev/vg0/root".to_owned()]).warnings();
    assert!(unknown[0].starts_with("the root is on /dev/vg0/root, which cannot be"), "{unknown:?}");
}

#[test]
fn the_network_and_its_files_come_only_with_key_vault() {
    let kek = ",kek=https://v.vault.azure.net/keys/k/1";
    let vault = ",vault=https://v.vault.azure.net";
    for (key, options, expected) in [
        ("-", "", None),
        ("-", ",_netdev", Some(Network::Maybe)),
        ("LinuxPassPhraseFileName", ",_netdev", None),
        ("-", vault, Some(Network::Maybe)),
        ("LinuxPassPhraseFileName", kek, Some(Network::Always)),
        ("https://v.vault.azure.net/secrets/s", "", Some(Network::Always)),
    ] {
        let line = format!("root UUID=5f1e {key} x-initrd.attach{options}\n");
        let plan = Machine::new(&line).plan();
        assert_eq!(plan.network, expected, "{line}");
        let files = ["/etc/hostname", "/etc/ssl/ca.pem"].map(PathBuf::from);
        let carried = files.iter().all(|file| plan.files.contains(file));
        assert_eq!(carried, expected.is_some(), "{line}");
        assert_eq!(plan.modules_maybe.contains("hv_netvsc"), expected.is_some(), "{line}");
        assert_eq!(plan.modules.contains("vfat"), !key.starts_with("https"), "{line}");
        assert_eq!(plan.said(), [""; 0], "{line}");
    }
}

#[test]
fn wrapped_keys_go_along_and_plain_ones_stay() {
    let kek = ",kek=https://v.vault.azure.net/keys/k/1";
    let machine = |options: &str, key: Option<&[u8]>| {
        let line = format!("root UUID=5f1e /etc/keys/root x-initrd.attach{options}\n");
        Machine::new(&line).with(|m| {
            key.map(|key| m.files.insert("/etc/keys/root".into(), key.to_vec()));
        })
    };
    let has_key = |plan: &Plan| plan.files.contains(Path::new("/etc/keys/root"));
    let wrapped = machine(kek, Some(&[0xfe; 256])).plan();
    assert!(has_key(&wrapped) && wrapped.said().is_empty());
    // With kek= a plain key opens the volume just the same.
    for (options, key) in [("", &[0xfe; 256][..]), (kek, b"hunter2"), (kek, &[0xfe; 64])] {
        let plain = machine(options, Some(key)).plan();
        assert!(!has_key(&plain), "{options}");
        assert!(plain.said()[0].contains("the image is not encrypted"), "{:?}", plain.said());
    }
    assert_eq!(
        machine(kek, None).warnings(),
        ["root: the wrapped key /etc/keys/root is not there; put it there, then: dracut --force"]
    );
}

#[test]
fn the_header_decides_the_ciphers() {
    let with = |head: Vec<u8>| {
        let machine = Machine::new(&format!("{OS},x-initrd.attach\n"));
        machine.with(|m| drop(m.files.insert("/boot/luks/osluksheader".into(), head.clone())))
    };
    let plan = with(luks1("serpent", "cbc-essiv:sha256")).plan();
    for name in ["crypto-serpent", "cbc", "essiv", "crypto-sha256"] {
        assert!(plan.modules.contains(name), "{name}: {:?}", plan.modules);
    }
    assert!(!plan.modules.contains("xts") && !plan.modules_maybe.contains("xts"));
    let lacks = |name: &str, state: ModuleState| {
        let machine = with(luks1("aes", "xts-plain64"));
        machine.with(|m| drop(m.modules.insert(name.to_owned(), state.clone()))).warnings()
    };
    assert_eq!(
        lacks("xts", ModuleState::Missing),
        ["the kernel has no xts; no volume opens without it; install the kernel's modules, \
             then: dracut --force"]
    );
    let cis = ModuleState::Blocked("/etc/modprobe.d/cis.conf".into());
    assert!(lacks("vfat", cis)[0].starts_with("/etc/modprobe.d/cis.conf keeps vfat from"));
    assert_eq!(lacks("xts", ModuleState::Unknown), [""; 0]);
    assert_eq!(lacks("dm_mod", ModuleState::Available), [""; 0]);
}

#[test]
fn what_the_kernel_command_line_asks_for_is_prepared_and_not_written() {
    let ade = "root=/dev/mapper/osencrypt rd.luks.ade.partuuid=0c0a0001-0000-4000-8000-000000000000 \
               rd.luks.ade.bootuuid=b0070000-0000-4000-8000-000000000000\n";
    let plan = Machine::new("").with(|m| m.command_line = ade.to_owned()).plan();
    assert_eq!((names_of(&plan), plan.lines.len()), (vec!["osencrypt"], 0));
    assert!(plan.modules.contains("vfat") && plan.modules_maybe.contains("xfs"));
    assert_eq!(plan.said(), [""; 0]);
    // With a line of bektab, what is added to it counts.
    let vault = "rd.bek.options=osencrypt=vault=https://v.vault.azure.net\n";
    let os = Machine::new(&format!("{OS},x-initrd.attach\n"));
    let plan = os.clone().with(|m| m.command_line = vault.to_owned()).plan();
    assert_eq!((names_of(&plan), plan.lines.len()), (vec!["osencrypt"], 1));
    assert_eq!(plan.network, Some(Network::Maybe));
    let empty = os.with(|m| m.command_line = "rd.luks.ade.partuuid=\n".to_owned()).warnings();
    assert!(empty[0].starts_with("/proc/cmdline:1:"), "{empty:?}");
}

#[test]
fn a_header_named_with_its_device_stays_as_it_is() {
    let line = "root UUID=5f1e - x-initrd.attach,header=/h:LABEL=boot\n";
    let plan = Machine::new(line).plan();
    assert!(plan.lines[0].ends_with("header=/h:LABEL=boot"), "{:?}", plan.lines);
    assert!(plan.modules_maybe.contains("xfs") && !plan.modules_maybe.contains("ext4"));
    let device = "root UUID=5f1e - x-initrd.attach,header=/dev/disk/by-partlabel/header\n";
    let plan = Machine::new(device).plan();
    assert!(plan.files.is_empty() && plan.said().is_empty(), "{:?}", plan.said());
}

#[test]
fn dracut_is_told_which_luks_devices_are_ours() {
    let plan = Machine::new("root UUID=5F1E - x-initrd.attach\n").plan();
    assert!(plan.render().contains("luks-uuid\t5f1e\n"));
}

#[test]
fn the_plan_is_one_item_a_line_and_plain_ascii() {
    let machine = Machine::new(&format!("{OS},x-initrd.attach\n"));
    let odd = machine.with(|m| {
        m.files.insert("/etc/ssl/c\na.pem".into(), Vec::new());
        m.bektab += "d\u{e4}ta /dev/sdc - x-initrd.attach\n";
    });
    let text = odd.plan().render();
    assert!(text.is_ascii(), "{text}");
    for line in text.lines() {
        let (word, value) = line.split_once('\t').unwrap();
        assert!(!word.is_empty() && !value.is_empty() && !value.contains('\t'), "{line}");
    }
    let mut plan = Plan::default();
    plan.files.insert("/etc/a\nfile\t/etc/shadow".into());
    assert_eq!(plan.render(), "");
}

#[test]
fn a_key_only_line_is_carried_only_where_it_asks_to_be_opened() {
    let of =
        |options: &str| Machine::new(&format!("{OS},key-only{options}\ndata UUID=5 - key-only"));
    let plan = of("").plan();
    assert_eq!(names_of(&plan), [""; 0]);
    assert_eq!(plan.said().len(), 1, "{:?}", plan.said());
    assert!(plan.said()[0].contains("line 1 of /etc/bektab says key-only"));
    let plan = of(",x-initrd.attach").plan();
    assert_eq!(names_of(&plan), ["osencrypt"]);
    assert!(!plan.lines[0].contains("key-only"), "{:?}", plan.lines);
    assert_eq!(plan.said(), [""; 0]);
    let elsewhere = of("").with(|machine| machine.stack = Stack::default());
    assert_eq!(elsewhere.warnings(), [""; 0]);
    let keyscript = "osencrypt /dev/sda1 none luks,keyscript=/usr/lib/bek-unlock/keyscript\n";
    let asked = of("").with(|machine| machine.crypttab = keyscript.to_owned());
    assert_eq!(asked.warnings(), [""; 0]);
    // What is in an image all the same, its scripts do not attach.
    assert_eq!(names(&elsewhere.configuration()), []);
}

#[test]
fn nofail_comes_last_and_refused_names_are_tried() {
    let machine = Machine::new(
        "late UUID=1 - nofail\nroot UUID=2\nnever UUID=3 - noauto\nbad UUID=4 - nofial\n\
         asked UUID=5 - noauto,x-initrd.attach\n",
    );
    let mut configuration = machine.configuration();
    let listed = |configuration: &Configuration| -> Vec<String> {
        names(configuration).iter().map(ToString::to_string).collect()
    };
    assert_eq!(listed(&configuration), ["bad", "root", "asked", "late"]);
    assert_eq!(network(&configuration), Network::Never);
    configuration.off = true;
    assert_eq!(listed(&configuration), [""; 0]);
    let vault = Machine::new("root UUID=2 - vault=https://v.vault.azure.net\n").configuration();
    assert_eq!(network(&vault), Network::Maybe);
    let off = Configuration { off: true, ..vault };
    assert_eq!(network(&off), Network::Never);
}
