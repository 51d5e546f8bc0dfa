//! Changes a configuration file that others own, too: keeps it as it was, and refuses what it cannot
//! be sure of.
//!
//! There is always a whole file, the old or the new (atomic.rs), and all of it is on the disk before
//! the next one is touched. Nothing follows a symbolic link: what is at its other end is another
//! program's.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::atomic;
use crate::config::adopt::backups;
use crate::error::{Kind, printable};

/// The mode of a file that was not there: bektab holds nothing secret.
const NEW: u32 = 0o644;

/// A file that is to be changed.
#[derive(Debug)]
pub struct Rewrite {
    root: PathBuf,
    /// As the user knows it.
    file: PathBuf,
    /// What it holds, `None` where it is not there.
    old: Option<Vec<u8>>,
}

impl Rewrite {
    /// For `file` below `root`, which was read as `old`; touches nothing.
    ///
    /// Errors: `NotWritten` for what is no regular file, or another one by now.
    pub fn prepare(root: &Path, file: &Path, old: Option<&[u8]>) -> Result<Self, Kind> {
        let (root, file) = (root.to_owned(), file.to_owned());
        let rewrite = Self { root, file, old: old.map(<[u8]>::to_vec) };
        rewrite.unchanged().map_err(|error| rewrite.refused(&error))?;
        Ok(rewrite)
    }

    /// Keeps the file as it is now under the first free name of [`backups`], or under one that holds
    /// the same already; `None` where there is no file.
    pub fn back_up(&self) -> Result<Option<PathBuf>, Kind> {
        let Some(old) = &self.old else { return Ok(None) };
        let kept = self.keep(old).map_err(|error| self.refused(&error))?;
        Ok(Some(kept))
    }

    /// Puts `new` into the file's place.
    pub fn write(&self, new: &[u8]) -> Result<(), Kind> {
        self.replace(new).map_err(|error| self.refused(&error))
    }

    fn keep(&self, old: &[u8]) -> io::Result<PathBuf> {
        let like = fs::symlink_metadata(self.path())?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let whole = self.path().with_file_name(format!(".{name}.before-bek-unlock"));
        atomic::remove(&whole)?;
        atomic::replace(&whole, old, like.mode() & 0o7777)?;
        chown(&whole, Some(like.uid()), Some(like.gid()))?;
        let linked = backups(&self.file).find_map(|name| {
            let place = self.below(&name);
            // Unlike a rename it fails where there is something.
            match fs::hard_link(&whole, &place) {
                Ok(()) => Some(Ok(name)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // Of a run that was interrupted right here.
                    holds(&place, old).then_some(Ok(name))
                }
                Err(error) => Some(Err(error)),
            }
        });
        // Brings the directory with the other name to the disk, too.
        atomic::remove(&whole)?;
        linked.unwrap_or_else(|| Err(ErrorKind::AlreadyExists.into()))
    }

    fn replace(&self, new: &[u8]) -> io::Result<()> {
        // Whoever changed it meanwhile would find his change gone.
        self.unchanged()?;
        atomic::replace(&self.path(), new, NEW)
    }

    /// Fails where the file is not what was read.
    fn unchanged(&self) -> io::Result<()> {
        let path = self.path();
        let metadata = match (fs::symlink_metadata(&path), &self.old) {
            (Err(error), None) if error.kind() == ErrorKind::NotFound => return Ok(()),
            (found, _) => found?,
        };
        if metadata.is_symlink() {
            let target = fs::read_link(&path)?;
            let target = printable(&target.to_string_lossy(), 60);
            let words = format!("it is a symbolic link to {target}; change that file by hand");
            return Err(io::Error::other(words));
        }
        match &self.old {
            Some(old) if holds(&path, old) => Ok(()),
            _ => Err(io::Error::other("it changed meanwhile; run this again")),
        }
    }

    fn path(&self) -> PathBuf {
        self.below(&self.file)
    }

    fn below(&self, file: &Path) -> PathBuf {
        self.root.join(file.strip_prefix("/").unwrap_or(file))
    }

    fn refused(&self, error: &io::Error) -> Kind {
        let reason = match error.raw_os_error() {
            Some(number) => Errno::from_raw(number).desc().to_owned(),
            None => error.to_string(),
        };
        match error.kind() {
            ErrorKind::PermissionDenied => {
                Kind::NotPermitted { action: "change files in /etc", reason }
            }
            _ => Kind::NotWritten { path: self.file.clone(), reason },
        }
    }
}

/// Whether a regular file has exactly this text.
fn holds(path: &Path, text: &[u8]) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        && fs::read(path).is_ok_and(|read| read == text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    const FILE: &str = "/etc/crypttab";

    fn root() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        root
    }

    fn etc(root: &TempDir, name: &str) -> PathBuf {
        root.path().join("etc").join(name)
    }

    fn prepared(root: &TempDir, old: Option<&str>) -> Result<Rewrite, String> {
        let old = old.map(str::as_bytes);
        Rewrite::prepare(root.path(), Path::new(FILE), old).map_err(|kind| kind.to_string())
    }

    fn names(root: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(root.path().join("etc")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_text_under_another_name() {
        let root = root();
        let path = etc(&root, "crypttab");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let rewrite = prepared(&root, Some("old")).unwrap();
        let kept = rewrite.back_up().unwrap().unwrap();
        assert_eq!(kept, Path::new("/etc/crypttab.before-bek-unlock"));
        rewrite.write(b"new").unwrap();
        assert_eq!(names(&root), ["crypttab", "crypttab.before-bek-unlock"]);
        for (name, text) in [("crypttab", "new"), ("crypttab.before-bek-unlock", "old")] {
            let path = etc(&root, name);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        }
    }

    #[test]
    fn a_new_file_is_for_everybody_to_read_and_has_no_backup() {
        let root = root();
        let rewrite = prepared(&root, None).unwrap();
        assert_eq!(rewrite.back_up(), Ok(None));
        rewrite.write(b"new").unwrap();
        let mode = fs::metadata(etc(&root, "crypttab")).unwrap().permissions().mode();
        assert_eq!((names(&root), mode & 0o7777), (vec!["crypttab".to_owned()], 0o644));
    }

    #[test]
    fn no_backup_is_written_over_and_the_same_one_is_taken_again() {
        let root = root();
        fs::write(etc(&root, "crypttab"), "old").unwrap();
        let backup = |name: &str| etc(&root, &format!("crypttab.before-bek-unlock{name}"));
        fs::write(backup(""), "older").unwrap();
        // A link is something, too, wherever it leads.
        symlink(etc(&root, "crypttab"), backup(".1")).unwrap();
        for _ in 0..2 {
            let kept = prepared(&root, Some("old")).unwrap().back_up().unwrap().unwrap();
            assert_eq!(kept, Path::new("/etc/crypttab.before-bek-unlock.2"));
        }
        assert_eq!(fs::read_to_string(backup("")).unwrap(), "older");
        assert_eq!(names(&root).len(), 4);
    }

    #[test]
    fn what_a_killed_run_left_is_no_obstacle() {
        let root = root();
        fs::write(etc(&root, "crypttab"), "old").unwrap();
        for name in [".crypttab.bek-unlock", ".crypttab.before-bek-unlock"] {
            fs::write(etc(&root, name), "half").unwrap();
        }
        let rewrite = prepared(&root, Some("old")).unwrap();
        rewrite.back_up().unwrap();
        rewrite.write(b"new").unwrap();
        assert_eq!(names(&root), ["crypttab", "crypttab.before-bek-unlock"]);
    }

    #[test]
    fn a_symbolic_link_is_refused_before_anything_is_touched() {
        let root = root();
        fs::write(etc(&root, "managed"), "old").unwrap();
        symlink("managed", etc(&root, "crypttab")).unwrap();
        let said = prepared(&root, Some("old")).unwrap_err();
        let words = "cannot write /etc/crypttab: it is a symbolic link to managed; change that \
                     file by hand";
        assert_eq!(said, words);
        fs::remove_file(etc(&root, "managed")).unwrap();
        assert_eq!(prepared(&root, None).unwrap_err(), words);
    }

    #[test]
    fn a_change_meanwhile_is_nobodys_loss() {
        let root = root();
        let path = etc(&root, "crypttab");
        fs::write(&path, "old").unwrap();
        let rewrite = prepared(&root, Some("old")).unwrap();
        fs::write(&path, "old and more").unwrap();
        let said = rewrite.write(b"new").unwrap_err().to_string();
        assert!(said.ends_with("it changed meanwhile; run this again"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and more");
        assert_eq!(names(&root), ["crypttab"]);
        assert!(prepared(&root, Some("old")).is_err() && prepared(&root, None).is_err());
    }

    #[test]
    fn a_directory_that_takes_no_file_is_an_error_and_changes_nothing() {
        // Not by modes, which do not stop root: /proc has no new files for anybody.
        let root = tempfile::tempdir().unwrap();
        symlink("/proc/self", root.path().join("etc")).unwrap();
        let rewrite = prepared(&root, None).unwrap();
        let said = rewrite.write(b"new").unwrap_err().to_string();
        assert!(said.starts_with("cannot "), "{said}");
        // Nor by modes: what stands in the way of the new text is no file.
        let root = self::root();
        fs::write(etc(&root, "crypttab"), "old").unwrap();
        fs::create_dir(etc(&root, ".crypttab.bek-unlock")).unwrap();
        assert!(prepared(&root, Some("old")).unwrap().write(b"new").is_err());
        assert_eq!(fs::read_to_string(etc(&root, "crypttab")).unwrap(), "old");
    }
}
