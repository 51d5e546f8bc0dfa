//! The kernel command line on top of an image's bektab: what it does not name stays as it is, and
//! what it says wrongly opens nothing.

use bek_unlock::config::{Configuration, Origin, at_boot};

use super::config::marked;
use super::{Target, fixture};

/// `rd.bek.*` and ADE's words.
pub const CMDLINE: Target = Target {
    name: "cmdline",
    run: cmdline,
    seeds: || {
        const NAMES: [&str; 8] = [
            "ade-empty",
            "ade-rhel8",
            "ade-ubuntu",
            "booted",
            "bytes",
            "grub-quoted",
            "legacy",
            "slips",
        ];
        let path = |name: &&str| format!("config/cmdline-{name}/proc/cmdline");
        NAMES.iter().map(|name| fixture(&path(name))).collect()
    },
    words: &[
        "rd.bek=0 ",
        "rd.ade=0 ",
        "rd.bek.device=osencrypt=",
        "rd.bek.key=data1=",
        "rd.bek.options=data1=",
        "rd.bek.name=",
        "rd.luks.ade.partuuid=",
        "rd.luks.ade.bootuuid=",
        "rd_NO_ADE",
        "osencrypt",
        "\"",
        "UUID=",
    ],
};

fn cmdline(data: &[u8]) {
    let image = Configuration::parse(
        Origin::Bektab,
        Origin::Bektab.path(),
        b"osencrypt UUID=1 - header=/boot/luks/osluksheader\ndata1 UUID=2 - nofail\nbad -\n",
    );
    let text = String::from_utf8_lossy(data);
    let all = at_boot(image.clone(), &text);
    all.problems.iter().chain(all.refused.values()).for_each(marked);
    for entry in all.entries.iter().filter(|entry| entry.origin == Origin::CommandLine) {
        let name = &entry.volume.name;
        assert!(!all.refused.contains_key(name), "{name} is refused and there");
        assert!(text.contains(name.as_str()) || name.as_str() == "osencrypt");
    }
    for entry in &image.entries {
        let name = &entry.volume.name;
        let kept = all.entries.iter().filter(|other| other.volume.name == *name).count();
        assert_eq!(kept, 1, "{name}");
        let ade = text.contains("ade") || text.contains("rd_LUKS");
        if !text.contains(name.as_str()) && !ade {
            assert_eq!(all.find(name).map(|found| &found.volume), Ok(&entry.volume));
        }
    }
    all.refused.keys().for_each(|name| assert!(all.find(name).is_err()));
    // What stands alone is read as what stands on top of nothing.
    let alone = Configuration::parse(Origin::CommandLine, Origin::CommandLine.path(), data);
    assert_eq!(alone, at_boot(Configuration::default(), &text));
}
