//! A disk from another machine, or an image of one, opened so that nothing writes to it.
//!
//! What is looked at here may be the only copy there is, so it is read-only before anybody looks:
//! a disk by its flag (flag.rs), an image file through a loop device that cannot write (image.rs).
//! A disk that this machine itself works with is left alone: setting its flag would take the ground
//! from under a mounted file system, and somebody may well name the wrong one.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::{major, minor};

use crate::edge::sysfs::{Node, Sysfs};
use crate::error::Kind;
use crate::recovery::no_target::Why;
use image::Loop;
use interrupted::Noted;
use problem::{no_loop, not_protected, refused, unopened};

pub use part::Part;

pub mod content;
mod flag;
mod image;
mod interrupted;
mod look;
mod part;
mod problem;
mod usage;

/// A disk, a partition or an image file under rescue. Dropped, it is given back as it was.
#[derive(Debug)]
pub struct RescueDisk {
    named: PathBuf,
    path: PathBuf,
    writable: bool,
    sysfs: Sysfs,
    image: Option<File>,
    loops: Vec<Loop>,
    flagged: Vec<Flagged>,
    parts: Option<Vec<Part>>,
}

/// A device whose flag was set here.
#[derive(Debug)]
struct Flagged {
    path: PathBuf,
    /// Dropped before the descriptor that it knows is closed.
    _noted: Option<Noted>,
    /// Open, so that its name cannot become another's.
    device: File,
}

impl RescueDisk {
    /// Opens the block device or image file at `path`, read-only unless `writable`.
    ///
    /// Errors: [`Kind::DeviceInUse`] when something on this machine may write to it, or uses it at
    /// all where it is to be written to; [`Kind::NoTarget`] for what is no disk;
    /// [`Kind::VolumeMissing`], [`Kind::NotPermitted`].
    pub fn open(path: &Path, writable: bool) -> Result<Self, Kind> {
        let named = fs::canonicalize(path).map_err(|error| unopened(path, &error))?;
        let metadata = fs::metadata(&named).map_err(|error| unopened(&named, &error))?;
        let sysfs = Sysfs::at(Path::new("/sys"));
        let disk = Self {
            path: named.clone(),
            named,
            writable,
            sysfs,
            image: None,
            loops: Vec::new(),
            flagged: Vec::new(),
            parts: None,
        };
        if metadata.file_type().is_block_device() {
            disk.of_device(&metadata)
        } else if metadata.is_file() {
            disk.of_image(&metadata)
        } else {
            Err(refused(&disk.named, Why::NotADisk))
        }
    }

    fn of_device(mut self, metadata: &Metadata) -> Result<Self, Kind> {
        let node = node_of(&self.sysfs, metadata);
        usage::must_be_free(&self.sysfs, node.as_ref(), &self.path, self.writable)?;
        let path = self.path.clone();
        self.protect(&path)?;
        Ok(self)
    }

    fn of_image(mut self, metadata: &Metadata) -> Result<Self, Kind> {
        let id = (metadata.dev(), metadata.ino());
        // Loop devices that are attached to it already.
        for node in self.sysfs.nodes() {
            let Some(backing) = node.attribute("loop/backing_file") else { continue };
            if fs::metadata(backing).is_ok_and(|file| (file.dev(), file.ino()) == id) {
                usage::must_be_free(&self.sysfs, Some(&node), &self.named, self.writable)?;
            }
        }
        let unopened = |error| unopened(&self.named, &error);
        let file = open(&self.named, self.writable, 0).map_err(unopened)?;
        if let Some(format) = image::foreign_format(&file).map_err(unopened)? {
            return Err(refused(&self.named, Why::Format(format)));
        }
        let whole = image::attach(&file, 0, 0).map_err(|error| no_loop(&self.named, &error))?;
        self.path.clone_from(&whole.path);
        self.loops.push(whole);
        self.image = Some(file);
        Ok(self)
    }

    /// What was named, without links: a device or an image file.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Its block device.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is an image file, and [`Self::path`] a loop device.
    pub fn is_image(&self) -> bool {
        self.image.is_some()
    }

    /// Makes a device of the same disk read-only, unless the disk may be written to.
    ///
    /// Errors: [`Kind::NotPermitted`] without CAP_SYS_ADMIN, [`Kind::Internal`].
    fn protect(&mut self, path: &Path) -> Result<(), Kind> {
        let known = self.flagged.iter().any(|known| known.path == path);
        if self.writable || known || self.loops.iter().any(|attached| attached.path == path) {
            return Ok(());
        }
        let device = open(path, false, 0).map_err(|error| unopened(path, &error))?;
        let failed = |error| not_protected(path, &error);
        if !flag::is_set(&device).map_err(failed)? {
            // Noted first: a signal may come at once.
            let noted = Noted::new(&device);
            flag::set(&device, true).map_err(failed)?;
            self.flagged.push(Flagged { path: path.to_owned(), _noted: noted, device });
        }
        Ok(())
    }

    /// The same for a partition beside the one that was named, as that of a header. Where this
    /// machine uses it, it is left as it is.
    pub fn protect_sibling(&mut self, path: &Path) -> Result<(), Kind> {
        let node = fs::metadata(path).ok().and_then(|found| node_of(&self.sysfs, &found));
        match usage::must_be_free(&self.sysfs, node.as_ref(), path, false) {
            Ok(()) => self.protect(path),
            Err(kind) => {
                log::debug!("left as it is: {kind}");
                Ok(())
            }
        }
    }

    /// Makes everything what it was before; dropping does the same.
    pub fn give_back(&mut self) {
        for flagged in self.flagged.drain(..).rev() {
            if let Err(error) = flag::set(&flagged.device, false) {
                log::warn!("{} stays read-only: {error}", flagged.path.display());
            }
        }
        self.loops.clear();
    }

    /// Leaves the disk read-only, for what was opened on it; loop devices stay while they are
    /// mapped. The devices that were writable before, which `blockdev --setrw` gives back.
    pub fn keep(mut self) -> Vec<PathBuf> {
        self.flagged.drain(..).map(|flagged| flagged.path).collect()
    }

    fn node(&self) -> Option<Node> {
        node_of(&self.sysfs, &fs::metadata(&self.path).ok()?)
    }
}

impl Drop for RescueDisk {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Whether nobody on this machine uses the block device or file at `path`, so that it may be
/// written over.
///
/// Errors: [`Kind::DeviceInUse`], [`Kind::VolumeMissing`].
pub fn must_be_unused(path: &Path) -> Result<(), Kind> {
    let sysfs = Sysfs::at(Path::new("/sys"));
    let metadata = fs::metadata(path).map_err(|error| unopened(path, &error))?;
    let node = match metadata.file_type().is_block_device() {
        true => node_of(&sysfs, &metadata),
        false => None,
    };
    usage::must_be_free(&sysfs, node.as_ref(), path, true)
}

/// How many bytes the block device at `path` has.
pub fn size(path: &Path) -> Option<u64> {
    use std::io::{Seek, SeekFrom};
    open(path, false, 0).and_then(|mut device| device.seek(SeekFrom::End(0))).ok()
}

fn node_of(sysfs: &Sysfs, device: &Metadata) -> Option<Node> {
    let number = device.rdev();
    sysfs.numbered(&format!("{}:{}", major(number), minor(number)))
}

/// A node's path; without udev nothing else is there, and with it this is there, too.
fn below_dev(node: &Node) -> PathBuf {
    Path::new("/dev").join(node.name.replace('!', "/"))
}

fn open(path: &Path, writable: bool, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    File::options().read(true).write(writable).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;
