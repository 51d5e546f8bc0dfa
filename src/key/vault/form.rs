//! What the value of a secret is: the key itself, or the key wrapped, and by what.
//!
//! Decided without asking anybody: the KEK tag, then the content type, then the shape. Never by
//! the algorithm tag, which ADE writes without a KEK too.

use crate::azure::base64;
use crate::azure::id::KeyId;
use crate::azure::vault::VaultSecret;
use crate::azure::wrapped::{self, Claim};
use crate::error::Kind;
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

use super::Kek;

/// What a value is.
#[derive(Debug)]
pub enum Form {
    /// The key, decoded once.
    Plain(Secret),
    /// The key wrapped by one of `keks`, the likeliest first.
    Wrapped {
        /// The wrapped bytes.
        wrapped: Secret,
        /// By which algorithm.
        algorithm: KekAlgorithm,
        /// Never empty.
        keks: Vec<KeyId>,
    },
}

/// Judges `secret` in the light of what bektab says.
///
/// Errors: `KeyMalformed` when the value is no base64, has not the length its algorithm gives,
/// names an algorithm or KEK that is none, or is wrapped and no KEK is known.
pub fn judge(secret: &VaultSecret, given: &Kek) -> Result<Form, Kind> {
    let malformed = |reason: String| Kind::KeyMalformed {
        what: format!("secret {}", secret.id.name().as_str()),
        reason,
    };
    let tagged = secret.tags.algorithm.clone();
    let algorithm = given.algorithm.map(Ok).or(tagged).unwrap_or(Ok(KekAlgorithm::RsaOaep));
    let shape = *algorithm.as_ref().unwrap_or(&KekAlgorithm::RsaOaep);
    let found = wrapped::find(shape, secret.value.expose());
    if !is_wrapped(secret, given.key.is_some(), found.is_some()) {
        let key = base64::decode(secret.value.expose());
        return key.map(Form::Plain).map_err(|problem| malformed(problem.to_string()));
    }
    let algorithm = algorithm
        .map_err(|name| malformed(format!("wrapped with \"{name}\", no known algorithm")))?;
    let wrapped = found.ok_or_else(|| {
        malformed(format!("should be wrapped, but has no length {} gives", algorithm.as_str()))
    })?;
    let keks = keks(secret, given)
        .map_err(|url| malformed(format!("its tag names no KEK in one version: {url}")))?;
    if keks.is_empty() {
        return Err(malformed("is wrapped and no tag names its KEK; kek= is missing".to_owned()));
    }
    Ok(Form::Wrapped { wrapped, algorithm, keks })
}

/// `kek=` alone is no proof: ADE's platform writes plain keys next to wrapped ones, and what has
/// no shape of a wrapped key cannot be one.
fn is_wrapped(secret: &VaultSecret, kek_given: bool, shaped: bool) -> bool {
    match Claim::of(secret.tags.kek.is_some(), secret.content_type.as_deref()) {
        Claim::Wrapped => true,
        Claim::Plain if !kek_given => false,
        Claim::Nothing | Claim::Plain => shaped,
    }
}

/// The operator's word, then the tag where it says something else: after a rotation `kek=` may
/// name the new version and the tag still the one that wrapped. A tag that names no key matters
/// only when there is nothing else.
fn keks(secret: &VaultSecret, given: &Kek) -> Result<Vec<KeyId>, String> {
    match (&given.key, &secret.tags.kek) {
        (None, None) => Ok(Vec::new()),
        (None, Some(tag)) => tag.clone().map(|key| vec![key]),
        (Some(key), Some(Ok(tag))) if tag != key => Ok(vec![key.clone(), tag.clone()]),
        (Some(key), _) => Ok(vec![key.clone()]),
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine;
    use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;
    use crate::azure::attributes::Attributes;
    use crate::azure::id::SecretId;
    use crate::azure::tags::DiskTags;

    const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";
    const OTHER: &str = "https://contoso-kv.vault.azure.net/keys/kek/4567";

    fn secret(value: &str, content: Option<&str>, kek: Option<&str>) -> VaultSecret {
        VaultSecret {
            id: SecretId::parse("https://contoso-kv.vault.azure.net/secrets/bek-1/89").unwrap(),
            value: Secret::new(value.as_bytes().to_vec()),
            content_type: content.map(str::to_owned),
            attributes: Attributes {
                enabled: true,
                created: None,
                not_before: None,
                expires: None,
            },
            tags: DiskTags {
                kek: kek.map(|url| KeyId::parse(url).ok_or(url.to_owned())),
                // There without a KEK too: must change nothing.
                algorithm: Some(Ok(KekAlgorithm::RsaOaep)),
                ..DiskTags::default()
            },
            all_tags: Default::default(),
        }
    }

    fn plain() -> String {
        BASE64_STANDARD.encode(BASE64_STANDARD.encode([7; 127]))
    }

    fn ciphertext() -> String {
        BASE64_URL_SAFE_NO_PAD.encode([0xfe; 256])
    }

    fn key(url: &str) -> KeyId {
        KeyId::parse(url).unwrap()
    }

    fn kek(url: Option<&str>) -> Kek {
        Kek { key: url.map(key), algorithm: None }
    }

    fn reason(secret: &VaultSecret, given: &Kek) -> String {
        match judge(secret, given).unwrap_err() {
            Kind::KeyMalformed { what, reason } => {
                assert_eq!(what, "secret bek-1");
                reason
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_keys_are_told_by_content_type_and_shape() {
        for (content, given) in [
            (Some("BEK"), None),
            (None, None),
            (Some("text/plain"), None),
            (Some("BEK"), Some(KEK)),
            (None, Some(KEK)),
        ] {
            match judge(&secret(&plain(), content, None), &kek(given)).unwrap() {
                Form::Plain(key) => assert_eq!(key.len(), 172),
                other => panic!("{content:?} {given:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_plain_key_of_256_bytes_needs_its_content_type() {
        let form = judge(&secret(&ciphertext(), Some("BEK"), None), &kek(None)).unwrap();
        assert!(matches!(form, Form::Plain(key) if key.len() == 256));
    }

    #[test]
    fn wrapped_keys_are_told_by_tag_content_type_and_shape() {
        for (content, tag, given, expected) in [
            (Some("Wrapped BEK"), Some(KEK), None, vec![KEK]),
            (None, Some(KEK), None, vec![KEK]),
            (Some("BEK"), Some(KEK), None, vec![KEK]),
            (None, None, Some(KEK), vec![KEK]),
            (Some("wrapped bek"), None, Some(KEK), vec![KEK]),
            (Some("BEK"), None, Some(KEK), vec![KEK]),
            (None, Some(OTHER), Some(KEK), vec![KEK, OTHER]),
            (None, Some(KEK), Some(KEK), vec![KEK]),
            (None, Some("garbage"), Some(KEK), vec![KEK]),
        ] {
            match judge(&secret(&ciphertext(), content, tag), &kek(given)).unwrap() {
                Form::Wrapped { wrapped, algorithm, keks } => {
                    assert_eq!(wrapped.len(), 256);
                    assert_eq!(algorithm, KekAlgorithm::RsaOaep);
                    assert_eq!(keks, expected.into_iter().map(key).collect::<Vec<_>>());
                }
                other => panic!("{content:?} {tag:?} {given:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_wrapped_key_without_kek_names_the_option() {
        for content in [None, Some("Wrapped BEK")] {
            let said = reason(&secret(&ciphertext(), content, None), &kek(None));
            assert_eq!(said, "is wrapped and no tag names its KEK; kek= is missing");
        }
    }

    #[test]
    fn a_tag_that_names_no_kek_is_named() {
        let tag = "https://contoso-kv.vault.azure.net/keys/kek";
        let said = reason(&secret(&ciphertext(), None, Some(tag)), &kek(None));
        assert_eq!(said, format!("its tag names no KEK in one version: {tag}"));
    }

    #[test]
    fn what_cannot_be_wrapped_is_not_sent() {
        let said = reason(&secret(&plain(), Some("Wrapped BEK"), Some(KEK)), &kek(None));
        assert_eq!(said, "should be wrapped, but has no length RSA-OAEP gives");
    }

    #[test]
    fn unknown_algorithms_are_refused_and_the_option_overrides_the_tag() {
        let mut secret = secret(&ciphertext(), Some("Wrapped BEK"), Some(KEK));
        secret.tags.algorithm = Some(Err("RSA-OAEP-512".to_owned()));
        assert_eq!(
            reason(&secret, &kek(None)),
            "wrapped with \"RSA-OAEP-512\", no known algorithm"
        );
        let given = Kek { key: None, algorithm: Some(KekAlgorithm::Rsa15) };
        let form = judge(&secret, &given).unwrap();
        assert!(matches!(form, Form::Wrapped { algorithm: KekAlgorithm::Rsa15, .. }));
    }

    #[test]
    fn a_value_that_is_no_base64_is_not_shown() {
        let said = reason(&secret("hunter2!SENTINEL", Some("BEK"), None), &kek(None));
        assert_eq!(said, "is no base64 text");
    }
}
