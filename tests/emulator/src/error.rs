//! Why the emulator could not start or be changed.
//!
//! One type for the crate: its readers are people writing tests, so each error names the place
//! (file, vault, secret) and the problem. It never carries a secret's value.

use std::{fmt, io};

/// A scenario, file, address or key that could not be used.
#[derive(Debug)]
pub struct Error {
    object: String,
    problem: String,
}

impl Error {
    /// `object` is the thing that is at fault, `problem` what is wrong with it.
    pub(crate) fn new(object: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { object: object.into(), problem: problem.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.object, self.problem)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
