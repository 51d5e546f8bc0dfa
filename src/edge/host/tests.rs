//! Systems in temporary directories: trees that do not run, and a kernel's mounts and disks.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::initramfs::FileSystem;

const FSTAB: &str = "\
/dev/mapper/osencrypt / ext4 defaults 0 1
UUID=1111-22 /boot xfs defaults 0 2
/dev/sda15 /boot/efi vfat umask=0077 0 1
LABEL=srv /srv btrfs subvol=@srv 0 0
";

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn tree(fstab: &str) -> (TempDir, System) {
    let root = TempDir::new().unwrap();
    write(root.path(), "etc/fstab", fstab);
    let system = System::new(root.path(), None);
    (root, system)
}

/// sda1 is /boot; sda2 is encrypted; the root is LVM on that, the second half of a btrfs on md.
fn disks() -> TempDir {
    let sys = TempDir::new().unwrap();
    let disk = "devices/sda";
    for (directory, number, extra) in [
        (disk, "8:0", None),
        ("devices/sda/sda1", "8:1", Some(("partition", "1"))),
        ("devices/sda/sda2", "8:2", Some(("partition", "2"))),
        ("devices/virtual/dm-0", "254:0", Some(("dm/name", "osencrypt"))),
        ("devices/virtual/dm-1", "254:1", Some(("dm/name", "vg0-root"))),
        ("devices/virtual/md0", "9:0", None),
    ] {
        write(sys.path(), &format!("{directory}/dev"), number);
        if let Some((file, content)) = extra {
            write(sys.path(), &format!("{directory}/{file}"), content);
        }
        let name = directory.rsplit('/').next().unwrap();
        for link in [format!("class/block/{name}"), format!("dev/block/{number}")] {
            let link = sys.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(sys.path().join(directory), link).unwrap();
        }
    }
    write(sys.path(), "devices/virtual/dm-0/dm/uuid", "CRYPT-LUKS2-00-osencrypt\n");
    write(sys.path(), "devices/virtual/dm-1/dm/uuid", "LVM-xyz\n");
    for (above, below) in
        [("virtual/dm-0", "sda2"), ("virtual/dm-1", "dm-0"), ("virtual/md0", "sda1")]
    {
        write(sys.path(), &format!("devices/{above}/slaves/{below}"), "");
    }
    for name in ["md0", "dm-1"] {
        write(sys.path(), &format!("fs/btrfs/5f1e/devices/{name}"), "");
    }
    sys
}

/// A running system with these mounts; its files are in `root`.
fn running(sys: &TempDir, root: &Path, mountinfo: &str, fstab: &str) -> System {
    System {
        root: root.to_owned(),
        runs: false,
        sysfs: Sysfs::at(sys.path()),
        mounts: mountinfo::table(mountinfo),
        fstab: fstab::parse(fstab),
        kernel: None,
    }
}

fn separate(system: &System, path: &str) -> FileSystem {
    match system.place(Path::new(path)) {
        Place::Separate(file_system) => file_system,
        Place::Root => panic!("{path} is on the root"),
    }
}

#[test]
fn a_tree_knows_what_its_fstab_says() {
    let (_root, system) = tree(FSTAB);
    let boot = separate(&system, "/boot/luks/osluksheader");
    assert_eq!(boot.device, Some(DeviceSpec::Uuid("1111-22".to_owned())));
    assert_eq!(
        (boot.path.to_str(), boot.kind.as_deref()),
        (Some("/luks/osluksheader"), Some("xfs"))
    );
    assert!(!boot.is_mounted);
    let srv = separate(&system, "/srv/h");
    assert_eq!(srv.path.to_str(), Some("/@srv/h"));
    assert_eq!(srv.device, Some(DeviceSpec::Label("srv".to_owned())));
    // sda is another disk after the next boot.
    assert_eq!(separate(&system, "/boot/efi/h").device, None);
    assert_eq!(system.place(Path::new("/etc/h")), Place::Root);
    assert_eq!(system.place(Path::new("/boots/h")), Place::Root);
}

#[test]
fn the_root_of_a_tree_stands_on_what_its_name_says() {
    let stack = |fstab: &str| {
        let (_root, system) = tree(fstab);
        system.root_stack()
    };
    assert_eq!(stack(FSTAB).mappings, ["osencrypt"]);
    let usr = stack("UUID=5f1e / ext4\n/dev/disk/by-id/dm-name-u /usr ext4\n");
    assert_eq!((usr.mappings, usr.unknown), (vec!["u".to_owned()], vec!["UUID=5f1e".to_owned()]));
    assert_eq!(stack("/dev/vg0/root / ext4\n").unknown, ["/dev/vg0/root"]);
    assert_eq!(stack(""), Stack::default());
}

#[test]
fn the_running_root_is_followed_through_lvm_and_btrfs() {
    let sys = disks();
    let root = TempDir::new().unwrap();
    let stack = |line: &str| running(&sys, root.path(), line, "").root_stack().mappings;
    assert_eq!(stack("1 0 254:1 / / rw - ext4 /dev/mapper/vg0-root rw\n"), ["osencrypt"]);
    assert_eq!(stack("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"), [""; 0]);
    assert_eq!(
        stack("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 254:0 / /usr ro - ext4 x ro\n"),
        ["osencrypt"]
    );
    assert_eq!(stack("1 0 0:30 / / rw - overlay overlay rw\n"), [""; 0]);
    let sysfs = Sysfs::at(sys.path());
    assert_eq!(sysfs.btrfs_members("md0").len(), 2);
    assert_eq!(sysfs.btrfs_members("sda1"), [""; 0]);
}

#[test]
fn what_is_mounted_says_where_a_header_is() {
    let sys = disks();
    let root = TempDir::new().unwrap();
    let mounts = "\
1 0 254:1 / / rw - ext4 /dev/mapper/vg0-root rw
2 1 8:1 / /boot rw - ext4 /dev/bektest0 rw
3 1 254:1 /srv /srv/bind rw - ext4 /dev/mapper/vg0-root rw
4 1 254:0 / /secret rw - ext4 /dev/mapper/osencrypt rw
5 2 0:44 /@keys /boot/keys rw - tmpfs copy rw
";
    let system =
        running(&sys, root.path(), mounts, "UUID=1111-22 /boot auto\nLABEL=k /boot/keys xfs\n");
    let boot = separate(&system, "/boot/luks/osluksheader");
    assert!(boot.is_mounted);
    assert_eq!(boot.device, Some(DeviceSpec::Uuid("1111-22".to_owned())));
    assert_eq!(boot.path.to_str(), Some("/luks/osluksheader"));
    // Where images are made, a copy in memory stands for the file system.
    let keys = separate(&system, "/boot/keys/h");
    assert_eq!((keys.kind.as_deref(), keys.path.to_str()), (Some("xfs"), Some("/@keys/h")));
    // Bind mounts of the root, and volumes that have to be opened first, are out of reach.
    for path in ["/etc/h", "/srv/bind/h", "/secret/h"] {
        assert_eq!(system.place(Path::new(path)), Place::Root, "{path}");
    }
}

#[test]
fn files_are_those_of_the_tree() {
    let (root, system) = tree("");
    write(root.path(), "boot/h", "LUKS");
    assert_eq!(system.file(Path::new("/boot/h")), FileState::File);
    assert_eq!(
        system.file(Path::new("/etc/fstab/x")).clone(),
        system.file(Path::new("/etc/fstab/y"))
    );
    assert_eq!(system.file(Path::new("/nothing")), FileState::Missing);
    assert_eq!(system.file(Path::new("/dev/bektest0")), FileState::Device);
    assert_eq!(
        system.file(Path::new("/boot")),
        FileState::Unusable("not a regular file".to_owned())
    );
    assert_eq!(system.head(Path::new("/boot/h"), 2), b"LU");
    assert_eq!(system.head(Path::new("/dev/zero"), 2), b"");
    assert_eq!(system.authorities(), None);
    write(root.path(), "etc/pki/tls/certs/ca-bundle.crt", "x");
    assert_eq!(system.authorities(), Some("/etc/pki/tls/certs/ca-bundle.crt".into()));
}

#[test]
fn a_kernel_has_its_modules_their_aliases_and_what_is_built_in() {
    let (root, system) = tree("");
    assert_eq!(system.module("vfat"), ModuleState::Unknown);
    let modules = "usr/lib/modules/6.1";
    write(
        root.path(),
        &format!("{modules}/modules.dep"),
        "kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz\nkernel/drivers/md/dm-crypt.ko:\n",
    );
    write(root.path(), &format!("{modules}/modules.builtin"), "kernel/crypto/cbc.ko\n");
    write(
        root.path(),
        &format!("{modules}/modules.alias"),
        "alias crypto-xts xts\nalias pci:* x\n",
    );
    write(
        root.path(),
        &format!("{modules}/modules.builtin.modinfo"),
        "aes_generic.alias=crypto-aes\0",
    );
    write(root.path(), "etc/modprobe.d/cis.conf", "install vfat /bin/false\n");
    write(root.path(), "usr/lib/modprobe.d/a.conf", "options vfat x=1\ninstall xts modprobe y\n");
    let system = System::new(root.path(), Some("6.1"));
    for name in ["dm_crypt", "dm-crypt", "cbc", "crypto-xts", "crypto-aes"] {
        assert_eq!(system.module(name), ModuleState::Available, "{name}");
    }
    assert_eq!(system.module("essiv"), ModuleState::Missing);
    assert_eq!(system.module("vfat"), ModuleState::Blocked("/etc/modprobe.d/cis.conf".into()));
    assert_eq!(System::new(root.path(), Some("6.2")).module("vfat"), ModuleState::Unknown);
    assert_eq!(System::new(root.path(), Some("../6.1")).module("vfat"), ModuleState::Unknown);
}

#[test]
fn modules_of_dracut_that_are_omitted_are_not_there() {
    let (root, system) = tree(FSTAB);
    for module in ["50bek-unlock", "91ade", "91adeOnline"] {
        write(root.path(), &format!("usr/lib/dracut/modules.d/{module}/module-setup.sh"), "");
    }
    write(root.path(), "usr/lib/dracut/modules.d/92ade/README", "");
    assert_eq!(system.dracut_modules(), ["50bek-unlock", "91ade", "91adeOnline"]);
    let omit = |file: &str, text: &str| write(root.path(), file, text);
    omit("etc/dracut.conf", "# omit_dracutmodules+=\" adeOnline \"\nomit_dracutmodules+=' ade '\n");
    assert_eq!(system.dracut_modules(), ["50bek-unlock", "91adeOnline"]);
    let part = "dracut.conf.d/90-bek-unlock.conf";
    omit(&format!("usr/lib/dracut/{part}"), "omit_dracutmodules=\"bek-unlock\" # ade\n");
    assert_eq!(system.dracut_modules(), ["91ade", "91adeOnline"]);
    omit(&format!("etc/{part}"), "omit_dracutmodules+=\" ade adeOnline \"\n");
    assert_eq!(system.dracut_modules(), ["50bek-unlock"]);
}
