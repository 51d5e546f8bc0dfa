//! What `bek-unlock token-key` answers to the plugin in libcryptsetup: a length, and that many bytes.
//!
//! A pipe ends in the same way when its writer is done and when its writer died, and half a key
//! must never be tried as one. So the length comes first, behind four bytes that nothing else
//! begins with.
//!
//! The plugin's crate includes this file by its path, so that neither side can change the frame
//! alone; for that it names nothing of this crate.

/// How many bytes stand before the key.
pub const HEAD: usize = 8;

/// The most that is taken for a key, in bytes; as for a key file.
pub const LIMIT: usize = 64 * 1024;

/// The frame's mark and its version.
const MARK: [u8; 4] = *b"BEK\x01";

/// What comes before `length` bytes; none for an empty key and for one that is too long.
pub fn head(length: usize) -> Option<[u8; HEAD]> {
    let length = u32::try_from(length).ok().filter(|_| (1..=LIMIT).contains(&length))?;
    let ([a, b, c, d], [e, f, g, h]) = (MARK, length.to_le_bytes());
    Some([a, b, c, d, e, f, g, h])
}

/// How many bytes come behind `head`; `None` when [`head`] did not make it.
pub fn length(head: [u8; HEAD]) -> Option<usize> {
    let [a, b, c, d, e, f, g, h] = head;
    let length = usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?;
    ([a, b, c, d] == MARK && (1..=LIMIT).contains(&length)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_head_are_these() {
        assert_eq!(head(172), Some(*b"BEK\x01\xac\x00\x00\x00"));
        assert_eq!(head(LIMIT), Some(*b"BEK\x01\x00\x00\x01\x00"));
    }

    #[test]
    fn every_length_comes_back() {
        for bytes in [1, 172, 256, LIMIT] {
            assert_eq!(head(bytes).and_then(length), Some(bytes));
        }
    }

    #[test]
    fn nothing_and_too_much_have_no_head() {
        assert_eq!([head(0), head(LIMIT + 1), head(usize::MAX)], [None; 3]);
    }

    #[test]
    fn what_is_no_head_has_no_length() {
        for other in [
            *b"BEK\x01\x00\x00\x00\x00",
            *b"BEK\x01\x01\x00\x01\x00",
            *b"BEK\x01\xff\xff\xff\xff",
            *b"BEK\x02\xac\x00\x00\x00",
            *b"\xac\x00\x00\x00BEK\x01",
        ] {
            assert_eq!(length(other), None, "{other:?}");
        }
    }
}
