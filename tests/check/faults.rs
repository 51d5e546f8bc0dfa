//! One thing wrong each: the finding names it, says what to do, and the exit status is that of the
//! unlock that would fail.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::setup::{GENERATOR, Setup, UNITS, found, key};
use crate::world::{KEK, OLDER, VAULT, contoso};

/// Asserts that the report has one bad finding, beginning and advising like this, and its status.
#[track_caller]
fn fails(setup: Setup, status: i32, words: &str, advice: &str) {
    let run = setup.check(&["--json"]);
    let report = run.json();
    assert_eq!(run.status, Some(status), "{run:#?}");
    assert_eq!(report["exit_status"], status);
    let bad = found(&run, "failed");
    let [one] = bad.as_slice() else { panic!("{bad:#?}") };
    let (text, advised) = one.split_once(" -> ").unwrap();
    assert!(text.contains(words), "{words:?} is missing in {one:?}");
    assert!(advised.contains(advice), "{advice:?} is missing in {one:?}");
    let shown = run.refuses(status, "cannot vouch for the next boot");
    // One object, and one block.
    assert_eq!(shown.stdout.lines().count(), 1, "{shown:#?}");
}

fn changed(change: impl FnOnce(&mut Value)) -> Setup {
    let mut scenario = contoso();
    change(&mut scenario);
    Setup::with(scenario)
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_the_disk() {
    let setup = Setup::new();
    setup.lines(&[&format!(
        "data1 UUID=5f1e8a52-0b7c-4c1e-9d35-1f2f6f6b8a10 {VAULT}/secrets/ade nofail"
    )]);
    fails(setup, 4, "device no disk has UUID=5f1e8a52", "lsblk");

    let setup = Setup::new();
    fs::write(&setup.disk, vec![0; 24 << 20]).unwrap();
    fails(setup, 4, "header no usable header in", "blkid");

    let setup = Setup::new();
    setup.bektab(&format!("{VAULT}/secrets/ade"), "nofail,header=/boot/luks/gone");
    fails(setup, 4, "/boot/luks/gone: no such file or device", "lsblk");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_damaged_header_is_not_mended() {
    let setup = Setup::new();
    // The first of the two copies; libcryptsetup would write it anew.
    let mut bytes = fs::read(&setup.disk).unwrap();
    bytes[4096..4100].copy_from_slice(b"XXXX");
    fs::write(&setup.disk, bytes).unwrap();
    // Setup::check compares the disk before and after.
    setup.check(&["--json"]).good();
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_local_keys() {
    let setup = Setup::new();
    setup.bektab("/etc/gone.key", "nofail");
    fails(setup, 4, "file /etc/gone.key does not exist", "");

    let setup = Setup::new();
    fs::write("/etc/w", b"of another disk").unwrap();
    setup.bektab("/etc/w", "nofail");
    fails(setup, 2, "file the key from file /etc/w does not fit", "");

    let setup = Setup::new();
    setup.bektab("-", "nofail");
    fails(setup, 4, "key-disk no key disk", "");

    let mut setup = Setup::new();
    setup.key_disk(&[("readme.txt", b"x")]);
    setup.bektab("LinuxPassPhraseFileName_1_0", "nofail");
    fails(setup, 4, "has no file LinuxPassPhraseFileName_1_0", "");

    let mut setup = Setup::new();
    setup.key_disk(&[("LinuxPassPhraseFileName_1_0", b"of another disk")]);
    setup.bektab("LinuxPassPhraseFileName_1_0", "nofail");
    fails(setup, 2, "does not fit", "");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_the_metadata_service() {
    let setup = changed(|azure| azure["imds"]["identities"] = json!([]));
    fails(setup, 77, "no usable managed identity", "identity");

    let setup = changed(|azure| {
        azure["faults"] =
            json!([{"match": {"service": "imds"}, "times": "forever", "action": "drop"}]);
    });
    fails(setup, 69, "metadata service", "");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_the_vault() {
    let vault = |change: fn(&mut Value)| changed(move |azure| change(&mut azure["vaults"][0]));
    let setup = vault(|vault| vault["certificate"] = "expired".into());
    fails(setup, 76, "certificate", "");

    let setup = vault(|vault| vault["network"] = "firewall".into());
    fails(setup, 77, "answered before: token of the VM's identity", "");

    let setup = vault(|vault| vault["permissions"][0]["secrets"] = json!([]));
    fails(setup, 77, "no permission secrets/get", "");

    let setup = vault(|vault| vault["permissions"][0]["keys"] = json!([]));
    fails(setup, 77, "answered before: token of the VM's identity, secret ade", "");

    let setup = vault(|vault| vault["keys"][0]["versions"][0]["enabled"] = false.into());
    fails(setup, 77, "KeyDisabled", "enable the KEK");

    let setup = vault(|vault| vault["secrets"][0]["versions"][0]["enabled"] = false.into());
    fails(setup, 4, "disabled", "");

    let setup = Setup::new();
    setup.bektab(&format!("{VAULT}/secrets/gone"), "nofail");
    fails(setup, 4, "gone", "");

    let setup = Setup::new();
    setup.bektab("https://nowhere.vault.azure.net/secrets/ade", "nofail");
    fails(setup, 69, "nowhere", "");

    let setup = Setup::new();
    setup.bektab(&format!("{VAULT}/secrets/ade"), &format!("nofail,kek={KEK}/{OLDER}"));
    fs::write(setup.world.path("ca.pem"), "no certificate").unwrap();
    fails(setup, 76, "ca.pem", "");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_the_lines() {
    let setup = Setup::new();
    setup.lines(&[
        &format!("data1 {} {VAULT}/secrets/ade nofail", setup.disk.display()),
        "data2 /dev/sdc - nofial",
    ]);
    fails(setup, 1, "/etc/bektab:2:18: unknown option \"nofial\"", "nofail");

    // A line that parses is not held to account for another one.
    let setup = Setup::new();
    setup.lines(&[
        &format!("data1 {} {VAULT}/secrets/ade nofail", setup.disk.display()),
        "data2 /dev/sdc - nofial",
    ]);
    setup.check(&["data1"]).good();
    let refused = setup.check(&["data7"]).refuses(1, "no line for data7");
    assert_eq!(refused.stdout, "");
    let run = setup.check(&["--json", "data7"]);
    assert_eq!((run.status, &run.json()["error"]), (Some(1), &"not-configured".into()));
    fs::write("/etc/bektab", "").unwrap();
    setup.check(&[]).refuses(1, "no volume is configured");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_units() {
    let unit = |name: &str| format!("{UNITS}/{name}");
    let setup = Setup::new();
    setup.mask(&unit("bek-unlock@.service"));
    fails(setup, 1, "bek-unlock@.service is masked", "systemctl unmask");

    let setup = Setup::new();
    setup.mask(&unit("bek-unlock@data1.service"));
    fails(setup, 1, "bek-unlock@data1.service is masked", "systemctl unmask");

    let setup = Setup::new();
    fs::remove_file(unit("bek-unlock.target")).unwrap();
    fails(setup, 1, "bek-unlock.target is not installed", "install bek-unlock");

    let setup = Setup::new();
    setup.mask(GENERATOR);
    fails(setup, 1, "bek-unlock-generator is masked", "rm /etc/systemd");

    let setup = Setup::new();
    fs::set_permissions(GENERATOR, fs::Permissions::from_mode(0o644)).unwrap();
    fails(setup, 1, "may not be executed", "chmod 0755");

    let setup = Setup::new();
    let drop_in = unit("bek-unlock@data1.service.d/mine.conf");
    fs::create_dir_all(Path::new(&drop_in).parent().unwrap()).unwrap();
    fs::write(&drop_in, "[Unit]\n").unwrap();
    let warnings = found(&setup.check(&["--json"]).good(), "warning");
    assert!(warnings[0].contains("mine.conf changes bek-unlock@data1.service"), "{warnings:?}");
    drop(setup);

    // ADE's names have hyphens, and systemd's backslash is the shell's, too.
    let setup = Setup::new();
    setup.lines(&[&format!("data-1 {} {VAULT}/secrets/ade nofail", setup.disk.display())]);
    setup.fstab("");
    setup.mask(&unit("bek-unlock@data\\x2d1.service"));
    fails(setup, 1, "is masked by", "systemctl unmask 'bek-unlock@data\\x2d1.service'");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_what_talks_to_the_network() {
    let unit = |name: &str| format!("{UNITS}/{name}");
    let closed = "so its unit does not reach Key Vault";
    for name in ["bek-unlock-network.socket", "bek-unlock-network.service"] {
        let setup = Setup::new();
        setup.mask(&unit(name));
        fails(setup, 1, closed, &format!("systemctl unmask {name}"));
        let setup = Setup::new();
        fs::remove_file(unit(name)).unwrap();
        fails(setup, 1, closed, "install bek-unlock");
    }
    // A volume whose key is on a disk opens without, today.
    let mut setup = Setup::new();
    setup.key_disk(&[("LinuxPassPhraseFileName_1_0", key())]);
    setup.bektab("-", &format!("nofail,_netdev,vault={VAULT},machine-name=root-ring"));
    setup.mask(&unit("bek-unlock-network.socket"));
    let warnings = found(&setup.check(&["--json"]).good(), "warning");
    assert!(warnings.len() == 1 && warnings[0].contains(closed), "{warnings:?}");
    setup.bektab("LinuxPassPhraseFileName_1_0", "nofail");
    let run = setup.check(&["--json"]).good();
    assert_eq!(found(&run, "warning"), [""; 0]);
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_who_answers_for_a_key() {
    let unit = |name: &str| format!("{UNITS}/{name}");
    let key_only = || {
        let setup = Setup::new();
        setup.bektab(&format!("{VAULT}/secrets/ade"), "nofail,key-only");
        setup.crypttab("data1 /dev/sdc none luks\n");
        setup
    };
    fails(key_only(), 1, "bek-unlock-key@data1.socket is not enabled", "systemctl enable");
    let enabled = || {
        let setup = key_only();
        let wants = unit("systemd-cryptsetup@data1.service.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink(unit("bek-unlock-key@.socket"), format!("{wants}/bek-unlock-key@data1.socket"))
            .unwrap();
        setup
    };
    enabled().check(&["--json"]).good();
    for name in [
        "bek-unlock-key@data1.socket",
        "bek-unlock-key@data1.service",
        "bek-unlock-key@.socket",
        "bek-unlock-key@.service",
    ] {
        let setup = enabled();
        setup.mask(&unit(name));
        fails(setup, 1, &format!("{name} is masked"), "systemctl unmask");
    }
    let setup = enabled();
    fs::remove_file(unit("bek-unlock-key@.service")).unwrap();
    fails(setup, 1, "bek-unlock-key@.service is not installed", "install bek-unlock");
    let setup = enabled();
    setup.crypttab("data1 /dev/sdc /etc/keys/data1 luks\n");
    let warnings = found(&setup.check(&["--json"]).good(), "warning");
    assert!(warnings[0].contains("names the key /etc/keys/data1, which is tried"), "{warnings:?}");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_lines_with_our_keyscript() {
    let script = "luks,initramfs,keyscript=/usr/lib/bek-unlock/keyscript";
    let crypttab = format!("root /dev/sda3 {VAULT}/secretz/x {script}\n");
    // Beside a good line, and alone.
    let setup = Setup::new();
    setup.crypttab(&crypttab);
    let run = setup.check(&["--json"]);
    let bad = found(&run, "failed").join("\n");
    assert!(run.status == Some(1) && bad.contains("line /etc/crypttab"), "{bad}");
    fs::remove_file("/etc/bektab").unwrap();
    let alone = setup.check(&[]).refuses(1, "cannot vouch for the next boot");
    assert!(alone.stdout.contains("/etc/crypttab: unknown path"), "{alone:?}");
    setup.check(&["root"]).refuses(1, "/etc/crypttab");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn faults_of_crypttab_and_fstab() {
    let setup = Setup::new();
    setup.crypttab("# by hand\ndata1 /dev/sdx none luks\n");
    fails(setup, 1, "line 2 of /etc/crypttab opens it, too", "adopt");

    let setup = Setup::new();
    setup.crypttab(&format!("other {} none luks\n", setup.disk.display()));
    fails(setup, 1, "opens the same device", "remove one");

    let setup = Setup::new();
    setup.fstab(&format!("{} /srv ext4 nofail 0 2\n", setup.disk.display()));
    fails(setup, 1, "the encrypted device", "/dev/mapper/data1");

    let setup = Setup::new();
    setup.fstab("/dev/mapper/data1 /srv ext4 defaults 0 2\n");
    fails(setup, 1, "/srv has no _netdev", "add _netdev");

    for (line, words) in [
        ("/dev/mapper/data1 /srv ext4 _netdev 0 2\n", "fstab /srv has no nofail"),
        (
            "/dev/mapper/data1 /srv ext4 nofail,_netdev,x-systemd.device-timeout=5 0 2\n",
            "fstab /srv gives up after 5",
        ),
        (
            "LABEL=BEK\\040VOLUME /mnt/azure_bek_disk auto defaults 0 0\n",
            "fstab /mnt/azure_bek_disk is mounted without nofail",
        ),
    ] {
        let setup = Setup::new();
        setup.fstab(line);
        let run = setup.check(&["--json"]).good();
        let warnings = found(&run, "warning");
        assert!(warnings.iter().any(|one| one.starts_with(words)), "{words}: {warnings:?}");
    }
    let setup = Setup::new();
    setup.bektab(&format!("{VAULT}/secrets/ade"), "timeout=90s");
    let warnings = found(&setup.check(&["--json"]).good(), "warning");
    assert!(warnings[0].contains("its line in bektab has not"), "{warnings:?}");
}
