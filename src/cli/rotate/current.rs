//! Where a volume's wrapped key is now, and which keyslot it opens.

use std::path::{Path, PathBuf};

use super::super::rekey::{OwnSources, Stop, find, root};
use super::super::sources::KeySources;
use crate::azure::Azure;
use crate::azure::id::KeyId;
use crate::config::Entry;
use crate::deadline::Deadline;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::error::{Error, Kind};
use crate::key::SourceName;
use crate::keyslots::Keyslots;
use crate::rekey::plan::{Wrap, WrappedKey};
use crate::rekey::{self, Store};
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

/// Finds the key that can be renewed, by the volume's own sources.
pub(super) fn key(volume: &Volume, deadline: &Deadline<'_>) -> Result<(Opened, Secret), Error> {
    find(volume, &mut OwnSources::renewable(volume), deadline)
}

impl Current {
    /// Errors: those of an unlock; `NotRekeyable` where nothing that can be written to holds the key.
    pub fn find(
        entry: &Entry,
        header: &mut ChangedHeader,
        azure: &mut Azure,
        deadline: &Deadline<'_>,
    ) -> Result<Self, Stop> {
        // What a person types is no key that could be renewed, and its keyslot is to stay.
        let mut volume = entry.volume.clone();
        volume.options.prompt = false;
        let volume = &volume;
        let (opened, key) = key(volume, deadline)?;
        let mut current = Self { key, keyslot: opened.keyslot, stores: Vec::new(), wrap: None };
        match &volume.key {
            KeySpec::Path(path) => current.file(path, volume, &opened)?,
            KeySpec::Secret(_) => current.secret(volume, &opened, azure, deadline)?,
            KeySpec::Find | KeySpec::KeyFile(_) => {
                if volume.key == KeySpec::Find {
                    current.token(header, azure, deadline)?;
                }
                if volume.options.vault.is_some() {
                    current.secret(volume, &opened, azure, deadline)?;
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

    fn file(&mut self, path: &Path, volume: &Volume, opened: &Opened) -> Result<(), Kind> {
        if opened.source != SourceName::File {
            let (path, origin) = (path.display(), &opened.origin);
            let reason = format!("{path} does not open it, {origin} does: enroll it anew");
            return Err(Kind::NotRekeyable { reason });
        }
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

    /// Whether `wrapped` is this very key. What it says of its KEK is believed only then: a new
    /// passphrase goes to that KEK, and tags and headers are anybody's.
    fn is(
        &self,
        wrapped: &WrappedKey,
        azure: &mut Azure,
        deadline: &Deadline<'_>,
    ) -> Result<bool, Kind> {
        match azure.unwrap_key(&wrapped.kek, wrapped.algorithm, &wrapped.bytes, deadline) {
            Ok(key) => Ok(key.expose() == self.key.expose()),
            Err(kind) if kind.is_transient() => Err(kind),
            Err(kind) => {
                log::debug!("{}: {kind}", wrapped.kek);
                Ok(false)
            }
        }
    }

    /// The tokens that hold the key.
    fn token(
        &mut self,
        header: &mut ChangedHeader,
        azure: &mut Azure,
        deadline: &Deadline<'_>,
    ) -> Result<(), Kind> {
        for (number, json) in header.tokens()? {
            let Ok(token) = Token::parse(&json) else { continue };
            let Token { kek, algorithm, wrapped: bytes, identity, .. } = token;
            let wrapped = WrappedKey { kek, algorithm, bytes };
            if self.is(&wrapped, azure, deadline)? {
                self.wrap.get_or_insert(Wrap { kek: wrapped.kek.into(), algorithm });
                self.stores.push(Store::Token { number: Some(number), identity });
            }
        }
        Ok(())
    }

    /// The secret that holds the key: the volume's own sources find it, as they do at boot.
    fn secret(
        &mut self,
        volume: &Volume,
        opened: &Opened,
        azure: &mut Azure,
        deadline: &Deadline<'_>,
    ) -> Result<(), Stop> {
        let mut sources = KeySources::new(root(), volume).only_key_vault();
        let mut volume = volume.clone();
        volume.options.key_slot = Some(opened.keyslot);
        match find(&volume, &mut sources, deadline) {
            Ok(_) => {}
            // What a token holds is renewed all the same. A vault that cannot be asked may have the
            // key, which then has to be renewed, too.
            Err(error) if !self.stores.is_empty() && is_none(&error.kind) => {
                log::warn!("no secret has this key, and none is renewed: {}", error.kind);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let Some(secret) = sources.last_secret() else { return Ok(()) };
        if self.wrap.is_none() {
            self.wrap = match rekey::wrapped_in(&secret) {
                Some(wrapped) if self.is(&wrapped, azure, deadline)? => {
                    Some(Wrap { kek: wrapped.kek.into(), algorithm: wrapped.algorithm })
                }
                // Without a tag that is right the line's own KEK has unwrapped it.
                _ => volume.options.kek.clone().map(|kek| Wrap {
                    kek: kek.into(),
                    algorithm: volume.options.kek_algorithm.unwrap_or(KekAlgorithm::RsaOaep),
                }),
            };
        }
        self.stores.push(Store::Secret { id: secret.id.newest(), tags: secret.all_tags.clone() });
        Ok(())
    }
}

/// Whether a vault has no secret with the key, rather than that it could not be asked.
fn is_none(kind: &Kind) -> bool {
    matches!(kind, Kind::KeyRejected { .. } | Kind::SecretMissing { .. })
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
