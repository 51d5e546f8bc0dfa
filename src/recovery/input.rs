//! What was given as a whole: binary data, or text that is no JSON document.

use super::bek;
use super::form::{About, Found};
use super::json::Value;
use super::layer::{Layer, is_readable};
use super::refusal::Refusal;
use super::{Form, Key, Shape, Wrapped};
use crate::azure::wrapped;
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// What is no text: a .BEK file or a wrapped key as it is.
pub fn binary(bytes: &[u8]) -> Result<Option<Form>, Refusal> {
    if let Some(found) = bek::read(bytes) {
        let shape = Shape::Bek(found.map_err(Refusal::Bek)?);
        return Ok(Some(Form::Key(Key { secret: Secret::new(bytes.to_vec()), shape })));
    }
    if is_readable(bytes) {
        return Ok(None);
    }
    if is_utf16(bytes) {
        return Err(Refusal::Utf16);
    }
    if wrapped::fits(KekAlgorithm::RsaOaep, bytes.len()) {
        return Ok(Some(Form::Wrapped(Wrapped {
            bytes: Secret::new(bytes.to_vec()),
            kek: None,
            algorithm: None,
            identity: None,
            no_kek: None,
            no_algorithm: None,
        })));
    }
    let visible = bytes.iter().filter(|byte| **byte != 0);
    if bytes.contains(&0) && visible.clone().count() > 0 && visible.into_iter().all(u8::is_ascii) {
        return Err(Refusal::Nul);
    }
    Err(Refusal::Binary { bytes: bytes.len() })
}

/// ASCII characters in every second byte and NUL in the others; behind a byte order mark the first
/// few tell, because people write in other letters too.
fn is_utf16(bytes: &[u8]) -> bool {
    const FEW: usize = 8;
    let letters = |bytes: &[u8], at: usize| {
        let is_letter =
            |pair: &[u8]| matches!((pair.get(at), pair.get(1 - at)), (Some(1..=0x7f), Some(0)));
        bytes.chunks_exact(2).all(is_letter)
    };
    let few = |rest: &[u8], at| letters(rest.get(..FEW).unwrap_or(rest), at);
    match bytes {
        [0xff, 0xfe, rest @ ..] => few(rest, 0),
        [0xfe, 0xff, rest @ ..] => few(rest, 1),
        [_, _, ..] => letters(bytes, 0) || letters(bytes, 1),
        _ => false,
    }
}

/// Text that is no JSON object: what it is said not to be, its quotation marks, its value.
pub fn bare(text: &[u8]) -> Result<Found, Refusal> {
    if text.starts_with(b"-----BEGIN") {
        return Err(Refusal::Pem);
    }
    if text.starts_with(b"<") {
        return Err(Refusal::Html);
    }
    if text.starts_with(b"HTTP/") {
        return Err(Refusal::HttpHeader);
    }
    // A JSON Web Token: header, claims and signature, of which the first begins with `{"`.
    if text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2 {
        return Err(Refusal::AccessToken);
    }
    if text.windows(2).any(|pair| pair == b"\":") {
        return Err(Refusal::JsonPiece);
    }
    let quoted = [b'"', b'\'']
        .iter()
        .find_map(|mark| text.strip_prefix(&[*mark]).and_then(|rest| rest.strip_suffix(&[*mark])));
    match quoted {
        // A string of JSON, with escapes in it.
        Some(inner) if inner.contains(&b'\\') => {
            let value = Value::parse(text)?;
            let inner = value.text().unwrap_or_default().as_bytes();
            Ok(Found::in_text(inner, About::nothing())?.below(Layer::Quotes))
        }
        Some(inner) => Ok(Found::in_text(inner, About::nothing())?.below(Layer::Quotes)),
        None => Found::in_text(text, About::nothing()),
    }
}
