//! Where a volume's wrapped key is now, and which keyslot it opens.

use std::path::{Path, PathBuf};

use super::super::rekey::{OwnSources, Stop, find, root};
use super::super::sources::KeySources;
use crate::azure::id::{KeyId, KeyName};
use crate::azure::vault::VaultSecret;
use crate::config::Entry;
use crate::deadline::Deadline;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::error::{Error, Kind};
use crate::keyslots::Keyslots;
use crate::rekey::Store;
use crate::rekey::plan::Wrap;
use crate::secret::Secret;
use crate::token::Token;
use crate::unlock::Opened;
use crate::volume::{KekAlgorithm, KeySpec, Volume, VolumeName};

/// A key that opens the volume, and every place that holds it wrapped.
pub(super) struct Current {
    /// The key.
    pub key: Secret,
    /// Its keyslot.
    pub keyslot: u32,
    /// The places; not empty.
    pub stores: Vec<Store>,
    /// What wrapped it, where it is wrapped.
    pub wrap: Option<Wrap>,
}

/// Finds a key by the volume's own sources, whichever has one.
pub(super) fn key(volume: &Volume, deadline: &Deadline<'_>) -> Result<(Opened, Secret), Error> {
    find(volume, &mut OwnSources::new(volume), deadline)
}

impl Current {
    /// Errors: those of an unlock; `NotRekeyable` where nothing that can be written to holds the key.
    pub fn find(
        entry: &Entry,
        header: &mut ChangedHeader,
        deadline: &Deadline<'_>,
    ) -> Result<Self, Stop> {
        let volume = &entry.volume;
        let (opened, key) = key(volume, deadline)?;
        let mut current = Self { key, keyslot: opened.keyslot, stores: Vec::new(), wrap: None };
        match &volume.key {
            KeySpec::Path(path) => current.file(path, volume)?,
            KeySpec::Secret(_) => current.secret(volume, &opened, deadline)?,
            KeySpec::Find | KeySpec::KeyFile(_) => {
                if volume.key == KeySpec::Find {
                    current.token(header, opened.keyslot)?;
                }
                if volume.options.vault.is_some() {
                    current.secret(volume, &opened, deadline)?;
                }
            }
        }
        if current.stores.is_empty() {
            let reason = format!(
                "its key comes from {} alone, which is not renewed here: enroll it first",
                opened.origin
            );
            return Err(Kind::NotRekeyable { reason }.into());
        }
        Ok(current)
    }

    fn file(&mut self, path: &Path, volume: &Volume) -> Result<(), Kind> {
        let options = &volume.options;
        let Some(kek) = &options.kek else {
            let reason = format!("{} is not wrapped: enroll it first", path.display());
            return Err(Kind::NotRekeyable { reason });
        };
        let algorithm = options.kek_algorithm.unwrap_or(KekAlgorithm::RsaOaep);
        self.wrap = Some(Wrap { kek: kek.clone().into(), algorithm });
        self.stores.push(Store::File(path.to_owned()));
        Ok(())
    }

    /// The token whose key opens the keyslot.
    fn token(&mut self, header: &mut ChangedHeader, keyslot: u32) -> Result<(), Kind> {
        let tokens = header.tokens()?.into_iter();
        let mut tokens = tokens.filter_map(|(at, json)| Some((at, Token::parse(&json).ok()?)));
        if let Some((number, token)) = tokens.find(|(_, token)| token.keyslots.contains(&keyslot)) {
            self.wrap = Some(Wrap { kek: token.kek.into(), algorithm: token.algorithm });
            self.stores.push(Store::Token { number: Some(number), identity: token.identity });
        }
        Ok(())
    }

    /// The secret that holds the key: the volume's own sources find it, as they do at boot.
    fn secret(
        &mut self,
        volume: &Volume,
        opened: &Opened,
        deadline: &Deadline<'_>,
    ) -> Result<(), Stop> {
        let mut sources = KeySources::new(root(), volume).only_key_vault();
        let mut volume = volume.clone();
        volume.options.key_slot = Some(opened.keyslot);
        match find(&volume, &mut sources, deadline) {
            Ok(_) => {}
            // What a token holds is renewed all the same; an old secret opens nothing more then.
            Err(error) if !self.stores.is_empty() => {
                log::warn!("no secret has this key, and none is renewed: {}", error.kind);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let Some(secret) = sources.last_secret() else { return Ok(()) };
        if self.wrap.is_none() {
            self.wrap = wrap_of(&secret);
        }
        self.stores.push(Store::Secret { id: secret.id.newest(), tags: secret.all_tags.clone() });
        Ok(())
    }
}

fn wrap_of(secret: &VaultSecret) -> Option<Wrap> {
    let kek: KeyName = secret.tags.kek.clone()?.ok()?.into();
    let algorithm = secret.tags.algorithm.clone().and_then(Result::ok);
    Some(Wrap { kek, algorithm: algorithm.unwrap_or(KekAlgorithm::RsaOaep) })
}

/// A file beside the old one, which stays until the line of bektab names this one.
pub(super) fn new_file(old: &Path, name: &VolumeName, keyslot: u32, kek: &KeyId) -> PathBuf {
    let version = kek.version().as_str();
    let version = version.get(..8).unwrap_or(version);
    old.with_file_name(format!("{name}.{keyslot}-{version}.wrapped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_never_the_old_one() {
        let kek = |version: &str| {
            KeyId::parse(&format!("https://v.vault.azure.net/keys/k/{version}")).unwrap()
        };
        let name = VolumeName::parse("data1").unwrap();
        let made = new_file(Path::new("/etc/w/x.wrapped"), &name, 1, &kek("0123456789"));
        assert_eq!(made, Path::new("/etc/w/data1.1-01234567.wrapped"));
        // Either the passphrase and so the keyslot changes, or the version of the KEK.
        assert_ne!(new_file(&made, &name, 0, &kek("0123456789")), made);
        assert_ne!(new_file(&made, &name, 1, &kek("89abcdef")), made);
    }
}
