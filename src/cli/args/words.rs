//! The words behind a command, one after the other.
//!
//! Flags that every command has are taken out here; what the others mean is their command's
//! business, and a flag that another command has is said to be that one's.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use super::{adopt, azure, check, enroll, key, plan, recover, rotate, secrets, status, token};
use crate::config::flag::Flag;
use crate::error::Kind;

/// The flags that only some commands have, by command; manual and completions are held to them.
pub(super) const FLAGS: [(&str, &[&str]); 15] = [
    ("adopt", adopt::FLAGS),
    ("check", check::FLAGS),
    ("enroll", azure::FLAGS),
    ("enroll", enroll::FLAGS),
    ("enroll", key::FLAGS),
    ("initramfs plan", plan::FLAGS),
    ("recover", azure::FLAGS),
    ("recover", key::FLAGS),
    ("recover", recover::FLAGS),
    ("rotate", azure::FLAGS),
    ("rotate", rotate::FLAGS),
    ("secrets", azure::FLAGS),
    ("secrets", secrets::FLAGS),
    ("status", status::FLAGS),
    ("token", token::FLAGS),
];

/// Why parsing ended before the last word.
#[derive(Debug)]
pub enum Stop {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// Something is wrong.
    Wrong(Kind),
}

impl From<Kind> for Stop {
    fn from(kind: Kind) -> Self {
        Self::Wrong(kind)
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Wrong(Kind::Usage(text))
    }
}

impl From<&str> for Stop {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<lexopt::Error> for Stop {
    fn from(error: lexopt::Error) -> Self {
        error.to_string().into()
    }
}

/// What is left of a command line.
pub struct Words {
    parser: lexopt::Parser,
    /// Whether `--json` was there so far.
    pub json: bool,
    /// Whether `--verbose` was.
    pub verbose: bool,
}

/// A word.
pub enum Word {
    /// Anything that is no flag.
    Argument(OsString),
    /// `--FLAG`, without its hyphens.
    Flag(String),
}

impl Words {
    /// All of `arguments`, without the program's name.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { parser: lexopt::Parser::from_args(arguments), json: false, verbose: false }
    }

    /// The next word that not every command knows.
    pub fn next(&mut self) -> Result<Option<Word>, Stop> {
        while let Some(argument) = self.parser.next()? {
            match argument {
                Short('h') | Long("help") => return Err(Stop::Help),
                Long("version") => return Err(Stop::Version),
                Long("json") => self.json = true,
                Short('v') | Long("verbose") => self.verbose = true,
                Long(flag) => return Ok(Some(Word::Flag(flag.to_owned()))),
                Value(word) => return Ok(Some(Word::Argument(word))),
                Short(_) => return Err(argument.unexpected().into()),
            }
        }
        Ok(None)
    }

    /// The arguments up to the end, where `command` has no flags of its own.
    pub fn arguments(&mut self, command: &str) -> Result<Vec<String>, Stop> {
        let mut found = Vec::new();
        while let Some(word) = self.next()? {
            match word {
                Word::Argument(word) => found.push(text(word)?),
                Word::Flag(flag) => return Err(unknown(&flag, command)),
            }
        }
        Ok(found)
    }

    /// The value of the flag that was the last word.
    pub fn value(&mut self, flag: &str) -> Result<OsString, Stop> {
        let value = self.parser.value()?;
        if value.is_empty() {
            return Err(format!("--{flag} needs a value").into());
        }
        Ok(value)
    }

    /// That value as a path: as it is, relative or not.
    pub fn path(&mut self, flag: &str) -> Result<PathBuf, Stop> {
        self.value(flag).map(PathBuf::from)
    }

    /// That value as text.
    pub fn text(&mut self, flag: &str) -> Result<String, Stop> {
        text(self.value(flag)?)
    }

    /// That value as one of the types of [`Flag`].
    pub fn typed<T>(
        &mut self,
        flag: &str,
        parse: impl FnOnce(&Flag) -> Result<T, Kind>,
    ) -> Result<T, Stop> {
        let text = self.text(flag)?;
        Ok(parse(&Flag { name: flag.to_owned(), text })?)
    }
}

/// Puts the value of a flag that is given once into its place.
pub fn once<T>(place: &mut Option<T>, flag: &str, value: T) -> Result<(), Stop> {
    match place.replace(value) {
        Some(_) => Err(format!("--{flag} is given twice").into()),
        None => Ok(()),
    }
}

/// The error of a flag that `command` does not have.
pub fn unknown(flag: &str, command: &str) -> Stop {
    match owners(flag) {
        Some(owners) => format!("--{flag} is for {owners}, not for {command}").into(),
        None => format!("invalid option '--{flag}'").into(),
    }
}

/// The error of a flag before the command.
pub fn unplaced(flag: &str) -> Stop {
    match owners(flag) {
        Some(_) => format!("--{flag} comes after its command").into(),
        None => format!("invalid option '--{flag}'").into(),
    }
}

/// The commands that have `flag`.
fn owners(flag: &str) -> Option<String> {
    let has = |(name, flags): &(&'static str, &[&str])| flags.contains(&flag).then_some(*name);
    let owners: Vec<&str> = FLAGS.iter().filter_map(has).collect();
    match owners.as_slice() {
        [] => None,
        [only] => Some((*only).to_owned()),
        [most @ .., last] => Some(format!("{} and {last}", most.join(", "))),
    }
}

/// An argument as text.
pub fn text(word: OsString) -> Result<String, Stop> {
    word.into_string().map_err(|_| "an argument is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::*;

    #[test]
    fn every_flag_is_known_to_its_command() {
        for (command, flags) in FLAGS {
            for flag in flags {
                let words = command.split(' ').map(OsString::from);
                let words = words.chain([format!("--{flag}").into()]);
                let error = Command::parse(words).map_err(|error| error.kind.to_string());
                let message = error.err().unwrap_or_default();
                let known = !message.starts_with("invalid option") && !message.contains("not for");
                assert!(known, "{command} --{flag}: {message}");
            }
        }
    }
}
