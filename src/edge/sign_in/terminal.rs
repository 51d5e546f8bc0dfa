//! Shows a device code to whoever sits at the terminal.

use std::io::{self, Write};

use crate::azure::sign_in::ports::{Person, UserCode};
use crate::error::printable;

/// A terminal, or whatever stands for one.
#[derive(Debug)]
pub struct Terminal<W>(W);

impl<W: Write> Terminal<W> {
    /// Shows on `output`, which is never standard output: results go there.
    pub fn new(output: W) -> Self {
        Self(output)
    }
}

impl<W: Write> Person for Terminal<W> {
    fn show(&mut self, code: &UserCode) -> Result<(), String> {
        let minutes = code.expires.as_secs().div_ceil(60);
        let lines = format!(
            "bek-unlock: to sign in to Azure, open {}\n\
             bek-unlock: in a browser on any machine, and enter the code {}\n\
             bek-unlock: waiting for that, {minutes} min at most; only enter a code you asked for\n",
            code.url, code.code
        );
        let written = self.0.write_all(lines.as_bytes()).and_then(|()| self.0.flush());
        written.map_err(|error: io::Error| printable(&error.kind().to_string(), 80))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_code_is_three_lines_for_a_console() {
        let mut shown = Vec::new();
        let code = UserCode {
            code: "ABCD12345".to_owned(),
            url: "https://microsoft.com/devicelogin".to_owned(),
            expires: Duration::from_secs(899),
        };
        Terminal::new(&mut shown).show(&code).unwrap();
        let text = String::from_utf8(shown).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains(&code.code) && text.contains(&code.url) && text.contains("15 min"));
        assert!(text.lines().all(|line| line.is_ascii() && line.len() <= 79), "{text}");
    }

    #[test]
    fn a_terminal_that_went_away_is_said() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let code = UserCode { code: String::new(), url: String::new(), expires: Duration::ZERO };
        assert_eq!(Terminal::new(Gone).show(&code), Err("broken pipe".to_owned()));
    }
}
