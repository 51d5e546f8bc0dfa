//! What is around a key, and how one layer of base64 is taken off.
//!
//! azure/base64.rs decodes; here is said why something cannot be decoded, because who pastes a
//! key under pressure needs to know what is wrong with it.

use std::fmt;

use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::azure::base64;
use crate::secret::Secret;

/// Something around a key that was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Base64.
    Base64 {
        /// Which alphabet; `None` when the text has no character that differs.
        url_safe: Option<bool>,
        /// How many `=` at its end were missing.
        missing: usize,
    },
    /// A byte order mark.
    ByteOrderMark,
    /// A list of numbers, as PowerShell prints bytes.
    Bytes,
    /// JSON; the member that held the key.
    Json(String),
    /// NUL bytes that a Managed HSM made of padding.
    Nuls(usize),
    /// Quotation marks.
    Quotes,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 { url_safe, missing } => {
                f.write_str(match url_safe {
                    Some(true) => "base64url",
                    Some(false) | None => "base64",
                })?;
                if *missing > 0 { write!(f, " without {missing} of its =") } else { Ok(()) }
            }
            Self::ByteOrderMark => f.write_str("byte order mark"),
            Self::Bytes => f.write_str("list of bytes"),
            Self::Json(member) => write!(f, "JSON ({member})"),
            Self::Nuls(1) => f.write_str("NUL byte at its end"),
            Self::Nuls(_) => f.write_str("NUL bytes at its end"),
            Self::Quotes => f.write_str("quotation marks"),
        }
    }
}

/// Base64 as it was found: what it decodes to, and how it was written.
pub struct Peeled {
    /// The bytes below the layer.
    pub bytes: Secret,
    /// The characters without white space and `=`.
    pub characters: Zeroizing<Vec<u8>>,
    /// Which alphabet; `None` when the text has no character that differs.
    pub url_safe: Option<bool>,
    /// How many `=` were missing.
    pub missing: usize,
}

impl Peeled {
    /// The layer it was.
    pub fn layer(&self) -> Layer {
        Layer::Base64 { url_safe: self.url_safe, missing: self.missing }
    }
}

/// Takes one layer of base64 off `text`.
///
/// White space may be anywhere, `=` at the end may be missing or one or two, right or wrong.
/// Everything else that no encoder writes is refused with its reason; so are left-over bits that
/// are not zero (RFC 4648, section 3.5), because they come from a text that was cut or changed.
pub fn peel(text: &[u8]) -> Result<Peeled, Refusal> {
    let mut characters = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut equals = 0;
    let (mut standard, mut url_safe) = (false, false);
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            byte if byte.is_ascii_whitespace() => continue,
            b'=' => {
                equals += 1;
                continue;
            }
            b'+' | b'/' => standard = true,
            b'-' | b'_' => url_safe = true,
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return Err(Refusal::Character { at: index + 1 }),
        }
        if equals > 0 {
            let at_an_end = matches!(characters.len() % 4, 2 | 3);
            return Err(if at_an_end { Refusal::AfterPadding } else { Refusal::PaddingInside });
        }
        characters.push(byte);
    }
    if standard && url_safe {
        return Err(Refusal::MixedAlphabets);
    }
    let needed = match characters.len() % 4 {
        _ if characters.is_empty() => return Err(Refusal::Empty),
        1 => return Err(Refusal::Length { characters: characters.len() }),
        2 => 2,
        3 => 1,
        _ => 0,
    };
    if equals > 2 {
        return Err(Refusal::Padding);
    }
    let bytes = base64::decode(&characters).map_err(|_| Refusal::Bits)?;
    let url_safe = (standard || url_safe).then_some(url_safe);
    Ok(Peeled { bytes, characters, url_safe, missing: usize::saturating_sub(needed, equals) })
}

/// Whether `bytes` are text that a person could have typed: UTF-8 without control characters
/// other than tabs and line ends.
pub fn is_readable(bytes: &[u8]) -> bool {
    let typed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(typed))
}
