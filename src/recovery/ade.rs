//! Passphrases that ADE makes for Linux: 127 random bytes in base64, 172 characters.
//!
//! That text is the passphrase and is never decoded; it is only looked at here.

use zeroize::Zeroizing;

use super::layer::{Peeled, is_readable, peel};
use crate::secret::Secret;

/// How many characters a passphrase has.
pub const LENGTH: usize = 172;
/// How many random bytes are in it.
pub const BYTES: usize = 127;

/// The passphrase that `peeled` was before its layer was taken off: it is one already.
///
/// Its `==`, which belong to it, are put back where they got lost. Somebody's own text of 127
/// characters in base64 is none.
pub fn itself(peeled: &Peeled) -> Option<Secret> {
    let below = peeled.bytes.expose();
    if below.len() != BYTES || peeled.url_safe == Some(true) || is_readable(below) {
        return None;
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(LENGTH));
    whole.extend_from_slice(&peeled.characters);
    whole.extend_from_slice(b"==");
    Some(Secret::new(std::mem::take(&mut *whole)))
}

/// Exactly what ADE writes: 172 characters of standard base64 with their padding.
pub fn is_passphrase(bytes: &[u8]) -> bool {
    let strict = bytes.len() == LENGTH && !bytes.iter().any(u8::is_ascii_whitespace);
    let right = |peeled: Peeled| {
        peeled.bytes.len() == BYTES && peeled.missing == 0 && peeled.url_safe != Some(true)
    };
    strict && peel(bytes).is_ok_and(right)
}

/// How many characters an ADE passphrase lacks at its end.
///
/// Only for lengths that are no multiple of four: those that are may be somebody's own text.
pub fn cut(bytes: &[u8]) -> Option<usize> {
    const LAST: usize = LENGTH - 2;
    let letters = bytes.strip_suffix(b"=").unwrap_or(bytes);
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let near = LENGTH - 7..LENGTH;
    let cut = near.contains(&bytes.len())
        && !bytes.len().is_multiple_of(4)
        && letters.iter().all(is_letter)
        && (letters.len() == bytes.len() || letters.len() == LAST);
    cut.then(|| LENGTH - bytes.len())
}

/// An ADE passphrase with NUL bytes behind it, and how many: padding that a Managed HSM took for
/// data when it wrapped (hashicorp/go-kms-wrapping, PR 43).
pub fn without_nuls(bytes: &[u8]) -> Option<(Secret, usize)> {
    let (passphrase, rest) = bytes.split_at_checked(LENGTH)?;
    let nuls = (1..=2).contains(&rest.len()) && rest.iter().all(|byte| *byte == 0);
    (nuls && is_passphrase(passphrase)).then(|| (Secret::new(passphrase.to_vec()), rest.len()))
}
