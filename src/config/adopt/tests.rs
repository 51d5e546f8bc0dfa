use super::*;
use crate::config;
use crate::config::ade::OS_MAPPER;

const UUID: &str = "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22";
const KEYS: &str = "/mnt/azure_bek_disk/LinuxPassPhraseFileName";

fn texts(bektab: &str, crypttab: &str) -> Texts {
    let text = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
    Texts { bektab: text(bektab), crypttab: text(crypttab), ..Texts::default() }
}

fn planned(texts: &Texts) -> Plan {
    plan(texts, &BTreeSet::new()).unwrap()
}

/// The texts as they are afterwards.
fn after(texts: &Texts, plan: &Plan) -> Texts {
    Texts {
        bektab: plan.bektab.clone().or_else(|| texts.bektab.clone()),
        crypttab: plan.crypttab.clone().or_else(|| texts.crypttab.clone()),
        ..texts.clone()
    }
}

/// Plans, and checks what holds for every plan: each volume that was found is found as it was, and
/// there is nothing left to do.
fn adopted(texts: &Texts) -> (String, String, Plan) {
    let plan = planned(texts);
    let after = after(texts, &plan);
    let (before, found) = (loaded(texts), loaded(&after));
    for entry in &before.entries {
        let name = &entry.volume.name;
        let Ok(first) = before.find(name) else { continue };
        let mut wanted = first.volume.clone();
        let found = &found.find(name).unwrap().volume;
        wanted.options.initrd |= found.options.initrd && name.as_str() == OS_MAPPER;
        assert_eq!(*found, wanted);
    }
    let again = planned(&after);
    assert_eq!((again.steps, again.bektab, again.crypttab), (vec![], None, None));
    let text = |text: Option<Vec<u8>>| String::from_utf8(text.unwrap_or_default()).unwrap();
    (text(after.bektab), text(after.crypttab), plan)
}

fn loaded(texts: &Texts) -> Configuration {
    let files = [
        (Origin::Bektab, &texts.bektab),
        (Origin::Crypttab, &texts.crypttab),
        (Origin::AzureCryptMount, &texts.azure_crypt_mount),
    ];
    let mut all = Configuration::default();
    for (origin, text) in files {
        let one = parse(origin, text.as_deref());
        all.entries.extend(one.entries);
        all.problems.extend(one.problems);
    }
    all
}

#[test]
fn ades_lines_move_and_everything_else_stays_to_the_byte() {
    let crypttab = format!(
        "# <name> <device> <key> <options>\r\n\
         swap\t/dev/sdb1 /dev/urandom   swap,cipher=aes\n\
         data1 /dev/disk/azure/scsi1/lun0 {KEYS}_1_0 luks,nofail\n\
         \n\
         #data2 /dev/sdd {KEYS}_1_1 luks\n\
         osencrypt PARTUUID=0c0a {KEYS} luks,discard,header=/boot/luks/osluksheader\n\
         home UUID=5f1e none luks"
    );
    let (bektab, crypttab, plan) = adopted(&texts("", &crypttab));
    assert_eq!(
        bektab,
        format!(
            "{HEADING}\n\
             data1 /dev/disk/azure/scsi1/lun0 LinuxPassPhraseFileName_1_0 luks,nofail\n\
             osencrypt PARTUUID=0c0a LinuxPassPhraseFileName \
             discard,luks,x-initrd.attach,header=/boot/luks/osluksheader\n"
        )
    );
    assert_eq!(
        crypttab,
        format!(
            "# <name> <device> <key> <options>\r\n\
             swap\t/dev/sdb1 /dev/urandom   swap,cipher=aes\n\
             \n\
             #data2 /dev/sdd {KEYS}_1_1 luks\n\
             home UUID=5f1e none luks"
        )
    );
    let lines: Vec<usize> = plan.steps.iter().map(|step| step.line).collect();
    assert_eq!((lines, plan.root, plan.warnings), (vec![3, 6], true, vec![]));
}

#[test]
fn every_form_of_ades_lines_is_taken_over() {
    for (line, written, left_out) in [
        (
            "osencrypt /dev/sda1 none luks,discard,header=/boot/luks/osluksheader,\
             keyscript=/usr/sbin/azure_crypt_key.sh",
            "osencrypt /dev/sda1 - discard,luks,x-initrd.attach,header=/boot/luks/osluksheader",
            vec!["keyscript=/usr/sbin/azure_crypt_key.sh"],
        ),
        (
            "osencrypt UUID=osencrypt-locked none discard,header=/osluksheader",
            "osencrypt UUID=osencrypt-locked - discard,x-initrd.attach,header=/osluksheader",
            vec![],
        ),
        (
            "osencrypt /dev/sda2 /bek/LinuxPassPhraseFileName timeout=10,discard",
            "osencrypt /dev/sda2 LinuxPassPhraseFileName discard,x-initrd.attach",
            vec!["timeout=10"],
        ),
        ("osencrypt PARTUUID=0c0a", "osencrypt PARTUUID=0c0a - x-initrd.attach", vec![]),
        (
            "data1 /dev/sdc /var/lib/azure_disk_encryption_config/cleartext_keydata1 luks # x",
            "data1 /dev/sdc /var/lib/azure_disk_encryption_config/cleartext_keydata1 luks",
            vec![],
        ),
        (
            "data1 LABEL=my\\040disk /mnt/azure_bek_disk/my\\040key tries=1,nofail 0 0",
            "data1 LABEL=my\\040disk my\\040key nofail",
            vec!["tries=1"],
        ),
    ] {
        let (bektab, crypttab, plan) = adopted(&texts("", &format!("{line}\n")));
        assert_eq!((bektab, crypttab), (format!("{HEADING}\n{written}\n"), String::new()));
        assert_eq!(plan.steps[0].left_out, left_out, "{line}");
    }
}

#[test]
fn glued_lines_are_taken_apart_and_strangers_among_them_stay() {
    let os = format!("osencrypt /dev/sda2 {KEYS} luks,discard,header=/boot/luks/osluksheader");
    let data = format!("{UUID} /dev/sdc {KEYS}_1_0 luks,nofail");
    let (bektab, crypttab, plan) = adopted(&texts("", &format!("# a\n{os}{data}\n# b")));
    assert_eq!(bektab.lines().count(), 3);
    assert_eq!((crypttab.as_str(), plan.steps.len()), ("# a\n# b", 2));
    // Between two lines of ADE's one that is systemd's.
    let (bektab, crypttab, _) =
        adopted(&texts("", &format!("{os}home  UUID=5f1e none nofail{data}  # why\n")));
    assert_eq!((bektab.lines().count(), crypttab.as_str()), (3, "home  UUID=5f1e none nofail\n"));
    let (_, crypttab, _) = adopted(&texts("", &format!("swap /dev/sdb1 /dev/urandom discard{os}")));
    assert_eq!(crypttab, "swap /dev/sdb1 /dev/urandom discard\n");
    // Where there is no telling, nothing is touched.
    let unclear = format!("data1 /dev/sdc {KEYS} luks,cipher=aesdata2 /dev/sdd {KEYS}_1_1 luks\n");
    let plan = planned(&texts("", &unclear));
    assert_eq!((plan.steps, plan.crypttab, plan.bektab), (vec![], None, None));
    assert_eq!(
        plan.warnings,
        ["/etc/crypttab:1:60: the lines of data1 and of /dev/sdd need a newline between; left as \
          it is"]
    );
}

#[test]
fn bektab_is_added_to_and_never_changed() {
    let line = format!("data1 /dev/sdc {KEYS}_1_0 luks\n");
    for (old, kept) in [
        ("# mine\nother UUID=1 - nofail", "# mine\nother UUID=1 - nofail\n"),
        ("# mine\n", "# mine\n"),
        ("broken line, of somebody\n", "broken line, of somebody\n"),
    ] {
        let (bektab, _, _) = adopted(&texts(old, &line));
        let added = format!("{HEADING}\ndata1 /dev/sdc LinuxPassPhraseFileName_1_0 luks\n");
        assert_eq!(bektab, kept.to_owned() + &added);
    }
}

#[test]
fn an_interrupted_run_is_finished() {
    // bektab was written, crypttab was not.
    let bektab = "data1 PARTUUID=0C0A LinuxPassPhraseFileName_1_0 luks,nofail\n";
    let crypttab = format!("data1 /dev/disk/by-partuuid/0c0a {KEYS}_1_0 luks,nofail\nhome UUID=1");
    let (after, crypttab, plan) = adopted(&texts(bektab, &crypttab));
    assert_eq!((after.as_str(), crypttab.as_str()), (bektab, "home UUID=1"));
    assert_eq!((plan.bektab, plan.steps[0].action.clone()), (None, Action::Remove(Some(1))));
}

#[test]
fn what_is_not_clear_is_left_with_its_place() {
    let line = format!("data1 /dev/sdc {KEYS}_1_0 luks\n");
    let left = |bektab: &str, crypttab: &str| {
        let plan = planned(&texts(bektab, crypttab));
        assert_eq!((plan.steps, plan.bektab, plan.crypttab), (vec![], None, None), "{crypttab}");
        plan.warnings
    };
    let of_crypttab =
        |reason: &str| vec![format!("/etc/crypttab:1: data1: {reason}; left as it is")];
    assert_eq!(
        left("# x\ndata1 /dev/sdd\n", &line),
        of_crypttab("/etc/bektab:2 names another device")
    );
    assert_eq!(
        left("data1 /dev/sdc - key-only\n", &line),
        of_crypttab("/etc/bektab:1 says key-only, so crypttab opens it")
    );
    assert_eq!(
        left("data1 /dev/sdc - nofial\n", &line),
        of_crypttab("/etc/bektab:1:18: unknown option \"nofial\"")
    );
    let other = line.replace("sdc", "sdd");
    let twice = left("", &(line.clone() + &other));
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], of_crypttab("the name is on another line, too")[0]);
    let mine = left("", &format!("{line}data1 UUID=5f1e none luks\n"));
    assert_eq!(mine, of_crypttab("the name is on another line, too"));
    assert_eq!(
        left("", &line.replace("luks", "luks,header=relative")),
        ["/etc/crypttab:1:76: not an absolute path; left as it is"]
    );
    // systemd decides between the two somehow; bektab has no such line.
    let odd = left("", &line.replace("luks", "bitlk,header=/a"));
    assert!(odd[0].contains("cannot be written as a line of bektab"), "{odd:?}");
    assert_eq!(odd.len(), 1);
}

#[test]
fn a_line_that_is_there_twice_is_moved_once() {
    let line = format!("data1 /dev/sdc {KEYS}_1_0 luks\n");
    let (bektab, crypttab, plan) = adopted(&texts("", &line.repeat(2)));
    assert_eq!((bektab.lines().count(), crypttab.as_str()), (2, ""));
    assert_eq!(plan.steps[1].action, Action::Remove(None));
}

#[test]
fn azure_crypt_mount_is_copied_and_stays() {
    let legacy = format!(
        "\ndata1 /dev/sdc None /mnt/data1 ext4 False 0\n\
         data2 /dev/sdd /header /mnt/data2 ext4 True 1\n\
         data3 /dev/sde None /mnt/data3 ext4 Maybe\n\
         {UUID} /dev/sdf None /mnt ext4 False\n"
    );
    let texts = Texts {
        azure_crypt_mount: Some(legacy.into_bytes()),
        ..texts("", &format!("{UUID} /dev/sdf {KEYS}_1_3 luks\n"))
    };
    let (bektab, _, plan) = adopted(&texts);
    assert_eq!(
        bektab,
        format!(
            "{HEADING}\n\
             {UUID} /dev/sdf LinuxPassPhraseFileName_1_3 luks\n\
             data1 /dev/sdc - nofail\n\
             data2 /dev/sdd /var/lib/azure_disk_encryption_config/cleartext_keydata2 \
             nofail,header=/header\n"
        )
    );
    let places: Vec<_> = plan.steps.iter().map(|step| (step.origin, step.line)).collect();
    assert_eq!(
        places,
        [(Origin::Crypttab, 1), (Origin::AzureCryptMount, 2), (Origin::AzureCryptMount, 3)]
    );
    assert_eq!(plan.steps[1].old, "data1 /dev/sdc None /mnt/data1 ext4 False 0");
    assert_eq!(plan.warnings.len(), 1);
    assert!(plan.warnings[0].contains("azure_crypt_mount:4:"), "{:?}", plan.warnings);
}

#[test]
fn what_the_root_stands_on_is_opened_in_the_initramfs() {
    let line = format!("luks-root /dev/sda2 {KEYS} luks\n");
    let plan = plan(&texts("", &line), &["luks-root".to_owned()].into()).unwrap();
    assert!(plan.root);
    let text = String::from_utf8(plan.bektab.unwrap()).unwrap();
    assert!(text.ends_with("LinuxPassPhraseFileName luks,x-initrd.attach\n"), "{text}");
    let plan = planned(&texts("", &line));
    assert!(!plan.root && !String::from_utf8(plan.bektab.unwrap()).unwrap().contains("x-initrd"));
}

#[test]
fn nothing_to_adopt_is_nothing_to_do() {
    for (bektab, crypttab) in [
        ("", ""),
        ("", "# nothing\n\nhome UUID=5f1e none luks\nswap /dev/sdb1 /dev/urandom swap"),
        ("data1 /dev/sdc\n", "d\u{e4}ta \u{a0} x"),
    ] {
        let plan = planned(&texts(bektab, crypttab));
        assert_eq!(plan, Plan::default(), "{crypttab}");
    }
    let bytes = Texts { crypttab: Some(b"h\xe4me UUID=1 none\n".to_vec()), ..Texts::default() };
    assert_eq!(planned(&bytes), Plan::default());
    let ades = Texts {
        crypttab: Some(b"h\xe4me UUID=1 /mnt/azure_bek_disk/k\n".to_vec()),
        ..Texts::default()
    };
    assert_eq!(planned(&ades).warnings, ["/etc/crypttab:1:2: not UTF-8 text; left as it is"]);
}

#[test]
fn every_cut_of_a_crypttab_keeps_every_volume() {
    let whole = format!(
        "# \u{e4}\nosencrypt /dev/sda2 {KEYS} luks,discard,header=/boot/luks/osluksheader{UUID} \
         /dev/sdc {KEYS}_1_0 luks,nofailhome UUID=5f1e none luks\nx UUID=2 - -\r\n"
    );
    let ends = (0..=whole.len()).filter(|end| whole.is_char_boundary(*end));
    for end in ends {
        let texts = texts("", &whole[..end]);
        let found = planned(&texts);
        let after = after(&texts, &found);
        for entry in &loaded(&texts).entries {
            let name = &entry.volume.name;
            assert!(loaded(&after).find(name).is_ok(), "{name}: {:?}", &whole[..end]);
        }
    }
}

#[test]
fn files_below_a_root_are_read() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/ade");
    let texts = Texts::read(&case).unwrap();
    assert!(texts.bektab.is_none() && texts.crypttab.is_some() && texts.fstab.is_none());
    let (bektab, crypttab, plan) = adopted(&texts);
    assert_eq!((plan.steps.len(), bektab.lines().count()), (3, 4));
    assert!(crypttab.ends_with("swap,cipher=aes-xts-plain64\n"), "{crypttab}");
    assert_eq!(config::load(&case).entries.len(), 3);
}

#[test]
fn backups_are_numbered() {
    let names: Vec<_> = backups(Path::new("/etc/crypttab")).take(3).collect();
    let name = "/etc/crypttab.before-bek-unlock";
    assert_eq!(
        names,
        [name.to_owned(), format!("{name}.1"), format!("{name}.2")].map(PathBuf::from)
    );
}
