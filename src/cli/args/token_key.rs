//! What is behind `token-key`: what the plugin in libcryptsetup asks.

use std::path::PathBuf;

use super::words::{Stop, Word, Words, unknown};

/// What the plugin asks about a token.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenKey {
    /// What `cryptsetup luksDump` is to show of it.
    Dump,
    /// Its key.
    Open {
        /// The device it is on, for messages.
        device: Option<PathBuf>,
    },
    /// Whether it can be one.
    Validate,
}

/// Parses what is behind `token-key`.
pub fn parse(words: &mut Words) -> Result<TokenKey, Stop> {
    let mut found = Vec::new();
    while let Some(word) = words.next()? {
        match word {
            Word::Argument(word) => found.push(word),
            Word::Flag(flag) => return Err(unknown(&flag, "token-key")),
        }
    }
    // Its standard output is a frame, and nothing else.
    if words.json {
        return Err("token-key has no --json: the plugin reads its result".into());
    }
    let mut found = found.into_iter();
    let question = found.next().unwrap_or_default();
    let device = found.next().map(PathBuf::from);
    match (question.to_str(), device, found.next()) {
        (Some("dump"), None, None) => Ok(TokenKey::Dump),
        (Some("open"), device, None) => Ok(TokenKey::Open { device }),
        (Some("validate"), None, None) => Ok(TokenKey::Validate),
        _ => Err("token-key takes open [DEVICE], validate or dump".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Action, Command};
    use super::*;

    fn parse(words: &str) -> Result<Action, String> {
        let words = format!("token-key {words}");
        let command = Command::parse(words.split_whitespace().map(OsString::from));
        command.map(|command| command.action).map_err(|error| error.kind.to_string())
    }

    #[test]
    fn the_three_questions() {
        let open = |device: Option<&str>| {
            Ok(Action::TokenKey(TokenKey::Open { device: device.map(PathBuf::from) }))
        };
        assert_eq!(parse("open"), open(None));
        assert_eq!(parse("open -- /dev/sdc"), open(Some("/dev/sdc")));
        assert_eq!(parse("open -- -image"), open(Some("-image")));
        assert_eq!(parse("validate"), Ok(Action::TokenKey(TokenKey::Validate)));
        assert_eq!(parse("dump"), Ok(Action::TokenKey(TokenKey::Dump)));
    }

    #[test]
    fn everything_else_is_refused() {
        let takes = "token-key takes open [DEVICE], validate or dump";
        for words in ["", "close", "open a b", "validate a", "dump a"] {
            assert_eq!(parse(words), Err(takes.to_owned()), "{words}");
        }
        let json = parse("open --json").unwrap_err();
        assert_eq!(json, "token-key has no --json: the plugin reads its result");
        assert_eq!(
            parse("open --tool x").unwrap_err(),
            "--tool is for initramfs plan, not for token-key"
        );
    }
}
