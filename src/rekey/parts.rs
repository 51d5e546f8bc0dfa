//! The ports of rekeying. Each call changes one thing, whole or not at all.

use std::path::Path;
use std::rc::Rc;

use super::{Line, Plan};
use crate::azure::Azure;
use crate::azure::id::{KeyId, KeyName, SecretId};
use crate::azure::vault::VaultSecret;
use crate::azure::write::NewSecret;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// Wrapped-key files. What is in them is harmless, and yet for root alone.
pub trait Files {
    /// Writes a file, mode 0600, atomically and for good.
    fn write(&mut self, path: &Path, text: &str) -> Result<(), Kind>;

    /// Its text; `None` where there is no such file.
    fn read(&mut self, path: &Path) -> Result<Option<String>, Kind>;

    /// Removes it, if it is there.
    fn remove(&mut self, path: &Path) -> Result<(), Kind>;
}

/// /etc/bektab.
pub trait Lines {
    /// Puts the line there, in place of the one of the same name if there is one, atomically.
    fn put(&mut self, line: &Line) -> Result<(), Kind>;
}

/// The unlock of the next boot, without its mapping.
pub trait Prove {
    /// Reads the configuration anew and finds the key of the volume by its own sources.
    ///
    /// Errors: those of an unlock, also when it opens another keyslot than `keyslot`.
    fn opens(&mut self, keyslot: u32) -> Result<(), Kind>;
}

/// Plans that are under way, by the UUID of the volume's header.
pub trait Records {
    /// Keeps `plan`, whatever was kept of its volume before.
    fn save(&mut self, plan: &Plan) -> Result<(), Kind>;

    /// The plan of an interrupted run.
    fn load(&mut self, uuid: &str) -> Result<Option<Plan>, Kind>;

    /// Forgets it.
    fn remove(&mut self, uuid: &str) -> Result<(), Kind>;
}

/// What is asked of Key Vault.
pub trait Vault {
    /// Wraps `key`; see [`Azure::wrap_key`].
    fn wrap(
        &mut self,
        kek: &KeyName,
        algorithm: KekAlgorithm,
        key: &Secret,
        deadline: &Deadline<'_>,
    ) -> Result<(KeyId, Vec<u8>), Kind>;

    /// Unwraps; see [`Azure::unwrap_key`].
    fn unwrap(
        &mut self,
        kek: &KeyId,
        algorithm: KekAlgorithm,
        wrapped: &[u8],
        deadline: &Deadline<'_>,
    ) -> Result<Secret, Kind>;

    /// Reads a secret; see [`Azure::secret`].
    fn secret(&mut self, id: &SecretId, deadline: &Deadline<'_>) -> Result<Rc<VaultSecret>, Kind>;

    /// Sets one; see [`Azure::set_secret`].
    fn set(&mut self, secret: &NewSecret, deadline: &Deadline<'_>)
    -> Result<Rc<VaultSecret>, Kind>;
}

impl Vault for Azure {
    fn wrap(
        &mut self,
        kek: &KeyName,
        algorithm: KekAlgorithm,
        key: &Secret,
        deadline: &Deadline<'_>,
    ) -> Result<(KeyId, Vec<u8>), Kind> {
        self.wrap_key(kek, algorithm, key, deadline)
    }

    fn unwrap(
        &mut self,
        kek: &KeyId,
        algorithm: KekAlgorithm,
        wrapped: &[u8],
        deadline: &Deadline<'_>,
    ) -> Result<Secret, Kind> {
        self.unwrap_key(kek, algorithm, wrapped, deadline)
    }

    fn secret(&mut self, id: &SecretId, deadline: &Deadline<'_>) -> Result<Rc<VaultSecret>, Kind> {
        Azure::secret(self, id, deadline)
    }

    fn set(
        &mut self,
        secret: &NewSecret,
        deadline: &Deadline<'_>,
    ) -> Result<Rc<VaultSecret>, Kind> {
        self.set_secret(secret, deadline)
    }
}
