//! The words of `check`: volumes, and an image to look into.

use std::path::PathBuf;

use super::Action;
use super::words::{Stop, Word, Words, once, text, unknown};
use crate::config::flag::Flag;
use crate::volume::{Limit, VolumeName};

/// The names of its own flags.
pub const FLAGS: &[&str] = &["initrd", "timeout"];

/// How long one key source is waited for, in seconds: IMDS and Key Vault answer in one or two.
const PATIENCE: u64 = 15;

/// What to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckArgs {
    /// Which volumes; all when empty.
    pub names: Vec<VolumeName>,
    /// `--initrd`: this image instead of those in /boot.
    pub initrd: Option<PathBuf>,
    /// `--timeout`: how long one key source is waited for.
    pub timeout: Limit,
}

/// Parses what is behind `check`.
pub fn parse(words: &mut Words) -> Result<Action, Stop> {
    let mut names = Vec::new();
    let (mut initrd, mut timeout) = (None, None);
    while let Some(word) = words.next()? {
        match word {
            Word::Argument(word) => names.push(super::volume(&text(word)?)?),
            Word::Flag(flag) => match flag.as_str() {
                "initrd" => once(&mut initrd, &flag, words.path(&flag)?)?,
                "timeout" => once(&mut timeout, &flag, words.typed(&flag, Flag::limit)?)?,
                _ => return Err(unknown(&flag, "check")),
            },
        }
    }
    let default = Limit(Some(std::time::Duration::from_secs(PATIENCE)));
    Ok(Action::Check(CheckArgs { names, initrd, timeout: timeout.unwrap_or(default) }))
}
