//! The files that say what is encrypted: what parses is written and read again, what does not is
//! marked in its line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bek_unlock::config::adopt::{self, Action, Texts};
use bek_unlock::config::{Configuration, Origin, edit, keyscript, render};
use bek_unlock::error::Kind;

use super::{Target, fixture, said, texts};

const WORDS: &[&str] = &[
    "\\040",
    "\\054",
    "UUID=",
    "PARTUUID=",
    "LABEL=",
    "luks,",
    "nofail",
    "header=/boot/luks/osluksheader",
    "kek=https://contoso-kv.vault.azure.net/keys/kek/0123",
    "vault=https://contoso-kv.vault.azure.net",
    "kek-algorithm=RSA-OAEP",
    "identity=client-id:",
    "timeout=90s",
    "x-systemd.device-timeout=",
    "x-initrd.attach",
    "keyscript=/usr/lib/bek-unlock/keyscript",
    "/mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0",
    "/dev/disk/azure/scsi1/lun0",
    "osencrypt",
    "None",
];

/// /etc/bektab.
pub const BEKTAB: Target = Target {
    name: "bektab",
    run: bektab,
    seeds: || {
        let mut seeds = vec![
            fixture("config/bektab/etc/bektab"),
            fixture("config/broken/etc/bektab"),
            fixture("config/precedence/etc/bektab"),
        ];
        seeds.extend(texts(&[
            "a\\040b UUID=1 - timeout=2min,content=any,ca=/etc/a\\054b",
            "d1 /dev/sdc - key-slot=1,machine-name=vm,vault-suffix=a.b,identity=client-id:x",
            "d2 LABEL=x /k header=/h:UUID=2,bitlk,prompt,netdev,_netdev,discard,key-only",
        ]));
        seeds
    },
    words: WORDS,
};

/// /etc/crypttab, with ADE's lines and others, and what becomes of them when they are adopted.
pub const CRYPTTAB: Target = Target {
    name: "crypttab",
    run: crypttab,
    seeds: || {
        ["ade", "broken", "precedence", "cmdline-booted"]
            .iter()
            .map(|name| fixture(&format!("config/{name}/etc/crypttab")))
            .collect()
    },
    words: WORDS,
};

/// ADE's azure_crypt_mount.
pub const AZURE_CRYPT_MOUNT: Target = Target {
    name: "azure-crypt-mount",
    run: azure_crypt_mount,
    seeds: || {
        ["ade", "broken", "precedence"]
            .iter()
            .map(|name| format!("config/{name}/var/lib/azure_disk_encryption_config"))
            .map(|place| fixture(&format!("{place}/azure_crypt_mount")))
            .collect()
    },
    words: WORDS,
};

/// crypttab(5) with our keyscript, in an image and in the environment of the keyscript.
pub const KEYSCRIPT: Target = Target {
    name: "keyscript",
    run: keyscript,
    seeds: || {
        texts(&[
            "d1 UUID=1 none luks,keyscript=/usr/lib/bek-unlock/keyscript,tries=3\n",
            "d1 UUID=1 kv.vault.azure.net/secrets/a keyscript=/lib/bek-unlock/keyscript",
            "d1\nUUID=1\nLinuxPassPhraseFileName_1_0\nluks,header=/h\n/h\n1\n2",
        ])
    },
    words: WORDS,
};

fn bektab(data: &[u8]) {
    let path = Origin::Bektab.path();
    let all = consistent(Origin::Bektab, data);
    // Each of them reads the whole file again.
    for entry in all.entries.iter().take(8) {
        let line = render::line(&entry.volume).unwrap();
        // Its own line put in place of itself changes nothing that is read.
        let put = edit::put(data, &entry.volume.name, &line).unwrap();
        let again = Configuration::parse(Origin::Bektab, path, &put);
        assert_eq!(again.entries, all.entries, "{line}");
    }
}

fn crypttab(data: &[u8]) {
    consistent(Origin::Crypttab, data);
    let texts =
        Texts { crypttab: Some(data.to_vec()), fstab: Some(data.to_vec()), ..Texts::default() };
    adopted(&texts);
}

fn azure_crypt_mount(data: &[u8]) {
    consistent(Origin::AzureCryptMount, data);
    adopted(&Texts { azure_crypt_mount: Some(data.to_vec()), ..Texts::default() });
}

/// What is planned can be done, and is done once.
fn adopted(texts: &Texts) {
    let plan = adopt::plan(texts, &BTreeSet::new()).unwrap();
    plan.steps.iter().for_each(|step| super::plain(&step.old));
    plan.warnings.iter().for_each(|warning| super::plain(warning));
    let moved = |step: &&adopt::Step| matches!(step.action, Action::Move(_));
    assert_eq!(plan.steps.iter().any(|step| moved(&step)), {
        plan.crypttab.is_some() && plan.bektab.is_some()
    });
    let after = Texts {
        bektab: plan.bektab.or_else(|| texts.bektab.clone()),
        crypttab: plan.crypttab.or_else(|| texts.crypttab.clone()),
        ..texts.clone()
    };
    let second = adopt::plan(&after, &BTreeSet::new()).unwrap();
    assert_eq!((second.bektab, second.crypttab), (None, None));
}

fn keyscript(data: &[u8]) {
    for listed in keyscript::listed(data) {
        match listed.volume {
            Ok(volume) => assert!(!volume.name.as_str().is_empty()),
            Err(problem) => marked(&problem),
        }
    }
    const NAMES: [&str; 7] = [
        "CRYPTTAB_NAME",
        "CRYPTTAB_SOURCE",
        "CRYPTTAB_KEY",
        "CRYPTTAB_OPTIONS",
        "CRYPTTAB_OPTION_header",
        "CRYPTTAB_OPTION_keyslot",
        "CRYPTTAB_TRIED",
    ];
    let values = data.split(|byte| *byte == b'\n').map(|value| OsString::from_vec(value.to_vec()));
    match keyscript::request(NAMES.iter().map(OsString::from).zip(values)) {
        Ok(request) => assert!(!request.volume.name.as_str().is_empty()),
        Err(problem) => marked(&problem),
    }
}

/// Reads a file; each name is there once and is found, each problem is marked where it is.
fn consistent(origin: Origin, data: &[u8]) -> Configuration {
    let all = Configuration::parse(origin, origin.path(), data);
    let mut names = BTreeSet::new();
    for entry in &all.entries {
        let name = &entry.volume.name;
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert_eq!(all.find(name), Ok(entry));
        assert!((1..=data.len().max(1)).contains(&entry.line));
    }
    all.problems.iter().for_each(marked);
    for name in all.refused_names() {
        assert!(all.find(&name).is_err());
    }
    all
}

/// A problem of a line marks a part of it.
pub fn marked(problem: &Kind) {
    said(problem);
    let Kind::Configuration(diagnostic) = problem else { return };
    let characters = diagnostic.text.chars().count();
    assert!(diagnostic.length >= 1);
    assert!((1..=characters + 1).contains(&diagnostic.column), "{diagnostic:?}");
    assert!(diagnostic.column + diagnostic.length <= characters + 2, "{diagnostic:?}");
}
