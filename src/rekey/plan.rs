//! What a rekeying is to do, whole: nothing else has to be known to finish it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::azure::id::{KeyId, KeyName, SecretId};
use crate::error::short;
use crate::volume::{Identity, KekAlgorithm, VolumeName};

/// Which KEK is to wrap a key, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// Without a version the newest does it.
    pub kek: KeyName,
    /// How.
    pub algorithm: KekAlgorithm,
}

/// A wrapped key and what unwraps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// In the version that wrapped it.
    pub kek: KeyId,
    /// How.
    pub algorithm: KekAlgorithm,
    /// Harmless without the KEK.
    pub bytes: Vec<u8>,
}

/// What is to be done to a volume. Holds no key that is not wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The UUID of its header.
    pub uuid: String,
    /// The encrypted device, for messages.
    pub device: PathBuf,
    /// The new key.
    pub wrapped: WrappedKey,
    /// Its keyslot. Free when the plan was made, unless the passphrase stays.
    pub keyslot: u32,
    /// Where the new key goes; not empty.
    pub stores: Vec<Store>,
    /// The line of bektab that finds it there, where one has to be written.
    pub line: Option<Line>,
    /// Whether the volume has a line to be proven by.
    pub proves: bool,
    /// The keyslot that is removed at the end.
    pub old_keyslot: Option<u32>,
    /// Its salt: days may lie between two runs, and the number be another key's by then.
    pub old_salt: Option<String>,
    /// The wrapped-key file that is removed at the end.
    pub old_file: Option<PathBuf>,
}

/// A place for a wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A file, for `kek=` of bektab.
    File(PathBuf),
    /// A secret in Key Vault.
    Secret {
        /// In its newest version.
        id: SecretId,
        /// All that it gets but ADE's own two that name the KEK, which the wrapped key decides.
        tags: BTreeMap<String, String>,
    },
    /// A LUKS2 token.
    Token {
        /// The one that it replaces.
        number: Option<u32>,
        /// Which managed identity may use the KEK.
        identity: Option<Identity>,
    },
}

/// A line of bektab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose it is.
    pub name: VolumeName,
    /// All of it, without newline.
    pub text: String,
}

/// For people; also where a key came from that did not fit.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Secret { id, .. } => {
                write!(f, "key vault {}: secret {}", short(id.host()), id.name().as_str())
            }
            Self::Token { .. } => f.write_str("LUKS2 token"),
        }
    }
}
