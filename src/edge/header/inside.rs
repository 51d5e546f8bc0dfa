//! Opens a file on a file system that was mounted to be read, and no file outside it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

/// The regular file at `path` below `root`, whatever links say.
pub fn open(root: BorrowedFd<'_>, path: &Path, writable: bool) -> io::Result<File> {
    let access = if writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
    let flags = access | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let resolve = ResolveFlag::RESOLVE_IN_ROOT
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let opened = match openat2(root, path, OpenHow::new().flags(flags).resolve(resolve)) {
        // Kernels before 5.6 (RHEL 8), and seccomp filters that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => walk(root, path, flags)?,
        opened => opened?,
    };
    let file = File::from(opened);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// Component by component, following no link at all.
fn walk(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let mut names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut last = names.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut at = root.try_clone_to_owned()?;
    for name in names {
        let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        at = openat(at.as_fd(), last, directory, Mode::empty())?;
        last = name;
    }
    Ok(openat(at, last, flags | OFlag::O_NOFOLLOW, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::edge::file::open_directory;

    /// A directory as a file system's root, with a secret beside it.
    fn tree() -> TempDir {
        let directory = TempDir::new().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("luks")).unwrap();
        fs::write(root.join("luks/header"), b"inside").unwrap();
        fs::write(directory.path().join("outside"), b"outside").unwrap();
        symlink("luks/header", root.join("relative")).unwrap();
        symlink("/luks/header", root.join("absolute")).unwrap();
        symlink("../outside", root.join("escape")).unwrap();
        symlink("..", root.join("luks/up")).unwrap();
        directory
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn links_lead_around_inside() {
        let directory = tree();
        let root = open_directory(&directory.path().join("root")).unwrap();
        for path in ["/luks/header", "/relative", "/absolute", "/luks/up/luks/header"] {
            assert_eq!(text(open(root.as_fd(), Path::new(path), false).unwrap()), "inside");
        }
    }

    #[test]
    fn nothing_leads_outside() {
        let directory = tree();
        let root = open_directory(&directory.path().join("root")).unwrap();
        for path in ["/escape", "/luks/up/../outside", "/luks", "/gone"] {
            assert!(open(root.as_fd(), Path::new(path), false).is_err(), "{path}");
        }
    }

    #[test]
    fn old_kernels_follow_no_link() {
        let directory = tree();
        let root = open_directory(&directory.path().join("root")).unwrap();
        let open = |path: &str| walk(root.as_fd(), Path::new(path), OFlag::O_RDONLY);
        assert_eq!(text(open("/luks/header").unwrap().into()), "inside");
        for path in ["/relative", "/absolute", "/escape", "/luks/up/luks/header", "/"] {
            assert!(open(path).is_err(), "{path}");
        }
    }
}
