use std::time::Duration;

use super::*;
use crate::check::Level;
use crate::check::tests::entry;
use crate::volume::KeySpec;

#[test]
fn times_of_fstab_are_compared_with_that_of_the_unlock() {
    let of = |option: &str, timeout: Option<u64>| {
        let text = format!("/dev/mapper/data1 /srv ext4 nofail,{option} 0 2\n");
        let lines = fstab::parse(&text);
        let entry = entry("UUID=1", |options| {
            options.nofail = true;
            options.timeout.0 = timeout.map(Duration::from_secs);
        });
        mounts(&lines).of(&entry, &|_| false, &|_| false).remove(0).level
    };
    for (option, timeout, level) in [
        ("x-systemd.device-timeout=5", Some(90), Level::Warning),
        ("x-systemd.device-timeout=1min", Some(90), Level::Warning),
        ("x-systemd.device-timeout=2min", Some(90), Level::Good),
        ("x-systemd.device-timeout=90s", Some(90), Level::Good),
        ("x-systemd.device-timeout=0", Some(90), Level::Good),
        ("x-systemd.device-timeout=900", None, Level::Warning),
        ("x-systemd.device-timeout=infinity", Some(90), Level::Good),
        ("noatime", None, Level::Good),
    ] {
        assert_eq!(of(option, timeout), level, "{option} {timeout:?}");
    }
}

fn mounts(lines: &[fstab::Line]) -> Mounts<'_> {
    Mounts { lines, network_is_early: false }
}

#[test]
fn a_mount_needs_netdev_where_the_network_is_late_and_the_key_comes_from_there() {
    let of = |text: &str, early: bool, key: KeySpec| {
        let lines = fstab::parse(text);
        let mut entry = entry("UUID=1", |_| {});
        entry.volume.key = key;
        let mounts = Mounts { network_is_early: early, ..mounts(&lines) };
        // By what is on it, as long as the volume is open.
        let opened = |spec: &DeviceSpec| *spec == DeviceSpec::Uuid("c0ffee".to_owned());
        let found = mounts.of(&entry, &|_| false, &opened);
        found.first().map(|finding| finding.level)
    };
    let secret = || {
        let id = crate::azure::id::SecretId::parse("https://v.vault.azure.net/secrets/s");
        KeySpec::Secret(id.unwrap())
    };
    let line = "/dev/mapper/data1 /srv ext4 defaults 0 2\n";
    assert_eq!(of(line, false, secret()), Some(Level::Bad));
    assert_eq!(of("UUID=c0ffee /srv ext4 defaults\n", false, secret()), Some(Level::Bad));
    assert_eq!(of(line, true, secret()), Some(Level::Good));
    assert_eq!(of(line, false, KeySpec::Find), Some(Level::Good));
    let with = "/dev/mapper/data1 /srv ext4 defaults,_netdev 0 2\n";
    assert_eq!(of(with, false, secret()), Some(Level::Good));
    assert_eq!(of("UUID=other /srv ext4 defaults\n", false, secret()), None);
}

#[test]
fn the_root_is_not_mounted_with_nofail() {
    let lines = fstab::parse("/dev/mapper/data1 / ext4 defaults 0 1\n");
    let found = |nofail| {
        let entry = entry("UUID=1", |options| options.nofail = nofail);
        mounts(&lines).of(&entry, &|_| false, &|_| false).remove(0)
    };
    assert_eq!(found(false).level, Level::Good);
    assert_eq!(found(true).level, Level::Warning);
}

/// What is said of this line of fstab, by the name of the volume or by what is on it.
fn about(fstab: &str, options: impl FnOnce(&mut Options)) -> Finding {
    let lines = fstab::parse(fstab);
    let opened = |spec: &DeviceSpec| *spec == DeviceSpec::Uuid("c0ffee".to_owned());
    mounts(&lines).of(&entry("UUID=1", options), &|_| false, &opened).remove(0)
}

fn is_good(found: &Finding, text: &str) {
    assert_eq!((found.level, found.text.as_str()), (Level::Good, text), "{found:?}");
}

fn is_warning(found: &Finding, text: &str, advice: &str) {
    assert_eq!((found.level, found.text.as_str()), (Level::Warning, text), "{found:?}");
    assert_eq!(found.advice.as_deref(), Some(advice));
}

#[test]
fn only_the_path_of_its_name_is_waited_for_as_long_as_the_unlock_takes() {
    let slow = |options: &mut Options| options.timeout.0 = Some(Duration::from_secs(300));
    let ever = |options: &mut Options| options.timeout.0 = None;
    let advice = "write /dev/mapper/data1 in that line of /etc/fstab, or add \
                  x-systemd.device-timeout=";
    let (text, by_uuid) =
        ("/srv gives up after 90s, while the unlock may take", "UUID=c0ffee /srv");
    let found = about(&format!("{by_uuid} ext4 defaults"), slow);
    is_warning(&found, &format!("{text} 300 s"), &format!("{advice}330s"));
    let found = about(&format!("{by_uuid} ext4 defaults"), ever);
    is_warning(&found, &format!("{text} for ever"), &format!("{advice}infinity"));
    is_good(&about(&format!("{by_uuid} ext4 defaults"), |_| {}), "mounted at /srv");
    is_good(
        &about(&format!("{by_uuid} ext4 x-systemd.device-timeout=330s"), slow),
        "mounted at /srv",
    );
    let found = about(&format!("{by_uuid} ext4 x-systemd.device-timeout=2min"), slow);
    is_warning(
        &found,
        "/srv gives up after 2min, while the unlock may take 300 s",
        "write x-systemd.device-timeout=330s in that line of /etc/fstab",
    );
    is_good(&about("/dev/mapper/data1 /srv ext4 defaults", slow), "mounted at /srv");
    // A boot goes on without it; and what the initramfs opens is there.
    let optional = |options: &mut Options| {
        slow(options);
        options.nofail = true;
    };
    is_good(&about(&format!("{by_uuid} ext4 nofail"), optional), "mounted at /srv");
    let early = |options: &mut Options| {
        slow(options);
        options.initrd = true;
    };
    is_good(&about(&format!("{by_uuid} ext4 defaults"), early), "mounted at /srv");
}

#[test]
fn with_noauto_only_the_path_of_its_name_opens_the_volume() {
    let noauto = |options: &mut Options| options.noauto = true;
    let text = "/srv waits for UUID=c0ffee, which does not start a volume with noauto";
    let advice = "write /dev/mapper/data1 in that line of /etc/fstab";
    let found = about("UUID=c0ffee /srv ext4 defaults", noauto);
    assert_eq!((found.level, found.text.as_str()), (Level::Bad, text));
    for options in ["nofail", "x-systemd.automount", "noauto,x-systemd.automount"] {
        is_warning(&about(&format!("UUID=c0ffee /srv ext4 {options}"), noauto), text, advice);
    }
    is_good(&about("UUID=c0ffee /srv ext4 noauto", noauto), "mounted at /srv by hand");
    is_good(&about("/dev/mapper/data1 /srv ext4 nofail", noauto), "mounted at /srv");
    // Another mount starts it.
    let both = "UUID=c0ffee /srv ext4 nofail\n/dev/mapper/data1 /srv/a ext4 nofail\n";
    is_good(&about(both, noauto), "mounted at /srv");
    let none = "UUID=c0ffee /srv ext4 nofail\n/dev/mapper/data1 /srv/a ext4 noauto\n";
    is_warning(&about(none, noauto), text, advice);
    // Nothing but crypttab starts a volume with key-only.
    let key_only = |options: &mut Options| (options.key_only, options.noauto) = (true, true);
    is_good(&about("UUID=c0ffee /srv ext4 nofail", key_only), "mounted at /srv");
}

#[test]
fn an_automount_waits_for_no_volume() {
    let line = "/dev/mapper/data1 /srv ext4 x-systemd.automount";
    let text = "mounted at /srv when somebody goes there";
    is_good(&about(line, |_| {}), text);
    is_good(&about(line, |options| options.nofail = true), text);
    let opens = format!("{text}, which opens the volume");
    is_good(&about(line, |options| options.noauto = true), &opens);
    is_good(&about(&format!("{line},noauto"), |options| options.noauto = true), &opens);
    is_good(&about(&format!("{line},nofail"), |_| {}), text);
    // Who starts that one is crypttab's to say.
    let key_only = |options: &mut Options| (options.key_only, options.noauto) = (true, true);
    is_good(&about(line, key_only), text);
    let lines = fstab::parse(line);
    let mut entry = entry("UUID=1", |_| {});
    let id = crate::azure::id::SecretId::parse("https://v.vault.azure.net/secrets/s");
    entry.volume.key = KeySpec::Secret(id.unwrap());
    is_good(&mounts(&lines).of(&entry, &|_| false, &|_| false)[0], text);
    assert!(!pull_in(&lines, &entry));
}

#[test]
fn a_mount_by_hand_is_not_one_with_nofail() {
    let line = "/dev/mapper/data1 /srv ext4 noauto";
    is_good(&about(line, |_| {}), "mounted at /srv by hand");
    is_good(&about(line, |options| options.nofail = true), "mounted at /srv by hand");
    is_warning(
        &about("/dev/mapper/data1 /srv ext4 nofail", |_| {}),
        "/srv has nofail, and its line in bektab has not: a boot waits for it",
        "add nofail in bektab, too",
    );
}

#[test]
fn advice_names_what_the_line_in_bektab_has() {
    let line = "/dev/mapper/data1 /srv ext4 defaults";
    let text = "/srv has no nofail: a boot with the volume closed ends in a shell";
    let as_there = "add nofail to that line of /etc/fstab, as in bektab";
    is_warning(&about(line, |options| options.nofail = true), text, as_there);
    let one_of = "add nofail, noauto or x-systemd.automount to that line of /etc/fstab";
    is_warning(&about(line, |options| options.noauto = true), text, one_of);
}

#[test]
fn what_the_initramfs_opens_needs_no_netdev() {
    let lines = fstab::parse("/dev/mapper/data1 /srv ext4 defaults\n");
    let id = || crate::azure::id::SecretId::parse("https://v.vault.azure.net/secrets/s").unwrap();
    for (initrd, level) in [(false, Level::Bad), (true, Level::Good)] {
        let mut entry = entry("UUID=1", |options| options.initrd = initrd);
        entry.volume.key = KeySpec::Secret(id());
        assert_eq!(mounts(&lines).of(&entry, &|_| false, &|_| false)[0].level, level);
    }
}

#[test]
fn a_mount_at_boot_pulls_in_what_the_generator_makes_units_for() {
    let pulls = |text: &str, entry: &Entry| pull_in(&fstab::parse(text), entry);
    let ours = entry("UUID=1", |options| options.noauto = true);
    assert!(pulls("/dev/mapper/data1 /srv ext4 defaults\n", &ours));
    assert!(pulls("/dev/mapper/data1 /srv ext4 nofail\n", &ours));
    assert!(!pulls("/dev/mapper/data1 /srv ext4 noauto\n", &ours));
    assert!(!pulls("/dev/mapper/data2 /srv ext4 defaults\n", &ours));
    let ade = Entry { origin: Origin::Crypttab, ..ours };
    assert!(!pulls("/dev/mapper/data1 /srv ext4 defaults\n", &ade));
}
