//! How each kind of file system is mounted, so that reading it changes nothing.
//!
//! "Read-only" alone is not that: ext4, XFS and btrfs play back a journal that was left over even
//! then (ext4(5), xfs(5), btrfs(5)), and the disk may be one under repair.

use nix::mount::MsFlags;

/// Where ADE mounts the key disk, and where bektab's absolute paths point.
pub const KEY_DISK_POINT: &str = "/mnt/azure_bek_disk";

/// Type, options and place of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// The file system, in the word of mount(2), libblkid and mountinfo.
    pub kind: &'static str,
    /// Options in the order of trying: kernels differ in what they know.
    pub options: &'static [&'static str],
    /// Whether it may be written to.
    pub writable: bool,
    /// Mount points in the order of trying.
    pub places: &'static [&'static str],
}

/// What is mounted to read a header, and what keeps its journal unread.
const KINDS: [(&str, &[&str]); 6] = [
    // rescue= came with Linux 5.9 and nologreplay went with 6.8.
    ("btrfs", &["rescue=nologreplay", "nologreplay"]),
    ("ext2", &[""]),
    ("ext3", &["noload"]),
    ("ext4", &["noload"]),
    ("vfat", &["umask=0077"]),
    // A disk made of the same image as this machine's own has the same UUID, which XFS mounts once.
    ("xfs", &["norecovery", "norecovery,nouuid"]),
];

/// On /run's tmpfs: there is no other place that can be written to in every system.
const HEADER_PLACES: &[&str] = &["/run/bek-unlock/header"];

impl How {
    /// The key disk, whose mount point ADE's users know; the spare one is for a root that is
    /// read-only.
    pub const KEY_DISK: Self = Self {
        kind: "vfat",
        options: &["umask=0077"],
        writable: false,
        places: &[KEY_DISK_POINT, "/run/bek-unlock/keydisk"],
    };

    /// A file system with a header on it; `None` for a kind that is not known.
    pub fn to_read(kind: &str) -> Option<Self> {
        let (kind, options) = KINDS.into_iter().find(|(known, _)| *known == kind)?;
        Some(Self { kind, options, writable: false, places: HEADER_PLACES })
    }

    /// The same to write to, which plays back its journal.
    pub fn to_write(kind: &str) -> Option<Self> {
        let options: &[&str] = if kind == "vfat" { &["umask=0077"] } else { &[""] };
        Some(Self { options, writable: true, ..Self::to_read(kind)? })
    }

    /// Nothing on it is ever run, and no device node on it is one.
    pub fn flags(&self) -> MsFlags {
        let mut flags =
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        flags.set(MsFlags::MS_RDONLY, !self.writable);
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_plays_back_no_journal() {
        for (kind, options) in [
            ("ext3", &["noload"][..]),
            ("ext4", &["noload"]),
            ("xfs", &["norecovery", "norecovery,nouuid"]),
            ("btrfs", &["rescue=nologreplay", "nologreplay"]),
            ("vfat", &["umask=0077"]),
        ] {
            let how = How::to_read(kind).unwrap();
            assert_eq!((how.kind, how.options), (kind, options));
            assert!(how.flags().contains(MsFlags::MS_RDONLY));
            // What skips the journal is refused together with writing, and would lose data.
            let how = How::to_write(kind).unwrap();
            assert!(!how.flags().contains(MsFlags::MS_RDONLY));
            assert!(how.options.iter().all(|option| matches!(*option, "" | "umask=0077")));
        }
        assert_eq!(How::to_read("crypto_LUKS"), None);
        assert_eq!(How::to_write("ntfs"), None);
    }

    #[test]
    fn nothing_is_run_and_no_device_is_one() {
        let always = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let hows = [How::KEY_DISK, How::to_read("xfs").unwrap(), How::to_write("ext4").unwrap()];
        assert!(hows.iter().all(|how| how.flags().contains(always)));
    }
}
