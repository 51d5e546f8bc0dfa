//! Wrap and unwrap with RSA, and the text form of their results.
//!
//! `wrapkey`/`encrypt` and `unwrapkey`/`decrypt` are one primitive each (Key Vault keys REST
//! reference, "Wrap Key" and "Encrypt"). Only the algorithms of RSA keys exist here.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rsa::PrivateKey;
use sha1::Sha1;
use sha2::Sha256;

use crate::scenario::{Algorithm, Alphabet, Answer, Padding};

/// base64url without padding on output, with or without on input.
pub(crate) const BASE64URL: GeneralPurpose = engine(&alphabet::URL_SAFE);
const STANDARD: GeneralPurpose = engine(&alphabet::STANDARD);

/// Encrypts; fails when the plain text is too long for key and algorithm.
pub(crate) fn wrap(key: &PrivateKey, algorithm: Algorithm, plain: &[u8]) -> rsa::Result<Vec<u8>> {
    let public = key.to_public_key();
    match algorithm {
        Algorithm::Rsa15 => public.pkcs1v15_encrypt(plain),
        Algorithm::RsaOaep => public.oaep_encrypt::<Sha1>(plain),
        Algorithm::RsaOaep256 => public.oaep_encrypt::<Sha256>(plain),
    }
}

/// Decrypts; OAEP fails on another key's or another algorithm's cipher text.
///
/// RSA1_5 gives a synthetic text instead (implicit rejection, draft-irtf-cfrg-rsa-guidance): what
/// Key Vault does is not documented, and this is the harder case for a client.
pub(crate) fn unwrap(
    key: &PrivateKey,
    algorithm: Algorithm,
    wrapped: &[u8],
) -> rsa::Result<Vec<u8>> {
    match algorithm {
        Algorithm::Rsa15 => key.pkcs1v15_decrypt(wrapped),
        Algorithm::RsaOaep => key.oaep_decrypt::<Sha1>(wrapped),
        Algorithm::RsaOaep256 => key.oaep_decrypt::<Sha256>(wrapped),
    }
}

/// Standard base64 with padding, the outer layer of a secret that is not wrapped.
pub(crate) fn base64_padded(bytes: &[u8]) -> String {
    padded(STANDARD.encode(bytes))
}

/// The text of a result as the scenario wants it.
pub(crate) fn encode(bytes: &[u8], answer: Answer) -> String {
    let text = match answer.alphabet {
        Alphabet::Standard => STANDARD.encode(bytes),
        Alphabet::Url => BASE64URL.encode(bytes),
    };
    let text = match answer.padding {
        Padding::Correct => padded(text),
        Padding::None => text,
        Padding::One => text + "=",
        Padding::Two => text + "==",
    };
    if answer.white_space {
        let (left, right) = text.split_at(text.len() / 2);
        format!("{left}\r\n{right}\n")
    } else {
        text
    }
}

fn padded(mut text: String) -> String {
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

const fn engine(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(alphabet: Alphabet, padding: Padding, white_space: bool) -> Answer {
        Answer { alphabet, padding, white_space }
    }

    #[test]
    fn answers_take_every_shape() {
        let bytes = [0xfb, 0xff, 0xfe, 0x01];
        let plain = encode(&bytes, Answer::default());
        assert_eq!(plain, "-__-AQ");
        let standard = answer(Alphabet::Standard, Padding::Correct, false);
        assert_eq!(encode(&bytes, standard), "+//+AQ==");
        let odd = answer(Alphabet::Url, Padding::One, true);
        assert_eq!(encode(&bytes, odd), "-__\r\n-AQ=\n");
    }

    #[test]
    fn the_wrong_algorithm_does_not_unwrap() {
        let key = crate::keyring::Keyring::new(None).next(2048).unwrap();
        let wrapped = wrap(&key, Algorithm::RsaOaep, b"key").unwrap();
        assert_eq!(unwrap(&key, Algorithm::RsaOaep, &wrapped).unwrap(), b"key");
        assert!(unwrap(&key, Algorithm::RsaOaep256, &wrapped).is_err());
    }

    #[test]
    fn pkcs1_padding_is_never_an_error() {
        let key = crate::keyring::Keyring::new(None).next(2048).unwrap();
        let wrapped = wrap(&key, Algorithm::RsaOaep, b"key").unwrap();
        let synthetic = unwrap(&key, Algorithm::Rsa15, &wrapped).unwrap();
        assert_ne!(synthetic, b"key");
    }

    #[test]
    fn too_long_a_text_is_not_wrapped() {
        let key = crate::keyring::Keyring::new(None).next(2048).unwrap();
        // Limits from "About keys": 214 for RSA-OAEP and 190 for RSA-OAEP-256 at 2048 bits.
        assert!(wrap(&key, Algorithm::RsaOaep, &[0; 214]).is_ok());
        assert!(wrap(&key, Algorithm::RsaOaep, &[0; 215]).is_err());
        assert!(wrap(&key, Algorithm::RsaOaep256, &[0; 191]).is_err());
    }
}
