use std::time::Duration;

use ::base64::Engine;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::azure::Settings;
use crate::azure::fake::{Fake, answer, refused, token};
use crate::azure::http::{HttpError, Response};
use crate::deadline::VirtualClock;
use crate::error::FileProblem;
use crate::volume::Identity;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";
const OTHER: &str = "https://contoso-kv.vault.azure.net/keys/kek/4567";

struct Text(Result<Vec<u8>, Kind>);

impl Given for Text {
    fn read(&mut self) -> Result<Secret, Kind> {
        self.0.clone().map(Secret::new)
    }
}

/// A passphrase as ADE makes it.
fn ade(seed: u8) -> String {
    BASE64_STANDARD.encode([seed; 127])
}

fn wrapped(length: usize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(vec![0xfe; length])
}

fn unwrapped(kek: &str, key: &str) -> Result<Response, HttpError> {
    let value = BASE64_URL_SAFE_NO_PAD.encode(key);
    answer(200, &json!({"kid": kek, "value": value}).to_string())
}

struct Case {
    fake: Fake,
    source: Material<Text>,
}

impl Case {
    fn new(
        text: impl Into<Vec<u8>>,
        usage: Use,
        kek: Option<&str>,
        answers: impl IntoIterator<Item = Result<Response, HttpError>>,
    ) -> Self {
        let fake = Fake::new(answers);
        let azure = Rc::new(RefCell::new(fake.azure()));
        let kek = Kek { key: kek.map(|url| KeyId::parse(url).unwrap()), algorithm: None };
        let given = (Text(Ok(text.into())), "file saved.json".to_owned());
        let source = Material::new(given, (SourceName::File, usage), azure, kek);
        Self { fake, source }
    }

    fn next(&mut self) -> Result<Vec<(Vec<u8>, String)>, Kind> {
        let clock = VirtualClock::default();
        let found = self.source.keys(&Deadline::start(&clock, Some(Duration::from_secs(90))))?;
        Ok(found.into_iter().map(|key| (key.secret.expose().to_vec(), key.origin)).collect())
    }

    fn refusal(&mut self) -> String {
        let text = self.next().unwrap_err().to_string();
        assert_eq!(self.fake.lines(), Vec::<String>::new(), "nobody is asked");
        text
    }
}

#[test]
fn a_pasted_answer_is_decoded_once_and_says_what_was_taken_off() {
    let answer = json!({"kid": KEK, "value": BASE64_URL_SAFE_NO_PAD.encode(ade(7))});
    let mut case = Case::new(answer.to_string(), Use::Keys, None, []);
    let origin = "file saved.json: answer of Key Vault (kek/0123), 2 layers removed: \
                  JSON (value), base64 without 2 of its =";
    assert_eq!(case.next().unwrap(), [(ade(7).into_bytes(), origin.to_owned())]);
    assert_eq!(case.next(), Ok(Vec::new()));
}

#[test]
fn a_wrapped_secret_is_unwrapped_by_the_kek_in_its_tag() {
    let secret = json!({"value": wrapped(256), "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": KEK}});
    let mut case =
        Case::new(secret.to_string(), Use::WrappedKeys, None, [token(), unwrapped(KEK, "key")]);
    let found = case.next().unwrap();
    assert_eq!(found[0].0, b"key");
    assert!(found[0].1.ends_with("; unwrapped by kek/0123"), "{}", found[0].1);
    assert_eq!(case.fake.lines()[1], "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey");
}

#[test]
fn the_kek_that_was_given_is_asked_first_and_the_one_beside_it_then() {
    let secret = json!({"value": wrapped(256), "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": KEK}});
    let padding = "Error occurred while decoding OAEP padding.";
    let answers = [token(), refused(400, "BadParameter", "", padding), unwrapped(KEK, "key")];
    let mut case = Case::new(secret.to_string(), Use::WrappedKeys, Some(OTHER), answers);
    assert_eq!(case.next().unwrap()[0].0, b"key");
    let asked: Vec<String> = case.fake.lines().split_off(1);
    assert!(asked[0].contains("/4567/") && asked[1].contains("/0123/"), "{asked:?}");
}

#[test]
fn a_wrapped_key_waits_for_an_answer_and_is_asked_for_again() {
    let answers = [token(), answer(429, "{}"), unwrapped(KEK, "key")];
    let mut case = Case::new(wrapped(256), Use::WrappedKeys, Some(KEK), answers);
    assert_eq!(case.next().unwrap()[0].0, b"key");
}

#[test]
fn every_disk_of_a_backup_has_its_turn() {
    let disk = |seed| json!({"SecretData": BASE64_STANDARD.encode(ade(seed))});
    let backup = json!({"Disk0": disk(1), "Disks": [disk(2),
        {"SecretData": wrapped(256), "KeyUrl": KEK}]});
    let answers = [token(), unwrapped(KEK, &ade(3))];
    let mut case = Case::new(backup.to_string(), Use::WrappedKeys, None, answers);
    let keys: Vec<_> = (0..3).map(|_| case.next().unwrap().remove(0).0).collect();
    assert_eq!(keys, [ade(1), ade(2), ade(3)].map(String::into_bytes));
    assert_eq!(case.next(), Ok(Vec::new()));
}

#[test]
fn without_a_kek_nobody_is_asked() {
    let mut case = Case::new(wrapped(384), Use::WrappedKeys, None, []);
    let text = case.refusal();
    assert_eq!(text, "file saved.json: is wrapped, and nothing in it names its KEK");
    let secret = json!({"value": wrapped(256), "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": "https://kv.evil.org/keys"}});
    let mut case = Case::new(secret.to_string(), Use::WrappedKeys, None, []);
    assert!(case.refusal().ends_with("names no KEK in one version: https://kv.evil.org/keys"));
}

#[test]
fn an_unknown_algorithm_is_refused_before_any_request() {
    let secret = json!({"value": wrapped(256), "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": KEK,
            "DiskEncryptionKeyEncryptionAlgorithm": "ROT13"}});
    let mut case = Case::new(secret.to_string(), Use::WrappedKeys, None, []);
    let words = "file saved.json: wrapped with \"ROT13\", no known algorithm";
    assert_eq!(case.refusal(), words);
    // Who says the algorithm knows better than the tag.
    let answers = [token(), unwrapped(KEK, "key")];
    let mut case = Case::new(secret.to_string(), Use::WrappedKeys, None, answers);
    case.source.kek.algorithm = Some(KekAlgorithm::RsaOaep);
    assert_eq!(case.next().unwrap()[0].0, b"key");
}

#[test]
fn what_is_still_wrapped_is_no_unwrapped_key() {
    let mut case = Case::new(wrapped(256), Use::Keys, Some(KEK), []);
    assert_eq!(case.refusal(), "file saved.json is still wrapped (256 bytes)");
}

#[test]
fn a_key_file_is_taken_byte_for_byte() {
    let mut case = Case::new("pass\n", Use::Verbatim, None, []);
    assert_eq!(case.next().unwrap(), [(b"pass\n".to_vec(), "file saved.json".to_owned())]);
    assert_eq!(case.next(), Ok(Vec::new()));
    assert_eq!(Case::new("", Use::Verbatim, None, []).refusal(), "file saved.json is empty");
}

#[test]
fn a_recovery_password_is_also_tried_as_bitlocker_writes_it() {
    let password = "000011-000022-111111-222222-333333-444444-555555-720885";
    for text in [password.replace('-', " "), format!("{password}\n")] {
        let mut case = Case::new(text.clone(), Use::Verbatim, None, []);
        assert_eq!(case.next().unwrap()[0].0, text.as_bytes());
        assert_eq!(case.next().unwrap()[0].0, password.as_bytes());
    }
    let mut case = Case::new(password, Use::Verbatim, None, []);
    assert_eq!(case.next().unwrap().len(), 1);
    assert_eq!(case.next(), Ok(Vec::new()));
}

#[test]
fn a_header_without_token_says_so() {
    let mut case = Case::new(r#"{"keyslots":{},"tokens":{}}"#, Use::WrappedKeys, None, []);
    case.source.name = SourceName::Token;
    let kind = case.next().unwrap_err();
    assert!(
        kind.to_string()
            .ends_with(" has no LUKS2 token of type bek-unlock or Azure_Disk_Encryption")
    );
    assert_eq!(kind.exit_status(), 4);
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut case = Case::new("", Use::Keys, None, []);
    let place = "saved.json".to_owned();
    let kind = Kind::KeyFileUnusable { place, file: None, problem: FileProblem::Missing };
    case.source.given = Text(Err(kind.clone()));
    assert_eq!(case.next(), Err(kind));
}

#[test]
fn a_token_names_who_asks_unless_somebody_was_chosen() {
    let hint = "client-id:6f1c0d52-0000-4000-8000-000000000001";
    let text = |identity: Option<&str>| {
        let mut token = json!({"type": "bek-unlock", "keyslots": ["1"], "version": "1",
            "kek": KEK, "algorithm": "RSA-OAEP", "wrapped_key": wrapped(256)});
        if let Some(identity) = identity {
            token["identity"] = json!(identity);
        }
        token.to_string()
    };
    let asked = |text: String, chosen: Option<&str>| {
        let answers = [token(), unwrapped(KEK, "key")];
        let fake = Fake::new(answers);
        let settings = Settings {
            identity: chosen.map(|text| Identity::parse(text).unwrap()),
            suffixes: Vec::new(),
            random: || 0.0,
        };
        let azure = Azure::new(Box::new(fake.clone()), settings);
        let given = (Text(Ok(text.into())), "the header in /dev/sdb".to_owned());
        let how = (SourceName::Token, Use::WrappedKeys);
        let kek = Kek { key: None, algorithm: None };
        let source = Material::new(given, how, Rc::new(RefCell::new(azure)), kek);
        let mut case = Case { fake, source };
        assert_eq!(case.next().unwrap()[0].0, b"key");
        case.fake.requests()[0].line.clone()
    };
    let id = "client_id=6f1c0d52-0000-4000-8000-000000000001";
    assert!(asked(text(Some(hint)), None).contains(id));
    assert!(!asked(text(None), None).contains("_id="));
    let other = "object-id:6f1c0d52-0000-4000-8000-000000000002";
    let line = asked(text(Some(hint)), Some(other));
    assert!(line.contains("object_id=6f1c0d52-0000-4000-8000-000000000002"), "{line}");
}
