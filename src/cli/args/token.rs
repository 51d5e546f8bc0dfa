//! The words of `token`: what to do, with the tokens of which header.

use std::path::PathBuf;

use super::key::Input;
use super::words::{Stop, Word, Words, once, unknown};
use crate::config::flag::Flag;
use crate::volume::HeaderSpec;

/// The names of its own flags.
pub const FLAGS: &[&str] = &["header", "key-slot", "token"];

/// What to do with the tokens in one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenArgs {
    /// The encrypted device, or an image file of one.
    pub device: PathBuf,
    /// `--header`; its path may be relative.
    pub header: Option<HeaderSpec>,
    /// The work itself.
    pub work: Work,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `assign`: give a token a keyslot, so that cryptsetup uses it.
    Assign {
        /// `--token`; `None` is the only one.
        token: Option<u32>,
        /// `--key-slot`; `None` is the only one.
        keyslot: Option<u32>,
    },
    /// `import`: add a token.
    Import {
        /// Where its JSON is.
        from: Input,
        /// `--key-slot`; `None` takes those in the JSON.
        keyslot: Option<u32>,
    },
    /// `remove`: take a token out.
    Remove {
        /// `--token`; `None` is the only one.
        token: Option<u32>,
    },
    /// `show`: say what tokens there are.
    Show,
}

/// Parses what is behind `token`.
pub fn parse(words: &mut Words) -> Result<TokenArgs, Stop> {
    let mut found = Vec::new();
    let (mut header, mut keyslot, mut token) = (None, None, None);
    while let Some(word) = words.next()? {
        let flag = match word {
            Word::Argument(word) => {
                found.push(word);
                continue;
            }
            Word::Flag(flag) => flag,
        };
        match flag.as_str() {
            "header" => once(&mut header, &flag, words.typed(&flag, Flag::header)?)?,
            "key-slot" => once(&mut keyslot, &flag, words.typed(&flag, Flag::slot)?)?,
            "token" => once(&mut token, &flag, words.typed(&flag, Flag::token)?)?,
            _ => return Err(unknown(&flag, "token")),
        }
    }
    let mut found = found.into_iter();
    let word = found.next().unwrap_or_default();
    let word = word.to_str().unwrap_or_default();
    let takes = match word {
        "assign" | "remove" | "show" => "DEVICE",
        "import" => "DEVICE FILE",
        _ => return Err("token takes show, assign, import or remove".into()),
    };
    let wrong = || Stop::from(format!("token {word} takes {takes}"));
    let mut path = || found.next().filter(|path| !path.is_empty()).map(PathBuf::from);
    let device = path().ok_or_else(wrong)?;
    let work = match word {
        "assign" => Work::Assign { token: token.take(), keyslot: keyslot.take() },
        "import" => {
            let file = path().ok_or_else(wrong)?;
            let stdin = file.as_os_str() == "-";
            let from = if stdin { Input::Stdin } else { Input::File(file) };
            Work::Import { from, keyslot: keyslot.take() }
        }
        "remove" => Work::Remove { token: token.take() },
        _ => Work::Show,
    };
    if path().is_some() {
        return Err(wrong());
    }
    let unused = token.map(|_| ("token", "token assign and token remove"));
    match unused.or(keyslot.map(|_| ("key-slot", "token assign and token import"))) {
        Some((flag, owners)) => {
            Err(format!("--{flag} is for {owners}, not for token {word}").into())
        }
        None => Ok(TokenArgs { device, header, work }),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Action, Command};
    use super::*;

    fn parsed(words: &str) -> Result<TokenArgs, String> {
        let words = format!("token {words}");
        match Command::parse(words.split_whitespace().map(OsString::from)) {
            Ok(Command { action: Action::Token(args), .. }) => Ok(args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind.to_string()),
        }
    }

    #[test]
    fn each_word_has_its_flags() {
        let work = |words: &str| parsed(words).unwrap().work;
        assert_eq!(work("show /dev/sdb"), Work::Show);
        assert_eq!(work("assign /dev/sdb"), Work::Assign { token: None, keyslot: None });
        let both = Work::Assign { token: Some(5), keyslot: Some(0) };
        assert_eq!(work("--token 5 assign /dev/sdb --key-slot=0"), both);
        assert_eq!(work("remove a.img --token 31"), Work::Remove { token: Some(31) });
        let import = |from| Work::Import { from, keyslot: Some(1) };
        assert_eq!(work("import /dev/sdb - --key-slot 1"), import(Input::Stdin));
        assert_eq!(work("import /dev/sdb t --key-slot 1"), import(Input::File("t".into())));
        let args = parsed("show /dev/sdb --header ./h").unwrap();
        assert_eq!(args.header, Some(HeaderSpec::Path("./h".into())));
        assert_eq!(args.device, PathBuf::from("/dev/sdb"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, message) in [
            ("", "token takes show, assign, import or remove"),
            ("list /dev/sdb", "token takes show, assign, import or remove"),
            ("show", "token show takes DEVICE"),
            ("show a b", "token show takes DEVICE"),
            ("import a", "token import takes DEVICE FILE"),
            ("import a b c", "token import takes DEVICE FILE"),
            (
                "show a --token 1",
                "--token is for token assign and token remove, not for token show",
            ),
            (
                "remove a --key-slot 1",
                "--key-slot is for token assign and token import, not for token remove",
            ),
            ("assign a --token 32", "command line: a token is a number from 0 to 31"),
            ("assign a --key-slot x", "command line: a keyslot is a number from 0 to 31"),
            ("assign a --token 1 --token 2", "--token is given twice"),
            ("show a --tool x", "--tool is for initramfs plan, not for token"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), message, "{words}");
        }
    }
}
