//! Reads /proc/self/mountinfo (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::sys::stat::makedev;

/// Where the root of the file system of this kind on the device with this number is mounted, the
/// latest mount first: it is the one on top.
pub fn mount_points(table: &str, device: u64, kind: &str) -> Vec<PathBuf> {
    let points = table.lines().filter_map(|line| mount_point(line, device, kind));
    let mut points: Vec<_> = points.collect();
    points.reverse();
    points
}

/// `36 35 8:33 / /mnt/azure_bek_disk ro,nosuid shared:1 - vfat /dev/sdc1 ro,umask=0077`
fn mount_point(line: &str, device: u64, kind: &str) -> Option<PathBuf> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let is_device = makedev(major.parse().ok()?, minor.parse().ok()?) == device;
    let is_whole = fields.next()? == "/";
    let path = fields.next()?;
    let is_kind = file_system.split(' ').next()? == kind;
    (is_device && is_whole && is_kind).then(|| PathBuf::from(unescape(path)))
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Number of the file system's device: major and minor.
    pub device: (u64, u64),
    /// Which directory of the file system is mounted; a subvolume for btrfs.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// The kernel's word for it: `ext4`.
    pub kind: String,
    /// What mount(2) was given, for most a path below /dev.
    pub source: PathBuf,
    /// Whether the file system may be written to, through this mount or another.
    pub writable: bool,
}

/// Every mount, those below others first.
pub fn table(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let root = PathBuf::from(unescape(fields.next()?));
    let point = PathBuf::from(unescape(fields.next()?));
    let mut fields = file_system.split(' ');
    Some(Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        root,
        point,
        kind: fields.next()?.to_owned(),
        source: PathBuf::from(unescape(fields.next()?)),
        writable: fields.next().is_none_or(|options| options.split(',').next() != Some("ro")),
    })
}

/// Undoes the kernel's `mangle`: blank, tab, newline and backslash are `\ooo`.
fn unescape(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        // from_str_radix would take a sign for a digit.
        let digits = tail.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let octal = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 8:33 / /mnt/azure_bek_disk rw,relatime shared:9 master:2 - vfat /dev/sdc1 rw,fmask=0022
37 22 8:33 /sub /srv/bind rw - vfat /dev/sdc1 rw
38 22 8:34 / /mnt/ext rw - ext4 /dev/sdc2 rw
39 22 8:33 / /media/BEK\\040VOLUME ro - vfat /dev/sdc1 ro
garbage
40 22 8 / /x - vfat
";

    #[test]
    fn mounts_of_the_device_are_found_the_latest_first() {
        let expected = ["/media/BEK VOLUME", "/mnt/azure_bek_disk"].map(PathBuf::from);
        assert_eq!(mount_points(TABLE, makedev(8, 33), "vfat"), expected);
    }

    #[test]
    fn other_devices_and_file_systems_are_not() {
        for (table, minor) in [(TABLE, 34), (TABLE, 3), ("", 33)] {
            let found = mount_points(table, makedev(8, minor), "vfat");
            assert_eq!(found, [] as [PathBuf; 0], "{minor}");
        }
        let ext4 = mount_points(TABLE, makedev(8, 34), "ext4");
        assert_eq!(ext4, [PathBuf::from("/mnt/ext")]);
    }

    #[test]
    fn every_mount_is_in_the_table() {
        let mounts = table(TABLE);
        assert_eq!(mounts.len(), 5);
        let bind = &mounts[2];
        assert_eq!((bind.device, bind.root.to_str()), ((8, 33), Some("/sub")));
        assert_eq!((bind.point.to_str(), bind.kind.as_str()), (Some("/srv/bind"), "vfat"));
        assert_eq!(mounts[4].point.to_str(), Some("/media/BEK VOLUME"));
        assert_eq!(mounts[4].source.to_str(), Some("/dev/sdc1"));
        // What one mount of a file system may not do, another one may.
        let view = table("41 22 8:33 / /view ro,nosuid - vfat /dev/sdc1 rw,fmask=0022");
        assert_eq!((view[0].writable, mounts[4].writable), (true, false));
    }

    #[test]
    fn escapes_are_undone_and_nothing_else() {
        assert_eq!(unescape("a\\040b\\134c"), "a b\\c");
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("\\999\u{e9}"), "\\999\u{e9}");
        assert_eq!(unescape("\\+12\\-01"), "\\+12\\-01");
    }
}
