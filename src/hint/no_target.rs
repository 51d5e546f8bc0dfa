//! What to do with a disk on which nothing was found to open.

use crate::recovery::no_target::{NoTarget, Why};

/// The next step: another name, a header, or another tool.
pub(super) fn next(no_target: &NoTarget) -> Vec<String> {
    let named = no_target.named.display();
    let fixed: &[&str] = match &no_target.why {
        Why::Format(_) => {
            return vec![format!("convert it: qemu-img convert -O raw {named} disk.img")];
        }
        Why::HeaderOfBitLocker => &["leave out --header"],
        Why::NoHeader => &[
            "name its header: --header FILE, or --header PATH:DEVICE",
            "a copy of it is in the initramfs: /osluksheader, /boot/luks/osluksheader",
        ],
        Why::NoLoop(_) => &["is the kernel's module there? see: modprobe loop"],
        Why::NoneEncrypted => &[RIGHT_DISK],
        Why::NotADisk => &["see: lsblk -o NAME,SIZE,FSTYPE,LABEL"],
        Why::Plain(kind) if kind == "LVM2_member" => &[
            "encrypted above LVM? then name the logical volume",
            "to see them: vgchange --activate y, lvs -o lv_path",
        ],
        Why::Plain(kind) if kind == "linux_raid_member" => {
            &["assemble it, then name the array: mdadm --assemble --scan --readonly"]
        }
        Why::Plain(_) => &[RIGHT_DISK, "it needs no key; mount it as it is"],
        Why::Several(Some(one)) => {
            return vec![format!("name one of them: bek-unlock recover {}", one.display())];
        }
        Why::Several(None) => {
            return vec![
                "give them names, then name one of them:".to_owned(),
                format!("losetup --find --show --read-only --partscan {named}"),
            ];
        }
        Why::SeveralHeaders(one) => {
            let one = one.as_deref().unwrap_or("PATH:DEVICE");
            return vec![format!("say which one: --header {one}")];
        }
        Why::Unknown => &[RIGHT_DISK, "name its header: --header FILE, or --header PATH:DEVICE"],
        Why::Unreadable(_) => &["is the disk in order? see: dmesg"],
    };
    fixed.iter().map(|&line| line.to_owned()).collect()
}

const RIGHT_DISK: &str = "is it the right disk? see: lsblk -o NAME,SIZE,FSTYPE,LABEL,UUID";

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(why: Why) -> Vec<String> {
        next(&NoTarget { named: "/tmp/os.img".into(), why, listed: Vec::new() })
    }

    #[test]
    fn a_partition_is_named_where_it_has_a_name() {
        let disk = hints(Why::Several(Some("/dev/sdc1".into())));
        assert_eq!(disk, ["name one of them: bek-unlock recover /dev/sdc1"]);
        let image = hints(Why::Several(None)).join(" ");
        assert!(image.ends_with("losetup --find --show --read-only --partscan /tmp/os.img"));
    }

    #[test]
    fn what_is_stacked_is_told_how_to_unstack() {
        let plain = |kind: &str| hints(Why::Plain(kind.to_owned())).join(" ");
        assert!(plain("LVM2_member").contains("vgchange"));
        assert!(plain("linux_raid_member").contains("mdadm"));
        assert!(plain("ext4").contains("lsblk"));
    }
}
