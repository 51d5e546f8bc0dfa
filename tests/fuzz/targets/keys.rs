//! Keys as bytes: base64 around them, .BEK files, the frame between plugin and program.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use bek_unlock::azure::base64 as azure;
use bek_unlock::azure::wrapped;
use bek_unlock::key::frame;
use bek_unlock::recovery::layer::{self, Layer};
use bek_unlock::recovery::{bek, file_name};
use bek_unlock::secret::Secret;
use bek_unlock::volume::KekAlgorithm;

use super::{Target, plain, texts};

/// One layer of base64, in both of its readers.
pub const BASE64: Target = Target {
    name: "base64",
    run: base64,
    seeds: || {
        let mut seeds = texts(&["QUJD", "QQ==", "QUI", "-_-_", "+/+/", "QU\r\nJD\n", "QQ=A", "Q"]);
        seeds.push(vec![b'A'; 344]);
        seeds
    },
    words: &["=", "==", "===", "\r\n", "-_", "+/", "AAAA"],
};

/// BitLocker's key file.
pub const BEK_FILE: Target = Target {
    name: "bek-file",
    run: bek_file,
    seeds: || vec![windows_key("BitLocker Extension Key Protector"), windows_key("x")],
    words: &["\u{1}\0\0\0", "0\0\0\0", "\u{6}\0\u{9}\0"],
};

/// What stands before a key in a pipe.
pub const FRAME: Target = Target {
    name: "frame",
    run: frame,
    seeds: || vec![frame::head(172).unwrap().to_vec(), frame::head(1).unwrap().to_vec()],
    words: &["BEK\u{1}"],
};

fn base64(data: &[u8]) {
    let clean: Vec<u8> = data.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let decoded = azure::decode(data);
    if let Ok(bytes) = &decoded {
        assert!(!bytes.is_empty() && bytes.len() <= data.len() * 3 / 4);
        // What an encoder makes of the bytes is what was given, but for padding and alphabet.
        let bare = String::from_utf8(clean.clone()).unwrap();
        let bare = bare.trim_end_matches('=').replace('-', "+").replace('_', "/");
        assert_eq!(BASE64_STANDARD_NO_PAD.encode(bytes.expose()), bare);
        let again = azure::decode(azure::encode_wrapped(bytes.expose()).as_bytes()).unwrap();
        assert_eq!(again.expose(), bytes.expose());
    }
    match layer::peel(data) {
        Ok(peeled) => {
            assert_eq!(decoded.unwrap().expose(), peeled.bytes.expose());
            assert!(matches!(peeled.layer(), Layer::Base64 { missing: 0..=2, .. }));
            plain(&peeled.layer().to_string());
        }
        Err(refusal) => plain(&refusal.to_string()),
    }
    // What encoders write is taken by both, whatever is in it.
    for text in [BASE64_STANDARD_NO_PAD.encode(data), BASE64_URL_SAFE_NO_PAD.encode(data)] {
        let both = [
            azure::decode(text.as_bytes()).ok(),
            layer::peel(text.as_bytes()).ok().map(|peeled| peeled.bytes),
        ];
        for bytes in both {
            assert_eq!(bytes.as_ref().map(Secret::expose), Some(data).filter(|d| !d.is_empty()));
        }
    }
    for algorithm in [KekAlgorithm::RsaOaep256, KekAlgorithm::A256Kw] {
        if let Some(found) = wrapped::find(algorithm, data) {
            assert!(wrapped::fits(algorithm, found.len()) && found.len() <= data.len());
        }
    }
}

fn bek_file(data: &[u8]) {
    let name = file_name(&Secret::new(data.to_vec()));
    match bek::read(data) {
        Some(Ok(guid)) => {
            let shown = guid.file_name();
            assert_eq!(name.as_ref(), Some(&shown));
            assert_eq!((shown.len(), shown.ends_with(".BEK")), (40, true));
            // A file that lost its end or grew is no whole one.
            assert!(!matches!(bek::read(&data[..data.len() - 1]), Some(Ok(_))));
            assert!(!matches!(bek::read(&[data, &[0]].concat()), Some(Ok(_))));
        }
        Some(Err(problem)) => {
            plain(&problem.to_string());
            assert_eq!(name, None);
        }
        None => assert_eq!(name, None),
    }
}

fn frame(data: &[u8]) {
    if let Some(head) = data.first_chunk() {
        let length = frame::length(*head);
        assert_eq!(length.and_then(frame::head), length.map(|_| *head));
        assert!(length.is_none_or(|length| (1..=frame::LIMIT).contains(&length)));
    }
    assert_eq!(
        frame::head(data.len()).and_then(frame::length),
        match data.len() {
            length @ 1..=frame::LIMIT => Some(length),
            _ => None,
        }
    );
}

/// A .BEK file as Windows writes it (libbde, "BitLocker Drive Encryption format").
pub fn windows_key(description: &str) -> Vec<u8> {
    let entry = |kind: u16, value: u16, content: &[u8]| {
        let size = u16::try_from(8 + content.len()).unwrap();
        [&[size, kind, value, 1].map(u16::to_le_bytes).concat(), content].concat()
    };
    let text: Vec<u8> = description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let key = [&[2, 0x20, 0, 0], &[0xa5; 32][..]].concat();
    let inner = [entry(0, 2, &text), entry(0, 1, &key)].concat();
    let outer = entry(6, 9, &[&[7; 16][..], &[0; 8], &inner].concat());
    let size = u32::try_from(48 + outer.len()).unwrap().to_le_bytes();
    [&size[..], &[1, 0, 0, 0], &[48, 0, 0, 0], &size, &[7; 16], &[0; 16], &outer].concat()
}
