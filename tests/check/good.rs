//! Set-ups of which a check has nothing bad to say, and what it says.

use std::fs;

use crate::setup::{Setup, found, key};
use crate::world::{KEK, OLDER, VAULT};

#[test]
#[ignore = "needs namespaces: make check-root"]
fn everything_on_the_way_is_named() {
    let setup = Setup::new();
    let run = setup.check(&["--json"]).good();
    assert_eq!(found(&run, "warning"), [""; 0]);
    let good = found(&run, "ok").join("\n");
    for words in [
        "line /etc/bektab:1",
        "header LUKS2, 1 keyslot",
        "key-vault key vault contoso-kv: ade/00000000 opens keyslot 0 (token of the VM's \
         identity, secret ade, unwrapKey by kek)",
        "unit bek-unlock@data1.service, started by remote-cryptsetup.target",
        "fstab mounted at /srv",
        "unit units and generator are installed",
    ] {
        assert!(good.contains(words), "{words:?} is missing in {good}");
    }
    let report = run.json();
    assert_eq!((&report["result"], &report["exit_status"]), (&"ok".into(), &0.into()));
    // It read, and let unwrap; nothing else.
    let asked = setup.world.requests();
    assert!(asked.iter().all(|request| !request.starts_with("PUT")), "{asked:?}");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_person_reads_plain_lines() {
    let setup = Setup::new();
    let run = setup.check(&["data1"]).good();
    assert_eq!((run.stderr.as_str(), run.stdout.is_ascii()), ("", true));
    assert!(run.stdout.lines().all(|line| line.len() <= 79), "{}", run.stdout);
    assert!(
        run.stdout.starts_with("data1\n  ok       line        /etc/bektab:1\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("\n\nthe next boot opens 1 volume\n"), "{}", run.stdout);
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn each_source_is_tried_whatever_the_others_say() {
    let mut setup = Setup::new();
    setup.key_disk(&[
        ("LinuxPassPhraseFileName", b"of another disk"),
        ("LinuxPassPhraseFileName_1_0", key()),
    ]);
    setup.bektab("-", &format!("nofail,_netdev,vault={VAULT},machine-name=root-ring"));
    let run = setup.check(&["--json"]).good();
    let good = found(&run, "ok");
    assert!(good.iter().any(|one| one.starts_with("key-disk key disk /dev/loop")), "{good:?}");
    assert!(good.iter().any(|one| one.starts_with("key-vault key vault contoso-kv: ")), "{good:?}");
    // The second is not asked at boot: it is tried for the day on which the first is not there.
    assert_eq!(setup.world.requests().iter().filter(|one| one.contains("unwrapkey")).count(), 1);
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn one_source_that_fails_beside_one_that_fits_is_a_warning() {
    let setup = Setup::new();
    setup.bektab("-", &format!("nofail,_netdev,vault={VAULT},machine-name=root-ring"));
    let run = setup.check(&["--json"]).good();
    let warnings = found(&run, "warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("key-disk none is attached, and each boot waits up to 10 s"));
    assert_eq!(run.json()["result"], "warning");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_line_of_crypttab_with_our_keyscript_is_proven_like_one_of_bektab() {
    let setup = Setup::new();
    setup.fstab("");
    fs::remove_file("/etc/bektab").unwrap();
    let ca = setup.world.path("ca.pem");
    let disk = setup.disk.display();
    setup.crypttab(&format!(
        "# by hand\nroot {disk} {VAULT}/secrets/ade \
         luks,initramfs,keyscript=/usr/lib/bek-unlock/keyscript,ca={}\n",
        ca.display()
    ));
    for words in [&["--json"][..], &["--json", "root"]] {
        let run = setup.check(words);
        let good = found(&run, "ok").join("\n");
        assert!(good.contains("line /etc/crypttab:2, opened in the initramfs"), "{good}");
        assert!(good.contains("ade/00000000 opens keyslot 0"), "{good}");
        // The image is looked for, too.
        let bad = found(&run, "failed");
        assert!(bad.len() == 1 && bad[0].starts_with("initramfs "), "{bad:?}");
    }
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_wrapped_key_on_the_key_disk_is_unwrapped() {
    let mut setup = Setup::new();
    let disk = setup.disk.to_str().unwrap().to_owned();
    let kek = format!("{KEK}/{OLDER}");
    let words = ["enroll", &disk, "--kek", &kek, "--key-file", "-", "--to-file", "/etc/w.wrapped"];
    setup.world.run(&[&words[..], &["--name", "data1"]].concat(), key()).good();
    let wrapped = fs::read("/etc/w.wrapped").unwrap();
    setup.key_disk(&[("LinuxPassPhraseFileName_1_0", &wrapped)]);
    setup.bektab("LinuxPassPhraseFileName_1_0", &format!("nofail,_netdev,kek={kek}"));
    let good = found(&setup.check(&["--json"]).good(), "ok").join("\n");
    assert!(good.contains("LinuxPassPhraseFileName_1_0, unwrapped opens keyslot 1"), "{good}");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_line_of_ade_is_opened_by_hand_until_it_is_adopted() {
    let mut setup = Setup::new();
    setup.fstab("");
    fs::remove_file("/etc/bektab").unwrap();
    setup.key_disk(&[("LinuxPassPhraseFileName_1_0", key())]);
    let line = format!(
        "data1 {} /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail\n",
        setup.disk.display()
    );
    setup.crypttab(&line);
    let run = setup.check(&["--json"]).good();
    let warnings = found(&run, "warning");
    assert!(warnings.len() == 1 && warnings[0].contains("bek-unlock adopt"), "{warnings:?}");
    assert!(found(&run, "ok").iter().any(|one| one.contains("opens keyslot 0")));
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_wrapped_key_in_a_file_is_unwrapped() {
    let setup = Setup::new();
    let enrolled = setup.world.run(
        &[
            "enroll",
            setup.disk.to_str().unwrap(),
            "--kek",
            &format!("{KEK}/{OLDER}"),
            "--key-file",
            "-",
            "--to-file",
            "/etc/w.wrapped",
            "--name",
            "data1",
        ],
        key(),
    );
    enrolled.good();
    setup.bektab("/etc/w.wrapped", &format!("nofail,kek={KEK}/{OLDER}"));
    let good = found(&setup.check(&["--json"]).good(), "ok").join("\n");
    assert!(good.contains("file file /etc/w.wrapped, unwrapped opens keyslot 1"), "{good}");
    assert!(good.contains("unwrapKey by kek"), "{good}");
}
