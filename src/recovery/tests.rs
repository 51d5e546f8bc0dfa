//! What is recognised, and that a key comes out as it went in. Refusals with their messages are in
//! tests/decode.rs, through the program.

use base64::Engine;
use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD,
};
use fastrand::Rng;
use serde_json::json;

use super::fake::{GUID, ade, bek_file as file, random};
use super::*;

mod damage;
mod documents;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";
const PASSWORD: &str = "000011-000022-111111-222222-333333-444444-555555-720885";

fn url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn recognised(input: impl AsRef<[u8]>) -> Result<Vec<Material>, Refusal> {
    recognise(&Secret::new(input.as_ref().to_vec()))
}

/// The one key in `input`, and what it was in.
fn key(input: impl AsRef<[u8]>) -> (Vec<u8>, Shape, Origin) {
    let input = input.as_ref();
    let materials = recognised(input).unwrap_or_else(|refusal| panic!("{refusal}"));
    let (key, origin) = only_key(materials).unwrap_or_else(|refusal| panic!("{refusal}"));
    (key.secret.expose().to_vec(), key.shape, origin)
}

fn refusal(input: impl AsRef<[u8]>) -> Refusal {
    recognised(input).and_then(only_key).map(|(key, _)| key.shape).unwrap_err()
}

/// The one wrapped key in `input`.
fn wrapped(input: impl AsRef<[u8]>) -> (Wrapped, Origin) {
    let mut materials = recognised(input).unwrap();
    assert_eq!(materials.len(), 1);
    match materials.pop().unwrap() {
        Material { form: Form::Wrapped(wrapped), origin } => (wrapped, origin),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_padding_in_both_alphabets_and_every_length_decodes() {
    for length in 16..=120 {
        let bytes = random(length as u64, length);
        let needed = (3 - length % 3) % 3;
        for (url_safe, bare) in [
            (false, BASE64_STANDARD_NO_PAD.encode(&bytes)),
            (true, BASE64_URL_SAFE_NO_PAD.encode(&bytes)),
        ] {
            for equals in 0..=2 {
                let text = format!("{bare}{}", "=".repeat(equals));
                let missing = needed.saturating_sub(equals);
                let differs = bare.contains(['+', '/', '-', '_']);
                let layer = Layer::Base64 { url_safe: differs.then_some(url_safe), missing };
                let wrapped_lines =
                    text.as_bytes().chunks(19).collect::<Vec<_>>().join(&b"\r\n"[..]);
                for input in [
                    text.clone().into_bytes(),
                    wrapped_lines,
                    format!(" \n{text}\n").into_bytes(),
                    format!("'{text}'").into_bytes(),
                    format!("\"{text}\"").into_bytes(),
                    json!({"kid": KEK, "value": text}).to_string().into_bytes(),
                ] {
                    let (found, shape, origin) = key(&input);
                    assert_eq!((found, shape), (bytes.clone(), Shape::Binary), "{text}");
                    assert_eq!(origin.layers.last(), Some(&layer), "{text}");
                }
            }
            let three = format!("{bare}===");
            assert_eq!(refusal(&three), Refusal::Padding, "{three}");
        }
        // One character more or less is a length that cannot be, or another text.
        let bare = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        match needed {
            2 => assert_eq!(
                refusal(&bare[..bare.len() - 1]),
                Refusal::Length { characters: bare.len() - 1 }
            ),
            0 => assert_eq!(
                refusal(format!("{bare}A")),
                Refusal::Length { characters: bare.len() + 1 }
            ),
            _ => assert_ne!(
                recognised(&bare[..bare.len() - 1])
                    .and_then(only_key)
                    .map(|(key, _)| key.secret.len()),
                Ok(bytes.len())
            ),
        }
    }
}

#[test]
fn short_texts_decode_and_short_binary_data_does_not() {
    for length in 1..=60 {
        let text = &b"correct horse battery staple, and some more of the same kind"[..length];
        for encoded in [BASE64_STANDARD.encode(text), BASE64_URL_SAFE.encode(text), url(text)] {
            let (found, shape, _) = key(&encoded);
            assert_eq!((found.as_slice(), shape), (text, Shape::Text), "{encoded}");
        }
        if length < 16 {
            assert_eq!(refusal(url(vec![0xff; length])), Refusal::Short { bytes: length });
        }
    }
}

#[test]
fn the_passphrase_itself_is_never_decoded() {
    for seed in 0..50 {
        let passphrase = ade(seed);
        let lines: Vec<&[u8]> = passphrase.as_bytes().chunks(64).collect();
        for (input, restored) in [
            (passphrase.clone().into_bytes(), 0),
            (format!("{passphrase}\n").into_bytes(), 0),
            (format!("\"{passphrase}\"").into_bytes(), 0),
            (lines.join(&b'\n'), 0),
            (passphrase.as_bytes()[..171].to_vec(), 1),
            (passphrase.as_bytes()[..170].to_vec(), 2),
            (json!({"value": passphrase}).to_string().into_bytes(), 0),
            (
                json!({"kid": KEK, "algorithm": "RSA-OAEP", "result": passphrase})
                    .to_string()
                    .into(),
                0,
            ),
        ] {
            let (found, shape, origin) = key(&input);
            assert_eq!(found, passphrase.as_bytes());
            assert_eq!((shape, origin.restored), (Shape::Ade, restored));
            assert!(!origin.layers.iter().any(|layer| matches!(layer, Layer::Base64 { .. })));
        }
    }
}

#[test]
fn one_layer_around_the_passphrase_is_taken_off_and_only_one() {
    for seed in 0..50 {
        let passphrase = ade(seed);
        for value in [url(&passphrase), BASE64_STANDARD.encode(&passphrase)] {
            let (found, shape, origin) = key(&value);
            assert_eq!((found.as_slice(), shape), (passphrase.as_bytes(), Shape::Ade));
            assert_eq!(origin.layers.len(), 1);
            assert_eq!(refusal(url(&value)), Refusal::Twice);
        }
    }
    assert_eq!(refusal(url(BASE64_STANDARD.encode(file("ExternalKey", 3)))), Refusal::Twice);
}

#[test]
fn answers_are_read_whichever_tool_printed_them() {
    let passphrase = ade(1);
    let value = url(&passphrase);
    let secret = "https://contoso-kv.vault.azure.net/secrets/bek-1/89ab";
    for (document, source, label) in [
        (json!({"kid": KEK, "value": value}), Source::Answer, "kek/0123"),
        (json!({"value": value}), Source::Answer, ""),
        (
            json!({"additionalAuthenticatedData": null, "algorithm": "RSA-OAEP", "iv": null,
                   "kid": KEK, "result": BASE64_STANDARD.encode(&passphrase)}),
            Source::Answer,
            "kek/0123",
        ),
        (
            json!({"KeyId": KEK, "RawResult": passphrase.as_bytes(), "Algorithm": "RSA-OAEP"}),
            Source::Answer,
            "kek/0123",
        ),
        (json!({"Value": value, "Kid": "odd\u{1b}"}), Source::Answer, "odd?"),
        (
            json!({"value": value, "id": secret, "contentType": "BEK", "kid": null,
                   "attributes": {"enabled": true, "created": 1}, "name": "bek-1",
                   "tags": {"DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}}),
            Source::Secret,
            "bek-1/89ab",
        ),
        (json!({"value": value, "tags": null, "attributes": {}}), Source::Secret, ""),
    ] {
        for text in [document.to_string(), format!("\u{feff}{document:#}\r\n")] {
            let (found, shape, origin) = key(&text);
            assert_eq!((found.as_slice(), shape), (passphrase.as_bytes(), Shape::Ade), "{text}");
            assert_eq!((origin.source, origin.label.as_str()), (source, label), "{text}");
            let mark = origin.layers.first() == Some(&Layer::ByteOrderMark);
            assert_eq!(mark, text.starts_with('\u{feff}'));
        }
    }
}

#[test]
fn escapes_of_json_are_read() {
    let bytes = vec![0xff; 40];
    let value = BASE64_STANDARD.encode(&bytes).replace('/', "\\/");
    assert!(value.contains('\\'));
    for text in [format!("{{\"value\":\"{value}\"}}"), format!("\"{value}\"")] {
        assert_eq!(key(&text).0, bytes);
    }
}

#[test]
fn wrapped_keys_are_known_by_their_size_and_say_what_wrapped_them() {
    let secret = "https://contoso-kv.vault.azure.net/secrets/bek-1/89ab";
    for size in [256, 384, 512] {
        let bytes = random(size as u64, size);
        let value = url(&bytes);
        let (tag, algorithm) =
            ("DiskEncryptionKeyEncryptionKeyURL", "DiskEncryptionKeyEncryptionAlgorithm");
        for (input, kek, algorithm, problem) in [
            (bytes.clone(), None, None, None),
            (value.clone().into(), None, None, None),
            (BASE64_STANDARD.encode(&bytes).into(), None, None, None),
            (json!({"kid": KEK, "value": value}).to_string().into(), Some(KEK), None, None),
            (
                json!({"id": secret, "value": value, "contentType": "Wrapped BEK",
                       "tags": {tag: KEK, algorithm: "RSA-OAEP-256"}})
                .to_string()
                .into(),
                Some(KEK),
                Some(KekAlgorithm::RsaOaep256),
                None,
            ),
            // Dual pass: neither content type nor the KEK's tag.
            (
                json!({"id": secret, "value": value, "tags": {algorithm: "RSA-OAEP"}})
                    .to_string()
                    .into(),
                None,
                Some(KekAlgorithm::RsaOaep),
                None,
            ),
            (
                json!({"value": value, "tags": {tag: "https://kv.evil/keys\u{1b}"}})
                    .to_string()
                    .into(),
                None,
                None,
                Some("https://kv.evil/keys?"),
            ),
            (
                json!({"value": value, "tags": {tag: KEK, algorithm: "ROT13"}}).to_string().into(),
                Some(KEK),
                None,
                Some("ROT13"),
            ),
        ] {
            let (found, _) = wrapped(&input);
            assert_eq!(found.bytes.expose(), bytes);
            assert_eq!(found.kek.map(|kek| kek.to_string()).as_deref(), kek);
            let odd = found.no_kek.or(found.no_algorithm);
            assert_eq!((found.algorithm, odd.as_deref()), (algorithm, problem));
            let kek = kek.map(str::to_owned);
            assert_eq!(refusal(&input), Refusal::StillWrapped { bytes: size, kek });
        }
    }
}

/// One in 32768 begins like a byte order mark.
#[test]
fn a_wrapped_key_is_not_taken_for_text() {
    for mark in [[0xff, 0xfe], [0xfe, 0xff]] {
        let bytes = [&mark[..], &random(7, 254)].concat();
        assert_eq!(wrapped(&bytes).0.bytes.expose(), bytes);
    }
}

#[test]
fn what_is_written_beside_a_value_decides_before_its_shape() {
    let bytes = random(3, 256);
    let plain = json!({"value": url(&bytes), "contentType": "BEK"}).to_string();
    assert_eq!(key(&plain).1, Shape::Binary);
    let readable = "a passphrase that somebody made as long as a wrapped key. ".repeat(5);
    assert_eq!(key(url(&readable[..256])).1, Shape::Text);
    let tagged = json!({"value": url(ade(1)), "contentType": "Wrapped BEK"}).to_string();
    assert_eq!(refusal(&tagged), Refusal::NotWrapped { bytes: 172 });
    let aes = json!({"value": url(random(4, 184)), "contentType": "Wrapped BEK",
                     "tags": {"DiskEncryptionKeyEncryptionAlgorithm": "A256KW"}});
    assert_eq!(wrapped(aes.to_string()).0.algorithm, Some(KekAlgorithm::A256Kw));
}

#[test]
fn bitlocker_s_keys_are_recognised() {
    for description in ["ExternalKey", "BitLocker Extension Key Protector"] {
        let bek = file(description, 9);
        let secret = json!({"value": BASE64_STANDARD.encode(&bek), "contentType": "BEK"});
        for input in [bek.clone(), url(&bek).into(), secret.to_string().into()] {
            let (found, shape, _) = key(&input);
            assert_eq!(found, bek);
            assert!(matches!(shape, Shape::Bek(guid) if guid.to_string() == GUID));
        }
        assert_eq!(
            refusal(url(&bek[..bek.len() - 1])).to_string(),
            format!(
                "is a damaged .BEK file: its header says {} bytes, {} are there",
                bek.len(),
                bek.len() - 1
            )
        );
    }
    for input in [PASSWORD.to_owned(), PASSWORD.replace('-', ""), url(PASSWORD)] {
        let (found, shape, _) = key(&input);
        assert_eq!((found.as_slice(), shape), (PASSWORD.as_bytes(), Shape::RecoveryPassword));
    }
}

#[test]
fn the_same_key_several_times_is_one() {
    let disk = |seed| json!({"SecretData": BASE64_STANDARD.encode(ade(seed)), "KeyUrl": null});
    let (found, _, origin) = key(json!({"Os": disk(1), "Data": disk(1)}).to_string());
    assert_eq!(found, ade(1).as_bytes());
    assert_eq!(origin.label, "Data");
    let two = json!({"Os": disk(1), "Data": [disk(1), disk(2)]}).to_string();
    assert_eq!(refusal(two), Refusal::Several { keys: 2 });
}

#[test]
fn padding_that_an_hsm_took_for_data_is_taken_off() {
    for nuls in [1, 2] {
        let passphrase = ade(8);
        let bytes = [passphrase.as_bytes(), &vec![0; nuls]].concat();
        let (found, shape, origin) = key(url(bytes));
        assert_eq!((found.as_slice(), shape), (passphrase.as_bytes(), Shape::Ade));
        assert_eq!(origin.layers.last(), Some(&Layer::Nuls(nuls)));
    }
    assert_eq!(key(url([ade(8).as_bytes(), &[0; 3]].concat())).1, Shape::Binary);
}

#[test]
fn what_was_found_is_said_without_the_key() {
    let passphrase = ade(9);
    let text = json!({"kid": KEK, "value": url(&passphrase)}).to_string();
    let materials = recognised(&text).unwrap();
    let debug = format!("{materials:?}");
    let (key, origin) = only_key(materials).unwrap();
    assert_eq!(
        format!("{origin}; {key}"),
        "answer of Key Vault (kek/0123), 2 layers removed: JSON (value), \
         base64 without 2 of its =; ADE passphrase of 172 bytes"
    );
    for start in 0..passphrase.len() - 6 {
        assert!(!debug.contains(&passphrase[start..start + 6]));
    }
    let lost = recognised(&passphrase[..171]).unwrap();
    assert_eq!(lost[0].origin.to_string(), "text, no layer removed; 1 lost = put back");
}
