//! What a LUKS2 header requires of libcryptsetup, and which version knows it.
//!
//! A header made by a newer one may ask for what this system's has never heard of. libcryptsetup
//! says only that there is something; which it is stands in the header, and since when it is known
//! in `requirements_flags` of its lib/luks2/luks2_json_metadata.c, release by release.

#![forbid(unsafe_code)]

/// A requirement, and the first libcryptsetup that knows it.
const KNOWN: [(&str, (u32, u32)); 6] = [
    ("offline-reencrypt", (2, 0)),
    ("online-reencrypt", (2, 2)),
    ("online-reencrypt-v2", (2, 4)),
    ("online-reencrypt-v3", (2, 5)),
    ("opal", (2, 7)),
    ("inline-hw-tags", (2, 8)),
];

/// Why a header is of no use to the `running` libcryptsetup, which does not know all that it
/// requires.
pub fn reason(requirements: &[String], running: (u32, u32)) -> String {
    let since = |word: &String| KNOWN.iter().find(|(known, _)| known == word).map(|row| row.1);
    let unknown = requirements.iter().find(|word| since(word).is_none_or(|first| first > running));
    let (major, minor) = running;
    let here = format!("libcryptsetup {major}.{minor} does not know");
    match (unknown, unknown.and_then(since)) {
        (Some(word), Some((major, minor))) => {
            format!("it requires {word}, which {here}; {major}.{minor} does")
        }
        (Some(word), None) => format!("it requires {word}, which {here}"),
        (None, _) => format!("it requires something that {here}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_known_is_named_with_who_does() {
        let reason = |words: &[&str], running| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            super::reason(&words, running)
        };
        assert_eq!(
            reason(&["opal"], (2, 4)),
            "it requires opal, which libcryptsetup 2.4 does not know; 2.7 does"
        );
        assert_eq!(
            reason(&["online-reencrypt-v2", "online-reencrypt-v3"], (2, 4)),
            "it requires online-reencrypt-v3, which libcryptsetup 2.4 does not know; 2.5 does"
        );
        assert_eq!(
            reason(&["opal", "something-new"], (2, 8)),
            "it requires something-new, which libcryptsetup 2.8 does not know"
        );
        // A number behind the point is no fraction.
        assert!(reason(&["opal"], (2, 10)).starts_with("it requires something that libcryptsetup"));
    }
}
