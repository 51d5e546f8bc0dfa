//! The flags of `adopt`.

use super::Action;
use super::words::{Stop, Word, Words, unknown};

/// The names of its own flags.
pub const FLAGS: &[&str] = &["dry-run"];

/// Parses what is behind `adopt`.
pub fn parse(words: &mut Words) -> Result<Action, Stop> {
    let mut dry_run = false;
    while let Some(word) = words.next()? {
        match word {
            Word::Flag(flag) if flag == "dry-run" => dry_run = true,
            Word::Flag(flag) => return Err(unknown(&flag, "adopt")),
            Word::Argument(_) => return Err("adopt takes no argument, it reads the files".into()),
        }
    }
    Ok(Action::Adopt { dry_run })
}
