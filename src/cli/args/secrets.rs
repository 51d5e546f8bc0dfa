//! The words of `secrets`.

use super::azure::AzureFlags;
use super::words::{Stop, Word, Words, once, unknown};
use crate::azure::id::VaultUrl;
use crate::config::flag::Flag;
use crate::volume::KeyFileName;

/// The names of its own flags.
pub const FLAGS: &[&str] = &["file", "machine-name", "vault"];

/// What to list, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsArgs {
    /// How to sign in.
    pub azure: AzureFlags,
    /// `--file`: only secrets whose tag names this key file.
    pub file: Option<KeyFileName>,
    /// `--machine-name`: only secrets of this machine.
    pub machine_name: Option<String>,
    /// `--vault`.
    pub vault: VaultUrl,
}

/// Parses what is behind `secrets`.
pub fn parse(words: &mut Words) -> Result<SecretsArgs, Stop> {
    let mut azure = AzureFlags::default();
    let (mut file, mut machine_name, mut vault) = (None, None, None);
    while let Some(word) = words.next()? {
        let Word::Flag(flag) = word else {
            return Err("secrets takes no argument, only options".into());
        };
        match flag.as_str() {
            "file" => once(&mut file, &flag, words.typed(&flag, Flag::key_file)?)?,
            "machine-name" => {
                once(&mut machine_name, &flag, words.typed(&flag, Flag::machine_name)?)?;
            }
            "vault" => once(&mut vault, &flag, words.typed(&flag, Flag::vault)?)?,
            _ if azure.take(&flag, words)? => {}
            _ => return Err(unknown(&flag, "secrets")),
        }
    }
    azure.check()?;
    let vault = vault.ok_or("secrets needs --vault URL")?;
    Ok(SecretsArgs { azure, file, machine_name, vault })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Action, Command};
    use super::*;
    use crate::azure::auth::Auth;

    fn parsed(words: &[&str]) -> Result<SecretsArgs, String> {
        let words = ["secrets"].iter().chain(words).map(OsString::from);
        match Command::parse(words) {
            Ok(Command { action: Action::Secrets(args), .. }) => Ok(args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind.to_string()),
        }
    }

    const VAULT: [&str; 2] = ["--vault", "https://contoso-kv.vault.azure.net/"];

    #[test]
    fn a_vault_is_enough_and_filters_narrow_it() {
        let args = parsed(&VAULT).unwrap();
        assert_eq!(args.vault.to_string(), "https://contoso-kv.vault.azure.net");
        assert_eq!((args.file, args.machine_name), (None, None));
        assert_eq!(args.azure, AzureFlags::default());
        let more = ["--machine-name", "my vm", "--file=k.BEK", "--auth", "az", "--ca", "ca.pem"];
        let args = parsed(&[&VAULT[..], &more].concat()).unwrap();
        assert_eq!(args.machine_name.as_deref(), Some("my vm"));
        assert_eq!(args.file, KeyFileName::parse("k.BEK"));
        assert_eq!((args.azure.auth, args.azure.ca), (Some(Auth::Az), Some("ca.pem".into())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, message) in [
            (&[][..], "secrets needs --vault URL"),
            (&["contoso-kv"], "secrets takes no argument, only options"),
            (&["--vault", "contoso-kv"], "command line: not a URL of the form https://HOST"),
            (&["--file", "a/b"], "command line: not a file name on a key disk"),
            (&["--machine-name", ""], "--machine-name needs a value"),
            (&["--kek", "k"], "--kek is for enroll, recover and rotate, not for secrets"),
            (&[VAULT[0], VAULT[1], VAULT[0], VAULT[1]], "--vault is given twice"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), message, "{words:?}");
        }
    }
}
