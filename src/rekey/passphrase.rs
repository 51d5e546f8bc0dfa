//! Passphrases as Azure Disk Encryption makes them: 127 random bytes in base64.
//!
//! The text is the passphrase and is never decoded (`BekUtil.py`). RSA of 2048 bits takes it with
//! every algorithm that Key Vault has for it, and no KDF is needed to keep it from being guessed.

use ::base64::Engine;
use ::base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::error::Kind;
use crate::secret::Secret;

/// How many random bytes are in one.
const BYTES: usize = 127;

/// A new one, 172 characters, of what `random` fills in.
///
/// Errors: `random`'s own.
pub fn new(random: impl FnOnce(&mut [u8]) -> Result<(), Kind>) -> Result<Secret, Kind> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    random(&mut *bytes)?;
    // Allocated once, at its full length.
    Ok(Secret::new(BASE64_STANDARD.encode(*bytes).into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_ade_makes() {
        let fill = |bytes: &mut [u8]| {
            bytes.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
            Ok(())
        };
        let passphrase = new(fill).unwrap();
        assert_eq!((passphrase.len(), passphrase.expose().ends_with(b"==")), (172, true));
        let bytes = BASE64_STANDARD.decode(passphrase.expose()).unwrap();
        assert_eq!(bytes, (0..127).collect::<Vec<u8>>());
    }

    #[test]
    fn without_randomness_there_is_none() {
        let broken = |_: &mut [u8]| Err(Kind::Usage("no randomness".to_owned()));
        assert!(new(broken).is_err());
    }
}
