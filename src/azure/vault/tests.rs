use ::base64::Engine;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::*;
use crate::azure::fake::{Fake, answer, token};
use crate::deadline::VirtualClock;
use crate::error::TrustProblem;

const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/bek-1";
const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";
const HSM_KEK: &str = "https://contoso.managedhsm.azure.net/keys/kek/0123";

fn get(id: &str, body: &str) -> (Result<Rc<VaultSecret>, Kind>, Fake) {
    let fake = Fake::new([token(), answer(200, body)]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    (fake.azure().secret(&SecretId::parse(id).unwrap(), &deadline), fake)
}

fn unwrap(
    kek: &str,
    algorithm: KekAlgorithm,
    length: usize,
    body: &str,
) -> (Result<Secret, Kind>, Fake) {
    let fake = Fake::new([token(), answer(200, body)]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let kek = KeyId::parse(kek).unwrap();
    let key = fake.azure().unwrap_key(&kek, algorithm, &vec![0xfe; length], &deadline);
    (key, fake)
}

fn unwrapped(kid: &str, value: &str) -> String {
    format!(r#"{{"kid":"{kid}","value":"{value}"}}"#)
}

#[test]
fn a_secret_is_read_with_all_its_marks() {
    let body = r#"{"value":"QUJD","contentType":"Wrapped BEK",
        "id":"https://contoso-kv.vault.azure.net:443/secrets/BEK-1/89ab",
        "attributes":{"enabled":true,"created":1493938289,"exp":1500000000,
        "recoveryLevel":"Recoverable+Purgeable"},
        "tags":{"MachineName":"vm-1","DiskEncryptionKeyFileName":"LinuxPassPhraseFileName",
        "DiskEncryptionKeyEncryptionAlgorithm":"RSA-OAEP",
        "DiskEncryptionKeyEncryptionKeyURL":"https://contoso-kv.vault.azure.net:443/keys/KEK/0123/"}}"#;
    let (secret, fake) = get(SECRET, body);
    let secret = secret.unwrap();
    assert_eq!(secret.id.short(), "bek-1/89ab");
    assert_eq!(secret.value.expose(), b"QUJD");
    assert_eq!(secret.content_type.as_deref(), Some("Wrapped BEK"));
    assert_eq!(secret.attributes.expires, Some(1500000000));
    assert_eq!(secret.tags.machine.as_deref(), Some("vm-1"));
    assert_eq!(secret.tags.kek, Some(Ok(KeyId::parse(KEK).unwrap())));
    assert_eq!(secret.tags.algorithm, Some(Ok(KekAlgorithm::RsaOaep)));
    assert_eq!(
        fake.requests()[1].line,
        "GET contoso-kv.vault.azure.net/secrets/bek-1?api-version=7.4"
    );
}

#[test]
fn escapes_in_a_value_are_undone() {
    let body = format!(r#"{{"value":"QUJ\u002B\/w==","id":"{SECRET}/1"}}"#);
    assert_eq!(get(SECRET, &body).0.unwrap().value.expose(), b"QUJ+/w==");
}

#[test]
fn a_secret_is_asked_once_also_by_its_version() {
    let body = format!(r#"{{"value":"QUJD","id":"{SECRET}/1"}}"#);
    let fake = Fake::new([token(), answer(200, &body)]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let mut azure = fake.azure();
    for id in [SECRET, SECRET, "https://contoso-kv.vault.azure.net/secrets/bek-1/1"] {
        azure.secret(&SecretId::parse(id).unwrap(), &deadline).unwrap();
    }
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn another_secret_than_asked_for_is_refused() {
    let versioned = format!("{SECRET}/1");
    for (asked, id) in [
        (SECRET, "https://contoso-kv.vault.azure.net/secrets/other/1"),
        (SECRET, "https://evil.vault.azure.net/secrets/bek-1/1"),
        (versioned.as_str(), "https://contoso-kv.vault.azure.net/secrets/bek-1/2"),
        (versioned.as_str(), SECRET),
    ] {
        let (secret, _) = get(asked, &format!(r#"{{"value":"QUJD","id":"{id}"}}"#));
        let Kind::VaultUntrusted { problem, .. } = secret.unwrap_err() else { panic!() };
        assert_eq!(problem, TrustProblem::Answer("answer is another secret than asked for".into()));
    }
}

#[test]
fn an_answer_that_is_no_secret_shows_nothing_of_itself() {
    for body in [
        "",
        "<html>SENTINEL</html>",
        r#"{"value":["SENTINEL"],"id":"x"}"#,
        r#"{"value":"SENTINEL","id":"x"}"#,
        r#"{"value":"SENTINEL"}"#,
        r#"{"value":"a","value":"SENTINEL","id":"https://contoso-kv.vault.azure.net/secrets/bek-1"}"#,
        r#"{"value":"a","id":"https://contoso-kv.vault.azure.net/secrets/bek-1","tags":["SENTINEL"]}"#,
    ] {
        let kind = get(SECRET, body).0.unwrap_err();
        assert_eq!(kind.to_string(), "contoso-kv.vault.azure.net: answer is no secret");
        assert!(!format!("{kind:?}").contains("SENTINEL"));
    }
}

#[test]
fn the_unwrap_request_is_the_documented_one_and_its_answer_decoded_once() {
    let passphrase = BASE64_STANDARD.encode([0xA5; 127]);
    let value = BASE64_URL_SAFE_NO_PAD.encode(&passphrase);
    assert_eq!(value.len(), 230);
    let kid = "https://Contoso-KV.vault.azure.net:443/keys/KEK/0123";
    let (key, fake) = unwrap(KEK, KekAlgorithm::RsaOaep256, 256, &unwrapped(kid, &value));
    assert_eq!(key.unwrap().expose(), passphrase.as_bytes());
    let request = &fake.requests()[1];
    assert_eq!(
        request.line,
        "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey?api-version=7.4"
    );
    let sent: serde_json::Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
    let wrapped = BASE64_URL_SAFE_NO_PAD.encode([0xfe; 256]);
    assert_eq!(sent, serde_json::json!({"alg": "RSA-OAEP-256", "value": wrapped}));
}

#[test]
fn another_key_or_version_must_not_answer() {
    for kid in [
        "https://contoso-kv.vault.azure.net/keys/kek/4567",
        "https://contoso-kv.vault.azure.net/keys/other/0123",
        "https://evil.vault.azure.net/keys/kek/0123",
        "https://contoso-kv.vault.azure.net/keys/kek",
        "",
    ] {
        let (key, _) = unwrap(KEK, KekAlgorithm::RsaOaep, 256, &unwrapped(kid, "QUJD"));
        let said = key.unwrap_err().to_string();
        assert_eq!(said, format!("contoso-kv.vault.azure.net: another key answered: {kid}"));
    }
}

#[test]
fn an_unwrapped_key_that_is_no_base64_is_malformed_and_not_shown() {
    for value in ["", "QUJDR", "hunter2!SENTINEL"] {
        let (key, _) = unwrap(KEK, KekAlgorithm::RsaOaep, 256, &unwrapped(KEK, value));
        let kind = key.unwrap_err();
        assert_eq!(kind.to_string(), "key vault contoso-kv: unwrapped key: is no base64 text");
    }
    let (key, _) = unwrap(KEK, KekAlgorithm::RsaOaep, 256, r#"{"value":"QUJD"}"#);
    assert!(matches!(key.unwrap_err(), Kind::VaultUntrusted { .. }));
}

#[test]
fn what_cannot_succeed_is_not_asked() {
    for (kek, algorithm, length) in [
        (KEK, KekAlgorithm::A256Kw, 40),
        (KEK, KekAlgorithm::RsaOaep, 172),
        (KEK, KekAlgorithm::Rsa15, 0),
        (HSM_KEK, KekAlgorithm::A256Kw, 172),
    ] {
        let (key, fake) = unwrap(kek, algorithm, length, "{}");
        assert!(matches!(key.unwrap_err(), Kind::KeyMalformed { .. }));
        assert_eq!(fake.requests(), []);
    }
}

#[test]
fn a_managed_hsm_takes_aes_and_a_token_of_its_own() {
    let (key, fake) = unwrap(HSM_KEK, KekAlgorithm::A256Kw, 40, &unwrapped(HSM_KEK, "QUJD"));
    assert_eq!(key.unwrap().expose(), b"ABC");
    assert!(fake.requests()[0].line.ends_with("resource=https%3A%2F%2Fmanagedhsm.azure.net"));
}

#[test]
fn an_untrusted_host_is_asked_nothing() {
    let (key, fake) = unwrap("https://kv.evil.org/keys/kek/1", KekAlgorithm::RsaOaep, 256, "");
    let Kind::VaultUntrusted { problem, .. } = key.unwrap_err() else { panic!() };
    assert_eq!(problem, TrustProblem::HostNotAllowed);
    assert_eq!(fake.requests(), []);
    let (secret, fake) = get("https://kv.evil.org/secrets/bek-1", "");
    assert!(matches!(secret.unwrap_err(), Kind::VaultUntrusted { .. }));
    assert_eq!(fake.requests(), []);
}
