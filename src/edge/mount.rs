//! Mounts a key disk for as long as it takes to read it, where nobody else sees it.
//!
//! Each look gets a thread with a mount namespace of its own: the rest of the program keeps its
//! view, other processes see nothing, and when the thread ends the kernel takes down whatever is
//! still mounted there. A mount that somebody else made is used and left as it is. No mount unit
//! and no fstab line: those stay mounted when something fails (systemd #28021), and ADE's line
//! makes the key readable for everybody.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::edge::file::open_directory;
use crate::edge::mountinfo;

/// Where ADE mounts the key disk, and where bektab's absolute paths point.
pub const MOUNT_POINT: &str = "/mnt/azure_bek_disk";

/// Where it is mounted when the root file system is read-only; on /run's tmpfs.
const SPARE_MOUNT_POINT: &str = "/run/bek-unlock/keydisk";

/// How often unmounting is tried before the mount is detached.
const UNMOUNT_TRIES: usize = 5;

/// Why a key disk was not read through a mount.
#[derive(Debug)]
pub enum Problem {
    /// It was read, and could not be unmounted.
    Stuck(io::Error),
    /// It cannot be mounted here: no vfat in the kernel, no right to mount, no place to.
    Unavailable {
        /// What was tried.
        call: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Runs `read` on the root directory of the vfat file system on `device`: its path, and the
/// directory opened. The path is valid inside `read` only.
///
/// The mount is read-only, nosuid, nodev, noexec, umask 077, and gone when this returns.
pub fn mounted<T: Send>(
    device: &Path,
    read: impl FnOnce(&Path, BorrowedFd<'_>) -> T + Send,
) -> Result<T, Problem> {
    // What mount(2) would say, before anything is made for it.
    if !fs::metadata(device).is_ok_and(|metadata| metadata.file_type().is_block_device()) {
        return Err(unavailable("mount")(Errno::ENOTBLK.into()));
    }
    if let Some((path, directory)) = existing(device) {
        log::debug!("{} is mounted on {}", device.display(), path.display());
        return Ok(read(&path, directory.as_fd()));
    }
    thread::scope(|scope| {
        thread::Builder::new()
            .name("key-disk".to_owned())
            // All memory is locked, stacks too; the default is 2 MiB.
            .stack_size(256 * 1024)
            .spawn_scoped(scope, || {
                enter_private_namespace()?;
                let mount = Mount::new(device)?;
                let directory = open_directory(&mount.path).map_err(unavailable("open"))?;
                let result = read(&mount.path, directory.as_fd());
                drop(directory);
                mount.unmount().map_err(Problem::Stuck)?;
                Ok(result)
            })
            .map_err(unavailable("start a thread"))?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A mount of the device that somebody else made, opened so that it cannot go away meanwhile.
fn existing(device: &Path) -> Option<(PathBuf, File)> {
    let number = fs::metadata(device).ok()?.rdev();
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mountinfo::mount_points(&table, number).into_iter().find_map(|path| {
        let directory = open_directory(&path).ok()?;
        // Something else may be mounted over it.
        let is_it = directory.metadata().is_ok_and(|metadata| metadata.dev() == number);
        is_it.then_some((path, directory))
    })
}

/// Gives this thread a copy of the mount tree that follows the original and does not feed it.
fn enter_private_namespace() -> Result<(), Problem> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => {}
        // The unit's sandbox (RestrictNamespaces=) forbids it, having made a namespace itself.
        Err(Errno::EPERM) if has_own_namespace() => return Ok(()),
        Err(errno) => return Err(unavailable("unshare")(errno.into())),
    }
    let nothing: Option<&str> = None;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_SLAVE, nothing)
        .map_err(|errno| unavailable("make the mounts private")(errno.into()))
}

fn has_own_namespace() -> bool {
    let namespace = |of| fs::read_link(format!("/proc/{of}/ns/mnt"));
    match (namespace("self"), namespace("1")) {
        (Ok(own), Ok(init)) => own != init,
        _ => false,
    }
}

/// A mounted key disk; unmounted when dropped.
struct Mount {
    path: PathBuf,
    is_mounted: bool,
}

impl Mount {
    fn new(device: &Path) -> Result<Self, Problem> {
        let path = mount_point(&[Path::new(MOUNT_POINT), Path::new(SPARE_MOUNT_POINT)])
            .map_err(unavailable("make a mount point"))?;
        let flags = MsFlags::MS_RDONLY
            | MsFlags::MS_NOSUID
            | MsFlags::MS_NODEV
            | MsFlags::MS_NOEXEC
            | MsFlags::MS_NOATIME;
        mount(Some(device), &path, Some("vfat"), flags, Some("umask=0077"))
            .map_err(|errno| unavailable("mount")(errno.into()))?;
        Ok(Self { path, is_mounted: true })
    }

    /// Drop does the same where something went wrong before; only here is failure an error.
    fn unmount(mut self) -> io::Result<()> {
        self.is_mounted = false;
        unmount(&self.path)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.is_mounted {
            return;
        }
        if let Err(error) = unmount(&self.path) {
            log::error!("{} stays mounted: {error}", self.path.display());
        }
    }
}

/// Nothing of ours is open there any more, so a busy mount is one that another process of this
/// namespace looks at; it loses the mount as soon as it stops.
fn unmount(path: &Path) -> io::Result<()> {
    for _ in 0..UNMOUNT_TRIES {
        match umount2(path, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY | Errno::EINTR) => thread::yield_now(),
            done => return Ok(done?),
        }
    }
    log::warn!("{} is busy; detached", path.display());
    Ok(umount2(path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH)?)
}

/// The first of these that is a directory or can be made one.
///
/// A new one stays: rmdir(2) takes down what others mounted on it in their namespaces meanwhile.
fn mount_point(places: &[&Path]) -> io::Result<PathBuf> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for place in places {
        result = directory(place);
        if result.is_ok() {
            return Ok(place.to_path_buf());
        }
    }
    result.map(|()| PathBuf::new())
}

/// Makes sure that `place` is a directory and no link to one.
fn directory(place: &Path) -> io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ if fs::symlink_metadata(place)?.is_dir() => Ok(()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

fn unavailable(call: &'static str) -> impl Fn(io::Error) -> Problem {
    move |error| Problem::Unavailable { call, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_first_usable_mount_point_is_taken() {
        let root = TempDir::new().unwrap();
        let (link, file) = (root.path().join("link"), root.path().join("file"));
        symlink(root.path(), &link).unwrap();
        fs::write(&file, b"").unwrap();
        let below_file = file.join("mnt");
        let spare = root.path().join("run/keydisk");
        let places: [&Path; 4] = [&link, &file, &below_file, &spare];
        assert_eq!(mount_point(&places).unwrap(), spare);
        let mode = fs::metadata(&spare).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(mount_point(&[&spare]).unwrap(), spare, "one that is there already");
    }

    #[test]
    fn without_a_mount_point_there_is_an_error() {
        let root = TempDir::new().unwrap();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(mount_point(&[&file]).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(mount_point(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_device_nobody_mounted_has_no_mount() {
        assert!(existing(Path::new("/dev/null")).is_none());
        assert!(existing(Path::new("/nonexistent")).is_none());
    }

    #[test]
    fn what_is_no_mount_is_an_error_to_unmount() {
        let root = TempDir::new().unwrap();
        assert!(unmount(root.path()).is_err());
    }
}
