use std::time::Duration;

use ::base64::Engine;
use ::base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::azure::fake::{Fake, answer, refused as denied, token as access_token};
use crate::deadline::VirtualClock;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";
/// No message may hold it.
const KEY: &str = "a passphrase SENTINEL";

/// The token of a confidential VM's disk, as ADE writes it, with its keyslot assigned.
fn ade() -> Value {
    json!({
        "type": "Azure_Disk_Encryption",
        "keyslots": ["0"],
        "KeyEncryptionKeyURL": KEK,
        "KeyVaultResourceId": "/subscriptions/0/resourceGroups/g",
        "Passphrase": BASE64_URL_SAFE_NO_PAD.encode([0xfe; 256]),
        "PassphraseName": "LUKSPasswordProtector",
        "version": "1.0",
    })
}

fn ours() -> Value {
    json!({
        "type": "bek-unlock",
        "keyslots": ["1"],
        "version": "1",
        "kek": KEK,
        "algorithm": "RSA-OAEP",
        "wrapped_key": BASE64_URL_SAFE_NO_PAD.encode([0xfb; 384]),
        "identity": "client-id:6f1c0d52-0000-4000-8000-000000000001",
    })
}

fn secret(json: &Value) -> Secret {
    Secret::new(json.to_string().into_bytes())
}

fn key_of(json: &Value, fake: &Fake) -> Result<Candidate, Kind> {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    key(secret(json), fake.azure(), &deadline)
}

#[test]
fn the_key_of_a_token_is_unwrapped_by_its_kek() {
    let value = BASE64_URL_SAFE_NO_PAD.encode(KEY);
    let answers = [access_token(), answer(200, &json!({"kid": KEK, "value": value}).to_string())];
    let fake = Fake::new(answers);
    let key = key_of(&ade(), &fake).unwrap();
    assert_eq!(key.secret.expose(), KEY.as_bytes());
    assert!(key.origin.ends_with("unwrapped by kek/0123"), "{}", key.origin);
    assert_eq!(fake.lines()[1], "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey");
}

#[test]
fn why_there_is_no_key_is_azure_s_answer() {
    let fake = Fake::new([access_token(), denied(403, "Forbidden", "AccessDenied", "no")]);
    assert_eq!(key_of(&ade(), &fake).unwrap_err().exit_status(), 77);
    let unreachable = Fake::new(std::iter::repeat_with(|| answer(503, "{}")).take(100));
    let kind = key_of(&ade(), &unreachable).unwrap_err();
    assert!(kind.is_transient(), "{kind}");
}

#[test]
fn nothing_but_a_token_is_looked_into() {
    let backup = json!({"SecretData": KEY, "type": "bek-unlock-other"});
    let secret = json!({"id": "https://contoso-kv.vault.azure.net/secrets/a/0", "value": KEY});
    let other = json!({"type": "clevis", "keyslots": ["0"], "Passphrase": KEY});
    for json in [backup, secret, other, json!({}), json!([ade()])] {
        let fake = Fake::new([]);
        let kind = key_of(&json, &fake).unwrap_err();
        assert_eq!((kind.name(), fake.lines().len()), ("material-refused", 0), "{json}");
        assert!(!format!("{kind} {kind:?}").contains("SENTINEL"), "{kind}");
    }
}

#[test]
fn a_token_of_ours_is_valid_when_it_can_be_read() {
    assert_eq!(validate(&secret(&ours())), Ok(()));
    let mut broken = ours();
    broken["kek"] = json!("https://contoso-kv.vault.azure.net/keys/kek");
    let kind = validate(&secret(&broken)).unwrap_err();
    assert_eq!(kind.to_string(), "the LUKS2 token: its \"kek\" is not what it should be");
    assert_eq!(kind.exit_status(), 76);
    for text in ["", "{", "{}", "[]", "{\"type\":1}", "\u{ff}"] {
        let kind = validate(&Secret::new(text.as_bytes().to_vec())).unwrap_err();
        assert_eq!(kind.exit_status(), 76, "{text}");
    }
    assert_eq!(validate(&Secret::new(b"\xff".to_vec())).unwrap_err().exit_status(), 76);
}

#[test]
fn a_token_of_ade_is_ade_s_to_judge() {
    let mut newer = ade();
    newer["version"] = json!("2.0");
    newer["Passphrase"] = json!(null);
    assert_eq!(validate(&secret(&newer)), Ok(()));
}

#[test]
fn a_token_is_shown_without_its_key() {
    let shown = |json: &Value| super::shown(&secret(json)).unwrap();
    let kek = "\tKEK:        https://contoso-kv.vault.azure.net/keys/kek/0123\n";
    assert_eq!(
        shown(&ade()),
        format!("{kek}\tAlgorithm:  RSA-OAEP-256\n\tWrapped:    256 bytes\n")
    );
    assert_eq!(
        shown(&ours()),
        format!(
            "{kek}\tAlgorithm:  RSA-OAEP\n\tWrapped:    384 bytes\n\
             \tIdentity:   client-id:6f1c0d52-0000-4000-8000-000000000001\n"
        )
    );
}

#[test]
fn what_a_header_says_is_shown_printable() {
    let mut hostile = ade();
    hostile["KeyEncryptionKeyURL"] = json!("https://evil\u{1b}[2J\n\tKEK: other\u{202e}");
    let shown = shown(&secret(&hostile)).unwrap();
    assert_eq!(shown.lines().count(), 3, "{shown:?}");
    assert!(shown.chars().all(|c| c == '\t' || c == '\n' || (' '..='~').contains(&c)), "{shown:?}");
    let mut plain = ade();
    plain["PassphraseName"] = json!("other");
    plain["Passphrase"] = json!(KEY);
    assert_eq!(super::shown(&secret(&plain)).unwrap(), "\tKey:        not wrapped\n");
}

#[test]
fn a_token_of_ours_too_and_its_identity_asks() {
    let value = BASE64_URL_SAFE_NO_PAD.encode(KEY);
    let answers = [access_token(), answer(200, &json!({"kid": KEK, "value": value}).to_string())];
    let fake = Fake::new(answers);
    let key = key_of(&ours(), &fake).unwrap();
    assert_eq!(key.secret.expose(), KEY.as_bytes());
    assert!(fake.requests()[0].line.contains("6f1c0d52-0000-4000-8000-000000000001"));
}
