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

/// "Restore Key Vault key and secret for encrypted VMs using Azure Backup" names the members.
fn backup(disks: &[(&str, serde_json::Value)]) -> String {
    let disk = |data: &serde_json::Value| {
        json!({"KeyUrl": KEK, "SecretData": data, "KeyBackupData": "QUJD",
               "SecretUrl": "https://contoso-kv.vault.azure.net/secrets/bek-1/89ab",
               "KeyVaultSecretBackupData": "QUJD"})
    };
    let members = disks.iter().map(|(name, data)| ((*name).to_owned(), disk(data)));
    serde_json::Value::Object(members.collect()).to_string()
}

#[test]
fn azure_backup_s_file_gives_one_for_each_disk() {
    let (os, data) = (random(1, 256), random(2, 256));
    let text = backup(&[
        ("DataDiskKeyAndSecretDetails", json!(url(&data))),
        ("OsDiskKeyAndSecretDetails", json!(url(&os))),
    ]);
    let materials = recognised(&text).unwrap();
    let found: Vec<_> = materials
        .iter()
        .map(|material| {
            let Form::Wrapped(wrapped) = &material.form else { panic!("{material:?}") };
            assert_eq!(wrapped.kek.as_ref().map(ToString::to_string).as_deref(), Some(KEK));
            assert_eq!(material.origin.source, Source::Backup);
            (material.origin.label.as_str(), wrapped.bytes.expose())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("DataDiskKeyAndSecretDetails, bek-1/89ab", data.as_slice()),
            ("OsDiskKeyAndSecretDetails, bek-1/89ab", os.as_slice()),
        ]
    );
}

#[test]
fn a_damaged_disk_in_azure_backup_s_file_does_not_hide_the_others() {
    let good = ("OsDiskKeyAndSecretDetails", json!(url(random(1, 256))));
    for bad in [json!("Q"), json!(""), json!(null), json!(7)] {
        let both = backup(&[("DataDiskKeyAndSecretDetails", bad.clone()), good.clone()]);
        let materials = recognised(&both).unwrap();
        assert_eq!(materials.len(), 1);
        assert!(materials[0].origin.label.starts_with("OsDisk"));
        assert!(recognised(backup(&[("OsDiskKeyAndSecretDetails", bad)])).is_err());
    }
}

#[test]
fn a_token_of_a_confidential_vm_is_wrapped_or_plain_as_it_says() {
    let bytes = random(5, 256);
    let token = |name: &str, passphrase: &str| {
        json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
               "KekVaultResourceId": "", "KeyEncryptionKeyURL": KEK, "KeyVaultURL": "",
               "AttestationURL": null, "PassphraseName": name, "Passphrase": passphrase})
    };
    let protected = token("LUKSPasswordProtector", &BASE64_STANDARD.encode(&bytes));
    let (found, origin) = wrapped(protected.to_string());
    assert_eq!(found.bytes.expose(), bytes);
    assert_eq!(found.kek.unwrap().to_string(), KEK);
    assert_eq!(found.algorithm, Some(KekAlgorithm::RsaOaep256));
    assert_eq!((origin.source, origin.label.as_str()), (Source::Token, ""));

    let passphrase = ade(6);
    let plain = token("Plain", &passphrase);
    let (found, shape, origin) = key(plain.to_string());
    assert_eq!((found.as_slice(), shape), (passphrase.as_bytes(), Shape::Ade));
    assert_eq!(origin.layers, [Layer::Json("Passphrase".to_owned())]);

    let metadata = json!({"keyslots": {}, "tokens": {"0": {"type": "clevis", "keyslots": ["1"]},
                          "5": protected, "6": plain}, "segments": {}});
    let materials = recognised(metadata.to_string()).unwrap();
    let labels: Vec<&str> = materials.iter().map(|m| m.origin.label.as_str()).collect();
    assert_eq!(labels, ["token 5", "token 6"]);
    let mut odd = protected;
    odd["version"] = json!("2.0");
    assert!(matches!(refusal(odd.to_string()), Refusal::TokenVersion { .. }));
}

#[test]
fn a_token_of_this_program_is_wrapped_and_read_strictly() {
    let bytes = random(5, 256);
    let identity = "client-id:6f1c0d52-0000-4000-8000-000000000001";
    let token = json!({"type": "bek-unlock", "keyslots": ["1"], "version": "1", "kek": KEK,
        "algorithm": "RSA-OAEP", "wrapped_key": BASE64_URL_SAFE_NO_PAD.encode(&bytes),
        "identity": identity});
    let (found, origin) = wrapped(token.to_string());
    assert_eq!(found.bytes.expose(), bytes);
    assert_eq!(found.kek.unwrap().to_string(), KEK);
    assert_eq!(found.algorithm, Some(KekAlgorithm::RsaOaep));
    assert_eq!(found.identity.unwrap().to_string(), identity);
    assert_eq!(origin.source, Source::Token);
    let in_header = |token: &serde_json::Value| json!({"tokens": {"3": token}}).to_string();
    let (_, origin) = wrapped(in_header(&token));
    assert_eq!(origin.label, "token 3");
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = token.clone();
        changed[name] = value;
        changed
    };
    for (odd, words) in [
        (with("version", json!("2")), "it has version \"2\""),
        (with("version", json!("2\u{1b}[2J")), "it has version \"2?[2J\""),
        (with("kek", json!("https://contoso-kv.vault.azure.net/keys/kek")), "its \"kek\" is not"),
        (with("algorithm", json!("ROT13")), "its \"algorithm\" is not"),
        (with("wrapped_key", json!(BASE64_STANDARD.encode(&bytes))), "its \"wrapped_key\" is not"),
        (with("wrapped_key", json!("QUJD")), "its \"wrapped_key\" is not"),
        (with("identity", json!("client-id:me")), "its \"identity\" is not"),
        (with("identity", json!("resource-id:/a\nb")), "its \"identity\" is not"),
        (with("identity", json!(true)), "not the JSON of a token"),
        (with("keyslots", json!([1])), "not the JSON of a token"),
        (with("keyslots", json!({})), "not the JSON of a token"),
        (with("more", json!("x")), "not the JSON of a token"),
        (with("more", json!("x".repeat(20_000))), "not the JSON of a token"),
    ] {
        for text in [odd.to_string(), in_header(&odd)] {
            let said = refusal(text).to_string();
            assert!(said.contains(words), "{odd}: {said}");
        }
    }
    let twice = token.to_string().replacen('{', "{\"KEK\":\"x\",", 1);
    assert!(matches!(refusal(twice), Refusal::Duplicate { .. }));
    // One that can be used is enough.
    let both = json!({"tokens": {"0": with("version", json!("2")), "1": token}});
    assert_eq!(recognised(both.to_string()).unwrap().len(), 1);
}

#[test]
fn the_tokens_of_a_header_are_told_with_what_is_wrong_with_them() {
    let ades = json!({"type": "Azure_Disk_Encryption_BackUp", "keyslots": [], "version": "1.0",
        "PassphraseName": "p", "Passphrase": ade(6)});
    let metadata = json!({"tokens": {"10": ades, "2": {"type": "bek-unlock", "version": "9",
        "keyslots": ["4", "5"]}, "1": {"type": "clevis", "keyslots": ["1"]}, "x": ades}});
    let found = tokens::of_header(&Secret::new(metadata.to_string().into_bytes())).unwrap();
    let told: Vec<(u32, &str, &str, &[u32])> = found
        .iter()
        .map(|t| (t.number, t.kind.as_str(), t.version.as_str(), t.keyslots.as_slice()))
        .collect();
    let ade_kind = "Azure_Disk_Encryption_BackUp";
    assert_eq!(told, [(2, "bek-unlock", "9", &[4, 5][..]), (10, ade_kind, "1.0", &[])]);
    assert!(matches!(found[0].content, Err(Refusal::Token(_))));
    assert!(matches!(found[1].content, Ok(Form::Key(_))));
    for (text, words) in [("{", "ends too early"), ("{\"a\":1,\"A\":2}", "one member twice")] {
        let refusal = tokens::of_header(&Secret::new(text.into())).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    for text in ["{}", "[]", "{\"tokens\":[]}", "{\"tokens\":{\"0\":7}}"] {
        assert!(tokens::of_header(&Secret::new(text.into())).unwrap().is_empty(), "{text}");
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

fn samples() -> Vec<Vec<u8>> {
    vec![
        url(ade(1)).into(),
        ade(2).into(),
        json!({"kid": KEK, "value": url(ade(3))}).to_string().into(),
        json!({"value": url(random(4, 256)), "contentType": "Wrapped BEK",
               "tags": {"DiskEncryptionKeyEncryptionKeyURL": KEK}})
        .to_string()
        .into(),
        backup(&[("OsDiskKeyAndSecretDetails", json!(url(random(1, 256))))]).into(),
        file("BitLocker Extension Key Protector", 1),
        PASSWORD.into(),
        json!({"error": {"code": "Forbidden", "message": "no"}}).to_string().into(),
    ]
}

#[test]
fn every_prefix_of_a_document_is_refused() {
    for sample in samples().into_iter().filter(|sample| sample.starts_with(b"{")) {
        for length in 1..sample.len() {
            assert_eq!(recognised(&sample[..length]).err(), Some(Refusal::JsonCut), "{length}");
        }
    }
}

/// Whatever is done to a sample, nothing panics, and of a changed passphrase no second layer is
/// taken off.
#[test]
fn damage_never_does_more_than_change_the_key_or_end_in_a_refusal() {
    let mut random = Rng::with_seed(42);
    let (mut keys, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut sample = samples().swap_remove(round % 8);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..sample.len());
            match random.u8(..5) {
                0 => sample[at] = random.u8(..),
                1 => sample.truncate(at.max(1)),
                2 => sample.insert(at, random.u8(b' '..=b'~')),
                3 => drop(sample.remove(at)),
                _ => sample.rotate_left(at),
            }
            if sample.is_empty() {
                sample.push(b' ');
            }
        }
        match recognised(&sample).and_then(only_key) {
            Ok((key, origin)) => {
                keys += 1;
                let base64 = |layer: &&Layer| matches!(layer, Layer::Base64 { .. });
                assert!(origin.layers.iter().filter(base64).count() <= 1);
                assert!(!key.secret.is_empty() && key.secret.len() <= sample.len() + 2);
            }
            Err(refusal) => {
                refused += 1;
                assert!(refusal.to_string().is_ascii());
            }
        }
    }
    assert!(keys > 1_000 && refused > 1_000, "{keys} {refused}");
}
