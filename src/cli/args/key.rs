//! The flags of `recover` and `enroll` that name a key: where it may be, in the order of trying.

use std::path::PathBuf;

use super::azure::AzureFlags;
use super::words::{Stop, Words};
use crate::azure::id::{SecretId, VaultUrl};
use crate::config::flag::Flag;

/// Their names, in the order in which they are tried.
pub const FLAGS: &[&str] = &[
    "key-file",
    "unwrapped",
    "wrapped",
    "backup-json",
    "key-disk",
    "token",
    "secret",
    "vault",
    "prompt",
];

/// A place where the key may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyArg {
    /// `--key-file`: the key byte for byte.
    KeyFile(Input),
    /// `--unwrapped`: an answer of unwrapKey.
    Unwrapped(Input),
    /// `--wrapped`: a wrapped key, or a secret that holds one.
    Wrapped(Input),
    /// `--backup-json`: Azure Backup's file.
    BackupJson(Input),
    /// `--key-disk`: a device or an image of one.
    KeyDisk(PathBuf),
    /// `--token`: the LUKS2 token in the header.
    Token,
    /// `--secret`: a secret in Key Vault.
    Secret(SecretId),
    /// `--vault`: the secrets there that fit by their tags.
    Vault(VaultUrl),
    /// `--prompt`: whoever sits at the terminal.
    Prompt,
}

/// Where something is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// `-`: standard input, to its end.
    Stdin,
}

impl KeyArg {
    /// The key that `flag` and its value name, if it is one of [`FLAGS`].
    pub fn parse(flag: &str, words: &mut Words) -> Result<Option<Self>, Stop> {
        Ok(Some(match flag {
            "key-file" => Self::KeyFile(input(flag, words)?),
            "unwrapped" => Self::Unwrapped(input(flag, words)?),
            "wrapped" => Self::Wrapped(input(flag, words)?),
            "backup-json" => Self::BackupJson(input(flag, words)?),
            "key-disk" => Self::KeyDisk(words.path(flag)?),
            "token" => Self::Token,
            "secret" => Self::Secret(words.typed(flag, Flag::secret)?),
            "vault" => Self::Vault(words.typed(flag, Flag::vault)?),
            "prompt" => Self::Prompt,
            _ => return Ok(None),
        }))
    }

    /// The flag, without its hyphens.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::KeyFile(_) => "key-file",
            Self::Unwrapped(_) => "unwrapped",
            Self::Wrapped(_) => "wrapped",
            Self::BackupJson(_) => "backup-json",
            Self::KeyDisk(_) => "key-disk",
            Self::Token => "token",
            Self::Secret(_) => "secret",
            Self::Vault(_) => "vault",
            Self::Prompt => "prompt",
        }
    }

    /// Whether what is found there may be wrapped.
    pub fn may_be_wrapped(&self) -> bool {
        !matches!(self, Self::KeyFile(_) | Self::Unwrapped(_) | Self::Prompt)
    }

    /// Whether it is read from standard input.
    pub fn reads_stdin(&self) -> bool {
        matches!(
            self,
            Self::KeyFile(Input::Stdin)
                | Self::Unwrapped(Input::Stdin)
                | Self::Wrapped(Input::Stdin)
                | Self::BackupJson(Input::Stdin)
        )
    }
}

/// The keys in the order of [`FLAGS`], whatever that of the words was.
pub fn in_order(mut keys: Vec<KeyArg>) -> Result<Vec<KeyArg>, Stop> {
    keys.sort_by_key(|key| FLAGS.iter().position(|flag| *flag == key.flag()));
    let twice = keys.windows(2).find_map(|pair| match pair {
        [first, second] if first.flag() == second.flag() => Some(first.flag()),
        _ => None,
    });
    match twice {
        Some(flag) => Err(format!("--{flag} is given twice").into()),
        None => Ok(keys),
    }
}

/// Whether standard input is read for one thing only.
pub fn one_reader(keys: &[KeyArg], azure: &AzureFlags) -> Result<(), Stop> {
    let readers = keys.iter().filter(|key| key.reads_stdin());
    let mut readers: Vec<String> = readers.map(|key| format!("--{} -", key.flag())).collect();
    if azure.reads_stdin() {
        readers.push("--auth token:-".to_owned());
    }
    match readers.as_slice() {
        [first, second, ..] => {
            Err(format!("{first} and {second} cannot both read standard input").into())
        }
        _ => Ok(()),
    }
}

fn input(flag: &str, words: &mut Words) -> Result<Input, Stop> {
    let path = words.path(flag)?;
    Ok(if path.as_os_str() == "-" { Input::Stdin } else { Input::File(path) })
}
