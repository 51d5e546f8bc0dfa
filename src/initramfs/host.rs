//! What a plan asks about the system that the image is for.

use std::path::{Path, PathBuf};

use crate::secret::Secret;
use crate::volume::DeviceSpec;

/// The system that the image is for: this one while it runs, or a tree.
pub trait Host {
    /// The system's certificate authorities: the first bundle there is.
    fn authorities(&self) -> Option<PathBuf>;

    /// The kernel command line this system was started with; empty for a tree.
    fn command_line(&self) -> String;

    /// The text of /etc/crypttab, whoever wrote its lines; empty when there is none.
    fn crypttab(&self) -> String;

    /// Whether there is such a device now.
    fn device(&self, device: &DeviceSpec) -> bool;

    /// The directories of dracut's modules, such as `50bek-unlock`, without those that its
    /// configuration omits.
    fn dracut_modules(&self) -> Vec<String>;

    /// What is at an absolute path.
    fn file(&self, path: &Path) -> FileState;

    /// The first bytes of a file, at most `limit`; empty when it cannot be read.
    fn head(&self, path: &Path, limit: usize) -> Vec<u8>;

    /// What a key file holds, wrapped or not; `None` when it cannot be read.
    fn key(&self, path: &Path) -> Option<Secret>;

    /// Whether the kernel of the image has a module, by name or alias.
    fn module(&self, name: &str) -> ModuleState;

    /// Which file system a path is on, its own or the root's.
    fn place(&self, path: &Path) -> Place;

    /// The mappings that the file systems of `/` and `/usr` stand on.
    fn root_stack(&self) -> Stack;

    /// The file system on a device, as the kernel calls it: `ext4`.
    fn file_system(&self, device: &DeviceSpec) -> Option<String>;

    /// The LUKS UUID of an encrypted device.
    fn luks_uuid(&self, device: &DeviceSpec) -> Option<String>;
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// A device node.
    Device,
    /// A regular file.
    File,
    /// Nothing.
    Missing,
    /// Something that cannot be used, and what it is or what the system said.
    Unusable(String),
}

/// Where a file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the file system of the root or of /usr, or on one that is encrypted itself: out of reach
    /// until the volumes of the image are open.
    Root,
    /// On a file system of its own, such as /boot.
    Separate(FileSystem),
}

/// A file system other than the root's, and a file on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Whether it is mounted there now, so that what is not in it is missing.
    pub is_mounted: bool,
    /// Where it is mounted, or is to be.
    pub point: PathBuf,
    /// The file, from the root of the file system.
    pub path: PathBuf,
    /// How the device is found again after the next boot; `None` when it has no UUID.
    pub device: Option<DeviceSpec>,
    /// As the kernel calls it; `None` when it is not known.
    pub kind: Option<String>,
}

/// Whether the image's kernel has a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleState {
    /// It is there, to be loaded or built in.
    Available,
    /// modprobe.d(5) forbids it, in this file.
    Blocked(PathBuf),
    /// It is not there.
    Missing,
    /// No kernel was named, or its list of modules is not there.
    Unknown,
}

/// What the root stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// The names of the dm-crypt mappings below it.
    pub mappings: Vec<String>,
    /// Devices of fstab(5) that could not be followed: the system does not run here.
    pub unknown: Vec<String>,
}
