//! The lines of crypttab as bytes: what can be taken out of them, and what is left then.

use crate::config::line::{Line, Word};
use crate::config::{Origin, crypttab, file, options};
use crate::error::Kind;
use crate::volume::Volume;

/// A line between two newlines, which may be several that ADE glued together.
pub(super) struct Physical<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The line with its end.
    bytes: &'a [u8],
    /// The lines in it, none where it has nothing to say or nobody can tell.
    pub parts: Vec<Part<'a>>,
    /// Why nobody can tell, though there is something of ADE's.
    pub problem: Option<Kind>,
}

/// One of the lines in it.
pub(super) struct Part<'a> {
    /// The text of the physical line from its first field to the next part, or to the end.
    pub text: &'a str,
    /// The first field.
    pub name: String,
    /// As in [`crypttab::Part`].
    pub volume: Option<Result<Volume, Kind>>,
    /// Options that bektab does not have.
    pub left_out: Vec<String>,
}

/// Cuts a crypttab into lines.
pub(super) fn lines(content: &[u8]) -> Vec<Physical<'_>> {
    content.split_inclusive(|byte| *byte == b'\n').zip(1..).map(physical).collect()
}

fn physical((bytes, number): (&[u8], usize)) -> Physical<'_> {
    let blank = Physical { number, bytes, parts: Vec::new(), problem: None };
    let Some((_, body)) = file::lines(body(bytes)).next() else { return blank };
    let path = Origin::Crypttab.path();
    let text = match file::text(path, number, body) {
        Ok(text) => text,
        Err(problem) => {
            let problem = crypttab::is_ours(body).then_some(problem);
            return Physical { problem, ..blank };
        }
    };
    match crypttab::parts(&Line { file: path, number, text }) {
        Ok(found) => Physical { parts: parts(text, found), ..blank },
        Err(problem) => Physical { problem: Some(problem), ..blank },
    }
}

/// A line without its newline.
fn body(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn parts<'a>(text: &'a str, found: Vec<crypttab::Part<'a>>) -> Vec<Part<'a>> {
    let starts: Vec<usize> =
        found.iter().map(|part| part.words.first().map_or(0, |word| byte_of(text, word))).collect();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    let ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
    found
        .into_iter()
        .zip(ranges)
        .map(|(part, (start, end))| {
            let name = part.words.first().map(|word| match word.decode() {
                Ok(name) => name.as_str().to_owned(),
                Err(_) => word.raw.to_owned(),
            });
            Part {
                text: text.get(start..end).unwrap_or_default(),
                name: name.unwrap_or_default(),
                volume: part.volume,
                left_out: part.words.get(3).map_or_else(Vec::new, |word| options::left_out(*word)),
            }
        })
        .collect()
}

/// Where `word` begins in `text`.
fn byte_of(text: &str, word: &Word<'_>) -> usize {
    text.char_indices().nth(word.column).map_or(text.len(), |(at, _)| at)
}

impl Physical<'_> {
    /// What is left without the parts that go; all of it, to the byte, where none does.
    pub(super) fn without(&self, goes: &[bool]) -> Vec<u8> {
        if !goes.contains(&true) {
            return self.bytes.to_vec();
        }
        let stays = self.parts.iter().zip(goes).filter(|(_, goes)| !**goes);
        let text = |(part, _): (&Part<'_>, &bool)| format!("{}\n", part.text.trim_end());
        stays.map(text).collect::<String>().into_bytes()
    }
}
