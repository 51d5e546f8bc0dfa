//! The flags of `status`.

use super::words::{Stop, Word, Words, text, unknown};
use super::{Action, volume};

/// The names of its own flags.
pub const FLAGS: &[&str] = &["last-boot"];

/// Parses what is behind `status`.
pub fn parse(words: &mut Words) -> Result<Action, Stop> {
    let (mut names, mut last_boot) = (Vec::new(), false);
    while let Some(word) = words.next()? {
        match word {
            Word::Flag(flag) if flag == "last-boot" => last_boot = true,
            Word::Flag(flag) => return Err(unknown(&flag, "status")),
            Word::Argument(word) => names.push(volume(&text(word)?)?),
        }
    }
    Ok(Action::Status { names, last_boot })
}
