//! A mistake in a configuration file, with its place.

use std::fmt;
use std::path::PathBuf;

/// Where a line does not parse, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, or `command line` for fields given as arguments.
    pub file: PathBuf,
    /// Line, counted from 1; 0 when the text has no lines (the command line).
    pub line: usize,
    /// Column of the first wrong character, counted from 1 in characters.
    pub column: usize,
    /// How many characters are wrong; at least 1.
    pub length: usize,
    /// The whole line, without its newline.
    pub text: String,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// The likely meant word, where one is near.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
    }
}
