//! Block devices as the unlock needs them: the interface that edge/block.rs implements.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::error::Kind;
use crate::slot::Slot;
use crate::volume::DeviceSpec;

/// Finds and looks at block devices; reads, never writes.
///
/// Every call is one look at what is there now; waiting is the caller's, on its deadline.
pub trait Devices {
    /// The block device that `spec` names, without links in its path; a regular file only where
    /// `spec` is a path. `None`: not there (yet).
    ///
    /// Errors: [`Kind::NotPermitted`] when nothing was found and devices could not be read.
    fn find(&mut self, spec: &DeviceSpec) -> Result<Option<PathBuf>, Kind>;

    /// Every vfat file system labelled `BEK VOLUME`: a repair VM may have its own key disk and
    /// that of the disk under repair.
    ///
    /// Errors: [`Kind::NotPermitted`], as above.
    fn key_disks(&mut self) -> Result<Vec<PathBuf>, Kind>;

    /// What the device holds, in libblkid's word (`ext4`, `LVM2_member`, `swap`, `gpt`); `None`
    /// for nothing known, which is what the wrong disk looks like behind a detached header.
    ///
    /// Errors: [`Kind::NotPermitted`], or [`Kind::Internal`] when the device cannot be read.
    fn signature(&mut self, device: &Path) -> Result<Option<String>, Kind>;

    /// The data-disk slot of `device` or of the disk it is a partition of, from sysfs.
    fn slot(&mut self, device: &Path) -> Option<Slot>;
}
