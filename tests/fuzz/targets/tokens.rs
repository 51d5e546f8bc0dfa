//! LUKS2 tokens: ours, which is read strictly and written again, and ADE's.

use bek_unlock::recovery::Form;
use bek_unlock::recovery::tokens::HeaderToken;
use bek_unlock::secret::Secret;
use bek_unlock::token::{LIMIT, Token};

use super::{SENTINEL, Target, plain};

/// One token.
pub const TOKEN: Target = Target {
    name: "token",
    run: token,
    seeds: || {
        let wrapped = "QUFB".repeat(85) + "QQ";
        let kek = "https://contoso-kv.vault.azure.net/keys/kek/0123";
        let ours = |more: &str| {
            format!(
                r#"{{"type":"bek-unlock","keyslots":["0","1"],"version":"1","kek":"{kek}","algorithm":"RSA-OAEP","wrapped_key":"{wrapped}"{more}}}"#
            )
        };
        let ades = |name: &str, passphrase: &str| {
            format!(
                r#"{{"type":"Azure_Disk_Encryption","keyslots":["3"],"KekVaultResourceId":"","KeyEncryptionKeyURL":"{kek}","KeyVaultURL":"","AttestationURL":null,"PassphraseName":"{name}","Passphrase":"{passphrase}","version":"1.0"}}"#
            )
        };
        vec![
            ours("").into(),
            ours(r#","identity":"client-id:0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9""#).into(),
            ades("LUKSPasswordProtector", &wrapped).into(),
            ades("Plain", SENTINEL).into(),
        ]
    },
    words: &[
        "\"type\":\"bek-unlock\"",
        "\"type\":\"Azure_Disk_Encryption\"",
        "\"keyslots\":[\"0\"]",
        "\"identity\":\"object-id:",
        "\"wrapped_key\":\"",
        "\"algorithm\":\"A256KW\"",
        "\"version\":\"2\"",
        "\\u0041",
        "4294967296",
    ],
};

fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let in_header = HeaderToken::read(7, text);
    in_header.iter().for_each(token_is_sound);
    let alone = HeaderToken::parse(&Secret::new(data.to_vec()));
    match &alone {
        Ok(token) => {
            token_is_sound(token);
            assert!(in_header.as_ref().is_some_and(|read| read.kind == token.kind));
        }
        Err(refusal) => plain(&refusal.to_string()),
    }
    match Token::parse(text) {
        Ok(token) => {
            assert!(text.len() <= LIMIT);
            assert_eq!(Token::parse(&token.to_json()), Ok(token.clone()));
            // The lenient reader sees the same key, and the same slots.
            let header = in_header.unwrap();
            assert_eq!((header.keyslots, header.number), (token.keyslots.clone(), 7));
            match header.content {
                Ok(Form::Wrapped(wrapped)) => {
                    assert_eq!(wrapped.bytes.expose(), token.wrapped);
                    assert_eq!(wrapped.kek, Some(token.kek));
                    assert_eq!(wrapped.algorithm, Some(token.algorithm));
                    assert_eq!(wrapped.identity, token.identity);
                }
                other => panic!("{other:?}"),
            }
        }
        Err(problem) => plain(&problem.to_string()),
    }
}

/// What is said of a token is plain, and says nothing of the key.
pub fn token_is_sound(token: &HeaderToken) {
    [&token.kind, &token.version].into_iter().for_each(|text| plain(text));
    assert!(token.same_key(token) || token.content.is_err());
    match &token.content {
        Ok(Form::Key(key)) => assert!(!key.secret.is_empty()),
        Ok(Form::Wrapped(wrapped)) => {
            assert!(matches!(wrapped.bytes.len(), 24..));
            wrapped.no_kek.iter().chain(&wrapped.no_algorithm).for_each(|text| plain(text));
        }
        Err(refusal) => plain(&refusal.to_string()),
    }
}
