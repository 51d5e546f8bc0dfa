//! /run/bek-unlock: what opened each volume, for `status` and for the generator.
//!
//! One small JSON file for each volume this boot, without anything secret; an initramfs hands /run
//! over to the booted system. Losing one costs a column in `status`, and at the worst an attempt at
//! shutdown to close what is in use, so failures to write are no failures of the unlock.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::boot_report;
use crate::unlock::Opened;
use crate::volume::VolumeName;

/// How a volume was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `key-disk`, `file`, `key-vault` or `prompt`.
    pub source: String,
    /// Where exactly the key came from, for people.
    pub origin: String,
    /// The keyslot it opened.
    pub keyslot: u32,
    /// The detached header it was opened with, where there is one.
    #[serde(default)]
    pub header: Option<String>,
    /// Why that one: `named`, `newer-copy` or `stand-in`.
    #[serde(default)]
    pub header_why: Option<String>,
    /// When, in seconds since 1970 by the wall clock of that moment.
    pub since: u64,
    /// How long the unlock took, in milliseconds.
    pub elapsed_ms: u64,
    /// Opened by the initramfs: what stands on it outlives every unit.
    #[serde(default)]
    pub initramfs: bool,
}

impl Record {
    /// The record of a volume opened just now, `initramfs` or booted system.
    pub fn of(opened: &Opened, elapsed: Duration, initramfs: bool) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            source: opened.source.as_str().to_owned(),
            origin: opened.origin.clone(),
            keyslot: opened.keyslot,
            header: opened.detached.as_ref().map(|(spec, _)| spec.to_string()),
            header_why: opened.detached.as_ref().map(|(_, why)| why.as_str().to_owned()),
            since: now.as_secs(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            initramfs,
        }
    }
}

/// The directory of records.
#[derive(Clone, Debug)]
pub struct State {
    directory: PathBuf,
}

impl State {
    /// Below `root`/run.
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("run/bek-unlock") }
    }

    /// Writes the record of `name`; whole or not at all.
    pub fn write(&self, name: &VolumeName, record: &Record) -> io::Result<()> {
        make_readable(&self.directory)?;
        let file = self.file(name);
        if let Some(apart) = file.parent().filter(|parent| *parent != self.directory) {
            make_readable(apart)?;
        }
        put(&file, &serde_json::to_vec(record)?)
    }

    /// The record of `name`, where there is a readable one.
    pub fn read(&self, name: &VolumeName) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.file(name)).ok()?).ok()
    }

    /// The volumes that the initramfs opened and nobody closed since.
    pub fn of_initramfs(&self) -> BTreeSet<VolumeName> {
        let directories = [self.directory.clone(), self.directory.join("volume")];
        let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok());
        entries
            .flatten()
            .filter_map(|entry| {
                let file = entry.ok()?.file_name();
                let name = VolumeName::parse(file.to_str()?.strip_suffix(".json")?).ok()?;
                self.read(&name)?.initramfs.then_some(name)
            })
            .collect()
    }

    /// Forgets `name`.
    pub fn remove(&self, name: &VolumeName) -> io::Result<()> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn file(&self, name: &VolumeName) -> PathBuf {
        let file = format!("{name}.json");
        // One name is taken: a volume that has it keeps its record apart.
        let apart = file == boot_report::FILE;
        if apart { self.directory.join("volume").join(file) } else { self.directory.join(file) }
    }
}

/// Makes `directory`. Its mode is said outright, because the program's umask (edge/process.rs) hides
/// what it makes, and status is for everybody.
pub(super) fn make_readable(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

/// Replaces `file` by `text`, whole or not at all; everybody may read it.
pub(super) fn put(file: &Path, text: &[u8]) -> io::Result<()> {
    // A volume's name cannot end in ".new" and be another volume's: each unit is one process.
    let new = file.with_extension("json.new");
    fs::write(&new, text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_until_it_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        let name = VolumeName::parse("data.1").unwrap();
        let record = Record {
            source: "key-disk".to_owned(),
            origin: "key disk /dev/sdc1: LinuxPassPhraseFileName_1_0".to_owned(),
            keyslot: 0,
            header: Some("/luks/osluksheader:UUID=5f1e".to_owned()),
            header_why: Some("named".to_owned()),
            since: 1,
            elapsed_ms: 2,
            initramfs: false,
        };
        assert_eq!(state.read(&name), None);
        state.remove(&name).unwrap();
        state.write(&name, &record).unwrap();
        assert_eq!(state.read(&name), Some(record));
        state.remove(&name).unwrap();
        assert_eq!(state.read(&name), None);
    }

    #[test]
    fn everybody_may_read_records() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("run/bek-unlock");
        fs::create_dir_all(&directory).unwrap();
        // As the program's umask leaves it.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let name = VolumeName::parse("data1").unwrap();
        let record = Record {
            source: "file".to_owned(),
            origin: "file /etc/key".to_owned(),
            keyslot: 0,
            header: Some("/luks/osluksheader:UUID=5f1e".to_owned()),
            header_why: Some("named".to_owned()),
            since: 1,
            elapsed_ms: 2,
            initramfs: false,
        };
        State::new(root.path()).write(&name, &record).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&directory), 0o755);
        assert_eq!(mode(&directory.join("data1.json")), 0o644);
    }

    #[test]
    fn volumes_of_the_initramfs_are_told_from_the_others() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("run/bek-unlock");
        fs::create_dir_all(directory.join("directory.json")).unwrap();
        let record = |more: &str| {
            format!(r#"{{"source":"file","origin":"","keyslot":0,"since":1,"elapsed_ms":2{more}}}"#)
        };
        let state = State::new(root.path());
        for (file, content) in [
            ("data.1.json", record("")),
            ("osencrypt.json", record(r#","initramfs":true"#)),
            ("late.json", record(r#","initramfs":false"#)),
            ("new.json.new", record(r#","initramfs":true"#)),
            ("a b.json", record(r#","initramfs":true"#)),
            ("broken.json", "{".to_owned()),
        ] {
            fs::write(directory.join(file), content).unwrap();
        }
        let name = VolumeName::parse("osencrypt").unwrap();
        assert_eq!(state.of_initramfs(), [name].into());
        assert_eq!(State::new(&directory).of_initramfs(), BTreeSet::new());
    }

    #[test]
    fn a_volume_with_the_name_of_the_report_keeps_its_record_apart() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        let name = VolumeName::parse("report").unwrap();
        let text = r#"{"source":"file","origin":"","keyslot":0,"since":1,"elapsed_ms":2,
            "initramfs":true}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        state.write(&name, &record).unwrap();
        assert!(!root.path().join("run/bek-unlock/report.json").exists());
        assert_eq!(state.read(&name), Some(record));
        assert_eq!(state.of_initramfs(), [name.clone()].into());
        state.remove(&name).unwrap();
        assert_eq!(state.read(&name), None);
    }

    #[test]
    fn a_damaged_record_is_none() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("run/bek-unlock");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("data1.json"), "{").unwrap();
        assert_eq!(State::new(root.path()).read(&VolumeName::parse("data1").unwrap()), None);
    }
}
