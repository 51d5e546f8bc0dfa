//! One line of a configuration file, cut into fields that remember their columns.
//!
//! Fields are separated by blanks and tabs; `\040` and its like stand for characters that cannot
//! be written, as in fstab(5) and Debian's crypttab(5). Whatever is taken from a field keeps the
//! columns it was written in, so that a diagnostic marks the wrong part and nothing else. This file
//! knows no field's meaning.

use std::ops::Range;
use std::path::Path;

use super::diagnostic::Diagnostic;
use crate::error::{Kind, printable};

/// A line and its place.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The file as the user knows it, or `command line`.
    pub file: &'a Path,
    /// Counted from 1; 0 for the command line.
    pub number: usize,
    /// The line without its newline.
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// The fields; none for a blank line and for a comment (`#` is its first character).
    pub(super) fn words(&self) -> Vec<Word<'a>> {
        if self.text.trim_start_matches(BLANKS).starts_with('#') {
            return Vec::new();
        }
        Word { raw: self.text, column: 0 }
            .split(BLANKS)
            .filter(|word| !word.raw.is_empty())
            .collect()
    }

    /// The place just after the last character: where something is missing.
    pub(super) fn end(&self, message: impl Into<String>) -> Fault {
        let column = self.text.trim_end_matches(BLANKS).chars().count();
        Fault { column, length: 1, message: message.into(), suggestion: None }
    }

    /// The error to report for `fault`.
    pub(super) fn blame(&self, fault: Fault) -> Kind {
        Kind::Configuration(Box::new(Diagnostic {
            file: self.file.to_owned(),
            line: self.number,
            column: fault.column.saturating_add(1),
            length: fault.length.max(1),
            text: self.text.to_owned(),
            message: fault.message,
            suggestion: fault.suggestion,
        }))
    }
}

/// What separates fields; everything else that looks blank is refused by [`Word::decode`].
const BLANKS: &[char] = &[' ', '\t'];

/// What is wrong with a part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// First wrong character, counted from 0.
    pub column: usize,
    /// How many are wrong.
    pub length: usize,
    /// As in [`Diagnostic`].
    pub message: String,
    /// As in [`Diagnostic`].
    pub suggestion: Option<String>,
}

impl Fault {
    /// The same fault with the likely meant word.
    pub(super) fn suggest(self, suggestion: Option<impl Into<String>>) -> Self {
        Self { suggestion: suggestion.map(Into::into), ..self }
    }
}

/// A piece of a line as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// Its characters.
    pub raw: &'a str,
    /// Column of the first one, counted from 0 in characters.
    pub column: usize,
}

impl<'a> Word<'a> {
    /// The pieces between `separators`, empty ones too.
    pub(super) fn split(self, separators: &'a [char]) -> impl Iterator<Item = Word<'a>> {
        let mut column = self.column;
        self.raw.split(separators).map(move |raw| {
            let word = Word { raw, column };
            column += raw.chars().count() + 1;
            word
        })
    }

    /// The pieces before and from byte `at`; `None` when that is not between two characters.
    pub(super) fn split_at(self, at: usize) -> Option<(Word<'a>, Word<'a>)> {
        let (left, right) = (self.raw.get(..at)?, self.raw.get(at..)?);
        let column = self.column + left.chars().count();
        Some((Word { raw: left, column: self.column }, Word { raw: right, column }))
    }

    /// The whole word is wrong.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        let length = self.raw.chars().count().max(1);
        Fault { column: self.column, length, message: message.into(), suggestion: None }
    }

    /// Replaces `\NNN` (three octal digits, fstab(5)) by its byte.
    ///
    /// A backslash before anything else stands for itself: udev's links hold `\x20`. Control
    /// characters and blanks other than space are refused, escaped or not.
    pub(super) fn decode(&self) -> Result<Value, Fault> {
        self.read(octal)
    }

    /// The word as it is, where nothing is escaped; the same characters are refused.
    pub(super) fn verbatim(&self) -> Result<Value, Fault> {
        self.read(|_| None)
    }

    fn read(&self, escape: impl Fn(&str) -> Option<u8>) -> Result<Value, Fault> {
        let (mut bytes, mut columns) = (Vec::new(), Vec::new());
        let (mut rest, mut column) = (self.raw, self.column);
        while let Some(c) = rest.chars().next() {
            let (byte, width) = match escape(rest) {
                Some(byte) => (Some(byte), 4),
                None => (None, c.len_utf8()),
            };
            match byte {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            columns.resize(bytes.len(), column);
            column += if byte.is_some() { 4 } else { 1 };
            rest = rest.get(width..).unwrap_or_default();
        }
        let text =
            String::from_utf8(bytes).map_err(|_| self.fault("the octal escapes are not UTF-8"))?;
        let value = Value { text, columns, end: column };
        let odd = |c: char| c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{feff}';
        match value.text.char_indices().find(|(_, c)| odd(*c)) {
            Some((at, c)) => {
                let message = format!("character U+{:04X} is not allowed", u32::from(c));
                Err(value.part(at..at + c.len_utf8(), message))
            }
            None => Ok(value),
        }
    }
}

/// Text of a line as a message may quote it: one line of ASCII, cut after 32 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text, 32))
}

/// The byte that `\NNN` at the start of `text` stands for.
fn octal(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('\\')?.get(..3)?;
    let octal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    if octal { u8::from_str_radix(digits, 8).ok() } else { None }
}

/// A decoded piece of a line that knows which columns it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    text: String,
    /// For each byte of `text`, the column it was written in, counted from 0.
    columns: Vec<usize>,
    /// The column after the last one.
    end: usize,
}

impl Value {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Everything is wrong.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        self.part(0..self.text.len(), message)
    }

    /// The bytes in `range` are wrong.
    pub(super) fn part(&self, range: Range<usize>, message: impl Into<String>) -> Fault {
        let column = |byte: usize| self.columns.get(byte).copied().unwrap_or(self.end);
        let (first, last) = (column(range.start), column(range.end));
        let length = last.saturating_sub(first).max(1);
        Fault { column: first, length, message: message.into(), suggestion: None }
    }

    /// The bytes in `range` as a value of their own; empty when they are not whole characters.
    pub(super) fn slice(&self, range: Range<usize>) -> Value {
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        let columns = self.columns.get(range.clone()).unwrap_or_default().to_vec();
        let end = self.columns.get(range.end).copied().unwrap_or(self.end);
        Value { text, columns, end }
    }

    /// What is before and after the first `=`.
    pub(super) fn split_equals(&self) -> (Value, Option<Value>) {
        match self.text.find('=') {
            Some(at) => (self.slice(0..at), Some(self.slice(at + 1..self.text.len()))),
            None => (self.clone(), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, &str)> {
        let line = Line { file: Path::new("f"), number: 1, text };
        line.words().iter().map(|word| (word.column, word.raw)).collect()
    }

    #[test]
    fn blanks_and_tabs_separate_fields() {
        assert_eq!(words("a\t b  c"), [(0, "a"), (3, "b"), (6, "c")]);
        assert_eq!(words("  ä b "), [(2, "ä"), (4, "b")]);
        for none in ["", " \t", "# a b", "\t#a b"] {
            assert_eq!(words(none), [], "{none:?}");
        }
        assert_eq!(words("a #b"), [(0, "a"), (2, "#b")]);
    }

    #[test]
    fn octal_escapes_are_bytes_and_keep_their_columns() {
        let value = Word { raw: r"LABEL=BEK\040VOL\303\244x", column: 2 }.decode().unwrap();
        assert_eq!(value.as_str(), "LABEL=BEK VOLäx");
        let blank = value.as_str().find(' ').unwrap();
        assert_eq!(
            (value.part(blank..blank + 1, "").column, value.part(blank..blank + 1, "").length),
            (11, 4)
        );
        let x = value.as_str().find('x').unwrap();
        assert_eq!(value.part(x..x + 1, "").column, 2 + 24);
    }

    #[test]
    fn other_backslashes_stand_for_themselves() {
        for raw in [r"BEK\x20VOLUME", r"a\", r"a\04", r"a\048", r"\ä12", r"\04ä"] {
            assert_eq!(Word { raw, column: 0 }.decode().unwrap().as_str(), raw);
        }
    }

    #[test]
    fn verbatim_words_keep_what_looks_escaped() {
        let word = Word { raw: r"a\040b", column: 3 };
        assert_eq!(word.verbatim().unwrap().as_str(), r"a\040b");
        let fault = Word { raw: "a\u{1b}b", column: 3 }.verbatim().unwrap_err();
        assert_eq!((fault.column, fault.length), (4, 1));
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for (raw, column, length) in [
            ("a\u{1b}[31m", 1, 1),
            (r"ab\012", 2, 4),
            (r"\000", 0, 4),
            ("ab\u{a0}c", 2, 1),
            ("\u{feff}data1", 0, 1),
            (r"ab\377c", 0, 7),
            (r"\400", 0, 4),
        ] {
            match (Word { raw, column: 0 }).decode() {
                Err(fault) => assert_eq!((fault.column, fault.length), (column, length), "{raw:?}"),
                // Beyond \377 it is no escape, and the backslash stays one.
                Ok(value) => assert_eq!(value.as_str(), r"\400"),
            }
        }
    }
}
