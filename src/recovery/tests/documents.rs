//! What is in several pieces or in documents of others: Azure Backup's file, LUKS2 tokens.

use super::*;

/// "Restore Key Vault key and secret for encrypted VMs using Azure Backup" names the members.
pub(super) fn backup(disks: &[(&str, serde_json::Value)]) -> String {
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
