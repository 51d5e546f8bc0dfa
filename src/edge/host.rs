//! The system an image is built for: its files, its mounts, its kernel.
//!
//! The running one, or a tree (`--root`), of which only files are known. Nothing is mounted,
//! opened for writing or waited for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::file::SystemFiles;
use crate::edge::http::authorities;
use crate::edge::mountinfo::{self, Mount};
use crate::edge::probe;
use crate::edge::sysfs::Sysfs;
use crate::initramfs::fstab;
use crate::initramfs::{FileState, Host, ModuleState, Place, Stack};
use crate::key::file::KeyFiles;
use crate::secret::Secret;
use crate::volume::DeviceSpec;

use kernel::Kernel;

mod dracut;
mod kernel;
mod place;
mod stack;
#[cfg(test)]
mod tests;

/// The largest text file that is read.
const TEXT_MAX: u64 = 1 << 20;

/// The system below a root directory.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    /// Its mounts and devices are those of this kernel.
    runs: bool,
    sysfs: Sysfs,
    mounts: Vec<Mount>,
    fstab: Vec<fstab::Line>,
    kernel: Option<Kernel>,
}

impl System {
    /// The system below `root`, which runs when that is `/`; `kernel` is the release that the image
    /// is for, as uname(1) prints it.
    pub fn new(root: &Path, kernel: Option<&str>) -> Self {
        let runs = root == Path::new("/");
        if runs {
            // What systemd mounts when it is first looked at.
            ["/boot", "/boot/efi", "/efi"].iter().for_each(|point| drop(fs::read_dir(point)));
        }
        let mounts = if runs { text(Path::new("/proc/self/mountinfo")) } else { String::new() };
        Self {
            runs,
            sysfs: Sysfs::at(Path::new("/sys")),
            mounts: mountinfo::table(&mounts),
            fstab: fstab::parse(&text(&root.join("etc/fstab"))),
            kernel: kernel.and_then(|release| Kernel::read(root, release)),
            root: root.to_owned(),
        }
    }

    /// An absolute path of that system as a path of this one.
    fn path(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The device of a bektab or fstab field; only a running system has any.
    fn find(&self, spec: &DeviceSpec) -> Option<PathBuf> {
        if !self.runs {
            return None;
        }
        BlockDevices::new().find(spec).ok().flatten()
    }
}

/// The modules that an image for `release` has, or its kernel has built in; `list` gives the image's
/// own lists, such as `modules.dep`.
pub fn modules_in_image(
    root: &Path,
    release: &str,
    list: &dyn Fn(&str) -> Vec<u8>,
) -> BTreeSet<String> {
    Kernel::in_image(root, release, list)
}

impl Host for System {
    fn authorities(&self) -> Option<PathBuf> {
        authorities::SYSTEM
            .iter()
            .map(PathBuf::from)
            .find(|path| self.file(path) == FileState::File)
    }

    fn command_line(&self) -> String {
        if self.runs { text(Path::new("/proc/cmdline")) } else { String::new() }
    }

    fn crypttab(&self) -> String {
        text(&self.root.join("etc/crypttab"))
    }

    fn device(&self, device: &DeviceSpec) -> bool {
        // Of a tree, and where there is no /sys, nothing is known, and nothing is held against it.
        !self.runs || self.sysfs.nodes().is_empty() || self.find(device).is_some()
    }

    fn dracut_modules(&self) -> Vec<String> {
        dracut::modules(&self.root)
    }

    fn file(&self, path: &Path) -> FileState {
        match fs::metadata(self.path(path)) {
            Ok(metadata) if metadata.is_file() => FileState::File,
            Ok(metadata) if metadata.file_type().is_block_device() => FileState::Device,
            Ok(_) => FileState::Unusable("not a regular file".to_owned()),
            // A device of a system that does not run has no node.
            Err(_) if path.starts_with("/dev") => FileState::Device,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => FileState::Missing,
            Err(error) => FileState::Unusable(error.to_string()),
        }
    }

    fn head(&self, path: &Path, limit: usize) -> Vec<u8> {
        // A FIFO would wait for its writer, and a tree has no devices of its own.
        let usable = match self.file(path) {
            FileState::File => true,
            FileState::Device => self.runs,
            FileState::Missing | FileState::Unusable(_) => false,
        };
        let mut head = Vec::new();
        if usable {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            let read = File::open(self.path(path))
                .and_then(|file| file.take(limit).read_to_end(&mut head));
            if let Err(error) = read {
                log::debug!("{}: {error}", path.display());
            }
        }
        head
    }

    fn key(&self, path: &Path) -> Option<Secret> {
        let read = SystemFiles.read(&self.path(path));
        read.ok().map(|(key, _)| key)
    }

    fn module(&self, name: &str) -> ModuleState {
        self.kernel.as_ref().map_or(ModuleState::Unknown, |kernel| kernel.module(name))
    }

    fn place(&self, path: &Path) -> Place {
        let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let real = if self.runs { fs::canonicalize(&plain).unwrap_or(plain) } else { plain };
        self.separate(&real).map_or(Place::Root, Place::Separate)
    }

    fn root_stack(&self) -> Stack {
        let points = [Path::new("/"), Path::new("/usr")];
        let mut names = BTreeSet::new();
        let mut unknown = Vec::new();
        for point in points {
            let mounted = self.top(point).and_then(|mount| stack::of_mount(&self.sysfs, mount));
            let is_followed = mounted.is_some();
            names.extend(mounted.unwrap_or_default());
            let Some(line) = self.fstab.iter().find(|line| line.point == point) else { continue };
            match self.follow(&line.device) {
                Some(below) => names.extend(below),
                None if is_followed => {}
                None => unknown.push(line.device.clone()),
            }
        }
        Stack { mappings: names.into_iter().collect(), unknown }
    }

    fn file_system(&self, device: &DeviceSpec) -> Option<String> {
        let found = self.find(device)?;
        probe::superblock(&found).ok().flatten().map(|superblock| superblock.kind)
    }

    fn luks_uuid(&self, device: &DeviceSpec) -> Option<String> {
        let superblock = probe::superblock(&self.find(device)?).ok().flatten()?;
        superblock.uuid.filter(|_| superblock.kind == "crypto_LUKS")
    }
}

impl System {
    /// The mappings below a device of fstab; `None` when it cannot be followed.
    fn follow(&self, device: &str) -> Option<Vec<String>> {
        let spec = DeviceSpec::parse(device)?;
        let node = self.find(&spec).and_then(|path| self.sysfs.node_of(&path));
        if let Some(node) = node {
            return Some(stack::of_node(&self.sysfs, &node));
        }
        // The name says it, also of a system that does not run here.
        let name = device
            .strip_prefix("/dev/mapper/")
            .or_else(|| device.strip_prefix("/dev/disk/by-id/dm-name-"))?;
        // `VG-LV` is LVM's, and may or may not be a mapping of ours: not known.
        (!name.contains('/')).then(|| vec![name.to_owned()])
    }
}

/// A text file of the system; empty when it is not there.
fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        // What was read before an error counts.
        let _ = File::open(path).map(|file| file.take(TEXT_MAX).read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
