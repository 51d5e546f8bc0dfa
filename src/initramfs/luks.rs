//! What a LUKS header asks of the kernel: its ciphers, read without libcryptsetup.
//!
//! libcryptsetup may repair the header it loads (LUKS2 locking), and a build of an image must not
//! write. Layout: LUKS1 on-disk format 1.2.3, table 1; LUKS2 on-disk format 1.1.1, sections 2 and 3.

use std::collections::BTreeSet;

use serde_json::Value;

/// How much of a header's file is read: the largest LUKS2 area, and what comes before its text.
pub const HEAD: usize = 4 << 20;

const MAGIC: &[u8] = b"LUKS\xba\xbe";
const JSON_OFFSET: usize = 4096;

/// What a header asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// dm-crypt's words, such as `aes-xts-plain64`: of the volume and of its keyslots.
    pub ciphers: BTreeSet<String>,
    /// What authenticates its sectors, such as `hmac(sha256)`.
    pub integrity: BTreeSet<String>,
    /// A reencryption has begun and not ended.
    pub reencryption: bool,
}

impl Header {
    /// Reads the start of a header; `None` when it is none, or damaged.
    pub fn parse(head: &[u8]) -> Option<Self> {
        match (head.strip_prefix(MAGIC)?, head) {
            ([0, 1, ..], head) => {
                let cipher = format!("{}-{}", text(head, 8)?, text(head, 40)?);
                Some(Self { ciphers: BTreeSet::from([cipher]), ..Self::default() })
            }
            ([0, 2, ..], head) => Self::parse_json(head),
            _ => None,
        }
    }

    fn parse_json(head: &[u8]) -> Option<Self> {
        let size = u64::from_be_bytes(head.get(8..16)?.try_into().ok()?);
        let size = usize::try_from(size).ok()?.min(head.len());
        let area = head.get(JSON_OFFSET..size)?;
        let json: Value =
            serde_json::from_slice(area.split(|byte| *byte == 0).next().unwrap_or_default())
                .ok()?;
        let words = |objects: &str, path: &str| -> BTreeSet<String> {
            let objects = json.get(objects).and_then(Value::as_object);
            objects
                .into_iter()
                .flat_map(|objects| objects.values())
                .filter_map(|object| object.pointer(path)?.as_str().map(str::to_owned))
                .collect()
        };
        let requirements = json.pointer("/config/requirements/mandatory").and_then(Value::as_array);
        let reencryption = requirements.into_iter().flatten().any(|requirement| {
            requirement.as_str().is_some_and(|name| name.starts_with("online-reencrypt"))
        });
        let mut ciphers = words("segments", "/encryption");
        ciphers.extend(words("keyslots", "/area/encryption"));
        Some(Self { ciphers, integrity: words("segments", "/integrity/type"), reencryption })
    }
}

/// A NUL-padded field of 32 bytes.
fn text(head: &[u8], at: usize) -> Option<&str> {
    let field = head.get(at..at + 32)?;
    std::str::from_utf8(field.split(|byte| *byte == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luks1(cipher: &str, mode: &str) -> Vec<u8> {
        let mut head = vec![0; 592];
        head[..8].copy_from_slice(b"LUKS\xba\xbe\x00\x01");
        head[8..8 + cipher.len()].copy_from_slice(cipher.as_bytes());
        head[40..40 + mode.len()].copy_from_slice(mode.as_bytes());
        head
    }

    fn luks2(json: &str) -> Vec<u8> {
        let mut head = vec![0; 16384];
        head[..8].copy_from_slice(b"LUKS\xba\xbe\x00\x02");
        head[8..16].copy_from_slice(&16384_u64.to_be_bytes());
        head[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
        head
    }

    fn ciphers(head: &[u8]) -> Vec<String> {
        Header::parse(head).unwrap().ciphers.into_iter().collect()
    }

    #[test]
    fn luks1_has_one_cipher() {
        assert_eq!(ciphers(&luks1("aes", "cbc-essiv:sha256")), ["aes-cbc-essiv:sha256"]);
    }

    #[test]
    fn luks2_has_those_of_its_segments_and_keyslots() {
        let json = r#"{"segments":{"0":{"type":"crypt","encryption":"serpent-xts-plain64",
            "integrity":{"type":"hmac(sha256)"}},"1":{"type":"linear"}},
            "keyslots":{"0":{"area":{"encryption":"aes-xts-plain64"}}},
            "config":{"requirements":{"mandatory":["online-reencrypt-v2"]}}}"#;
        let head = luks2(json);
        assert_eq!(ciphers(&head), ["aes-xts-plain64", "serpent-xts-plain64"]);
        let header = Header::parse(&head).unwrap();
        assert!(header.reencryption);
        assert_eq!(header.integrity, BTreeSet::from(["hmac(sha256)".to_owned()]));
        assert!(!Header::parse(&luks2("{}")).unwrap().reencryption);
    }

    #[test]
    fn what_is_no_header_is_none() {
        let good = luks2(r#"{"segments":{"0":{"encryption":"aes-xts-plain64"}}}"#);
        assert_eq!(Header::parse(&luks2("{\"segments\":")), None);
        for end in 0..200 {
            assert_eq!(Header::parse(&good[..end]), None, "{end}");
        }
        for at in 0..64 {
            for byte in [0, 1, 2, 0x7f, 0xff] {
                let mut head = good.clone();
                head[at] = byte;
                // Anything but a panic will do.
                let _ = Header::parse(&head);
            }
        }
        assert_eq!(Header::parse(b""), None);
    }
}
