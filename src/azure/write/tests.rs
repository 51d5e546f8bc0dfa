use super::*;
use crate::azure::fake::{Fake, answer, refused, token};
use crate::deadline::VirtualClock;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek";
const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/bek-1";

fn wrap(
    kek: &str,
    algorithm: KekAlgorithm,
    reply: Result<super::super::http::Response, super::super::http::HttpError>,
) -> (Result<(KeyId, Vec<u8>), Kind>, Fake) {
    let fake = Fake::new([token(), reply]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let key = Secret::new(b"QUJD+/w==".to_vec());
    let kek = KeyName::parse(kek).unwrap();
    (fake.azure().wrap_key(&kek, algorithm, &key, &deadline), fake)
}

fn wrapped(kid: &str, length: usize) -> String {
    let value = BASE64_URL_SAFE_NO_PAD.encode(vec![0xfe; length]);
    format!(r#"{{"kid":"{kid}","value":"{value}"}}"#)
}

fn set(reply: &str) -> (Result<Rc<VaultSecret>, Kind>, Fake) {
    let fake = Fake::new([token(), answer(200, reply)]);
    let clock = VirtualClock::default();
    let tags = [("MachineName".to_owned(), "web \"1\"".to_owned())];
    let secret = NewSecret {
        id: SecretId::parse(SECRET).unwrap(),
        value: "QUJD".to_owned(),
        content_type: "Wrapped BEK",
        tags: tags.into(),
    };
    (fake.azure().set_secret(&secret, &Deadline::start(&clock, None)), fake)
}

#[test]
fn the_version_that_wrapped_is_the_answers() {
    let (result, fake) =
        wrap(KEK, KekAlgorithm::RsaOaep, answer(200, &wrapped(&format!("{KEK}/0123"), 256)));
    let (kid, bytes) = result.unwrap();
    assert_eq!((kid.to_string(), bytes), (format!("{KEK}/0123"), vec![0xfe; 256]));
    let request = &fake.requests()[1];
    assert_eq!(request.line, "POST contoso-kv.vault.azure.net/keys/kek/wrapkey?api-version=7.4");
    // Of the base64 text itself: that is the passphrase.
    assert_eq!(request.body.as_deref(), Some(r#"{"alg":"RSA-OAEP","value":"UVVKRCsvdz09"}"#));
}

#[test]
fn a_named_version_is_asked_and_no_other_believed() {
    let named = format!("{KEK}/0123");
    let (result, fake) = wrap(&named, KekAlgorithm::Rsa15, answer(200, &wrapped(&named, 512)));
    assert_eq!(result.unwrap().0.to_string(), named);
    assert!(fake.requests()[1].line.contains("/keys/kek/0123/wrapkey?"));
    for kid in [format!("{KEK}/4567"), format!("{KEK}2/0123"), KEK.to_owned(), String::new()] {
        let (result, _) = wrap(&named, KekAlgorithm::RsaOaep, answer(200, &wrapped(&kid, 256)));
        let text = result.unwrap_err().to_string();
        assert!(text.contains("another key answered"), "{text}");
    }
}

#[test]
fn an_answer_that_is_no_wrapped_key_is_not_stored() {
    let kid = format!("{KEK}/0123");
    for body in ["{}".to_owned(), wrapped(&kid, 172), wrapped(&kid, 0), "x".to_owned()] {
        let (result, _) = wrap(KEK, KekAlgorithm::RsaOaep, answer(200, &body));
        assert_eq!(result.unwrap_err().exit_status(), 76, "{body}");
    }
}

#[test]
fn refusals_name_what_is_missing() {
    let denied = refused(403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized");
    let Err(Kind::VaultDenied(denied)) = wrap(KEK, KekAlgorithm::RsaOaep, denied).0 else {
        panic!()
    };
    assert_eq!(denied.permission, "keys/wrapKey");
    let (missing, _) = wrap(KEK, KekAlgorithm::RsaOaep, refused(404, "KeyNotFound", "", "x"));
    assert_eq!(
        missing.unwrap_err().to_string(),
        "key vault contoso-kv: HTTP 404 KeyNotFound (kek)"
    );
    let (long, _) = wrap(KEK, KekAlgorithm::RsaOaep, refused(400, "BadParameter", "", "too long"));
    assert!(long.unwrap_err().to_string().starts_with("key vault contoso-kv: wrapkey: HTTP 400"));
    let (hsm, fake) = wrap(KEK, KekAlgorithm::A256Kw, answer(200, "{}"));
    assert!(hsm.unwrap_err().to_string().ends_with("a Managed HSM only"));
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn a_secret_is_set_with_its_tags_and_read_from_the_answer() {
    let (secret, fake) = set(&format!(r#"{{"id":"{SECRET}/89","value":"QUJD"}}"#));
    assert_eq!(secret.unwrap().id.short(), "bek-1/89");
    let request = &fake.requests()[1];
    assert_eq!(request.line, "PUT contoso-kv.vault.azure.net/secrets/bek-1?api-version=7.4");
    let body: serde_json::Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
    let tags = json!({"MachineName": "web \"1\""});
    assert_eq!(body, json!({"value": "QUJD", "contentType": "Wrapped BEK", "tags": tags}));
}

#[test]
fn an_answer_with_something_else_is_no_success() {
    for body in [
        "{}".to_owned(),
        format!(r#"{{"id":"{SECRET}","value":"QUJD"}}"#),
        format!(r#"{{"id":"{SECRET}2/89","value":"QUJD"}}"#),
        format!(r#"{{"id":"{SECRET}/89","value":"QUJE"}}"#),
    ] {
        assert_eq!(set(&body).0.unwrap_err().exit_status(), 76, "{body}");
    }
}

#[test]
fn what_was_known_of_a_secret_is_asked_again() {
    let body = |version, value| format!(r#"{{"id":"{SECRET}/{version}","value":"{value}"}}"#);
    let fake = Fake::new([
        token(),
        answer(200, &body(1, "QUJC")),
        answer(200, &body(2, "QUJD")),
        answer(200, &body(2, "QUJD")),
    ]);
    let (mut azure, clock) = (fake.azure(), VirtualClock::default());
    let deadline = Deadline::start(&clock, None);
    let id = SecretId::parse(SECRET).unwrap();
    azure.secret(&id, &deadline).unwrap();
    let new = NewSecret {
        id: id.clone(),
        value: "QUJD".to_owned(),
        content_type: "Wrapped BEK",
        tags: BTreeMap::new(),
    };
    azure.set_secret(&new, &deadline).unwrap();
    assert_eq!(azure.secret(&id, &deadline).unwrap().value.expose(), b"QUJD");
    assert_eq!(fake.requests().len(), 4);
}
