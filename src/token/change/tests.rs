use std::collections::BTreeMap;

use ::base64::Engine;
use ::base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;
use crate::azure::id::KeyId;
use crate::token::Token;
use crate::volume::KekAlgorithm;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

/// A header in memory that counts what is written to it.
struct Fake {
    format: Format,
    slots: Vec<u32>,
    tokens: BTreeMap<u32, String>,
    writes: usize,
}

impl Keyslots for Fake {
    fn format(&self) -> Format {
        self.format
    }

    fn uuid(&self) -> &str {
        "u"
    }

    fn slots(&mut self) -> Result<Vec<u32>, Kind> {
        Ok(self.slots.clone())
    }

    fn free(&mut self) -> Result<Option<u32>, Kind> {
        Ok(None)
    }

    fn fits(&mut self, _: &Secret, _: Option<u32>) -> Result<Option<u32>, Kind> {
        Ok(None)
    }

    fn salt(&mut self, _: u32) -> Result<Option<String>, Kind> {
        Ok(None)
    }

    fn add(&mut self, _: u32, _: &Secret, _: &Secret) -> Result<(), Kind> {
        panic!("no token needs a new keyslot")
    }

    fn remove(&mut self, _: u32) -> Result<(), Kind> {
        panic!("no token takes a keyslot with it")
    }

    fn tokens(&mut self) -> Result<Vec<(u32, String)>, Kind> {
        Ok(self.tokens.clone().into_iter().collect())
    }

    fn set_token(&mut self, number: Option<u32>, json: &str) -> Result<u32, Kind> {
        let number =
            number.unwrap_or_else(|| (0..).find(|n| !self.tokens.contains_key(n)).unwrap());
        self.writes += 1;
        self.tokens.insert(number, json.to_owned());
        Ok(number)
    }

    fn remove_token(&mut self, number: u32) -> Result<(), Kind> {
        self.writes += 1;
        assert!(self.tokens.remove(&number).is_some());
        Ok(())
    }
}

fn ours(byte: u8, keyslots: &[u32]) -> String {
    let token = Token {
        keyslots: keyslots.to_vec(),
        kek: KeyId::parse(KEK).unwrap(),
        algorithm: KekAlgorithm::RsaOaep,
        wrapped: vec![byte; 256],
        identity: None,
    };
    token.to_json()
}

fn ades(more: Value) -> String {
    let mut token = json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
        "KeyEncryptionKeyURL": KEK, "AttestationURL": null,
        "PassphraseName": "LUKSPasswordProtector", "Passphrase": BASE64_STANDARD.encode([5; 256])});
    token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    token.to_string()
}

fn header(slots: &[u32], tokens: &[(u32, String)]) -> Fake {
    let tokens = tokens.iter().cloned().collect();
    Fake { format: Format::Luks2, slots: slots.to_vec(), tokens, writes: 0 }
}

type Change<'a> = &'a dyn Fn(&mut Tokens<'_>) -> Result<Changed, Kind>;

fn changed(header: &mut Fake, change: Change<'_>) -> Result<Changed, Kind> {
    change(&mut Tokens::new(header, "the header in /dev/sdb".to_owned())?)
}

/// The words of a refusal, which left the header alone.
#[track_caller]
fn refused(header: &mut Fake, change: Change<'_>) -> (u8, String) {
    let before = header.tokens.clone();
    let kind = changed(header, change).map(|_| ()).unwrap_err();
    assert_eq!((header.writes, &header.tokens), (0, &before));
    (kind.exit_status(), kind.to_string())
}

fn secret(json: &str) -> Secret {
    Secret::new(json.as_bytes().to_vec())
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_keyslot_is_added_and_nothing_else_changes() {
    let token = ades(json!({}));
    let mut header = header(&[0, 3], &[(5, token.clone())]);
    let done = changed(&mut header, &|tokens| tokens.assign(None, Some(3))).unwrap();
    assert_eq!((done.token.number, done.written, header.writes), (5, true, 1));
    let mut expected = value(&token);
    expected["keyslots"] = json!(["3"]);
    assert_eq!(value(&header.tokens[&5]), expected);
    // A second time there is nothing to do; another one joins it.
    let done = changed(&mut header, &|tokens| tokens.assign(Some(5), Some(3))).unwrap();
    assert_eq!((done.written, header.writes), (false, 1));
    changed(&mut header, &|tokens| tokens.assign(Some(5), Some(0))).unwrap();
    assert_eq!(value(&header.tokens[&5])["keyslots"], json!(["0", "3"]));
}

#[test]
fn the_only_keyslot_and_the_only_token_need_no_name() {
    let clevis = (1, json!({"type": "clevis", "keyslots": ["4"]}).to_string());
    let mut header = header(&[4], &[clevis, (7, ours(1, &[]))]);
    let done = changed(&mut header, &|tokens| tokens.assign(None, None)).unwrap();
    assert_eq!((done.token.number, done.token.keyslots), (7, vec![4]));
}

#[test]
fn what_is_not_unique_or_not_there_is_not_assigned() {
    let both = [(0, ours(1, &[])), (5, ades(json!({})))];
    let clevis = [(1, json!({"type": "clevis", "keyslots": []}).to_string())];
    for (slots, tokens, token, slot, status, words) in [
        (&[0][..], &both[..], None, Some(0), 1, "there are tokens 0, 5: choose with --token"),
        (&[0, 2], &both, Some(5), None, 1, "there are keyslots 0, 2: choose with --key-slot"),
        (&[0, 2], &both, Some(5), Some(1), 4, "the header in /dev/sdb has no keyslot 1, only 0, 2"),
        (&[0], &both, Some(3), Some(0), 4, "the header in /dev/sdb has no such token 3"),
        (&[0], &clevis, Some(1), Some(0), 4, "the header in /dev/sdb has no such token 1"),
        (&[0], &clevis, None, None, 4, "the header in /dev/sdb has no LUKS2 token of type"),
    ] {
        let said = refused(&mut header(slots, tokens), &|tokens| tokens.assign(token, slot));
        assert!(said.0 == status && said.1.starts_with(words), "{said:?}");
    }
}

#[test]
fn a_token_is_put_back_as_it_was_or_for_another_keyslot() {
    for token in [ours(1, &[2]), ades(json!({"keyslots": ["2"]}))] {
        let mut header = header(&[0, 2], &[(0, ours(9, &[0]))]);
        let done =
            changed(&mut header, &|tokens| tokens.import(&secret(&token), "file t", None)).unwrap();
        assert_eq!((done.token.number, done.token.keyslots), (1, vec![2]));
        assert_eq!(value(&header.tokens[&1]), value(&token));
        header.tokens.remove(&1);
        changed(&mut header, &|tokens| tokens.import(&secret(&token), "file t", Some(0))).unwrap();
        assert_eq!(value(&header.tokens[&1])["keyslots"], json!(["0"]));
    }
}

#[test]
fn what_is_no_token_with_a_wrapped_key_is_not_put_into_a_header() {
    let there = [(0, ours(1, &[0]))];
    let mine = ours(2, &[0]);
    let replaced = |from: &str, to: &str| mine.replacen(from, to, 1);
    for (json, status, words) in [
        (String::new(), 76, "file t is JSON that ends too early"),
        ("[]".to_owned(), 76, "file t is JSON without a value"),
        (json!({"type": "clevis", "keyslots": []}).to_string(), 76, "is JSON without a value"),
        (ours(1, &[]), 4, "file t has the key that token 0 has already"),
        (ours(2, &[0, 6]), 4, "the header in /dev/sdb has no keyslot 6, only 0"),
        (replaced("\"1\"", "\"2\""), 76, "it has version \"2\""),
        (replaced("kek\":\"https", "kek\":\"http"), 76, "its \"kek\" is not what it should be"),
        (replaced("\"0\"", "0"), 76, "it is not the JSON of a token"),
        (replaced("{", "{\"kek\":\"x\","), 76, "is JSON with one member twice"),
        (replaced("{", "{\"more\":null,"), 76, "it is not the JSON of a token"),
        (ades(json!({"version": "2.0"})), 76, "in the unknown version \"2.0\""),
        (ades(json!({"Passphrase": "AAAA"})), 76, "are no wrapped key"),
        (ades(json!({"KeyEncryptionKeyURL": "https://x"})), 76, "names no KEK in one version"),
        (ades(json!({"KeyEncryptionKeyURL": null})), 76, "names no KEK in one version"),
        (ades(json!({"PassphraseName": "p", "Passphrase": "hunter2 x"})), 76, "in the clear"),
        (ades(json!({"keyslots": ["x"]})), 76, "its \"keyslots\" is not what it should be"),
        (ades(json!({"keyslots": "0"})), 76, "its \"keyslots\" is not what it should be"),
    ] {
        let mut header = header(&[0], &there);
        let said = refused(&mut header, &|tokens| tokens.import(&secret(&json), "file t", None));
        assert!(said.0 == status && said.1.contains(words), "{json}: {said:?}");
        assert!(!said.1.contains("hunter2"), "{said:?}");
    }
}

#[test]
fn only_what_is_meant_is_removed() {
    let both = [(0, ours(1, &[0])), (5, ades(json!({})))];
    let mut two = header(&[0], &both);
    assert_eq!(refused(&mut two, &|tokens| tokens.remove(None)).0, 1);
    let done = changed(&mut two, &|tokens| tokens.remove(Some(5))).unwrap();
    assert_eq!((done.token.number, two.tokens.len()), (5, 1));
    changed(&mut two, &|tokens| tokens.remove(None)).unwrap();
    assert!(two.tokens.is_empty());
    let said = refused(&mut header(&[0], &both[1..]), &|tokens| tokens.remove(None));
    let words = "token 5 is Azure Disk Encryption's: name it with --token 5";
    assert_eq!(said, (1, words.to_owned()));
    // What cannot be used can be taken out all the same.
    let odd = [(2, ours(1, &[0]).replace("RSA-OAEP", "ROT13"))];
    changed(&mut header(&[0], &odd), &|tokens| tokens.remove(None)).unwrap();
}

#[test]
fn luks1_has_no_tokens() {
    let mut one = Fake { format: Format::Luks1, ..header(&[0], &[]) };
    let said = refused(&mut one, &|tokens| tokens.remove(None));
    assert_eq!(said, (4, "the header in /dev/sdb is LUKS1, which has no tokens".to_owned()));
}
