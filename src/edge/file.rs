//! Reads key files, wherever they are, straight into [`Secret`]s.
//!
//! Only regular files of a limited size, without waiting on a FIFO and without leaving the
//! directory they are said to be in.

use std::fs::{self, File};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use crate::error::FileProblem;
use crate::key::disk::MAX_KEY_FILE;
use crate::key::file::KeyFiles;
use crate::secret::Secret;
use crate::volume::KeyFileName;

/// How many entries of a directory are looked at; a key disk has a dozen.
pub const MAX_ENTRIES: usize = 512;

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemFiles;

impl KeyFiles for SystemFiles {
    fn read(&mut self, path: &Path) -> Result<(Secret, u32), FileProblem> {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::options().read(true).custom_flags(flags.bits()).open(path);
        let file = file.map_err(problem)?;
        let mode = file.metadata().map_err(problem)?.mode();
        Ok((content(&file)?, mode))
    }
}

/// The names of the regular files in `directory` that can be key files' names.
pub fn listing(directory: &Path) -> io::Result<Vec<KeyFileName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(MAX_ENTRIES) {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().to_str().and_then(KeyFileName::parse));
        }
    }
    Ok(names)
}

/// All bytes of the file of that name in `directory`, following neither links nor mounts.
pub fn read_in(directory: BorrowedFd<'_>, name: &KeyFileName) -> Result<Secret, FileProblem> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    let opened = match openat2(directory, name.as_str(), how) {
        // Kernels before 5.6 (RHEL 8), and seccomp filters that do not know the call: for a name
        // of one component O_NOFOLLOW leaves only mounts to be followed.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(directory, name.as_str(), flags, Mode::empty()),
        opened => opened,
    };
    let file = File::from(opened.map_err(|errno| problem(errno.into()))?);
    content(&file)
}

/// Opens a directory to read files in.
pub fn open_directory(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(path)
}

fn content(file: &File) -> Result<Secret, FileProblem> {
    let metadata = file.metadata().map_err(problem)?;
    if !metadata.is_file() {
        return Err(FileProblem::Unreadable("not a regular file".to_owned()));
    }
    Secret::read_from(file, MAX_KEY_FILE).map_err(problem)
}

fn problem(error: io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::FileTooLarge => FileProblem::TooLarge,
        io::ErrorKind::NotFound => FileProblem::Missing,
        _ => FileProblem::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    fn name(name: &str) -> KeyFileName {
        KeyFileName::parse(name).unwrap()
    }

    #[test]
    fn a_file_is_read_with_its_mode() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, b"key\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let (secret, mode) = SystemFiles.read(&path).unwrap();
        assert_eq!((secret.expose(), mode & 0o7777), (&b"key\n"[..], 0o640));
    }

    #[test]
    fn what_is_no_key_file_has_its_problem() {
        let directory = TempDir::new().unwrap();
        let large = directory.path().join("large");
        fs::write(&large, vec![0; MAX_KEY_FILE + 1]).unwrap();
        let problem = |path: &Path| SystemFiles.read(path).unwrap_err();
        assert_eq!(problem(&large), FileProblem::TooLarge);
        assert_eq!(problem(&directory.path().join("gone")), FileProblem::Missing);
        let irregular = FileProblem::Unreadable("not a regular file".to_owned());
        assert_eq!(problem(directory.path()), irregular);
        assert_eq!(problem(Path::new("/dev/zero")), irregular);
    }

    #[test]
    fn a_directory_lists_regular_files_only() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("key"), b"k").unwrap();
        fs::create_dir(directory.path().join("directory")).unwrap();
        symlink("/etc/shadow", directory.path().join("link")).unwrap();
        assert_eq!(listing(directory.path()).unwrap(), [name("key")]);
    }

    #[test]
    fn nothing_outside_the_directory_is_read() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("key"), b"k").unwrap();
        symlink("key", directory.path().join("link")).unwrap();
        symlink("/etc/passwd", directory.path().join("outside")).unwrap();
        mkfifo(&directory.path().join("fifo"), Mode::S_IRUSR).unwrap();
        let opened = open_directory(directory.path()).unwrap();
        assert_eq!(read_in(opened.as_fd(), &name("key")).unwrap().expose(), b"k");
        assert_eq!(read_in(opened.as_fd(), &name("gone")).unwrap_err(), FileProblem::Missing);
        for bad in ["link", "outside", "fifo"] {
            let problem = read_in(opened.as_fd(), &name(bad)).unwrap_err();
            assert!(matches!(problem, FileProblem::Unreadable(_)), "{bad}: {problem:?}");
        }
    }
}
