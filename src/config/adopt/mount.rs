//! The line of fstab(5) with which ADE mounts the key disk: harmless, not needed, and not ours.

use std::path::Path;

use crate::config::ade::KEY_DISK_MOUNT;
use crate::config::file;
use crate::config::line::Line;

pub(super) const FSTAB: &str = "/etc/fstab";

/// Such a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDiskMount {
    /// Counted from 1.
    pub line: usize,
    /// Whether its options keep the keys from other users.
    pub private: bool,
}

/// The lines of a fstab that mount something where ADE mounts the key disk.
pub(super) fn of_key_disk(content: &[u8]) -> Vec<KeyDiskMount> {
    let mut found = Vec::new();
    for (number, bytes) in file::lines(content) {
        let text = String::from_utf8_lossy(bytes);
        let line = Line { file: Path::new(FSTAB), number, text: &text };
        if let [_, point, rest @ ..] = line.words().as_slice() {
            if point.raw.trim_end_matches('/') == KEY_DISK_MOUNT {
                let private = rest.get(1).is_some_and(|options| hides(options.raw));
                found.push(KeyDiskMount { line: number, private });
            }
        }
    }
    found
}

/// Whether `umask=` or `fmask=` takes every right from group and others; the last one counts.
fn hides(options: &str) -> bool {
    let mut masks = options.split(',').filter_map(|option| {
        option.strip_prefix("umask=").or_else(|| option.strip_prefix("fmask="))
    });
    let mask = masks.next_back().and_then(|mask| u32::from_str_radix(mask, 8).ok());
    mask.is_some_and(|mask| mask & 0o077 == 0o077)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_disk_s_line_is_known_by_its_mount_point() {
        let fstab = b"# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n\
            LABEL=BEK\\040VOLUME /mnt/azure_bek_disk auto defaults,discard,nofail 0 0\n\
            #LABEL=BEK\\040VOLUME /mnt/azure_bek_disk auto defaults 0 0\n\
            /dev/sdc1\t/mnt/azure_bek_disk/ vfat ro,umask=0077\nUUID=2 /mnt/azure_bek_disk2 ext4\n";
        let mount = |line, private| KeyDiskMount { line, private };
        assert_eq!(of_key_disk(fstab), [mount(3, false), mount(5, true)]);
        assert_eq!(of_key_disk(b"\xff\n/mnt/azure_bek_disk\n"), []);
    }

    #[test]
    fn only_a_mask_for_everybody_hides_the_keys() {
        for private in ["umask=077", "ro,umask=0177,nofail", "umask=0,fmask=077"] {
            assert!(hides(private), "{private}");
        }
        for open in ["", "defaults", "umask=022", "umask=0700", "umask=x", "umask=077,umask=0"] {
            assert!(!hides(open), "{open}");
        }
    }
}
