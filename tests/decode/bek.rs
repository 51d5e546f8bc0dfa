//! A .BEK file, made up here.

/// The header, and an external key in the entries that Windows writes.
pub fn file() -> Vec<u8> {
    let text: Vec<u8> =
        "BitLocker Extension Key Protector\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let entry = |kind: u8, value: u8, content: &[u8]| {
        let size = u8::try_from(8 + content.len()).unwrap();
        [&[size, 0, kind, 0, value, 0, 1, 0], content].concat()
    };
    // No run of eight bytes is there twice: tests look for pieces of it.
    let bytes: Vec<u8> = (0..48).map(|n: u8| n.wrapping_mul(37) ^ 0x5a).collect();
    let (guid, key) = bytes.split_at(16);
    let key = [&[2, 0x20, 0, 0], key].concat();
    let head = [guid, &[0; 8]].concat();
    let outer = entry(6, 9, &[head, entry(0, 2, &text), entry(0, 1, &key)].concat());
    let size = u32::try_from(48 + outer.len()).unwrap().to_le_bytes();
    let header = [&size[..], &[1, 0, 0, 0, 48, 0, 0, 0], &size, guid, &[0; 16]].concat();
    [header, outer].concat()
}
