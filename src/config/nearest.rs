//! The word that was likely meant.
//!
//! Only for hints: nothing is ever accepted because it is near something.

/// The nearest of `known`, or `None` when none is near enough to be worth a hint.
///
/// Near is a third of the word's length in edits, between one and three, without regard to case.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No word of ours is longer; the bound also keeps the table small for hostile input.
    if word.len() > 40 {
        return None;
    }
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between `a` and `b` (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, left) in a.to_lowercase().chars().enumerate() {
        let mut row = vec![i + 1];
        let mut last_right = None;
        for (j, right) in b.iter().copied().enumerate() {
            let cell = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&above, j) + usize::from(left != right))
                .min(cell(&above, j + 1) + 1)
                .min(cell(&row, j) + 1);
            if last == Some(right) && last_right == Some(left) && j > 0 {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
            last_right = Some(right);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(left);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits_and_swaps() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("timeot", "timeout", 1),
            ("nofial", "nofail", 1),
            ("discrad", "discard", 1),
            ("ca", "abc", 3),
            ("NoFail", "nofail", 0),
            ("readonly", "read-only", 1),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn far_words_are_not_suggested() {
        let known = ["luks", "discard", "nofail", "timeout"];
        assert_eq!(nearest("nofial", known), Some("nofail"));
        assert_eq!(nearest("tmeot", known), None);
        assert_eq!(nearest("tpm2-device", known), None);
        assert_eq!(nearest("lux", known), None);
        assert_eq!(nearest(&"nofail".repeat(10), known), None);
    }
}
