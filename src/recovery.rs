//! What people have in hand when they recover a disk, and the key that is in it.
//!
//! A pasted answer of unwrapKey, a secret, Azure Backup's file, a .BEK file, a recovery password:
//! all of them become a key, or a wrapped key and what is known of its KEK. Nothing is asked of
//! anybody, and one layer of base64 is taken off at the most: below the first one of an ADE disk
//! is its passphrase, which looks like base64 and is not to be decoded.

#![forbid(unsafe_code)]

mod ade;
pub mod bek;
mod document;
mod form;
mod input;
mod json;
pub mod layer;
pub mod lvm;
pub mod name;
pub mod next;
pub mod no_target;
mod password;
pub mod refusal;
pub mod target;
pub mod tokens;

use std::fmt;

use crate::azure::id::KeyId;
use crate::secret::Secret;
use crate::volume::{Identity, KekAlgorithm};
use bek::Guid;
use form::Found;
use layer::Layer;
use refusal::Refusal;

/// The most that is read: Azure Backup's file for a VM with many disks, in bytes.
pub const LIMIT: usize = 1024 * 1024;
/// The most that is taken for a key by itself, in bytes; as for a key file.
const KEY_LIMIT: usize = 64 * 1024;

/// Something that was found: a key or a wrapped key.
#[derive(Debug)]
pub struct Material {
    /// What it was in.
    pub origin: Origin,
    /// What it is.
    pub form: Form,
}

/// What a key was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of document.
    pub source: Source,
    /// Which one of several, or of what name; printable, may be empty.
    pub label: String,
    /// What was taken off, from the outside in.
    pub layers: Vec<Layer>,
    /// How many `=` of an ADE passphrase had got lost and were put back.
    pub restored: usize,
}

/// Kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What a key operation of Key Vault gave.
    Answer,
    /// Azure Backup's file with keys and secrets.
    Backup,
    /// Bytes that are no text.
    Binary,
    /// A secret with what is around its value.
    Secret,
    /// Text by itself.
    Text,
    /// A LUKS2 token, ours or that of a confidential VM.
    Token,
}

/// What was found.
#[derive(Debug)]
pub enum Form {
    /// The key.
    Key(Key),
    /// The key, still wrapped.
    Wrapped(Wrapped),
}

/// A key, byte for byte as the volume wants it.
#[derive(Debug)]
pub struct Key {
    /// The bytes.
    pub secret: Secret,
    /// What they look like.
    pub shape: Shape,
}

/// What a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A passphrase that ADE made for Linux: 172 characters.
    Ade,
    /// A .BEK file of BitLocker.
    Bek(Guid),
    /// Bytes that are no text.
    Binary,
    /// BitLocker's 48 digits.
    RecoveryPassword,
    /// Other text.
    Text,
}

/// A wrapped key.
#[derive(Debug)]
pub struct Wrapped {
    /// The bytes that unwrapKey takes.
    pub bytes: Secret,
    /// The KEK, where that is known.
    pub kek: Option<KeyId>,
    /// The algorithm, where that is known.
    pub algorithm: Option<KekAlgorithm>,
    /// Which of the VM's managed identities is to ask, where that is known.
    pub identity: Option<Identity>,
    /// What stands where the KEK's URL should, and is none; printable.
    pub no_kek: Option<String>,
    /// What stands where the algorithm should, and is none; printable.
    pub no_algorithm: Option<String>,
}

impl Material {
    fn new(source: Source, label: String, found: Found) -> Self {
        let Found { form, layers, restored } = found;
        Self { origin: Origin { source, label, layers, restored }, form }
    }
}

/// Finds what is in `input`; several when it holds the keys of several disks.
///
/// Errors: the reason why there is nothing to use in it.
pub fn recognise(input: &Secret) -> Result<Vec<Material>, Refusal> {
    let bytes = input.expose();
    if bytes.len() > LIMIT {
        return Err(Refusal::TooLarge { limit: LIMIT });
    }
    let one = |source, found| vec![Material::new(source, String::new(), found)];
    if let Some(form) = input::binary(bytes)? {
        return Ok(one(Source::Binary, Found::plain(form)));
    }
    let marked = bytes.strip_prefix("\u{feff}".as_bytes());
    let text = marked.unwrap_or(bytes).trim_ascii();
    let mut materials = match text.first() {
        None => return Err(Refusal::Empty),
        Some(b'{' | b'[') => document::read(text)?,
        Some(_) if text.len() > KEY_LIMIT => return Err(Refusal::TooLarge { limit: KEY_LIMIT }),
        Some(_) => one(Source::Text, input::bare(text)?),
    };
    if marked.is_some() {
        for material in &mut materials {
            material.origin.layers.insert(0, Layer::ByteOrderMark);
        }
    }
    Ok(materials)
}

/// The recovery password of BitLocker that `input` is in another way of writing than the one
/// libcryptsetup takes: blanks for hyphens, a line end behind it.
pub fn recovery_password(input: &Secret) -> Option<Secret> {
    let bytes = input.expose();
    if bytes.len() > KEY_LIMIT || password::is_exact(bytes) {
        return None;
    }
    password::read(bytes)?.ok().map(Secret::from)
}

/// The name that Windows gives the file with this key; `None` when it is no .BEK file.
pub fn file_name(key: &Secret) -> Option<String> {
    bek::read(key.expose())?.ok().map(bek::Guid::file_name)
}

/// The one key among `materials`, and what it was in.
///
/// The same key several times is one: ADE gives all disks of a VM the same. Errors: it is still
/// wrapped, or there are several.
pub fn only_key(materials: Vec<Material>) -> Result<(Key, Origin), Refusal> {
    let mut keys: Vec<(Key, Origin)> = Vec::new();
    let mut wrapped = Vec::new();
    for Material { origin, form } in materials {
        match form {
            Form::Key(key) => {
                let known =
                    |(other, _): &(Key, Origin)| other.secret.expose() == key.secret.expose();
                if !keys.iter().any(known) {
                    keys.push((key, origin));
                }
            }
            Form::Wrapped(other) => wrapped.push(other),
        }
    }
    match (keys.pop(), keys.len() + wrapped.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), others) => Err(Refusal::Several { keys: others + 1 }),
        (None, _) => {
            Err(wrapped.first().map_or(Refusal::NoMember, |first| Refusal::StillWrapped {
                bytes: first.bytes.len(),
                kek: first.kek.as_ref().map(ToString::to_string),
            }))
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer => "answer of Key Vault",
            Self::Backup => "Azure Backup's file",
            Self::Binary => "binary data",
            Self::Secret => "secret of Key Vault",
            Self::Text => "text",
            Self::Token => "LUKS2 token",
        })
    }
}

/// `answer of Key Vault (kek/0123), 2 layers removed: JSON (value), base64url`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if !self.label.is_empty() {
            write!(f, " ({})", self.label)?;
        }
        let layers: Vec<String> = self.layers.iter().map(ToString::to_string).collect();
        match layers.len() {
            0 => f.write_str(", no layer removed"),
            1 => write!(f, ", 1 layer removed: {}", layers.join("")),
            count => write!(f, ", {count} layers removed: {}", layers.join(", ")),
        }?;
        match self.restored {
            0 => Ok(()),
            lost => write!(f, "; {lost} lost = put back"),
        }
    }
}

/// `ADE passphrase of 172 bytes`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Ade => f.write_str("ADE passphrase")?,
            Shape::Bek(guid) => write!(f, "BitLocker key file {}", guid.file_name())?,
            Shape::Binary => f.write_str("binary key")?,
            Shape::RecoveryPassword => f.write_str("BitLocker recovery password")?,
            Shape::Text => f.write_str("passphrase")?,
        }
        match self.secret.len() {
            1 => f.write_str(" of 1 byte"),
            length => write!(f, " of {length} bytes"),
        }
    }
}

#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod tests;
