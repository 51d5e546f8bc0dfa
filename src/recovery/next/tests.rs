use super::*;

fn name() -> VolumeName {
    VolumeName::parse("nvme0n1p15-recovered").unwrap()
}

fn holds(kind: &str) -> Content {
    Content { kind: Some(kind.to_owned()), ..Content::default() }
}

fn group(name: &str) -> Content {
    let volumes = ["homelv", "rootlv", "tmplv", "usrlv", "varlv", "optlv", "swaplv"];
    let group = VolumeGroup {
        name: name.to_owned(),
        uuid: "SLSo5VC49W9VyZC23zl3GpuWvdaEywKF".to_owned(),
        volumes: volumes.map(str::to_owned).to_vec(),
    };
    Content { group: Some(group), ..holds("LVM2_member") }
}

fn told(content: &Content, writable: bool) -> Vec<String> {
    let read_only = if writable { vec![] } else { vec![PathBuf::from("/dev/nvme0n1p15")] };
    let name = name();
    lines(&Opened { name: &name, content, writable, read_only: &read_only })
}

/// The commands, without their indentation.
fn commands(content: &Content, writable: bool) -> Vec<String> {
    let lines = told(content, writable);
    lines.iter().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

#[test]
fn each_file_system_is_mounted_so_that_nothing_changes() {
    let device = "/dev/mapper/nvme0n1p15-recovered /mnt";
    for (kind, read_only, writable) in [
        ("btrfs", "-o ro,rescue=nologreplay ", ""),
        ("exfat", "-o ro ", ""),
        ("ext2", "-o ro ", ""),
        ("ext3", "-o ro,noload ", ""),
        ("ext4", "-o ro,noload ", ""),
        ("ntfs", "-t ntfs3 -o ro ", "-t ntfs3 "),
        ("vfat", "-o ro ", ""),
        ("xfs", "-o ro,norecovery,nouuid ", ""),
    ] {
        let first = |writable| commands(&holds(kind), writable).remove(0);
        assert_eq!(first(false), format!("mount {read_only}{device}"));
        assert_eq!(first(true), format!("mount {writable}{device}"));
    }
}

#[test]
fn a_file_system_is_closed_and_its_device_given_back() {
    let content = Content { label: Some("root\x1b[2J".to_owned()), ..holds("ext4") };
    assert_eq!(
        told(&content, false),
        [
            "it holds ext4 labelled \"root?[2J\":",
            "  mount -o ro,noload /dev/mapper/nvme0n1p15-recovered /mnt",
            "its journal is not played back: what was written last may be missing",
            "to close it again:",
            "  umount /mnt",
            "  bek-unlock detach nvme0n1p15-recovered",
            "  blockdev --setrw /dev/nvme0n1p15",
        ]
    );
    let last = told(&content, true).pop().unwrap();
    assert_eq!(last, "  bek-unlock detach nvme0n1p15-recovered");
}

#[test]
fn a_copy_of_what_is_mounted_here_is_told_apart() {
    let twin = |kind: &str| Content { twin: Twin::Uuid, ..holds(kind) };
    let ext4 = told(&twin("ext4"), false).join(" ");
    assert!(ext4.contains("the same UUID is mounted here"), "{ext4}");
    let device = "/dev/mapper/nvme0n1p15-recovered";
    assert_eq!(commands(&twin("xfs"), true)[0], format!("mount -o nouuid {device} /mnt"));
    for writable in [false, true] {
        let btrfs = commands(&twin("btrfs"), writable);
        assert!(!btrfs.iter().any(|line| line.contains("mount")), "{btrfs:?}");
        assert!(btrfs[0].starts_with("btrfs restore "), "{btrfs:?}");
        assert_eq!(btrfs.iter().any(|line| line.contains("btrfstune")), writable);
    }
}

#[test]
fn what_holds_no_files_says_so_or_where_they_are() {
    let first = |kind: &str| told(&holds(kind), false).remove(0);
    assert!(first("swap").contains("no files"));
    assert!(commands(&holds("crypto_LUKS"), false)[0].starts_with("bek-unlock recover "));
    let raid = commands(&holds("linux_raid_member"), false);
    assert!(raid[0].contains("--readonly") && raid[1] == "mdadm --stop /dev/md/recovered");
    let table = commands(&holds("gpt"), false);
    assert!(table[0].starts_with("losetup --find --show --partscan --read-only "), "{table:?}");
    assert!(!commands(&holds("dos"), true)[0].contains("--read-only"));
    assert!(told(&Content::default(), false)[0].starts_with("nothing known"));
    assert!(first(SEVERAL).starts_with("signatures of several kinds"));
}

#[test]
fn a_volume_group_is_activated_for_reading() {
    let commands = commands(&group("rootvg"), false);
    assert_eq!(commands[0], "/dev/rootvg/homelv");
    assert_eq!(commands[6], "and 1 more");
    assert_eq!(commands[7], "vgchange --activate y rootvg \\");
    let config = "  --config 'activation{read_only_volume_list=[\"rootvg\"]}'";
    assert_eq!(commands[8], config);
    assert_eq!(commands[10], "mount -o ro,noload /dev/rootvg/rootlv /mnt");
    let rest: Vec<_> = commands[11..].iter().map(String::as_str).collect();
    let expected = [
        "umount /mnt",
        "vgchange --activate n rootvg",
        "bek-unlock detach nvme0n1p15-recovered",
        "blockdev --setrw /dev/nvme0n1p15",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn a_volume_group_that_is_active_here_gets_another_name_without_writing_to_the_disk() {
    for (twin, words) in [(Twin::Uuid, "this very group"), (Twin::Name, "a group of that name")] {
        let content = Content { twin, ..group("rootvg") };
        let said = told(&content, false).join("\n");
        assert!(said.contains(&format!("but {words} is active on this machine")), "{said}");
        assert!(said.contains("\"0 $size snapshot /dev/mapper/nvme0n1p15-recovered $cow P 8\""));
        assert!(said.contains("/dev/rootvg-recovered/rootlv /mnt"), "{said}");
        let closing = said.split_once("to close it again:").unwrap().1;
        let order = ["umount", "vgchange --activate n", "dmsetup remove", "losetup", "detach "];
        let places: Vec<_> = order.map(|word| closing.find(word).unwrap()).to_vec();
        assert!(places.is_sorted(), "{closing}");
        // Renaming it on the disk would keep its own machine from booting.
        let writable = told(&content, true).join("\n");
        assert!(!writable.contains("vgimportclone"), "{writable}");
        assert!(writable.contains("without --read-write"), "{writable}");
    }
}

#[test]
fn a_physical_volume_of_no_group_is_not_activated() {
    let commands = commands(&holds("LVM2_member"), false);
    assert!(commands[0].starts_with("pvck "), "{commands:?}");
}

#[test]
fn every_line_is_plain_and_fits() {
    let kinds = [
        "BitLocker",
        "LVM2_member",
        "btrfs",
        "crypto_LUKS",
        "dos",
        "ext4",
        "gpt",
        "linux_raid_member",
        "ntfs",
        SEVERAL,
        "swap",
        "xfs",
    ];
    let long = Some("a label of 64 characters \u{e4}\x07".repeat(3));
    let mut contents: Vec<Content> = kinds.iter().map(|kind| holds(kind)).collect();
    contents.push(Content::default());
    contents.push(group("ubuntu-vg"));
    for content in &mut contents {
        content.label.clone_from(&long);
        for twin in [Twin::None, Twin::Name, Twin::Uuid] {
            content.twin = twin;
            for line in [told(content, false), told(content, true)].concat() {
                assert!(line.len() <= COLUMNS, "{line}");
                assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            }
        }
    }
}

#[test]
fn many_devices_are_given_back_one_by_one() {
    let devices: Vec<PathBuf> = (1..9).map(|number| format!("/dev/sdc{number}").into()).collect();
    assert_eq!(set_writable(&devices[..2]), ["  blockdev --setrw /dev/sdc1 /dev/sdc2"]);
    assert_eq!(set_writable(&devices).len(), 8);
    assert_eq!(set_writable(&[]), [] as [&str; 0]);
}
