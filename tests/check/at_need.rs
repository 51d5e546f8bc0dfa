//! Volumes that no boot opens, and mounts that no boot waits for: nothing is asked of them that only
//! a boot needs, and none is counted as opened by it.

use std::fs;

use crate::setup::{GENERATOR, Setup, UNITS, found, key, tool};
use crate::world::VAULT;

const MISSING: &str = "UUID=5f1e8a52-0b7c-4c1e-9d35-1f2f6f6b8a10";

/// The line behind all findings, which may be two.
fn summary(setup: &Setup) -> String {
    let shown = setup.check(&[]).stdout;
    let (_, last) = shown.trim_end().rsplit_once("\n\n").unwrap();
    last.replace('\n', " ")
}

fn warnings(setup: &Setup) -> Vec<String> {
    found(&setup.check(&["--json"]).good(), "warning")
}

/// Beside `data1` a volume whose disk is not attached.
fn with_a_disk_that_is_gone(options: &str) -> Setup {
    let setup = Setup::new();
    setup.lines(&[
        &format!("data1 {} {VAULT}/secrets/ade nofail", setup.disk.display()),
        &format!("data2 {MISSING} {VAULT}/secrets/ade {options}"),
    ]);
    setup
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_disk_that_is_attached_later_is_no_failure() {
    let setup = with_a_disk_that_is_gone("noauto");
    let found = warnings(&setup);
    assert!(found.len() == 1 && found[0].starts_with("device no disk has UUID"), "{found:?}");
    let words = "the next boot opens 1 volume; 1 is opened at need or by hand only, with warnings";
    assert_eq!(summary(&setup), words);
    drop(setup);

    // A mount at boot needs it then.
    let setup = with_a_disk_that_is_gone("noauto");
    setup.fstab("/dev/mapper/data2 /srv ext4 nofail 0 2\n");
    setup.check(&[]).refuses(4, "cannot vouch for the next boot of data2");
    assert_eq!(summary(&setup), "the next boot leaves 1 volume closed, and opens 1");
    drop(setup);

    with_a_disk_that_is_gone("nofail").check(&[]).refuses(4, "of data2");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn without_a_generator_no_volume_is_counted_as_opened() {
    let setup = Setup::new();
    setup.mask(GENERATOR);
    assert_eq!(summary(&setup), "the next boot is not ready: see failed above");
    drop(setup);

    let setup = with_a_disk_that_is_gone("nofail");
    setup.mask(GENERATOR);
    assert_eq!(summary(&setup), "the next boot is not ready: see failed above");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_line_of_ade_is_not_counted_as_opened_by_the_boot() {
    let mut setup = Setup::new();
    setup.fstab("");
    fs::remove_file("/etc/bektab").unwrap();
    setup.key_disk(&[("LinuxPassPhraseFileName_1_0", key())]);
    let disk = setup.disk.display();
    let line = format!("data1 {disk} /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks\n");
    setup.crypttab(&line);
    let words = "the next boot opens no volume; 1 is opened at need or by hand only, with warnings";
    assert_eq!(summary(&setup), words);
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn another_name_in_crypttab_that_no_boot_opens_is_a_warning() {
    let setup = Setup::new();
    setup.crypttab(&format!("other {} none luks,noauto\n", setup.disk.display()));
    let words = "crypttab line 1 of /etc/crypttab opens the same device when it is asked to \
                 (noauto) -> remove one of the two lines";
    let found = warnings(&setup);
    assert!(found.len() == 1 && found[0].starts_with(words), "{found:?}");
    // The same name is one mapping.
    setup.crypttab("data1 /dev/sdx none luks,noauto\n");
    setup.check(&[]).refuses(1, "line 1 of /etc/crypttab opens it, too");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn mounts_that_no_boot_waits_for_lack_nothing() {
    for (fstab, options, words) in [
        ("x-systemd.automount", "nofail", "when somebody goes there"),
        ("x-systemd.automount", "timeout=90s", "when somebody goes there"),
        ("noauto,x-systemd.automount", "noauto", "goes there, which opens the volume"),
        ("noauto", "nofail", "by hand"),
        ("noauto", "timeout=90s", "by hand"),
    ] {
        let setup = Setup::new();
        setup.fstab(&format!("/dev/mapper/data1 /srv ext4 {fstab} 0 2\n"));
        setup.bektab(&format!("{VAULT}/secrets/ade"), options);
        let run = setup.check(&["--json"]).good();
        assert_eq!(found(&run, "warning"), [""; 0], "{fstab} {options}");
        let good = found(&run, "ok").join("\n");
        assert!(good.contains("fstab mounted at /srv") && good.contains(words), "{good}");
    }
    let setup = Setup::new();
    setup.fstab("/dev/mapper/data1 /srv ext4 _netdev 0 2\n");
    setup.bektab(&format!("{VAULT}/secrets/ade"), "noauto");
    let found = warnings(&setup);
    assert!(found.len() == 1 && found[0].contains("add nofail, noauto or x-systemd"), "{found:?}");
    assert_eq!(summary(&setup), "the next boot opens 1 volume, with warnings");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_network_that_a_generator_or_a_package_enables_is_early() {
    let setup = Setup::new();
    setup.fstab("/dev/mapper/data1 /srv ext4 defaults 0 2\n");
    setup.bektab(&format!("{VAULT}/secrets/ade"), "timeout=90s");
    setup.check(&[]).refuses(1, "/srv has no _netdev");
    // As netplan's generator does; nobody may find it after this case.
    tool(&["mount", "-t", "tmpfs", "tmpfs", "/run"]);
    let wants = "/run/systemd/generator/multi-user.target.wants";
    fs::create_dir_all(wants).unwrap();
    let name = "systemd-networkd.service";
    fs::write(format!("{wants}/{name}"), "").unwrap();
    let enabled = setup.check(&["--json"]);
    setup.mask(&format!("{UNITS}/{name}"));
    let masked = setup.check(&["--json"]);
    tool(&["umount", "/run"]);
    assert_eq!(found(&enabled.good(), "warning"), [""; 0]);
    masked.refuses(1, "/srv has no _netdev");
}
