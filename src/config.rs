//! Configuration files to [`Volume`]s.
//!
//! Three files say what is encrypted: our /etc/bektab, the lines Azure Disk Encryption wrote to
//! /etc/crypttab, and its older azure_crypt_mount. A line that does not parse opens nothing and
//! does not keep the others from opening; a name on such a line is an error wherever it is asked
//! for, because the next file's opinion of it is not what its owner meant.

pub mod azure_crypt_mount;
pub mod bektab;
pub mod crypttab;
pub mod diagnostic;
mod file;
mod glue;
pub mod line;
mod nearest;
mod option_value;
mod options;
mod timespan;
mod url;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::line::{Line, Word};
use crate::error::Kind;
use crate::volume::{Volume, VolumeName};

/// Everything the configuration files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// The lines that parse, file by file in the order of [`Origin`], in file order.
    pub entries: Vec<Entry>,
    /// [`Kind::Configuration`] and [`Kind::ConfigurationUnreadable`], in the same order.
    pub problems: Vec<Kind>,
}

/// A line that parses.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it says.
    pub volume: Volume,
    /// The kind of file.
    pub origin: Origin,
    /// The file as the user knows it: `/etc/bektab`, whatever the root.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

/// The files, in the order in which a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// /etc/bektab.
    Bektab,
    /// ADE's lines in /etc/crypttab.
    Crypttab,
    /// ADE's azure_crypt_mount, which it used before crypttab.
    AzureCryptMount,
}

impl Origin {
    /// The file, as the user knows it.
    pub fn path(self) -> &'static Path {
        Path::new(match self {
            Self::Bektab => "/etc/bektab",
            Self::Crypttab => "/etc/crypttab",
            Self::AzureCryptMount => "/var/lib/azure_disk_encryption_config/azure_crypt_mount",
        })
    }

    /// The volumes of one line; more than one when ADE glued lines together.
    fn parse(self, line: &Line<'_>) -> Vec<Result<Volume, Kind>> {
        match self {
            Self::Bektab => bektab::parse(line).transpose().into_iter().collect(),
            Self::Crypttab => crypttab::parse(line),
            Self::AzureCryptMount => {
                azure_crypt_mount::parse(line).transpose().into_iter().collect()
            }
        }
    }
}

/// Reads the three files below `root`; a missing file says nothing.
pub fn load(root: &Path) -> Configuration {
    let mut all = Configuration::default();
    for origin in [Origin::Bektab, Origin::Crypttab, Origin::AzureCryptMount] {
        let mut one = load_one(root, origin);
        all.entries.append(&mut one.entries);
        all.problems.append(&mut one.problems);
    }
    all
}

/// Reads one of the three files below `root`; a missing file says nothing.
pub fn load_one(root: &Path, origin: Origin) -> Configuration {
    match file::read(root, origin.path()) {
        Ok(Some(content)) => Configuration::parse(origin, origin.path(), &content),
        Ok(None) => Configuration::default(),
        Err(problem) => Configuration { entries: Vec::new(), problems: vec![problem] },
    }
}

impl Configuration {
    /// Parses the content of one file, which messages call `file`. Pure; for any bytes.
    ///
    /// A name that appears twice is an error on its second line, also when the first one does not
    /// parse. In files that are not ours a line that only repeats another is left out.
    pub fn parse(origin: Origin, file: &Path, content: &[u8]) -> Self {
        let mut parsed = Self::default();
        let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
        for (number, bytes) in file::lines(content) {
            let text = match file::text(file, number, bytes) {
                Ok(text) => text,
                Err(problem) if origin == Origin::Bektab || crypttab::is_ours(bytes) => {
                    parsed.problems.push(problem);
                    continue;
                }
                Err(_) => continue,
            };
            let line = Line { file, number, text };
            for result in origin.parse(&line) {
                let Some(name) = named(&line, &result) else {
                    parsed.problems.extend(result.err());
                    continue;
                };
                match (taken.get(&name), result) {
                    (Some(first), Ok(volume)) => {
                        if origin == Origin::Bektab || first.volume.as_ref() != Some(&volume) {
                            parsed.problems.push(twice(&line, &name, first.line));
                        }
                    }
                    (_, result) => {
                        let volume = result.as_ref().ok().cloned();
                        taken.entry(name).or_insert(Taken { line: number, volume });
                        match result {
                            Ok(volume) => parsed.entries.push(Entry {
                                volume,
                                origin,
                                file: file.to_owned(),
                                line: number,
                            }),
                            Err(problem) => parsed.problems.push(problem),
                        }
                    }
                }
            }
        }
        parsed
    }

    /// The line for `name`: bektab's, then crypttab's, then azure_crypt_mount's.
    ///
    /// A file that could not be read, or whose line for this name does not parse, gives its own
    /// error and never the next file's line.
    pub fn find(&self, name: &VolumeName) -> Result<&Entry, Kind> {
        for origin in [Origin::Bektab, Origin::Crypttab, Origin::AzureCryptMount] {
            let wanted = |entry: &&Entry| entry.origin == origin && entry.volume.name == *name;
            if let Some(entry) = self.entries.iter().find(wanted) {
                return Ok(entry);
            }
            let ours = |problem: &&Kind| match problem {
                Kind::Configuration(diagnostic) => {
                    diagnostic.file == origin.path() && mentions(&diagnostic.text, name)
                }
                Kind::ConfigurationUnreadable { path, .. } => path == origin.path(),
                _ => false,
            };
            if let Some(problem) = self.problems.iter().find(ours) {
                return Err(problem.clone());
            }
        }
        Err(Kind::NotConfigured { name: name.clone() })
    }
}

/// The volume of `attach NAME DEVICE [KEY [OPTIONS]]`; the fields are bektab's, and a field may
/// hold blanks.
pub fn volume_from_arguments(
    name: &str,
    device: &str,
    key: Option<&str>,
    options: Option<&str>,
) -> Result<Volume, Kind> {
    let key = key.or(options.and(Some("-")));
    let options = options.map(|options| if options.is_empty() { "-" } else { options });
    let fields: Vec<&str> =
        [Some(name), Some(device), key, options].into_iter().flatten().collect();
    let text = fields.join(" ");
    let mut column = 0;
    let words: Vec<Word<'_>> = fields
        .iter()
        .map(|raw| {
            let word = Word { raw, column };
            column += raw.chars().count() + 1;
            word
        })
        .collect();
    let line = Line { file: Path::new("command line"), number: 0, text: &text };
    bektab::volume(&line, &words).map_err(|fault| line.blame(fault))
}

/// Who has a name, and where.
struct Taken {
    line: usize,
    volume: Option<Volume>,
}

/// The name on a line, also on one that does not parse.
fn named(line: &Line<'_>, result: &Result<Volume, Kind>) -> Option<String> {
    match result {
        Ok(volume) => Some(volume.name.to_string()),
        Err(_) => {
            let name = line.words().first()?.decode().ok()?;
            Some(name.as_str().to_owned())
        }
    }
}

fn twice(line: &Line<'_>, name: &str, first: usize) -> Kind {
    let message = format!("{name} is already on line {first}");
    let written = line.words().into_iter().find(|word| word.raw.ends_with(name));
    let word = written.unwrap_or(Word { raw: line.text, column: 0 });
    line.blame(word.fault(message))
}

/// Whether the first field of `text` is `name`.
fn mentions(text: &str, name: &VolumeName) -> bool {
    let line = Line { file: Path::new(""), number: 0, text };
    let first = line.words().first().and_then(|word| word.decode().ok());
    first.is_some_and(|first| first.as_str() == name.as_str())
}
