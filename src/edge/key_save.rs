//! Keeps the key that opened a volume, and writes it to a file that somebody asked for.
//!
//! The one place where the program leaves a key behind, and never by itself: `--save-key` of
//! `recover`, for a disk that has to be opened again where nobody can be asked.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Kind, printable};
use crate::secret::Secret;

/// The key that opened, once one has.
pub type Kept = Rc<RefCell<Option<Secret>>>;

/// Keeps a copy of `key`.
pub fn keep(kept: &Kept, key: &Secret) {
    kept.replace(Some(Secret::new(key.expose().to_vec())));
}

/// Where a key is to be saved. A file that was made for it and not written to is removed again.
#[derive(Debug)]
pub struct SavePlace {
    path: PathBuf,
    /// `None`: `path` is a directory, and the key decides the name.
    file: Option<File>,
}

impl SavePlace {
    /// Makes sure of the place before a key is looked for: a new file, mode 0600, or a directory.
    ///
    /// Errors: `Usage` where there is something already, or nothing can be made.
    pub fn prepare(path: &Path) -> Result<Self, Kind> {
        let file = match path.is_dir() {
            true => None,
            false => Some(create(path).map_err(|error| refused(path, &error))?),
        };
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes `key`, byte for byte; in a directory to a new file called `name`. Returns the file's
    /// path, and its mode where others can read it all the same, as on vfat.
    ///
    /// Errors: `Usage`; what was written so far is removed.
    pub fn write(mut self, key: &Secret, name: &str) -> Result<(PathBuf, Option<u32>), Kind> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let path = self.path.join(name);
                let file = create(&path).map_err(|error| refused(&path, &error))?;
                self.path = path;
                file
            }
        };
        let written = file.write_all(key.expose()).and_then(|()| file.sync_all());
        let mode = written.and_then(|()| file.metadata()).map(|metadata| metadata.mode() & 0o7777);
        match mode {
            Ok(mode) => Ok((self.path.clone(), (mode & 0o077 != 0).then_some(mode))),
            Err(error) => {
                let problem = refused(&self.path, &error);
                self.file = Some(file);
                Err(problem)
            }
        }
    }
}

impl Drop for SavePlace {
    fn drop(&mut self) {
        if self.file.is_some() {
            if let Err(error) = fs::remove_file(&self.path) {
                log::debug!("{}: {error}", self.path.display());
            }
        }
    }
}

/// A new file: never one that is there, nor what a link leads to.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn refused(path: &Path, error: &io::Error) -> Kind {
    let reason = match error.kind() {
        io::ErrorKind::AlreadyExists => "there is such a file already".to_owned(),
        _ => printable(&error.to_string(), 80),
    };
    Kind::Usage(format!("cannot save the key in {}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn key() -> Secret {
        Secret::new(b"key\0\n".to_vec())
    }

    #[test]
    fn a_key_is_saved_byte_for_byte_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let place = SavePlace::prepare(&path).unwrap();
        assert_eq!(place.write(&key(), "unused").unwrap(), (path.clone(), None));
        assert_eq!(fs::read(&path).unwrap(), b"key\0\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let place = SavePlace::prepare(directory.path()).unwrap();
        let (path, _) = place.write(&key(), "04030201.BEK").unwrap();
        assert_eq!(path, directory.path().join("04030201.BEK"));
        assert_eq!(fs::read(&path).unwrap(), b"key\0\n");
    }

    #[test]
    fn nothing_is_written_over_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("key"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        symlink(directory.path().join("elsewhere"), &link).unwrap();
        for place in [&path, &link] {
            let text = SavePlace::prepare(place).unwrap_err().to_string();
            assert!(text.ends_with("there is such a file already"), "{text}");
        }
        let place = SavePlace::prepare(directory.path()).unwrap();
        assert!(place.write(&key(), "key").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(SavePlace::prepare(Path::new("/nonexistent/key")).is_err());
    }

    #[test]
    fn a_key_that_was_not_found_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let place = SavePlace::prepare(&path).unwrap();
        assert!(path.exists());
        drop(place);
        assert!(!path.exists());
        drop(SavePlace::prepare(directory.path()).unwrap());
        assert!(directory.path().exists());
    }
}
