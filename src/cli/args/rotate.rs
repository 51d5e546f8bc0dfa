//! The words of `rotate`: which volumes get a new key, and what of it is new.

use super::azure::AzureFlags;
use super::words::{Stop, Word, Words, once, text, unknown};
use crate::azure::id::KeyName;
use crate::config::flag::Flag;
use crate::volume::{KekAlgorithm, VolumeName};

/// The names of its own flags.
pub const FLAGS: &[&str] =
    &["all", "dry-run", "keep-kek", "keep-passphrase", "kek", "kek-algorithm"];

/// What to rotate, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateArgs {
    /// How to sign in to Azure, to wrap and to store.
    pub azure: AzureFlags,
    /// Which volume; `None` is `--all` of bektab.
    pub name: Option<VolumeName>,
    /// `--dry-run`: prove that it can be done and change nothing.
    pub dry_run: bool,
    /// What wraps the new key.
    pub kek: NewKek,
    /// `--kek-algorithm`; `None` keeps what is.
    pub algorithm: Option<KekAlgorithm>,
    /// `--keep-passphrase`: only the wrapping is new, and the header stays as it is.
    pub keep_passphrase: bool,
}

/// Which KEK wraps the new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewKek {
    /// `--keep-kek`: the one that wrapped the old one, in the same version.
    Kept,
    /// `--kek`: another one.
    Named(KeyName),
    /// The one that wrapped the old one, in its newest version.
    Newest,
}

/// Parses what is behind `rotate`.
pub fn parse(words: &mut Words) -> Result<RotateArgs, Stop> {
    let mut azure = AzureFlags::default();
    let (mut name, mut all, mut dry_run) = (None, None, None);
    let (mut kek, mut algorithm, mut keep_kek, mut keep_passphrase) = (None, None, None, None);
    while let Some(word) = words.next()? {
        let flag = match word {
            Word::Flag(flag) => flag,
            Word::Argument(word) if name.is_none() => {
                name = Some(super::volume(&text(word)?)?);
                continue;
            }
            Word::Argument(_) => return Err("rotate takes one NAME, or --all".into()),
        };
        match flag.as_str() {
            "all" => once(&mut all, &flag, ())?,
            "dry-run" => once(&mut dry_run, &flag, ())?,
            "keep-kek" => once(&mut keep_kek, &flag, ())?,
            "keep-passphrase" => once(&mut keep_passphrase, &flag, ())?,
            "kek" => once(&mut kek, &flag, words.typed(&flag, Flag::kek_name)?)?,
            "kek-algorithm" => {
                once(&mut algorithm, &flag, words.typed(&flag, Flag::kek_algorithm)?)?;
            }
            _ if azure.take(&flag, words)? => {}
            _ => return Err(unknown(&flag, "rotate")),
        }
    }
    azure.check()?;
    if name.is_some() == all.is_some() {
        return Err("rotate takes one NAME, or --all".into());
    }
    let kek = match (kek, keep_kek) {
        (Some(_), Some(())) => return Err("--kek names another KEK, --keep-kek keeps it".into()),
        (Some(kek), None) => NewKek::Named(kek),
        (None, Some(())) => NewKek::Kept,
        (None, None) => NewKek::Newest,
    };
    if keep_passphrase.is_some() && kek == NewKek::Kept && algorithm.is_none() {
        return Err("with --keep-kek and --keep-passphrase nothing would be new".into());
    }
    Ok(RotateArgs {
        azure,
        name,
        dry_run: dry_run.is_some(),
        kek,
        algorithm,
        keep_passphrase: keep_passphrase.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Action, Command};
    use super::*;

    fn parsed(words: &str) -> Result<RotateArgs, String> {
        let words = format!("rotate {words}");
        match Command::parse(words.split_whitespace().map(OsString::from)) {
            Ok(Command { action: Action::Rotate(args), .. }) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind.to_string()),
        }
    }

    #[test]
    fn a_name_or_all_of_them() {
        let args = parsed("data1").unwrap();
        assert_eq!(args.name, VolumeName::parse("data1").ok());
        assert_eq!((args.kek, args.keep_passphrase, args.dry_run), (NewKek::Newest, false, false));
        let args = parsed("--all --dry-run --keep-kek").unwrap();
        assert_eq!((args.name, args.kek, args.dry_run), (None, NewKek::Kept, true));
        let args = parsed("a --kek https://v.vault.azure.net/keys/k --keep-passphrase").unwrap();
        assert!(matches!(args.kek, NewKek::Named(kek) if kek.short() == "k"));
        assert!(args.keep_passphrase);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, message) in [
            ("", "rotate takes one NAME, or --all"),
            ("a b", "rotate takes one NAME, or --all"),
            ("a --all", "rotate takes one NAME, or --all"),
            ("a/b", "'/' is not allowed in a volume name"),
            (
                "a --keep-kek --keep-passphrase",
                "with --keep-kek and --keep-passphrase nothing would be new",
            ),
            (
                "a --keep-kek --kek https://v.vault.azure.net/keys/k",
                "--kek names another KEK, --keep-kek keeps it",
            ),
            ("a --write", "--write is for enroll, not for rotate"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), message, "{words}");
        }
    }
}
