//! What the plan warns of.

use super::keyscripts::asking;
use super::*;

#[test]
fn whatever_would_keep_the_image_from_unlocking_is_said() {
    let os = || Machine::new(&format!("{OS},x-initrd.attach\n"));
    let says = |machine: Machine, closed: bool, words: &str| {
        let warnings = machine.plan().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].text.contains(words), "{warnings:?}");
        assert_eq!(warnings[0].closed, closed, "{warnings:?}");
    };
    says(
        os().with(|m| m.files.clear()),
        true,
        "osencrypt: the header /boot/luks/osluksheader is not there; put it there, then: dracut",
    );
    says(
        Machine::new("osencrypt UUID=gone - x-initrd.attach\n"),
        true,
        "osencrypt: no device is UUID=gone now, so the next boot will not find it; mend line 1 of",
    );
    // A file system that is not mounted now holds whatever it holds.
    let unmounted = os().with(|m| {
        m.files.clear();
        m.boot.as_mut().unwrap().is_mounted = false;
    });
    assert_eq!(unmounted.warnings(), [""; 0]);
    says(
        os().with(|m| m.boot.as_mut().unwrap().device = None),
        true,
        "osencrypt: /boot, where the header is, has a file system without UUID",
    );
    says(
        os().with(|m| m.crypttab = "# x\nosencrypt UUID=1 none luks\n".to_owned()),
        false,
        "osencrypt: line 2 of /etc/crypttab opens it, too",
    );
    says(
        os().with(|m| m.command_line = "quiet rd.luks.name=5f=osencrypt\n".to_owned()),
        false,
        "osencrypt: rd.luks.name=5f=osencrypt on the kernel command line opens it, too",
    );
    says(
        os().with(|m| m.bektab += "root2 UUID=5f1e - x-initrd.attach,nofial\n"),
        true,
        "/etc/bektab:2:35: unknown option \"nofial\"; the image will not open it",
    );
    let vault = "root UUID=5f1e - x-initrd.attach,vault=https://v.vault.azure.net";
    says(Machine::new(vault).with(|m| m.authorities = None), false, "no certificate authorities");
    let ca = format!("{vault},ca=/etc/own.pem");
    says(Machine::new(&ca), false, "the CA bundle /etc/own.pem is not there");
    // Nothing else has the key.
    let only = "root UUID=5f1e https://v.vault.azure.net/secrets/s x-initrd.attach";
    says(Machine::new(only).with(|m| m.authorities = None), true, "no certificate authorities");
    let person = format!("{only},prompt");
    says(Machine::new(&person).with(|m| m.authorities = None), false, "no certificate authorities");
    let plain = "root UUID=5f1e /etc/keys/root x-initrd.attach";
    says(Machine::new(plain), true, "the key /etc/keys/root is not copied");
    let beside = format!("{plain},vault=https://v.vault.azure.net");
    says(Machine::new(&beside), false, "the key /etc/keys/root is not copied");
    let no_module =
        os().with(|m| drop(m.modules.insert("dm_crypt".to_owned(), ModuleState::Missing)));
    says(no_module, true, "the kernel has no dm_crypt");
}

#[test]
fn ades_own_scripts_beside_ours_are_said() {
    let hook = "/usr/share/initramfs-tools/hooks/crypt-ade-hook";
    let both = |machine: Machine| {
        machine.with(|m| {
            m.dracut_modules.extend(["91ade", "91adeOnline"].map(str::to_owned));
            m.files.insert(hook.into(), Vec::new());
        })
    };
    let warnings = |machine: &Machine, tool: Tool| {
        let plan = plan(&machine.configuration(), &machine.keyscripts(), machine, tool);
        plan.said().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let os = both(Machine::new(&format!("{OS},x-initrd.attach\n")));
    let said = warnings(&os, Tool::Dracut);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("91ade and 91adeOnline") && said[0].ends_with("then: dracut --force"));
    assert!(said[0].contains("omit_dracutmodules+=\" ade adeOnline \""), "{said:?}");
    for machine in [os, both(asking(&["a UUID=5f1e none luks"]))] {
        let said = warnings(&machine, Tool::InitramfsTools);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&format!("move {hook} to")), "{said:?}");
        assert!(said[0].ends_with("then: update-initramfs -u"), "{said:?}");
    }
    // Whoever opens nothing is in nobody's way.
    let none = both(Machine::new("data1 UUID=5f1e - nofail\n"));
    assert_eq!(warnings(&none, Tool::Dracut), [""; 0]);
    assert_eq!(warnings(&none, Tool::InitramfsTools), [""; 0]);
}
