//! How far something has come: one line that is written over, for whoever sits at the terminal.
//!
//! Nowhere else is anything of it to be seen: a log wants what happened, not what is going on.
//! Whatever is said next takes the line away first.

use std::io::{self, Write};
use std::sync::Mutex;

use super::logger::{self, NAME};
use crate::key::SourceName;
use crate::volume::VolumeName;

/// The line that stands there now.
static LINE: Mutex<Line> = Mutex::new(Line { width: 0 });

struct Line {
    /// Its columns; 0 when there is none.
    width: usize,
}

/// Says that this many secrets were looked at.
pub fn secrets(count: usize) {
    if logger::stderr_is_a_persons() {
        let noun = if count == 1 { "secret" } else { "secrets" };
        with_line(|line, output| line.show(output, &format!("{count} {noun} looked at")));
    }
}

/// Says which key is being tried: a KDF takes seconds, and a vault may have many keys.
pub fn trying(number: usize) {
    if logger::stderr_is_a_persons() {
        with_line(|line, output| line.show(output, &format!("trying key {number} ...")));
    }
}

/// Says which source of which volume is being tried: a vault that is silent takes a while.
pub fn checking(volume: &VolumeName, source: SourceName) {
    if logger::stderr_is_a_persons() {
        with_line(|line, output| line.show(output, &format!("{volume}: {source} ...")));
    }
}

/// Says what is waited for.
pub(super) fn waiting(text: &str) {
    with_line(|line, output| line.show(output, text));
}

/// Takes the line away, if there is one.
pub fn clear() {
    with_line(Line::clear);
}

fn with_line(act: impl FnOnce(&mut Line, &mut dyn Write) -> io::Result<()>) {
    if let Ok(mut line) = LINE.lock() {
        // A terminal that went away has nobody to tell.
        let _ = act(&mut line, &mut io::stderr().lock());
    }
}

impl Line {
    /// Without control sequences: a serial terminal may know none.
    fn show(&mut self, output: &mut dyn Write, text: &str) -> io::Result<()> {
        let width = NAME.len() + text.len();
        let rest = self.width.saturating_sub(width);
        self.width = width;
        write!(output, "\r{NAME}{text}{:rest$}", "")?;
        output.flush()
    }

    fn clear(&mut self, output: &mut dyn Write) -> io::Result<()> {
        match std::mem::take(&mut self.width) {
            0 => Ok(()),
            width => {
                write!(output, "\r{:width$}\r", "")?;
                output.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_over_and_taken_away() {
        let mut line = Line { width: 0 };
        let mut terminal = Vec::new();
        line.clear(&mut terminal).unwrap();
        assert_eq!(terminal, b"");
        line.show(&mut terminal, "100 secrets").unwrap();
        line.show(&mut terminal, "7 secrets").unwrap();
        line.clear(&mut terminal).unwrap();
        line.clear(&mut terminal).unwrap();
        let width = "bek-unlock: 7 secrets".len();
        let expected =
            format!("\rbek-unlock: 100 secrets\rbek-unlock: 7 secrets  \r{}\r", " ".repeat(width));
        assert_eq!(String::from_utf8(terminal).unwrap(), expected);
    }
}
