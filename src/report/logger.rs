//! Where log records go: the journal with fields, stderr as prefixed lines, or both.
//!
//! Started by systemd, the program writes to the journal natively, so that fields and message ids
//! arrive, and warnings and errors to the console too: at boot nobody is logged in who could read
//! a journal. Started by hand it writes to stderr alone.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::fcntl::OFlag;
use nix::sys::stat::{fstat, makedev};
use systemd_journal_logger::connected_to_journal;

use super::journal::Journal;
use super::progress;
use crate::volume::VolumeName;

/// Columns of a serial console that every terminal has.
const WIDTH: usize = 79;

pub(super) const NAME: &str = "bek-unlock: ";

/// Target of lines that say what is waited for: the console gets them, though nothing is wrong.
pub(super) const WAITING: &str = "bek_unlock::waiting";

/// Target of lines for the journal alone, whose like is said elsewhere in other words.
pub(super) const JOURNAL: &str = "bek_unlock::journal";

/// The volume this run is about; one process opens one volume.
static VOLUME: OnceLock<String> = OnceLock::new();

/// Names the volume in every warning from now on: at boot many runs share one console.
pub fn about(volume: &VolumeName) {
    // A run has one volume; a second call would not know better.
    let _ = VOLUME.set(volume.to_string());
}

/// Sends every record to the places found at start.
struct Logger {
    journal: Option<Journal>,
    console: Option<File>,
    stderr: Option<Style>,
}

/// How stderr is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A person's terminal: colours for the words that classify.
    Colour,
    /// A console or a file.
    Plain,
}

/// Installs the logger; `verbose` lets debug records through.
pub fn install(verbose: bool) {
    let by_systemd = started_by_systemd();
    let stderr_is_journal = connected_to_journal();
    let journal = if by_systemd || stderr_is_journal { Journal::connect() } else { None };
    let console = if stderr_is_journal { console() } else { None };
    let stderr = match (&journal, stderr_is_journal) {
        (Some(_), true) => None,
        _ if stderr_is_a_persons() => Some(Style::Colour),
        _ => Some(Style::Plain),
    };
    log::set_max_level(if verbose { LevelFilter::Debug } else { LevelFilter::Info });
    if log::set_boxed_logger(Box::new(Logger { journal, console, stderr })).is_err() {
        log::debug!("a logger is installed already");
    }
}

/// Whether somebody sits at the other end of stderr.
pub(super) fn stderr_is_a_persons() -> bool {
    io::stderr().is_terminal() && !started_by_systemd() && !stderr_is_console()
}

/// Whether this process is a unit's: systemd.exec(5) sets INVOCATION_ID for all of them.
#[expect(clippy::disallowed_methods, reason = "decides where lines go, nothing else")]
fn started_by_systemd() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// Whether stderr is /dev/console (5, 1 in the kernel's devices.txt), as in an initramfs without
/// systemd: a serial port whose other end is a log.
fn stderr_is_console() -> bool {
    fstat(io::stderr()).is_ok_and(|stat| stat.st_rdev == makedev(5, 1))
}

/// The system's console, where it can be had.
///
/// Opened here and not by the unit's StandardError=tty, because systemd fails a unit whose
/// terminal cannot be opened. Without blocking: a console with flow control must not stop a boot.
fn console() -> Option<File> {
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    File::options().write(true).custom_flags(flags.bits()).open("/dev/console").ok()
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // HTTP and TLS libraries log addresses and headers at debug level; only our own lines.
        metadata.target().starts_with("bek_unlock") && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = match (record.level(), VOLUME.get()) {
            (Level::Warn, Some(volume)) => format!("{volume}: {}", record.args()),
            _ => record.args().to_string(),
        };
        let lost = self.journal.as_ref().is_some_and(|journal| !journal.log(record));
        if record.target() == JOURNAL {
            return;
        }
        let for_console = record.level() <= Level::Warn || record.target() == WAITING;
        if let Some(mut console) = self.console.as_ref().filter(|_| for_console) {
            let text = plain(record.level(), &message);
            let _ = console.write_all(text.replace('\n', "\r\n").as_bytes());
        }
        // What journald does not take may still be read from its other end of stderr later.
        if let Some(style) = self.stderr.or(lost.then_some(Style::Plain)) {
            let text = render(record.level(), &message, style);
            progress::clear();
            // One write for the whole block keeps it together; there is nobody to tell of failure.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// A record as the serial console shows it, with Unix line ends; docs/troubleshooting.md quotes it.
pub fn plain(level: Level, message: &str) -> String {
    render(level, message, Style::Plain)
}

/// A record as lines with the program's name.
fn render(level: Level, message: &str, style: Style) -> String {
    let label = match level {
        Level::Warn => "warning: ",
        Level::Debug | Level::Trace => "debug: ",
        Level::Error | Level::Info => "",
    };
    let mut text = String::new();
    for line in message.lines() {
        for part in wrap(&format!("{label}{line}")) {
            text.push_str(NAME);
            text.push_str(&if style == Style::Colour { colour(&part) } else { part });
            text.push('\n');
        }
    }
    text
}

/// Breaks a line between words; what follows is indented below what its label introduces.
///
/// Indented lines are excerpts of files and stay whole; so does a word longer than a line.
fn wrap(line: &str) -> Vec<String> {
    let room = WIDTH - NAME.len();
    if line.len() <= room || line.starts_with(' ') {
        return vec![line.to_owned()];
    }
    let indent = line.find(": ").map_or(0, |end| end + 2).min(9);
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        let fresh = current.trim().is_empty();
        if !fresh && current.len() + 1 + word.len() > room {
            lines.push(std::mem::replace(&mut current, " ".repeat(indent)));
            current.push_str(word);
            continue;
        }
        if !fresh {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
    lines
}

/// Colours the label; SGR codes of ECMA-48.
fn colour(line: &str) -> String {
    let paint = |label: &str, code: u8| {
        line.strip_prefix(label).map(|rest| format!("\x1b[{code}m{label}\x1b[0m{rest}"))
    };
    paint("error:", 31)
        .or_else(|| paint("warning:", 33))
        .or_else(|| paint("hint:", 36))
        .unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_name() {
        let text = render(Level::Error, "error: cannot unlock data1\ncause: x", Style::Plain);
        assert_eq!(text, "bek-unlock: error: cannot unlock data1\nbek-unlock: cause: x\n");
    }

    #[test]
    fn warnings_are_labelled() {
        assert_eq!(render(Level::Warn, "x", Style::Plain), "bek-unlock: warning: x\n");
        assert_eq!(render(Level::Info, "x", Style::Plain), "bek-unlock: x\n");
    }

    #[test]
    fn long_lines_break_between_words_within_79_columns() {
        let message = format!("cause: {}", "word ".repeat(40).trim_end());
        let text = render(Level::Error, &message, Style::Plain);
        assert!(text.lines().count() > 2);
        for (index, line) in text.lines().enumerate() {
            assert!(line.len() <= WIDTH, "{line}");
            let start =
                if index == 0 { "bek-unlock: cause: word" } else { "bek-unlock:        word" };
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn a_word_longer_than_a_line_stays_whole() {
        let url = format!("https://v.vault.azure.net/secrets/{}", "x".repeat(90));
        let text = render(Level::Error, &format!("cause: {url} fits none"), Style::Plain);
        assert!(text.contains(&url));
    }

    #[test]
    fn colour_is_for_terminals() {
        let line = "error: x";
        assert_eq!(
            render(Level::Error, line, Style::Colour),
            "bek-unlock: \x1b[31merror:\x1b[0m x\n"
        );
    }
}
