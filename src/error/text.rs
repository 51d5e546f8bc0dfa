//! Words and numbers as a report prints them, and the gate for text that others wrote.
//!
//! What came from a disk or the network must not move a terminal's cursor or fake a second line.

use std::time::Duration;

use crate::azure::id::Host;

/// A vault's name: the first label of its host.
pub fn short(host: &Host) -> &str {
    host.as_str().split('.').next().unwrap_or_default()
}

/// A duration as people say it: `90 s`, `1.2 s`.
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} s", duration.as_secs())
    }
}

/// Untrusted text made fit for a console: printable ASCII, at most `limit` characters.
///
/// Everything else becomes `?`, runs of white space one blank; a cut is marked by `...`.
pub fn printable(text: &str, limit: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let clean: String =
        words.join(" ").chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    match clean.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_cannot_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31m\r\n b\u{202e}c", 99), "a?[31m b?c");
        assert_eq!(printable("abcdef", 3), "abc...");
        assert_eq!(printable("abc", 3), "abc");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(90)), "90 s");
    }
}
