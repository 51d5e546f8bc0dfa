//! `application/x-www-form-urlencoded` bodies that are wiped: one of the values is a secret.

use crate::secret::Secret;

/// Name and value pairs, percent-encoded but for RFC 3986's unreserved characters.
///
/// The buffer has its full size from the start, so that growing leaves no copy behind.
pub fn encode(pairs: &[(&str, &[u8])]) -> Secret {
    let size = pairs.iter().map(|(name, value)| name.len() + 2 + 3 * value.len()).sum();
    let mut body = Vec::with_capacity(size);
    for (name, value) in pairs {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        value.iter().for_each(|&byte| push(&mut body, byte));
    }
    Secret::new(body)
}

fn push(body: &mut Vec<u8>, byte: u8) {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        body.push(byte);
    } else {
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
        body.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_odd_is_encoded() {
        let body = encode(&[("scope", b"https://v/.default"), ("s", &[b'~', b' ', 0xff, b'+'])]);
        assert_eq!(body.expose(), b"scope=https%3A%2F%2Fv%2F.default&s=~%20%FF%2B");
        assert_eq!(encode(&[]).expose(), b"");
    }

    #[test]
    fn the_buffer_never_grows() {
        for length in [0, 1, 7, 4096] {
            let value = vec![0xff; length];
            let size = 2 * ("name".len() + 2 + 3 * length);
            let body = encode(&[("name", &value), ("name", &value)]);
            assert!(body.len() <= size);
        }
    }
}
