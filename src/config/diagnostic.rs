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
    /// Column of the first wrong character, counted from 1 in characters; one past the end of the
    /// line where something is missing.
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

impl Diagnostic {
    /// Columns of a line of [`Diagnostic::excerpt`]: 79 less the program's name, which stands before
    /// every line on a console.
    pub const EXCERPT_WIDTH: usize = 67;

    /// The line itself, and a line with `^~~~` under the wrong part; both indented by four blanks
    /// and at most that wide.
    ///
    /// A longer line is cut to a window around the wrong part, with `...` where something is left
    /// out. Everything but printable ASCII is shown as `?`, a tab as a blank: one column for each
    /// character, and nothing that a terminal would obey.
    pub fn excerpt(&self) -> [String; 2] {
        let shown: Vec<char> = self.text.chars().map(visible).collect();
        let start = self.column.saturating_sub(1).min(shown.len());
        let end = start.saturating_add(self.length.max(1)).min(shown.len().max(start + 1));
        let room = Self::EXCERPT_WIDTH - INDENT.len();
        let first = window(start, end, shown.len().max(end), room);
        let last = (first + room).min(shown.len());
        let mut line: Vec<char> = shown.get(first..last).unwrap_or_default().to_vec();
        if first > 0 {
            line.iter_mut().take(DOTS).for_each(|c| *c = '.');
        }
        if last < shown.len() {
            line.iter_mut().rev().take(DOTS).for_each(|c| *c = '.');
        }
        let tildes = end.min(first + room).saturating_sub(start + 1);
        let line: String = line.into_iter().collect();
        [
            format!("{INDENT}{}", line.trim_end()),
            format!("{INDENT}{}^{}", " ".repeat(start - first), "~".repeat(tildes)),
        ]
    }
}

const INDENT: &str = "    ";

/// Characters that `...` hides at a cut end.
const DOTS: usize = 3;

/// What stands for `c` on a console: error/text.rs's `printable`, one column for one character.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        ' '..='~' => c,
        _ => '?',
    }
}

/// The first column to show of a line of `total` columns, so that `start..end` is inside `room`;
/// its beginning wins when all of it does not fit.
fn window(start: usize, end: usize, total: usize, room: usize) -> usize {
    if total <= room {
        return 0;
    }
    // As much context before as after, but never under the dots.
    let context = room.saturating_sub(end - start) / 2;
    start.saturating_sub(context.max(DOTS)).min(total - room)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file.display(), self.column, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str, column: usize, length: usize) -> Diagnostic {
        Diagnostic {
            file: PathBuf::from("/etc/bektab"),
            line: 3,
            column,
            length,
            text: text.to_owned(),
            message: "unknown option \"nofial\"".to_owned(),
            suggestion: Some("nofail".to_owned()),
        }
    }

    #[test]
    fn display_is_one_line() {
        let shown = diagnostic("data1 /dev/sdc - nofial", 18, 6).to_string();
        assert_eq!(shown, "/etc/bektab:3:18: unknown option \"nofial\"");
        let arguments = Diagnostic {
            file: PathBuf::from("command line"),
            line: 0,
            ..diagnostic("data1 /dev/sdc - nofial", 18, 6)
        };
        assert_eq!(arguments.to_string(), "command line: unknown option \"nofial\"");
    }

    #[test]
    fn the_wrong_part_is_marked() {
        let [line, mark] = diagnostic("data1\t/dev/sdc - nofial,x", 18, 6).excerpt();
        assert_eq!(line, "    data1 /dev/sdc - nofial,x");
        assert_eq!(mark, "                     ^~~~~~");
    }

    #[test]
    fn what_is_missing_is_marked_after_the_end() {
        let [line, mark] = diagnostic("data1", 6, 1).excerpt();
        assert_eq!([line.as_str(), mark.as_str()], ["    data1", "         ^"]);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        let [line, mark] = diagnostic("a\u{1b}[2J \u{202e}\u{4e2d} b", 2, 1).excerpt();
        assert_eq!(line, "    a?[2J ?? b");
        assert_eq!(mark, "     ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_wrong_part() {
        let text = format!("{}WRONG{}", "a".repeat(200), "b".repeat(200));
        let [line, mark] = diagnostic(&text, 201, 5).excerpt();
        assert_eq!(line.len(), 67);
        assert_eq!(line.find("WRONG"), mark.find("^~~~~"));
        assert!(line.starts_with("    ...aaa") && line.ends_with("bbb..."), "{line}");
    }

    #[test]
    fn every_place_of_a_line_fits_and_stays_aligned() {
        for total in [0, 1, 74, 75, 76, 80, 300] {
            let text: String = ('!'..='~').cycle().take(total).collect();
            for column in 1..=total + 1 {
                for length in [1, 3, 75, 76, 500] {
                    let [line, mark] = diagnostic(&text, column, length).excerpt();
                    assert!(line.len() <= 67 && mark.len() <= 79, "{total} {column} {length}");
                    let at = mark.find('^').unwrap();
                    if column <= total {
                        let wrong = text.as_bytes()[column - 1];
                        assert_eq!(line.as_bytes()[at], wrong, "{total} {column} {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn places_outside_the_line_do_no_harm() {
        for (column, length) in [(0, 0), (99, 9), (usize::MAX, usize::MAX)] {
            assert_eq!(diagnostic("data1", column, length).excerpt()[0], "    data1");
        }
    }
}
