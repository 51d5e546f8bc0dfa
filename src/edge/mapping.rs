//! What is mapped and who uses it, read from sysfs and proc.
//!
//! No libdevmapper: /sys/block/dm-N/dm/{name,uuid} says it all to any user, so `status` needs no
//! root, and fixtures can stand in for the kernel.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::edge::sysfs::{attribute, names};
use crate::error::{Kind, printable};
use crate::mapping::{Mapping, Mappings};
use crate::volume::VolumeName;

/// The kernel's own account of its mappings, below a root directory (`/`, or a fixture).
#[derive(Clone, Debug)]
pub struct MappedDevices {
    root: PathBuf,
}

impl MappedDevices {
    /// Reads `root`/sys, `root`/proc.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Every dm-crypt mapping whose name bek-unlock could have given.
    pub fn all(&self) -> Result<Vec<Mapping>, Kind> {
        let mut mappings = Vec::new();
        for block in self.blocks()? {
            mappings.extend(self.read(&block));
        }
        mappings.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(mappings)
    }

    /// The kernel's directory of the mapping, `/sys/block/dm-N`.
    fn block_of(&self, name: &VolumeName) -> Result<Option<PathBuf>, Kind> {
        let named = |block: &PathBuf| attribute(block, "dm/name").as_deref() == Some(name.as_str());
        Ok(self.blocks()?.into_iter().find(named))
    }

    /// All of `/sys/block/dm-*`; none on a kernel without device-mapper.
    fn blocks(&self) -> Result<Vec<PathBuf>, Kind> {
        let directory = self.root.join("sys/block");
        let unreadable = |error: io::Error| Kind::Internal {
            call: "reading /sys/block",
            reason: error.to_string(),
        };
        let mut blocks = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.file_name().as_encoded_bytes().starts_with(b"dm-") {
                blocks.push(entry.path());
            }
        }
        Ok(blocks)
    }

    /// `None` when the mapping vanished while it was read, or has a name no volume can have.
    fn read(&self, block: &Path) -> Option<Mapping> {
        let name = VolumeName::parse(&attribute(block, "dm/name")?).ok()?;
        // libcryptsetup writes CRYPT-TYPE-UUID-NAME (dm_prepare_uuid); PLAIN has no UUID.
        let dm_uuid = attribute(block, "dm/uuid").unwrap_or_default();
        let mut parts = dm_uuid.split('-');
        let ours = parts.next() == Some("CRYPT");
        let kind = parts.next().filter(|_| ours).map(str::to_owned);
        let uuid = parts
            .next()
            .filter(|part| ours && part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_ascii_lowercase);
        let mut devices: Vec<PathBuf> = names(&block.join("slaves"))
            .into_iter()
            .map(|name| self.root.join("dev").join(name))
            .collect();
        devices.sort();
        let read_only = attribute(block, "ro").as_deref() == Some("1");
        Some(Mapping { name, devices, kind, uuid, read_only })
    }

    /// The file behind a loop device (`loop/backing_file`, see loop.c of the kernel).
    fn backing_file(&self, device: &Path) -> Option<PathBuf> {
        let name = device.file_name()?;
        line(&self.root.join("sys/block").join(name).join("loop/backing_file")).map(PathBuf::from)
    }
}

impl Mappings for MappedDevices {
    fn find(&self, name: &VolumeName) -> Result<Option<Mapping>, Kind> {
        Ok(self.block_of(name)?.and_then(|block| self.read(&block)))
    }

    fn same_device(&self, one: &Path, other: &Path) -> bool {
        let number = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            metadata.file_type().is_block_device().then(|| metadata.rdev())
        };
        if let (Some(one), Some(other)) = (number(one), number(other)) {
            return one == other;
        }
        // At most one of them is a block device: a volume in a file, mapped through a loop device.
        let file = |path: &Path| {
            let path = self.backing_file(path).unwrap_or_else(|| path.to_owned());
            fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
        };
        file(one).is_some_and(|one| Some(one) == file(other))
    }

    fn holders(&self, name: &VolumeName) -> Vec<String> {
        let Ok(Some(block)) = self.block_of(name) else { return Vec::new() };
        let mut holders = Vec::new();
        if let Some(number) = attribute(&block, "dev") {
            holders.extend(self.mounts(&number).map(|point| format!("mount {point}")));
        }
        let device = Path::new("/dev").join(block.file_name().unwrap_or_default());
        if self.is_swap(&device) {
            holders.push("swap".to_owned());
        }
        for holder in names(&block.join("holders")) {
            let above = self.root.join("sys/block").join(&holder);
            holders.push(format!("device {}", attribute(&above, "dm/name").unwrap_or(holder)));
        }
        // A search through every process is dear: only when nothing cheaper explains it.
        if holders.is_empty() {
            holders.extend(self.processes(&[device, name.mapped_path()]));
        }
        // Mount points and process names are whatever somebody chose, escape sequences too.
        holders.iter().map(|holder| printable(holder, 80)).collect()
    }
}

impl MappedDevices {
    /// Mount points of the device `MAJOR:MINOR` (proc_pid_mountinfo(5): field 3, field 5).
    fn mounts(&self, number: &str) -> impl Iterator<Item = String> + use<> {
        let table = fs::read_to_string(self.root.join("proc/self/mountinfo")).unwrap_or_default();
        let number = number.to_owned();
        let points: Vec<String> = table
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(2);
                (fields.next()? == number).then(|| fields.nth(1).map(str::to_owned)).flatten()
            })
            .collect();
        points.into_iter()
    }

    fn is_swap(&self, device: &Path) -> bool {
        let table = fs::read_to_string(self.root.join("proc/swaps")).unwrap_or_default();
        table.lines().any(|line| line.split_whitespace().next().map(Path::new) == Some(device))
    }

    /// `process NAME (PID)` for each process with one of these paths open. Without udev the path
    /// below /dev/mapper is a node of its own and not a link.
    fn processes(&self, paths: &[PathBuf]) -> Vec<String> {
        let mut found = Vec::new();
        for pid in names(&self.root.join("proc")) {
            if !pid.bytes().all(|b| b.is_ascii_digit()) {
                continue;
            }
            let process = self.root.join("proc").join(&pid);
            let fds = process.join("fd");
            let open = names(&fds)
                .iter()
                .any(|fd| fs::read_link(fds.join(fd)).is_ok_and(|target| paths.contains(&target)));
            if open {
                let name = line(&process.join("comm")).unwrap_or_default();
                found.push(format!("process {name} ({pid})"));
            }
        }
        found
    }
}

/// The first line of a small kernel file that holds a path or a process's name: blanks count.
fn line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with one LUKS2 mapping `data1` (dm-0 over sdb), mounted, and one LVM volume on it.
    fn fixture() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sys/block/dm-0/dm/name", "data1\n");
        write("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123456789abcdef0123456789ABCDEF-data1\n");
        write("sys/block/dm-0/dev", "253:0\n");
        write("sys/block/dm-0/ro", "0\n");
        write("sys/block/dm-0/slaves/sdb", "");
        write("sys/block/dm-0/holders/dm-1", "");
        write("sys/block/dm-1/dm/name", "vg-lv\n");
        write("sys/block/dm-1/dm/uuid", "LVM-abc\n");
        write("sys/block/sdb/size", "1");
        write(
            "proc/self/mountinfo",
            "30 1 253:0 / /mnt/data1 rw - ext4 /dev/mapper/data1 rw\n31 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        );
        write("proc/swaps", "Filename Type\n/dev/dm-1 partition 1 0 -2\n");
        root
    }

    fn name(name: &str) -> VolumeName {
        VolumeName::parse(name).unwrap()
    }

    #[test]
    fn a_mapping_is_read_whole() {
        let root = fixture();
        let mapping = MappedDevices::new(root.path()).find(&name("data1")).unwrap().unwrap();
        assert_eq!(mapping.kind.as_deref(), Some("LUKS2"));
        assert_eq!(mapping.uuid.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(mapping.devices, [root.path().join("dev/sdb")]);
        assert!(!mapping.read_only);
    }

    #[test]
    fn a_mapping_of_somebody_else_has_no_kind() {
        let root = fixture();
        let mapping = MappedDevices::new(root.path()).find(&name("vg-lv")).unwrap().unwrap();
        assert_eq!((mapping.kind, mapping.uuid), (None, None));
    }

    #[test]
    fn absent_is_none() {
        let root = fixture();
        assert_eq!(MappedDevices::new(root.path()).find(&name("data2")).unwrap(), None);
    }

    #[test]
    fn holders_are_named() {
        let root = fixture();
        let devices = MappedDevices::new(root.path());
        assert_eq!(devices.holders(&name("data1")), ["mount /mnt/data1", "device vg-lv"]);
        assert_eq!(devices.holders(&name("vg-lv")), ["swap"]);
    }

    #[test]
    fn a_process_is_named_when_nothing_else_explains_it() {
        let root = fixture();
        let process = root.path().join("proc/42/fd");
        fs::create_dir_all(&process).unwrap();
        fs::write(root.path().join("proc/42/comm"), "d\x1b[31m\n").unwrap();
        std::os::unix::fs::symlink("/dev/dm-1", process.join("3")).unwrap();
        fs::write(root.path().join("proc/swaps"), "").unwrap();
        assert_eq!(
            MappedDevices::new(root.path()).holders(&name("vg-lv")),
            ["process d?[31m (42)"]
        );
    }

    #[test]
    fn files_are_the_same_device_by_inode() {
        let root = tempfile::tempdir().unwrap();
        let (one, link) = (root.path().join("one"), root.path().join("link"));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &link).unwrap();
        let devices = MappedDevices::new(root.path());
        assert!(devices.same_device(&one, &link));
        assert!(!devices.same_device(&one, root.path()));
        assert!(!devices.same_device(&one, &root.path().join("absent")));
    }
}
