//! A key file named in bektab as a key source.
//!
//! One look and no waiting: the unit's RequiresMountsFor= orders it after the file system the file
//! is on. Hands over the bytes as they are; whether they are a wrapped key is not decided here.

use std::path::{Path, PathBuf};

use crate::deadline::Deadline;
use crate::error::{FileProblem, Kind};
use crate::key::{Candidate, KeySource, SourceName};
use crate::secret::Secret;

/// Reads key files of this machine.
pub trait KeyFiles {
    /// All bytes of the regular file at `path`, at most
    /// [`MAX_KEY_FILE`](crate::key::disk::MAX_KEY_FILE), and its permission bits.
    fn read(&mut self, path: &Path) -> Result<(Secret, u32), FileProblem>;
}

/// The file at one absolute path.
#[derive(Debug)]
pub struct KeyFile<F> {
    files: F,
    path: PathBuf,
    handed: bool,
}

impl<F: KeyFiles> KeyFile<F> {
    /// Reads `path` from `files`.
    pub fn new(files: F, path: PathBuf) -> Self {
        Self { files, path, handed: false }
    }
}

impl<F: KeyFiles> KeySource for KeyFile<F> {
    fn name(&self) -> SourceName {
        SourceName::File
    }

    fn keys(&mut self, _deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        if self.handed {
            return Ok(Vec::new());
        }
        let (secret, mode) = match self.files.read(&self.path) {
            Ok((secret, _)) if secret.is_empty() => return Err(self.unusable(FileProblem::Empty)),
            Ok(read) => read,
            Err(problem) => return Err(self.unusable(problem)),
        };
        self.handed = true;
        if let Some(warning) = readable_by_others(&self.path, mode) {
            log::warn!("{warning}");
        }
        let origin = format!("file {}", self.path.display());
        Ok(vec![Candidate { secret, origin, from_file: true }])
    }
}

impl<F> KeyFile<F> {
    fn unusable(&self, problem: FileProblem) -> Kind {
        Kind::KeyFileUnusable { place: self.path.display().to_string(), file: None, problem }
    }
}

/// The sentence about a key file that more than its owner can read.
fn readable_by_others(path: &Path, mode: u32) -> Option<String> {
    let sentence =
        || format!("{} is readable by others (mode {:04o})", path.display(), mode & 0o7777);
    (mode & 0o044 != 0).then(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::VirtualClock;

    struct Fake(Result<(&'static [u8], u32), FileProblem>);

    impl KeyFiles for Fake {
        fn read(&mut self, _: &Path) -> Result<(Secret, u32), FileProblem> {
            self.0.clone().map(|(bytes, mode)| (Secret::new(bytes.to_vec()), mode))
        }
    }

    fn ask(file: &mut KeyFile<Fake>) -> Result<Vec<Candidate>, Kind> {
        let clock = VirtualClock::default();
        file.keys(&Deadline::start(&clock, None))
    }

    fn key_file(content: Result<(&'static [u8], u32), FileProblem>) -> KeyFile<Fake> {
        KeyFile::new(Fake(content), PathBuf::from("/etc/x.key"))
    }

    #[test]
    fn bytes_come_verbatim() {
        let candidates = ask(&mut key_file(Ok((b"a\0b\n", 0o600)))).unwrap();
        assert_eq!(candidates[0].secret.expose(), b"a\0b\n");
        assert_eq!(candidates[0].origin, "file /etc/x.key");
        assert!(candidates[0].from_file);
    }

    #[test]
    fn a_rejected_key_is_not_handed_over_again() {
        let mut file = key_file(Ok((b"k", 0o600)));
        assert_eq!(ask(&mut file).unwrap().len(), 1);
        assert_eq!(ask(&mut file).unwrap().len(), 0);
    }

    #[test]
    fn an_unusable_file_is_looked_at_again() {
        let mut file = key_file(Err(FileProblem::Missing));
        assert!(ask(&mut file).is_err());
        file.files = Fake(Ok((b"k", 0o600)));
        assert_eq!(ask(&mut file).unwrap().len(), 1);
    }

    #[test]
    fn every_problem_names_the_file() {
        for (content, text) in [
            (Ok((&b""[..], 0o600)), "/etc/x.key has 0 bytes"),
            (Err(FileProblem::Missing), "/etc/x.key does not exist"),
            (Err(FileProblem::TooLarge), "/etc/x.key is too large for a key"),
            (Err(FileProblem::Unreadable("no".into())), "/etc/x.key: no"),
        ] {
            assert_eq!(ask(&mut key_file(content)).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn only_a_file_that_others_can_read_is_warned_of() {
        let warning = |mode| readable_by_others(Path::new("/etc/x.key"), mode);
        for mode in [0o100600, 0o100400, 0o100711] {
            assert_eq!(warning(mode), None, "{mode:o}");
        }
        assert!(warning(0o100640).is_some());
        let text = "/etc/x.key is readable by others (mode 0604)";
        assert_eq!(warning(0o100604).as_deref(), Some(text));
    }
}
