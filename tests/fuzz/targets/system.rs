//! Tables of the running system, and the note of a renewal that was interrupted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bek_unlock::edge::mountinfo;
use bek_unlock::initramfs::fstab;
use bek_unlock::key::candidates;
use bek_unlock::rekey::Plan;

use super::{Target, plain, texts};

/// fstab(5), and the file of ADE's settings beside it.
pub const FSTAB: Target = Target {
    name: "fstab",
    run: fstab,
    seeds: || {
        texts(&[
            "# comment\nUUID=1 / ext4 defaults 0 1\nLABEL=\"BEK\\040VOLUME\" /mnt/a\\040b vfat defaults,discard,nofail 0 0\n",
            "/dev/sda1 /boot/efi vfat umask=0077\n/dev/sdb1 none swap sw\n/dev/sdc1 /boot btrfs subvol=@boot",
            "[azure_crypt_config]\nBekFileName = LinuxPassPhraseFileName\n# x\n",
        ])
    },
    words: &[
        "\\040",
        "\\011",
        "\\134",
        "\\012",
        "UUID=",
        " / ",
        " /boot ",
        "subvol=",
        "BekFileName=",
    ],
};

/// /proc/self/mountinfo.
pub const MOUNTINFO: Target = Target {
    name: "mountinfo",
    run: mountinfo,
    seeds: || {
        texts(&[
            "36 35 8:33 / /mnt/azure_bek_disk ro,nosuid shared:1 - vfat /dev/sdc1 ro,umask=0077\n",
            "28 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/sda3 rw,subvol=/@\n40 28 8:33 / /mnt/a\\040b\\134 rw - vfat /dev/sdc1 rw\n",
        ])
    },
    words: &["\\040", "\\777", "\\+12", " - ", " / ", "8:33", " vfat ", " ro,"],
};

/// The note of enroll and rotate.
pub const REKEY_NOTE: Target = Target {
    name: "rekey-note",
    run: rekey_note,
    seeds: || {
        texts(&[
            r#"{"version":1,"uuid":"1-2","device":"/dev/sdc","kek":"https://contoso-kv.vault.azure.net/keys/kek/01","algorithm":"RSA-OAEP","wrapped_key":"QUJD","keyslot":1,"stores":[{"file":"/etc/a"},{"secret":{"id":"https://contoso-kv.vault.azure.net/secrets/a","tags":{"a":"b"}}},{"token":{"number":2,"identity":"client-id:0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"}}],"name":"d1","line":"d1 UUID=1","proves":true,"old_keyslot":0,"old_file":null}"#,
        ])
    },
    words: &["\"stores\":[", "{\"file\":\"", "{\"token\":{", "null", "\"name\":", "4294967296"],
};

fn fstab(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines = fstab::parse(&text);
    assert!(lines.len() <= text.lines().count());
    for line in &lines {
        assert!(line.point.is_absolute() && !line.device.contains('"'));
        let below = line.point.join("file");
        match fstab::holder(&lines, &below) {
            Some(holder) => assert!(below.starts_with(&holder.point)),
            None => assert_eq!(line.point, Path::new("/")),
        }
    }
    if let Some(name) = candidates::configured(&text) {
        assert!(!name.as_str().contains(['/', '\\', '\n']));
    }
}

fn mountinfo(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let table = mountinfo::table(&text);
    assert!(table.len() <= text.lines().count());
    for mount in &table {
        let (major, minor) = mount.device;
        // As the kernel writes it (`mangle`), it is the same again.
        let line = format!(
            "1 1 {major}:{minor} {} {} rw - {} {} {}\n",
            mangled(mount.root.as_os_str()),
            mangled(mount.point.as_os_str()),
            mount.kind,
            mangled(mount.source.as_os_str()),
            if mount.writable { "rw" } else { "ro" },
        );
        if line.is_ascii() {
            assert_eq!(mountinfo::table(&line), std::slice::from_ref(mount), "{line}");
        }
    }
    // A mount of the whole file system is found by the device's number, the latest first.
    let found = mountinfo::mount_points(&text, nix::sys::stat::makedev(8, 33), "vfat");
    let is_one = |mount: &&mountinfo::Mount| {
        (mount.device, mount.kind.as_str()) == ((8, 33), "vfat")
            && mount.root.as_os_str().as_bytes() == b"/"
    };
    for mount in table.iter().filter(is_one) {
        assert!(found.contains(&mount.point), "{mount:?}");
    }
}

fn mangled(text: &OsStr) -> String {
    let escaped = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}"),
        byte => char::from(*byte).to_string(),
    };
    text.as_bytes().iter().map(escaped).collect()
}

fn rekey_note(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(plan) = Plan::parse(&text) else { return };
    let json = plan.to_json().unwrap();
    assert_eq!(Plan::parse(&json), Some(plan.clone()));
    plain(&plan.wrapped.kek.to_string());
    assert!(!plan.stores.is_empty());
}
