//! What rekeying keeps on this machine: the note of what is under way, wrapped-key files, bektab.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::{Origin, edit};
use crate::edge::atomic;
use crate::error::{Kind, printable};
use crate::rekey::{Files, Line, Lines, Plan, Records};

/// The most a note or a wrapped-key file is read of, in bytes.
const LIMIT: u64 = 256 * 1024;

/// Notes of what is under way, below `root`/var/lib/bek-unlock; one for each volume.
///
/// Whoever has them is the only one: two runs at once would take each other's keyslots.
#[derive(Debug)]
pub struct Notes {
    directory: PathBuf,
    _locked: Flock<File>,
}

impl Notes {
    /// Those of this machine, or of a fixture.
    ///
    /// Errors: `NotWritten` where there can be none; `VolumeBusy` while another run has them.
    pub fn open(root: &Path) -> Result<Self, Kind> {
        let directory = root.join("var/lib/bek-unlock");
        let opened = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let file = opened.and_then(|()| File::open(&directory));
        let file = file.map_err(|error| not_written(&directory, &error))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => Ok(Self { directory, _locked: locked }),
            Err((_, Errno::EWOULDBLOCK)) => {
                Err(Kind::VolumeBusy { holders: vec!["another enroll or rotate".to_owned()] })
            }
            Err((_, errno)) => Err(not_written(&directory, &errno.into())),
        }
    }

    /// The note of the volume with this UUID.
    pub fn file(&self, uuid: &str) -> PathBuf {
        // As written in a header, which is anybody's.
        let plain: String = uuid.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        self.directory.join(format!("rekey-{plain}.json"))
    }
}

impl Records for Notes {
    fn save(&mut self, plan: &Plan) -> Result<(), Kind> {
        let path = self.file(&plan.uuid);
        let text = plan.to_json().ok_or_else(|| Kind::NotRekeyable {
            reason: "the path of the device or file is not UTF-8 text".to_owned(),
        })?;
        atomic::replace(&path, text.as_bytes(), 0o600).map_err(|error| not_written(&path, &error))
    }

    fn load(&mut self, uuid: &str) -> Result<Option<Plan>, Kind> {
        let path = self.file(uuid);
        let Some(text) = read(&path)? else { return Ok(None) };
        let odd = || Kind::ConfigurationUnreadable {
            path: path.clone(),
            reason: "of another version, or damaged: the version that wrote it can finish"
                .to_owned(),
        };
        let plan = Plan::parse(&text).filter(|plan| plan.uuid == uuid);
        plan.ok_or_else(odd).map(Some)
    }

    fn remove(&mut self, uuid: &str) -> Result<(), Kind> {
        let path = self.file(uuid);
        atomic::remove(&path).map_err(|error| not_written(&path, &error))
    }
}

/// Wrapped-key files, wherever bektab names them.
#[derive(Clone, Copy, Debug)]
pub struct WrappedFiles;

impl Files for WrappedFiles {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), Kind> {
        atomic::make_directory(path)
            .and_then(|()| atomic::replace(path, text.as_bytes(), 0o600))
            .map_err(|error| not_written(path, &error))
    }

    fn read(&mut self, path: &Path) -> Result<Option<String>, Kind> {
        read(path)
    }

    fn remove(&mut self, path: &Path) -> Result<(), Kind> {
        atomic::remove(path).map_err(|error| not_written(path, &error))
    }
}

/// `root`/etc/bektab.
#[derive(Clone, Debug)]
pub struct Bektab {
    path: PathBuf,
}

impl Bektab {
    /// That of this machine, or of a fixture.
    pub fn new(root: &Path) -> Self {
        let inside = Origin::Bektab.path();
        Self { path: root.join(inside.strip_prefix("/").unwrap_or(inside)) }
    }
}

impl Lines for Bektab {
    fn put(&mut self, line: &Line) -> Result<(), Kind> {
        let before = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(not_written(&self.path, &error)),
        };
        let after = edit::put(&before, &line.name, &line.text)?;
        if after == before {
            return Ok(());
        }
        // There is nothing secret in it, and status is for everybody.
        atomic::replace(&self.path, &after, 0o644).map_err(|error| not_written(&self.path, &error))
    }
}

/// Fills `bytes` from the kernel's generator (getrandom(2)), which waits for its seed.
///
/// Errors: `Internal`.
pub fn random(bytes: &mut [u8]) -> Result<(), Kind> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Kind::Internal { call: "getrandom", reason: "no randomness".to_owned() })
}

fn read(path: &Path) -> Result<Option<String>, Kind> {
    let unreadable =
        |reason: String| Kind::ConfigurationUnreadable { path: path.to_owned(), reason };
    let text = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LIMIT => Err(unreadable("it is too large".to_owned())),
        Ok(_) => fs::read_to_string(path).map_err(|error| unreadable(words(&error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(unreadable(words(&error))),
    };
    text.map(Some)
}

fn not_written(path: &Path, error: &io::Error) -> Kind {
    Kind::NotWritten { path: path.to_owned(), reason: words(error) }
}

fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(raw) => Errno::from_raw(raw).desc().to_owned(),
        None => printable(&error.to_string(), 80),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::rekey::fake::plan;
    use crate::volume::VolumeName;

    #[test]
    fn a_note_is_kept_until_it_is_forgotten_and_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let (mut notes, plan) = (Notes::open(root.path()).unwrap(), plan());
        assert_eq!(notes.load(&plan.uuid), Ok(None));
        notes.save(&plan).unwrap();
        let path = notes.file(&plan.uuid);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(notes.load(&plan.uuid), Ok(Some(plan.clone())));
        fs::write(&path, "{}").unwrap();
        let kind = notes.load(&plan.uuid).unwrap_err();
        assert!(kind.to_string().contains("of another version, or damaged"), "{kind}");
        notes.remove(&plan.uuid).unwrap();
        assert_eq!(notes.load(&plan.uuid), Ok(None));
    }

    #[test]
    fn a_uuid_leads_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let file = Notes::open(root.path()).unwrap().file("../../etc/passwd\0x");
        assert_eq!(file, root.path().join("var/lib/bek-unlock/rekey-ecad.json"));
    }

    #[test]
    fn one_run_at_a_time_has_them() {
        let root = tempfile::tempdir().unwrap();
        let notes = Notes::open(root.path()).unwrap();
        let kind = Notes::open(root.path()).unwrap_err();
        assert!(kind.to_string().contains("another enroll or rotate"), "{kind}");
        drop(notes);
        Notes::open(root.path()).unwrap();
    }

    #[test]
    fn a_line_is_put_into_bektab_which_everybody_reads() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let mut bektab = Bektab::new(root.path());
        let line =
            |text: &str| Line { name: VolumeName::parse("data1").unwrap(), text: text.to_owned() };
        bektab.put(&line("data1 UUID=1 -")).unwrap();
        bektab.put(&line("data1 UUID=2 -")).unwrap();
        assert_eq!(fs::read_to_string(&bektab.path).unwrap(), "data1 UUID=2 -\n");
        assert_eq!(fs::metadata(&bektab.path).unwrap().permissions().mode() & 0o7777, 0o644);
        let nowhere = root.path().join("no");
        let kind = Bektab::new(&nowhere).put(&line("data1 UUID=1 -")).unwrap_err();
        assert_eq!(kind.exit_status(), 4);
        assert!(kind.to_string().ends_with("No such file or directory"), "{kind}");
    }

    #[test]
    fn random_bytes_are_not_twice_the_same() {
        let [mut one, mut other] = [[0; 32]; 2];
        random(&mut one).unwrap();
        random(&mut other).unwrap();
        assert_ne!(one, other);
    }
}
