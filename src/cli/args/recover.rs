//! The words of `recover`: a device, where its key may be, and how it is opened.

use std::path::PathBuf;

use super::azure::AzureFlags;
use super::key::{self, KeyArg};
use super::words::{Stop, Word, Words, once, unknown};
use crate::azure::id::KeyId;
use crate::config::flag::Flag;
use crate::volume::{HeaderSpec, KekAlgorithm, Limit, Options, VolumeName};

/// The names of its own flags, besides those that name a key.
pub const FLAGS: &[&str] = &[
    "dry-run",
    "header",
    "kek",
    "kek-algorithm",
    "machine-name",
    "name",
    "read-write",
    "save-key",
    "timeout",
];

/// What to recover, with which keys, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverArgs {
    /// How to sign in to Azure, where a key is there.
    pub azure: AzureFlags,
    /// The encrypted device, or an image file of one, as it was given.
    pub device: PathBuf,
    /// `--dry-run`: find the key and open nothing.
    pub dry_run: bool,
    /// `--header`; its path may be relative.
    pub header: Option<HeaderSpec>,
    /// `--kek`: the key-encryption key of whatever is wrapped.
    pub kek: Option<KeyId>,
    /// `--kek-algorithm`.
    pub kek_algorithm: Option<KekAlgorithm>,
    /// Where the key may be, in the order to try; none were given when empty.
    pub keys: Vec<KeyArg>,
    /// `--machine-name`, for the secrets of `--vault`.
    pub machine_name: Option<String>,
    /// `--name`: what it is opened as.
    pub name: Option<VolumeName>,
    /// `--read-write`.
    pub read_write: bool,
    /// `--save-key`: a file for the key that fits.
    pub save_key: Option<PathBuf>,
    /// `--timeout`: one deadline for everything.
    pub timeout: Limit,
}

/// Parses what is behind `recover`.
pub fn parse(words: &mut Words) -> Result<RecoverArgs, Stop> {
    let mut azure = AzureFlags::default();
    let mut keys = Vec::new();
    let mut device = None;
    let (mut dry_run, mut read_write) = (None, None);
    let (mut header, mut name, mut save_key, mut timeout) = (None, None, None, None);
    let (mut kek, mut kek_algorithm, mut machine_name) = (None, None, None);
    while let Some(word) = words.next()? {
        let flag = match word {
            Word::Flag(flag) => flag,
            Word::Argument(word) if device.is_none() && !word.is_empty() => {
                device = Some(PathBuf::from(word));
                continue;
            }
            Word::Argument(_) => return Err("recover takes one DEVICE".into()),
        };
        match flag.as_str() {
            "dry-run" => once(&mut dry_run, &flag, ())?,
            "header" => once(&mut header, &flag, words.typed(&flag, Flag::header)?)?,
            "kek" => once(&mut kek, &flag, words.typed(&flag, Flag::kek)?)?,
            "kek-algorithm" => {
                once(&mut kek_algorithm, &flag, words.typed(&flag, Flag::kek_algorithm)?)?;
            }
            "machine-name" => {
                once(&mut machine_name, &flag, words.typed(&flag, Flag::machine_name)?)?;
            }
            "name" => once(&mut name, &flag, words.typed(&flag, Flag::volume_name)?)?,
            "read-write" => once(&mut read_write, &flag, ())?,
            "save-key" => once(&mut save_key, &flag, file(words.path(&flag)?)?)?,
            "timeout" => once(&mut timeout, &flag, words.typed(&flag, Flag::limit)?)?,
            _ if azure.take(&flag, words)? => {}
            _ => match KeyArg::parse(&flag, words)? {
                Some(key) => keys.push(key),
                None => return Err(unknown(&flag, "recover")),
            },
        }
    }
    azure.check()?;
    let args = RecoverArgs {
        azure,
        device: device.ok_or("recover takes one DEVICE")?,
        dry_run: dry_run.is_some(),
        header,
        kek,
        kek_algorithm,
        keys: key::in_order(keys)?,
        machine_name,
        name,
        read_write: read_write.is_some(),
        save_key,
        timeout: timeout.unwrap_or(Options::default().timeout),
    };
    args.check()?;
    Ok(args)
}

/// A key goes into a file of its own, which only its owner can read.
fn file(path: PathBuf) -> Result<PathBuf, Stop> {
    if path.as_os_str() == "-" {
        return Err("--save-key writes a file, not standard output".into());
    }
    Ok(path)
}

impl RecoverArgs {
    /// Whether the flags go together.
    fn check(&self) -> Result<(), Stop> {
        key::one_reader(&self.keys, &self.azure)?;
        let in_vault = self.keys.iter().any(|key| matches!(key, KeyArg::Vault(_)));
        if self.machine_name.is_some() && !in_vault {
            return Err("--machine-name chooses among the secrets of --vault".into());
        }
        // Without keys a key disk and the token are looked at, which may hold wrapped ones.
        let wrapped = self.keys.is_empty() || self.keys.iter().any(KeyArg::may_be_wrapped);
        let kek = self.kek.as_ref().map(|_| "--kek");
        match kek.or(self.kek_algorithm.map(|_| "--kek-algorithm")) {
            Some(flag) if !wrapped => {
                Err(format!("{flag} is for wrapped keys, and none of these keys can be").into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
