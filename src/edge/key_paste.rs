//! A key on its way through standard input and standard output.
//!
//! Both are used without the standard library's buffers, which nobody wipes.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use crate::error::Kind;
use crate::recovery::LIMIT;
use crate::recovery::refusal::Refusal;
use crate::secret::Secret;

/// Refuses terminals at either end.
///
/// A terminal shows the key to the room and to the serial console's log. One at standard input
/// would show what is pasted, and cuts lines at 4095 characters (termios(3), canonical mode).
pub fn not_a_terminal() -> Result<(), Kind> {
    if io::stdout().is_terminal() {
        let text = "the key is not shown on a terminal; send it on: | cryptsetup open \
                    --key-file - ..., or > FILE";
        return Err(Kind::Usage(text.to_owned()));
    }
    input_not_a_terminal()
}

/// Refuses a terminal at standard input alone.
pub fn input_not_a_terminal() -> Result<(), Kind> {
    if io::stdin().is_terminal() {
        let text = "standard input is a terminal, which shows and cuts what is pasted; \
                    give a file: < FILE, or a pipe";
        return Err(Kind::Usage(text.to_owned()));
    }
    Ok(())
}

/// All of standard input.
pub fn read() -> Result<Secret, Refusal> {
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    input.and_then(|input| Secret::read_from(input, LIMIT)).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Refusal::TooLarge { limit: LIMIT },
        _ => Refusal::Unreadable(error.to_string()),
    })
}

/// The key to standard output, whole. Returns the mode of a file there that others can read.
///
/// Errors: a pipe that nobody reads, a full disk. Half a key is none.
pub fn write(key: &Secret) -> Result<Option<u32>, Kind> {
    let fail = |error| Kind::Usage(format!("standard output does not take the key: {error}"));
    let mut output = io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(fail)?;
    let metadata = output.metadata().map_err(fail)?;
    output.write_all(key.expose()).map_err(fail)?;
    let mode = metadata.mode() & 0o7777;
    Ok((metadata.is_file() && mode & 0o077 != 0).then_some(mode))
}
