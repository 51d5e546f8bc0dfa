//! Volumes whose keyscript asks this program, and which another opens.

use super::*;

/// Lines of crypttab, each with our keyscript.
pub(super) fn asking(lines: &[&str]) -> Machine {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{line},keyscript=/usr/lib/bek-unlock/keyscript\n"))
        .collect();
    Machine::new("").with(|m| m.crypttab = lines.concat())
}

#[test]
fn a_keyscript_gets_what_a_line_of_bektab_would() {
    let plan = asking(&["a UUID=5f1e none luks"]).plan();
    assert_eq!((plan.keyscripts.as_slice(), plan.volumes.len()), (&["a".to_owned()][..], 0));
    assert!(plan.lines.is_empty() && plan.files.is_empty() && plan.network.is_none());
    assert!(plan.modules.contains("vfat") && plan.modules.contains("dm_crypt"));
    assert!(plan.render().starts_with("keyscript\ta\n"), "{}", plan.render());
    assert_eq!(plan.said(), [""; 0]);

    let kek = "/etc/keys/root luks,kek=https://v.vault.azure.net/keys/k/1";
    let machine = |key: &[u8]| {
        let machine = asking(&[&format!("a UUID=5f1e {kek}")]);
        machine.with(|m| drop(m.files.insert("/etc/keys/root".into(), key.to_vec())))
    };
    let wrapped = machine(&[0xfe; 256]).plan();
    assert!(wrapped.files.contains(Path::new("/etc/keys/root")) && wrapped.said().is_empty());
    assert_eq!(wrapped.network, Some(Network::Always));
    let plain = machine(b"hunter2").plan();
    assert!(!plain.files.contains(Path::new("/etc/keys/root")));
    assert!(plain.said()[0].contains("is not wrapped, and not copied"), "{:?}", plain.said());
}

#[test]
fn each_keyscript_s_vault_has_its_authorities() {
    let lines =
        ["a UUID=5f1e v.vault.azure.net/secrets/s ca=/etc/own.pem", "b UUID=77aa none luks"];
    let vault = ["b UUID=77aa none vault=https://v.vault.azure.net"];
    let files = |lines: &[&str]| {
        let machine = asking(lines);
        let machine = machine.with(|m| drop(m.files.insert("/etc/own.pem".into(), Vec::new())));
        let plan = machine.plan();
        assert_eq!(plan.said(), [""; 0]);
        plan.files.into_iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(files(&lines), ["/etc/hostname", "/etc/own.pem"]);
    let both = [lines[0], vault[0]];
    assert_eq!(files(&both), ["/etc/hostname", "/etc/own.pem", "/etc/ssl/ca.pem"]);
}

#[test]
fn a_keyscript_that_will_find_no_key_is_said() {
    for (line, words) in [
        ("a UUID=5f1e a/b luks", "a: /etc/crypttab: a file name on the key disk has no /"),
        ("a UUID=5f1e none header=/boot/luks/h", "a: the header /boot/luks/h is on a file"),
    ] {
        let machine = asking(&[line]);
        let plan = machine.with(|m| drop(m.files.insert("/boot/luks/h".into(), Vec::new()))).plan();
        assert_eq!((plan.keyscripts.len(), plan.said().len()), (1, 1), "{:?}", plan.said());
        assert!(plan.said()[0].starts_with(words), "{:?}", plan.said());
    }
}

#[test]
fn a_keyscript_s_volume_is_opened_once() {
    // ADE's name and no key make it ADE's line, too.
    let plan = asking(&["osencrypt UUID=5f1e none luks"]).plan();
    assert_eq!((names_of(&plan), plan.lines.len()), (vec![], 0));
    assert_eq!(plan.keyscripts, ["osencrypt"]);
    let both = asking(&["osencrypt UUID=5f1e none luks"])
        .with(|m| m.bektab = "osencrypt UUID=5f1e - x-initrd.attach\n".to_owned());
    assert!(both.warnings()[0].starts_with("osencrypt: line 1 of /etc/crypttab opens it, too"));
}
