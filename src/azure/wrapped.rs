//! What a wrapped key looks like from outside.
//!
//! RSA gives exactly as many bytes as the modulus has; AES key wrap (RFC 3394) eight more than the
//! key. That tells a wrapped key from a plain one where nothing else does, and keeps calls from
//! being made that cannot succeed.

use super::base64::{self, NotBase64};
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// What is written beside a value about its being wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: its shape decides.
    Nothing,
    /// It is the key.
    Plain,
    /// It is wrapped.
    Wrapped,
}

impl Claim {
    /// By the KEK's tag, then the content type; never by the algorithm's tag.
    pub fn of(kek_tagged: bool, content_type: Option<&str>) -> Self {
        match content_type.unwrap_or_default() {
            _ if kek_tagged => Self::Wrapped,
            content if content.eq_ignore_ascii_case("Wrapped BEK") => Self::Wrapped,
            content if content.eq_ignore_ascii_case("BEK") => Self::Plain,
            _ => Self::Nothing,
        }
    }
}

/// Whether `length` bytes can be a key wrapped by `algorithm`.
///
/// RSA keys of Key Vault have 2048, 3072 or 4096 bits ("About keys").
pub fn fits(algorithm: KekAlgorithm, length: usize) -> bool {
    match algorithm {
        KekAlgorithm::A256Kw => length >= 24 && length.is_multiple_of(8),
        KekAlgorithm::Rsa15 | KekAlgorithm::RsaOaep | KekAlgorithm::RsaOaep256 => {
            matches!(length, 256 | 384 | 512)
        }
    }
}

/// The wrapped key in `bytes`, if they have the shape of one: base64 text of it, or the raw bytes.
///
/// Text is looked at first: 512 characters of base64 hold a 384-byte wrapped key.
pub fn find(algorithm: KekAlgorithm, bytes: &[u8]) -> Option<Secret> {
    match base64::decode(bytes) {
        Ok(decoded) if fits(algorithm, decoded.len()) => Some(decoded),
        Ok(_) => None,
        Err(NotBase64) => fits(algorithm, bytes.len()).then(|| Secret::new(bytes.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine;
    use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn rsa_sizes_are_wrapped_keys_in_text_and_raw() {
        for length in [256, 384, 512] {
            let raw = vec![0xfe; length];
            let text = BASE64_URL_SAFE_NO_PAD.encode(&raw);
            for bytes in [raw.clone(), text.clone().into_bytes(), format!("{text}\n").into()] {
                assert_eq!(find(KekAlgorithm::RsaOaep, &bytes).unwrap().expose(), raw);
            }
        }
    }

    #[test]
    fn plain_keys_are_none() {
        let passphrase = BASE64_STANDARD.encode([7; 127]);
        let secret = BASE64_STANDARD.encode(&passphrase);
        for plain in [passphrase.as_bytes(), secret.as_bytes(), b"hunter2", b"", &[0xff; 255]] {
            assert!(find(KekAlgorithm::RsaOaep256, plain).is_none());
        }
    }

    #[test]
    fn aes_key_wrap_is_a_multiple_of_eight() {
        let find = |length| find(KekAlgorithm::A256Kw, &vec![0xff; length]).is_some();
        assert!(find(24) && find(40) && find(184));
        assert!(!find(16) && !find(23) && !find(172));
    }
}
