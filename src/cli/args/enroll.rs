//! The words of `enroll`: a device, what is to wrap its new key, where that goes, and what opens the
//! device now.

use std::path::PathBuf;

use super::azure::AzureFlags;
use super::key::{self, KeyArg};
use super::words::{Stop, Word, Words, once, unknown};
use crate::azure::id::{KeyName, SecretId, VaultUrl};
use crate::config::flag::Flag;
use crate::volume::{HeaderSpec, KekAlgorithm, KeyFileName, Limit, Options, VolumeName};

/// The names of its own flags, besides those that name a key.
pub const FLAGS: &[&str] = &[
    "dry-run",
    "file",
    "format",
    "header",
    "kek",
    "kek-algorithm",
    "machine-name",
    "name",
    "secret-name",
    "timeout",
    "to-file",
    "to-token",
    "to-vault",
    "write",
    "yes",
];

/// What to enroll, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollArgs {
    /// How to sign in to Azure.
    pub azure: AzureFlags,
    /// The encrypted device, or the one that is to be.
    pub device: PathBuf,
    /// `--dry-run`: prove that it can be done and change nothing.
    pub dry_run: bool,
    /// `--file`: the tag DiskEncryptionKeyFileName, instead of the one for the device's slot.
    pub file: Option<KeyFileName>,
    /// `--format`: the device is a new volume, and what is on it is lost.
    pub format: bool,
    /// `--header`: its detached header.
    pub header: Option<HeaderSpec>,
    /// `--kek`: what wraps the new key; without a version the newest does.
    pub kek: KeyName,
    /// `--kek-algorithm`.
    pub algorithm: KekAlgorithm,
    /// Where a key that opens it now may be, in the order to try; none were given when empty.
    pub keys: Vec<KeyArg>,
    /// `--machine-name`: the tag MachineName, instead of this machine's host name.
    pub machine_name: Option<String>,
    /// `--name`: the volume's, in bektab.
    pub name: Option<VolumeName>,
    /// `--timeout`: one deadline for everything.
    pub timeout: Limit,
    /// `--to-file`: a file for the wrapped key.
    pub to_file: Option<PathBuf>,
    /// `--to-vault`, with `--secret-name` or a name that is made: a secret for it.
    pub to_secret: Option<SecretId>,
    /// `--to-token`: a LUKS2 token for it.
    pub to_token: bool,
    /// `--write`: the line goes into bektab.
    pub write: bool,
    /// `--yes`: nobody is asked whether the device may be formatted.
    pub yes: bool,
}

/// Parses what is behind `enroll`; `new_name` makes the name of a secret that was given none.
pub fn parse(words: &mut Words, new_name: impl FnOnce() -> String) -> Result<EnrollArgs, Stop> {
    let mut azure = AzureFlags::default();
    let (mut keys, mut device) = (Vec::new(), None);
    let (mut kek, mut algorithm, mut header, mut name) = (None, None, None, None);
    let (mut file, mut machine_name, mut timeout) = (None, None, None);
    let (mut to_file, mut to_token, mut to_vault, mut secret_name) = (None, None, None, None);
    let (mut dry_run, mut format, mut write, mut yes) = (None, None, None, None);
    while let Some(word) = words.next()? {
        let flag = match word {
            Word::Flag(flag) => flag,
            Word::Argument(word) if device.is_none() && !word.is_empty() => {
                device = Some(PathBuf::from(word));
                continue;
            }
            Word::Argument(_) => return Err("enroll takes one DEVICE".into()),
        };
        match flag.as_str() {
            "dry-run" => once(&mut dry_run, &flag, ())?,
            "file" => once(&mut file, &flag, words.typed(&flag, Flag::key_file)?)?,
            "format" => once(&mut format, &flag, ())?,
            "header" => once(&mut header, &flag, words.typed(&flag, Flag::header)?)?,
            "kek" => once(&mut kek, &flag, words.typed(&flag, Flag::kek_name)?)?,
            "kek-algorithm" => {
                once(&mut algorithm, &flag, words.typed(&flag, Flag::kek_algorithm)?)?;
            }
            "machine-name" => {
                once(&mut machine_name, &flag, words.typed(&flag, Flag::machine_name)?)?;
            }
            "name" => once(&mut name, &flag, words.typed(&flag, Flag::volume_name)?)?,
            "secret-name" => once(&mut secret_name, &flag, words.text(&flag)?)?,
            "timeout" => once(&mut timeout, &flag, words.typed(&flag, Flag::limit)?)?,
            "to-file" => once(&mut to_file, &flag, absolute(words.path(&flag)?)?)?,
            "to-token" => once(&mut to_token, &flag, ())?,
            "to-vault" => once(&mut to_vault, &flag, words.typed(&flag, Flag::vault)?)?,
            "write" => once(&mut write, &flag, ())?,
            "yes" => once(&mut yes, &flag, ())?,
            _ if azure.take(&flag, words)? => {}
            _ => match KeyArg::parse(&flag, words)? {
                Some(key) => keys.push(key),
                None => return Err(unknown(&flag, "enroll")),
            },
        }
    }
    azure.check()?;
    let args = EnrollArgs {
        azure,
        device: device.ok_or("enroll takes one DEVICE")?,
        dry_run: dry_run.is_some(),
        file,
        format: format.is_some(),
        header,
        kek: kek.ok_or("enroll needs --kek URL, the key-encryption key")?,
        algorithm: algorithm.unwrap_or(KekAlgorithm::RsaOaep),
        keys: key::in_order(keys)?,
        machine_name,
        name,
        timeout: timeout.unwrap_or(Options::default().timeout),
        to_file,
        to_secret: secret(to_vault, secret_name, new_name)?,
        to_token: to_token.is_some(),
        write: write.is_some(),
        yes: yes.is_some(),
    };
    args.check()?;
    Ok(args)
}

fn secret(
    vault: Option<VaultUrl>,
    name: Option<String>,
    new_name: impl FnOnce() -> String,
) -> Result<Option<SecretId>, Stop> {
    let Some(vault) = vault else {
        return match name {
            Some(_) => Err("--secret-name names the secret of --to-vault".into()),
            None => Ok(None),
        };
    };
    let name = name.unwrap_or_else(new_name);
    let refused = || format!("--secret-name {name:?}: 1 to 127 letters, digits and hyphens");
    Ok(Some(vault.secret(&name).ok_or_else(refused)?))
}

/// bektab takes no other path, and a boot has no other directory.
fn absolute(path: PathBuf) -> Result<PathBuf, Stop> {
    match path.is_absolute() && path.to_str().is_some() {
        true => Ok(path),
        false => Err("--to-file takes an absolute path".into()),
    }
}

impl EnrollArgs {
    /// Whether the flags go together.
    fn check(&self) -> Result<(), Stop> {
        key::one_reader(&self.keys, &self.azure)?;
        if self.to_file.is_none() && self.to_secret.is_none() && !self.to_token {
            return Err("say where the key goes: --to-vault URL, --to-token, --to-file FILE".into());
        }
        if self.write && self.name.is_none() {
            return Err("--write needs --name NAME, the volume's name".into());
        }
        if self.yes && !self.format {
            return Err("--yes answers the question of --format".into());
        }
        if self.format && (self.header.is_some() || !self.keys.is_empty()) {
            return Err("--format makes a new volume: it has no key yet and no header apart".into());
        }
        if self.to_token && self.file.is_some() {
            let reason = "beside a token the secret is found by the tag for the disk's slot";
            return Err(format!("--file does not go with --to-token: {reason}").into());
        }
        if self.to_secret.is_none() && (self.machine_name.is_some() || self.file.is_some()) {
            return Err("--machine-name and --file are tags of the secret of --to-vault".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
