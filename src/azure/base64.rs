//! Base64 as Azure writes it: two alphabets, with and without padding.
//!
//! Exactly one layer is taken off, ever: what is inside of ADE's secrets looks like base64 and is
//! the passphrase. The result lives in wiped memory from its first byte.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Padding is taken off before; left-over bits must be zero, as every encoder writes them, because
/// anything else is a damaged value.
const BARE: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BARE);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BARE);

/// A text that is no base64. Says nothing about the text: it may be most of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no base64 text")
    }
}

/// Takes one layer of base64 off `text`.
///
/// Takes either alphabet of RFC 4648 (sections 4 and 5), but not both in one text; 0, 1 or 2 `=` at
/// the end, right or wrong, as people repair padding by hand; and ASCII white space anywhere,
/// because tools wrap at 64 or 76 columns. Errors: an empty text, a length no encoder produces (one
/// more than a multiple of four), any other character.
pub fn decode(text: &[u8]) -> Result<Secret, NotBase64> {
    let mut clean = Zeroizing::new(Vec::with_capacity(text.len()));
    clean.extend(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    for _ in 0..2 {
        if clean.last() == Some(&b'=') {
            clean.pop();
        }
    }
    if clean.is_empty() {
        return Err(NotBase64);
    }
    let url_safe = clean.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if url_safe { &URL_SAFE } else { &STANDARD };
    // Estimated generously by the crate; allocated once, so nothing is left in freed memory.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(clean.len())]);
    let length = engine.decode_slice(&*clean, &mut bytes).map_err(|_| NotBase64)?;
    bytes.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// The url-safe text without padding that Key Vault takes in `value`.
///
/// Padding would end up as a NUL byte in a Managed HSM (hashicorp/go-kms-wrapping, PR 43). For
/// wrapped keys only: the text is not wiped.
pub fn encode_wrapped(wrapped: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(wrapped)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};

    use super::*;

    #[test]
    fn every_spelling_of_the_same_bytes_decodes() {
        for length in 1..80usize {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + length * 101) as u8).collect();
            for text in [
                BASE64_STANDARD.encode(&bytes),
                BASE64_STANDARD_NO_PAD.encode(&bytes),
                BASE64_URL_SAFE.encode(&bytes),
                BASE64_URL_SAFE_NO_PAD.encode(&bytes),
            ] {
                assert_eq!(decode(text.as_bytes()).unwrap().expose(), bytes);
                let wrapped = format!(" {}\r\n", text.replace('A', "\nA"));
                assert_eq!(decode(wrapped.as_bytes()).unwrap().expose(), bytes);
            }
        }
    }

    #[test]
    fn padding_may_be_wrong() {
        for text in ["QUI", "QUI=", "QUI==", "QUI = =\n"] {
            assert_eq!(decode(text.as_bytes()).unwrap().len(), 2);
        }
        assert_eq!(decode(b"QUJD==").unwrap().expose(), b"ABC");
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        for text in [
            "", " \n", "A", "QUJDR", "QQ===", "=", "==", "Q=Q=", "QR", "QUJ!", "+_+_", "QUJD\0",
            "QU\u{e9}",
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap_err(), NotBase64, "{text:?}");
        }
    }

    #[test]
    fn only_one_layer_is_taken_off() {
        let passphrase = BASE64_STANDARD.encode([0xA5; 127]);
        let secret = BASE64_STANDARD.encode(&passphrase);
        assert_eq!((passphrase.len(), secret.len()), (172, 232));
        assert_eq!(decode(secret.as_bytes()).unwrap().expose(), passphrase.as_bytes());
    }

    #[test]
    fn wrapped_keys_are_sent_url_safe_and_unpadded() {
        assert_eq!(encode_wrapped(&[0xfb, 0xff, 0xfe, 0x01]), "-__-AQ");
    }
}
