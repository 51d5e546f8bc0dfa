//! Mounts a file system for as long as it takes to read it, where nobody else sees it.
//!
//! Each look gets a thread with a mount namespace of its own: the rest of the program keeps its
//! view, other processes see nothing, and when the thread ends the kernel takes down whatever is
//! still mounted there. A mount that somebody else made is used and left as it is. No mount unit
//! and no fstab line: those stay mounted when something fails (systemd #28021), and ADE's lines
//! make the key readable for everybody.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::edge::file::open_directory;
use crate::edge::mountinfo;

pub use how::How;

pub mod how;
mod place;

/// How often unmounting is tried before the mount is detached.
const UNMOUNT_TRIES: usize = 5;

/// Why a file system was not read through a mount.
#[derive(Debug)]
pub enum Problem {
    /// It was read, and could not be unmounted.
    Stuck(io::Error),
    /// It cannot be mounted here: not in the kernel, no right to mount, no place to.
    Unavailable {
        /// What was tried.
        call: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Runs `read` on the root directory of the file system on `device`: its path, and the directory
/// opened. The path is valid inside `read` only.
///
/// The mount is gone when this returns.
pub fn mounted<T: Send>(
    device: &Path,
    how: &How,
    read: impl FnOnce(&Path, BorrowedFd<'_>) -> T + Send,
) -> Result<T, Problem> {
    must_be_device(device)?;
    if let Some((path, directory)) = existing(device, how) {
        return Ok(read(&path, directory.as_fd()));
    }
    thread::scope(|scope| {
        on_thread(scope, || mounted_here(device, how, read))?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The same for what has to be used on this thread, as everything that libcryptsetup touches:
/// `open` gets the directory, `take` what it opened there.
pub fn lent<F: Send, T>(
    device: &Path,
    how: &How,
    open: impl FnOnce(BorrowedFd<'_>) -> F + Send,
    take: impl FnOnce(F) -> T,
) -> Result<T, Problem> {
    must_be_device(device)?;
    if let Some((_, directory)) = existing(device, how) {
        return Ok(take(open(directory.as_fd())));
    }
    let (give, given) = mpsc::channel();
    let (in_use, unused) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let mounting = on_thread(scope, move || {
            mounted_here(device, how, |_, directory| {
                // The one waits for it; the other end sends nothing, it is dropped after use.
                let _ = give.send(open(directory));
                drop(give);
                let _ = unused.recv();
            })
        })?;
        let taken = given.recv().map(take);
        drop(in_use);
        let mounted = mounting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        mounted?;
        taken.map_err(|_| unavailable("open")(io::ErrorKind::NotFound.into()))
    })
}

/// Whether somebody else mounted it.
pub fn is_mounted(device: &Path, how: &How) -> bool {
    existing(device, how).is_some()
}

/// What mount(2) would say, before anything is made for it.
fn must_be_device(device: &Path) -> Result<(), Problem> {
    let is_device =
        fs::metadata(device).is_ok_and(|metadata| metadata.file_type().is_block_device());
    if is_device { Ok(()) } else { Err(unavailable("mount")(Errno::ENOTBLK.into())) }
}

fn on_thread<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    run: impl FnOnce() -> Result<T, Problem> + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, Result<T, Problem>>, Problem> {
    thread::Builder::new()
        .name("mount".to_owned())
        // All memory is locked, stacks too; the default is 2 MiB.
        .stack_size(256 * 1024)
        .spawn_scoped(scope, run)
        .map_err(unavailable("start a thread"))
}

/// Mounts in a namespace of this thread's own, which it keeps.
fn mounted_here<T>(
    device: &Path,
    how: &How,
    read: impl FnOnce(&Path, BorrowedFd<'_>) -> T,
) -> Result<T, Problem> {
    enter_private_namespace()?;
    let mount = Mount::new(device, how)?;
    let directory = open_directory(&mount.path).map_err(unavailable("open"))?;
    let result = read(&mount.path, directory.as_fd());
    drop(directory);
    mount.unmount().map_err(Problem::Stuck)?;
    Ok(result)
}

/// A mount of the device that somebody else made, opened so that it cannot go away meanwhile. None
/// to write to: a sandbox may have made those read-only (ProtectSystem=).
fn existing(device: &Path, how: &How) -> Option<(PathBuf, File)> {
    if how.writable {
        return None;
    }
    let number = fs::metadata(device).ok()?.rdev();
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mountinfo::mount_points(&table, number, how.kind).into_iter().find_map(|path| {
        let directory = open_directory(&path).ok()?;
        // Something else may be mounted over it.
        let is_it = directory.metadata().is_ok_and(|metadata| metadata.dev() == number);
        if is_it {
            log::debug!("{} is mounted on {}", device.display(), path.display());
        }
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

/// A mounted file system; unmounted when dropped.
struct Mount {
    path: PathBuf,
    is_mounted: bool,
}

impl Mount {
    fn new(device: &Path, how: &How) -> Result<Self, Problem> {
        let path = place::first(how.places).map_err(unavailable("make a mount point"))?;
        let mut result = Err(Errno::EINVAL);
        for options in how.options {
            result = mount(Some(device), &path, Some(how.kind), how.flags(), Some(*options));
            // EINVAL is what a kernel says to an option it does not know, among other things.
            if result != Err(Errno::EINVAL) {
                break;
            }
        }
        result.map_err(|errno| unavailable("mount")(errno.into()))?;
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

fn unavailable(call: &'static str) -> impl Fn(io::Error) -> Problem {
    move |error| Problem::Unavailable { call, error }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_device_nobody_mounted_has_no_mount() {
        for path in ["/dev/null", "/nonexistent"] {
            assert!(existing(Path::new(path), &How::KEY_DISK).is_none());
        }
    }

    #[test]
    fn what_is_no_mount_is_an_error_to_unmount() {
        let root = TempDir::new().unwrap();
        assert!(unmount(root.path()).is_err());
    }
}
