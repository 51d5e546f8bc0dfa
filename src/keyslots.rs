//! A LUKS header that is changed: keyslots that come and go, and LUKS2 tokens.
//!
//! The port of `enroll`, `rotate` and `token`. Every call is one change that is whole or did not
//! happen: LUKS2 keeps two copies of its metadata with checksums, and what is between two calls is
//! the caller's to survive. An unlock never comes here: it changes nothing.

#![forbid(unsafe_code)]

use crate::error::Kind;
use crate::mapping::Format;
use crate::secret::Secret;

/// A header that is there to be changed.
pub trait Keyslots {
    /// Whose header it is: LUKS1 has eight keyslots and no tokens, LUKS2 32 of each.
    fn format(&self) -> Format;

    /// The UUID as written in the header.
    fn uuid(&self) -> &str;

    /// The keyslots that a passphrase may open the volume by, in order.
    fn slots(&mut self) -> Result<Vec<u32>, Kind>;

    /// The first keyslot that is not in use; `None` where all are.
    fn free(&mut self) -> Result<Option<u32>, Kind>;

    /// The keyslot that `key` opens: the one asked for, or any. `None` when it opens none of them.
    ///
    /// Maps nothing.
    fn fits(&mut self, key: &Secret, slot: Option<u32>) -> Result<Option<u32>, Kind>;

    /// The salt of keyslot `slot`, in base64: made anew with each key that gets the number, and no
    /// secret. `None` where it is not in use.
    fn salt(&mut self, slot: u32) -> Result<Option<String>, Kind>;

    /// Adds `new` as keyslot `slot`, which has to be free; `existing` opens the volume already.
    ///
    /// `new` has to be random: its KDF is the cheapest there is, because what nobody can guess needs
    /// no slow one, and a boot waits for it.
    fn add(&mut self, slot: u32, existing: &Secret, new: &Secret) -> Result<(), Kind>;

    /// Destroys keyslot `slot` for good.
    fn remove(&mut self, slot: u32) -> Result<(), Kind>;

    /// The LUKS2 tokens by number, as JSON; none of LUKS1.
    fn tokens(&mut self) -> Result<Vec<(u32, String)>, Kind>;

    /// Writes a token in one step, in place of the one of that number where there is one; its
    /// number.
    fn set_token(&mut self, number: Option<u32>, json: &str) -> Result<u32, Kind>;

    /// Removes a token.
    fn remove_token(&mut self, number: u32) -> Result<(), Kind>;
}
