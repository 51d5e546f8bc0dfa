//! Keys made up for tests, in the forms that Azure and Windows give them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;

/// What names [`bek_file`].
pub const GUID: &str = "04030201-0605-0807-090A-0B0C0D0E0F10";

/// Bytes that nobody can tell from random ones.
pub fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// A passphrase as ADE makes it.
pub fn ade(seed: u64) -> String {
    BASE64_STANDARD.encode(random(seed, 127))
}

/// A .BEK file as Windows writes it, with `description` and a key of 32 bytes.
pub fn bek_file(description: &str, key: u8) -> Vec<u8> {
    let guid: Vec<u8> = (1..=16).collect();
    let text: Vec<u8> = description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let inner = [entry(0, 2, &text), entry(0, 1, &[&[2, 0x20, 0, 0], &[key; 32][..]].concat())];
    let outer = entry(6, 9, &[&guid[..], &[0; 8], &inner.concat()].concat());
    let size = u32::try_from(48 + outer.len()).unwrap().to_le_bytes();
    let header = [&size[..], &[1, 0, 0, 0], &[48, 0, 0, 0], &size, &guid, &[0; 16]].concat();
    [header, outer].concat()
}

fn entry(kind: u16, value: u16, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(8 + content.len()).unwrap();
    let head = [size, kind, value, 1].map(u16::to_le_bytes).concat();
    [head, content.to_vec()].concat()
}
