//! Whole runs over a root of their own, ended at every step.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::volume::Volume;

const CRYPTTAB: &str = "\
# <name> <device> <key> <options>
swap /dev/sdb1 /dev/urandom swap
osencrypt PARTUUID=0c0a /mnt/azure_bek_disk/LinuxPassPhraseFileName luks,header=/boot/luks/osluksheader\
data1 /dev/sdc /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail
# the end";

const BEKTAB: &str = "# ours\nother UUID=5f1e - nofail";

const LEGACY: &str = "data2 /dev/sdd None /mnt/data2 ext4 False 0\n";

const FSTAB: &str = "UUID=1 / ext4 defaults 0 1\nLABEL=BEK\\040VOLUME /mnt/azure_bek_disk auto defaults,nofail 0 0\n";

const LEGACY_FILE: &str = "var/lib/azure_disk_encryption_config/azure_crypt_mount";

fn machine(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn ade() -> TempDir {
    machine(&[
        ("etc/bektab", BEKTAB),
        ("etc/crypttab", CRYPTTAB),
        ("etc/fstab", FSTAB),
        (LEGACY_FILE, LEGACY),
    ])
}

/// What a run says at the end.
fn adopt(root: &TempDir, dry_run: bool) -> Result<String, String> {
    let mut said = Vec::new();
    let ended = run(root.path(), dry_run, false, &mut |text| said.push(text.to_owned()));
    ended.map_err(|error| format!("{error}: {}", error.kind))?;
    assert_eq!(said.len(), 2);
    Ok(said.remove(1))
}

fn object(root: &TempDir, dry_run: bool) -> Value {
    let mut said = String::new();
    run(root.path(), dry_run, true, &mut |text| said.push_str(text)).unwrap();
    serde_json::from_str(&said).unwrap()
}

fn read(root: &TempDir, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).unwrap()
}

/// Path and text of every file.
fn tree(root: &TempDir) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => directories.push(entry.path()),
                _ => found.push((entry.path(), fs::read_to_string(entry.path()).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// The volumes that are found by name, but for what moving one of the root's adds.
fn volumes(root: &TempDir) -> Vec<Volume> {
    let configuration = config::load(root.path());
    let names = ["osencrypt", "data1", "data2", "other"].map(|name| {
        let name = crate::volume::VolumeName::parse(name).unwrap();
        let mut volume = configuration.find(&name).unwrap().volume.clone();
        volume.options.initrd = false;
        volume
    });
    names.into()
}

#[test]
fn the_files_are_changed_kept_and_can_be_put_back() {
    let root = ade();
    let before = (tree(&root), volumes(&root));
    let text = adopt(&root, false).unwrap();
    assert_eq!(volumes(&root), before.1);
    assert_eq!(
        read(&root, "etc/crypttab"),
        "# <name> <device> <key> <options>\nswap /dev/sdb1 /dev/urandom swap\n# the end"
    );
    let bektab = read(&root, "etc/bektab");
    assert!(bektab.starts_with(&format!("{BEKTAB}\n# Taken over")), "{bektab}");
    assert!(
        bektab.contains("\nosencrypt PARTUUID=0c0a LinuxPassPhraseFileName luks,x-initrd.attach,")
    );
    assert_eq!(read(&root, LEGACY_FILE), LEGACY);
    assert_eq!(read(&root, "etc/fstab"), FSTAB);
    // The way back, as it is printed.
    let undo = text.split_once("to undo it:\n").unwrap().1;
    let moves: Vec<_> = undo.lines().filter_map(|line| line.trim().strip_prefix("mv ")).collect();
    assert_eq!(moves.len(), 2);
    for words in moves {
        let (from, to) = words.split_once(' ').unwrap();
        let place = |path: &str| root.path().join(path.strip_prefix('/').unwrap());
        fs::rename(place(from), place(to)).unwrap();
    }
    assert_eq!(tree(&root), before.0);
}

#[test]
fn a_dry_run_changes_nothing_and_shows_the_same_plan() {
    let root = ade();
    let before = tree(&root);
    assert_eq!(adopt(&root, true).unwrap(), "nothing was changed: --dry-run\n");
    assert_eq!(tree(&root), before);
    let planned = object(&root, true);
    let done = object(&root, false);
    assert_eq!((&planned["result"], &done["result"]), (&"planned".into(), &"adopted".into()));
    assert_eq!(planned["steps"], done["steps"]);
    assert_eq!(done["steps"].as_array().unwrap().len(), 3);
    assert_eq!(planned["changed"], Value::Array(vec![]));
    assert_eq!(done["fstab"][0]["line"], 2);
    assert_eq!(done["changed"][1]["backup"], "/etc/crypttab.before-bek-unlock");
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    let root = ade();
    adopt(&root, false).unwrap();
    let before = tree(&root);
    let text = adopt(&root, false).unwrap();
    assert_eq!(text, "no line of Azure Disk Encryption is left to be taken over\n");
    assert_eq!(object(&root, false)["result"], "nothing-to-adopt");
    assert_eq!(tree(&root), before);
    let empty = machine(&[]);
    assert_eq!(adopt(&empty, false).unwrap(), text);
    assert_eq!(tree(&empty), []);
}

#[test]
fn ended_after_any_step_every_volume_has_a_line_and_the_next_run_finishes() {
    let whole = ade();
    adopt(&whole, false).unwrap();
    let wanted = (read(&whole, "etc/bektab"), read(&whole, "etc/crypttab"));
    let mut steps = 0;
    loop {
        let root = ade();
        let before = volumes(&root);
        let texts = Texts::read(root.path()).unwrap();
        let plan = adopt::plan(&texts, &BTreeSet::new()).unwrap();
        let mut left = steps;
        let mut look = || {
            assert_eq!(volumes(&root), before);
            assert!(left > 0, "ended here");
            left -= 1;
        };
        let ended =
            catch_unwind(AssertUnwindSafe(|| carry_out(root.path(), &texts, &plan, &mut look)));
        let is_whole = ended.is_ok();
        assert_eq!(volumes(&root), before);
        self::adopt(&root, false).unwrap();
        assert_eq!((read(&root, "etc/bektab"), read(&root, "etc/crypttab")), wanted, "{steps}");
        // What was before the first run is still there, under the first name.
        assert_eq!(read(&root, "etc/crypttab.before-bek-unlock"), CRYPTTAB);
        assert_eq!(read(&root, "etc/bektab.before-bek-unlock"), BEKTAB);
        assert!(!root.path().join("etc/crypttab.before-bek-unlock.1").exists());
        if is_whole {
            break;
        }
        steps += 1;
    }
    // Backup and change of two files.
    assert_eq!(steps, 4);
}

#[test]
fn the_way_back_from_a_finished_second_half_names_the_lines() {
    let root = ade();
    adopt(&root, false).unwrap();
    fs::write(root.path().join("etc/crypttab"), CRYPTTAB).unwrap();
    let text = adopt(&root, false).unwrap();
    let undo = text.split_once("to undo it:\n").unwrap().1;
    assert!(
        undo.contains("# and take out of /etc/bektab the lines of: osencrypt data1\n"),
        "{undo}"
    );
}

#[test]
fn what_comes_next_depends_on_the_volume_and_on_the_machine() {
    let data = CRYPTTAB.replace("osencrypt", "data0");
    let root = machine(&[("etc/crypttab", &data)]);
    let text = adopt(&root, false).unwrap();
    assert!(
        text.contains("systemctl daemon-reload") && !text.contains("update-initramfs"),
        "{text}"
    );
    assert!(text.contains("    rm /etc/bektab\n"), "{text}");
    let root = ade();
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    fs::write(root.path().join("usr/bin/dracut"), "").unwrap();
    let text = adopt(&root, false).unwrap();
    assert!(
        text.contains("    dracut --force    # the root") && !text.contains("update-initramfs")
    );
}

#[test]
fn a_link_is_refused_and_nothing_is_half_done() {
    for file in ["etc/crypttab", "etc/bektab"] {
        let root = ade();
        let path = root.path().join(file);
        fs::rename(&path, path.with_extension("managed")).unwrap();
        symlink(path.with_extension("managed"), &path).unwrap();
        let before = tree(&root);
        let said = adopt(&root, false).unwrap_err();
        let words = format!(
            "cannot take over the lines of Azure Disk Encryption: cannot write /{file}: it is a \
             symbolic link to "
        );
        assert!(said.starts_with(&words), "{said}");
        assert_eq!(tree(&root), before);
        // Looking is allowed.
        assert!(adopt(&root, true).is_ok());
    }
}

#[test]
fn what_cannot_be_read_or_is_no_booted_system_is_an_error() {
    let root = ade();
    fs::remove_file(root.path().join("etc/crypttab")).unwrap();
    fs::create_dir(root.path().join("etc/crypttab")).unwrap();
    assert!(adopt(&root, true).unwrap_err().contains("cannot read /etc/crypttab"));
    let image = machine(&[("etc/initrd-release", ""), ("etc/crypttab", CRYPTTAB)]);
    assert!(adopt(&image, false).unwrap_err().contains("not for its initramfs"));
}

#[test]
fn the_plan_says_what_becomes_of_each_line() {
    let root = ade();
    let crypttab = CRYPTTAB.replace("nofail", "nofail,tries=1");
    fs::write(root.path().join("etc/crypttab"), crypttab).unwrap();
    let texts = Texts::read(root.path()).unwrap();
    let plan = adopt::plan(&texts, &BTreeSet::new()).unwrap();
    assert_eq!(
        words::plan(&plan),
        "\
/etc/crypttab:3: osencrypt moves to /etc/bektab
    - osencrypt PARTUUID=0c0a /mnt/azure_bek_disk/LinuxPassPhraseFileName luks,header=/boot/luks/osluksheader
    + osencrypt PARTUUID=0c0a LinuxPassPhraseFileName luks,x-initrd.attach,header=/boot/luks/osluksheader
/etc/crypttab:3: data1 moves to /etc/bektab
    - data1 /dev/sdc /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail,tries=1
    + data1 /dev/sdc LinuxPassPhraseFileName_1_0 luks,nofail
    not in bektab: tries=1
/var/lib/azure_disk_encryption_config/azure_crypt_mount:1: data2 is added to /etc/bektab; ADE's agent keeps its own line
    + data2 /dev/sdd - nofail
/etc/fstab:2: mounts the key disk; it does no harm and is left as it is
    every user can read the keys there; umask=077 in its options prevents that
    bek-unlock does not need it; without it: umount /mnt/azure_bek_disk, remove
    the line, systemctl daemon-reload
"
    );
    fs::write(root.path().join("etc/bektab"), "data1 /dev/sdd\n").unwrap();
    let texts = Texts::read(root.path()).unwrap();
    let text = words::plan(&adopt::plan(&texts, &BTreeSet::new()).unwrap());
    assert!(text.contains("lines that stay in /etc/crypttab may\n"), "{text}");
}
