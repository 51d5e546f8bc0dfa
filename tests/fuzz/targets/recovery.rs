//! What people paste when they recover a disk: the key in it, and no word of it in what is said.

use bek_unlock::recovery::layer::Layer;
use bek_unlock::recovery::{self, Form, LIMIT};
use bek_unlock::secret::Secret;

use super::keys::windows_key;
use super::{Target, plain, texts};

/// An answer, a secret, Azure Backup's file, a token, a .BEK file, a password, bare text.
pub const RECOVERY: Target = Target {
    name: "recovery",
    run: recovery,
    seeds: || {
        let wrapped = "QUFB".repeat(85) + "QQ";
        let ade = "q83v".repeat(42) + "qw==";
        let kek = "https://contoso-kv.vault.azure.net/keys/kek/0123";
        let mut seeds = texts(&[
            "000011-000022-111111-222222-333333-444444-555555-720885",
            "000011 000022 111111 222222 333333 444444 555555 720885\r\n",
            "{\"error\":{\"code\":\"Forbidden\",\"message\":\"no\",\"innererror\":{\"code\":\"x\"}}}",
            "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS1: no\"}",
            "-----BEGIN PRIVATE KEY-----",
            "<!DOCTYPE html>",
            "HTTP/1.1 200 OK\r\n",
            "eyJhbGciOiJub25lIn0.e30.",
        ]);
        seeds.extend([
            ade.clone().into_bytes(),
            format!("\u{feff}\"{ade}\"\n").into_bytes(),
            format!("{{\"kid\":\"{kek}\",\"value\":\"{ade}\"}}").into_bytes(),
            format!("{{\"KeyId\":\"{kek}\",\"RawResult\":[1,2,3,255]}}").into_bytes(),
            format!("{{\"algorithm\":\"RSA-OAEP\",\"kid\":\"{kek}\",\"result\":\"{wrapped}\"}}").into(),
            format!("{{\"value\":\"{wrapped}\",\"contentType\":\"Wrapped BEK\",\"tags\":{{\"DiskEncryptionKeyEncryptionKeyURL\":\"{kek}\",\"DiskEncryptionKeyEncryptionAlgorithm\":\"RSA-OAEP\"}}}}").into(),
            format!("{{\"OsDiskKeyAndSecretDetails\":{{\"KeyUrl\":\"{kek}\",\"SecretData\":\"{wrapped}\",\"SecretUrl\":\"https://contoso-kv.vault.azure.net/secrets/bek-1/89ab\",\"KeyBackupData\":\"QUJD\"}}}}").into(),
            format!("{{\"tokens\":{{\"0\":{{\"type\":\"Azure_Disk_Encryption\",\"PassphraseName\":\"x\",\"Passphrase\":\"{ade}\"}}}}}}").into(),
            windows_key("BitLocker Extension Key Protector"),
            "key".encode_utf16().flat_map(u16::to_le_bytes).collect(),
            vec![0xa5; 256],
        ]);
        seeds
    },
    words: &[
        "\"value\":\"",
        "\"kid\":\"https://contoso-kv.vault.azure.net/keys/kek/01\"",
        "\"SecretData\":\"",
        "\"RawResult\":[",
        "\"contentType\":\"BEK\"",
        "\"tags\":{",
        "\u{feff}",
        "\\u002b",
        "==",
        "\"\"",
        "[[[[[[",
    ],
};

fn recovery(data: &[u8]) {
    let input = Secret::new(data.to_vec());
    let materials = match recovery::recognise(&input) {
        Ok(materials) => materials,
        Err(refusal) => {
            let said = refusal.to_string();
            plain(&said);
            if !data.contains(&b'{') {
                unspoken(&said, data);
            }
            return;
        }
    };
    assert!(data.len() <= LIMIT && !materials.is_empty());
    for material in &materials {
        let base64 = |layer: &&Layer| matches!(layer, Layer::Base64 { .. });
        // Below the first layer of an ADE disk is its passphrase, which looks like another one.
        assert!(material.origin.layers.iter().filter(base64).count() <= 1);
        plain(&material.origin.to_string());
        plain(&material.origin.label);
        let bytes = match &material.form {
            Form::Key(key) => {
                plain(&key.to_string());
                &key.secret
            }
            Form::Wrapped(wrapped) => {
                wrapped.no_kek.iter().chain(&wrapped.no_algorithm).for_each(|text| plain(text));
                &wrapped.bytes
            }
        };
        assert!(!bytes.is_empty() && bytes.len() <= data.len() + material.origin.restored);
        assert!(material.origin.restored <= 2);
        if material.origin.label.is_empty() {
            unspoken(&format!("{material:?} {}", material.origin), bytes.expose());
        }
    }
    if let Some(password) = recovery::recovery_password(&input) {
        assert_eq!(password.len(), 55);
        assert_ne!(password.expose(), data);
        assert!(recovery::recovery_password(&password).is_none());
    }
    match recovery::only_key(materials) {
        Ok((key, origin)) => {
            unspoken(&format!("{key} {key:?}"), key.secret.expose());
            // A key that was found is a key by itself, unless it lies within JSON or quotes only.
            let _ = (origin, recovery::recognise(&key.secret));
        }
        Err(refusal) => plain(&refusal.to_string()),
    }
}

/// No twenty bytes of `secret` stand in what is said.
fn unspoken(said: &str, secret: &[u8]) {
    let found = secret.windows(20).find(|part| said.as_bytes().windows(20).any(|w| w == *part));
    assert_eq!(found, None, "{said}");
}
