//! The kernel command line cut into parameters, quoting as the kernel does (lib/cmdline.c,
//! `next_arg`).
//!
//! A quotation mark anywhere keeps blanks from separating until the next one; marks that stand
//! around a whole parameter or around a whole value are no part of them, any other mark is. So
//! `rd.bek.options="data1=timeout=1min 30s"` and `"rd.bek.options=data1=timeout=1min 30s"`, which is
//! what GRUB makes of it, are the same.

use crate::config::line::Word;

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    /// All of it, as it is written.
    pub word: Word<'a>,
    /// Before the first `=`.
    pub name: Word<'a>,
    /// After it; `None` without one.
    pub value: Option<Word<'a>>,
}

/// The parameters of a command line, in their order.
pub(super) fn parameters(text: &str) -> Vec<Parameter<'_>> {
    let mut found = Vec::new();
    let (mut quoted, mut start) = (false, None);
    for (column, (at, c)) in text.char_indices().enumerate() {
        quoted ^= c == '"';
        match start {
            None if !is_blank(c) => start = Some((at, column)),
            Some((from, first)) if is_blank(c) && !quoted => {
                let raw = text.get(from..at).unwrap_or_default();
                found.push(parameter(Word { raw, column: first }));
                start = None;
            }
            _ => {}
        }
    }
    if let Some((from, first)) = start {
        let raw = text.get(from..).unwrap_or_default();
        found.push(parameter(Word { raw, column: first }));
    }
    found
}

/// Cuts `NAME=VALUE` at the first `=` and takes the quotation marks off the value; `None` without
/// `=`.
pub(super) fn pair(word: Word<'_>) -> Option<(Word<'_>, Word<'_>)> {
    let (name, rest) = word.split_at(word.raw.find('=')?)?;
    let (_, value) = rest.split_at(1)?;
    Some((name, bare(value)))
}

fn parameter(word: Word<'_>) -> Parameter<'_> {
    let inner = bare(word);
    match pair(inner) {
        Some((name, value)) => Parameter { word, name, value: Some(value) },
        None => Parameter { word, name: inner, value: None },
    }
}

/// Without the mark it begins with, and then without the one it ends with.
fn bare(word: Word<'_>) -> Word<'_> {
    match word.raw.strip_prefix('"') {
        Some(rest) => Word { raw: rest.strip_suffix('"').unwrap_or(rest), column: word.column + 1 },
        None => word,
    }
}

/// The kernel's `isspace`, of ASCII.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns with names and values.
    type Cut<'a> = (usize, &'a str, Option<(usize, &'a str)>);

    fn cut(text: &str) -> Vec<Cut<'_>> {
        parameters(text)
            .into_iter()
            .map(|p| (p.name.column, p.name.raw, p.value.map(|v| (v.column, v.raw))))
            .collect()
    }

    #[test]
    fn parameters_are_cut_as_the_kernel_cuts_them() {
        for (text, parameters) in [
            ("", vec![]),
            (" \t\n", vec![]),
            ("quiet", vec![(0, "quiet", None)]),
            (
                "  a b=1\t\tc=\n",
                vec![(2, "a", None), (4, "b", Some((6, "1"))), (9, "c", Some((11, "")))],
            ),
            ("a=b=c", vec![(0, "a", Some((2, "b=c")))]),
            ("a=\"b c\" d", vec![(0, "a", Some((3, "b c"))), (8, "d", None)]),
            ("\"a=b c\" d", vec![(1, "a", Some((3, "b c"))), (8, "d", None)]),
            ("a=b\" \"c d", vec![(0, "a", Some((2, "b\" \"c"))), (8, "d", None)]),
            ("a=\"b c", vec![(0, "a", Some((3, "b c")))]),
            ("a=\"", vec![(0, "a", Some((3, "")))]),
            ("\"", vec![(1, "", None)]),
            ("\"\" x", vec![(1, "", None), (3, "x", None)]),
            ("=a", vec![(0, "", Some((1, "a")))]),
            (
                "ä=ö \u{fffd} c",
                vec![(0, "ä", Some((2, "ö"))), (4, "\u{fffd}", None), (6, "c", None)],
            ),
            ("a -- b", vec![(0, "a", None), (2, "--", None), (5, "b", None)]),
        ] {
            assert_eq!(cut(text), parameters, "{text:?}");
        }
    }

    #[test]
    fn the_word_keeps_its_quotation_marks_and_its_place() {
        let parameters = parameters("x \"a=b c\" d");
        assert_eq!((parameters[1].word.column, parameters[1].word.raw), (2, "\"a=b c\""));
    }
}
