//! LUKS2 tokens that hold a key: this program's, and those that ADE makes for confidential VMs.
//!
//! They come alone, as `cryptsetup token export` prints them, or all together in a header's
//! metadata. A token of any other type is somebody else's and is passed over.

use std::borrow::Cow;

use super::document::{key_id, material};
use super::form::{self, About, Found};
use super::json::Value;
use super::refusal::Refusal;
use super::{Form, LIMIT, Material, Source};
use crate::azure::wrapped::Claim;
use crate::error::printable;
use crate::secret::Secret;
use crate::token::{self, ADE_TYPE, TYPE, Token};
use crate::volume::KekAlgorithm;

/// `PassphraseName` of ADE's tokens whose passphrase is wrapped; with any other it is plain.
const WRAPPED_NAME: &str = "LUKSPasswordProtector";

/// A token of a header, as far as it can be understood.
#[derive(Debug)]
pub struct HeaderToken {
    /// Its number in the header.
    pub number: u32,
    /// Its type, printable. That of ADE has something behind it while a KEK is rotated.
    pub kind: String,
    /// Its version, printable; empty where it says none.
    pub version: String,
    /// The keyslots it is for; cryptsetup uses no token without one.
    pub keyslots: Vec<u32>,
    /// What is in it.
    pub content: Result<Form, Refusal>,
}

impl HeaderToken {
    /// The token `number` with this JSON; `None` when it is of another type, or no token at all.
    pub fn read(number: u32, json: &str) -> Option<Self> {
        Self::of(number, &Value::parse(json.as_bytes()).ok()?)
    }

    /// The same of a token that is in no header yet.
    ///
    /// Errors: it is none, in one of the ways that show before its content does.
    pub fn parse(json: &Secret) -> Result<Self, Refusal> {
        if json.len() > token::LIMIT {
            return Err(Refusal::TooLarge { limit: token::LIMIT });
        }
        let value = Value::parse(json.expose())?;
        let token = Self::of(0, &value).ok_or(Refusal::NoMember)?;
        // A header's own are numbers: libcryptsetup takes no others.
        let slots = value.member("keyslots");
        match slots {
            Some(Value::List(slots)) if slots.len() == token.keyslots.len() => Ok(token),
            // Ours says itself what is wrong with it.
            _ if !token.is_ades() => Ok(token),
            _ => Err(Refusal::Token(token::Problem::Field("keyslots"))),
        }
    }

    fn of(number: u32, token: &Value<'_>) -> Option<Self> {
        let content = content(token, "")?.map(|material| material.form);
        let text = |name| printable(token.text_of(name).unwrap_or_default(), 60);
        let keyslots = match token.member("keyslots") {
            Some(Value::List(slots)) => {
                slots.iter().filter_map(|slot| slot.text()?.parse().ok()).collect()
            }
            _ => Vec::new(),
        };
        Some(Self { number, kind: text("type"), version: text("version"), keyslots, content })
    }

    /// Whether ADE made it.
    pub fn is_ades(&self) -> bool {
        self.kind != TYPE
    }

    /// Whether both hold the same wrapped key, or the same plain one.
    pub fn same_key(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Ok(one), Ok(other)) => bytes(one).expose() == bytes(other).expose(),
            _ => false,
        }
    }
}

fn bytes(form: &Form) -> &Secret {
    match form {
        Form::Key(key) => &key.secret,
        Form::Wrapped(wrapped) => &wrapped.bytes,
    }
}

/// The tokens with a key in a header's metadata, by number.
///
/// Errors: the metadata is no JSON that can be trusted.
pub fn of_header(metadata: &Secret) -> Result<Vec<HeaderToken>, Refusal> {
    if metadata.len() > LIMIT {
        return Err(Refusal::TooLarge { limit: LIMIT });
    }
    let document = Value::parse(metadata.expose())?;
    let members = document.member("tokens").and_then(Value::members).unwrap_or_default();
    let mut tokens: Vec<HeaderToken> = members
        .iter()
        .filter_map(|(number, token)| HeaderToken::of(number.parse().ok()?, token))
        .collect();
    tokens.sort_by_key(|token| token.number);
    Ok(tokens)
}

/// A token by itself, or all of them in the metadata that `luksDump --dump-json-metadata` prints.
pub(super) fn materials(document: &Value<'_>) -> Vec<Result<Material, Refusal>> {
    let tokens = document.member("tokens").and_then(Value::members).unwrap_or_default();
    let labelled = tokens
        .iter()
        .map(|(number, token)| (format!("token {}", printable(number, 10)), token))
        .chain([(String::new(), document)]);
    labelled.filter_map(|(label, token)| content(token, &label)).collect()
}

/// What is in a token; `None` when it is somebody else's.
fn content(token: &Value<'_>, label: &str) -> Option<Result<Material, Refusal>> {
    match token.text_of("type")? {
        TYPE => Some(ours(token, label)),
        kind if kind.starts_with(ADE_TYPE) => Some(ades(token, label)),
        _ => None,
    }
}

fn ours(value: &Value<'_>, label: &str) -> Result<Material, Refusal> {
    let json = plain(value).map(|json| json.to_string()).unwrap_or_default();
    let token = Token::parse(&json).map_err(Refusal::Token)?;
    let about = About {
        claim: Claim::Wrapped,
        kek: Some(Ok(token.kek)),
        algorithm: Some(Ok(token.algorithm)),
        identity: token.identity,
    };
    let found = Found::in_bytes(Secret::new(token.wrapped), about);
    material(Source::Token, label.to_owned(), "wrapped_key", found)
}

fn ades(token: &Value<'_>, label: &str) -> Result<Material, Refusal> {
    if let Some(version) = token.text_of("version").filter(|version| *version != "1.0") {
        return Err(Refusal::TokenVersion { version: printable(version, 20) });
    }
    let passphrase = token.text_of("Passphrase").ok_or(Refusal::NoMember)?;
    let found = match token.text_of("PassphraseName") {
        Some(name) if name != WRAPPED_NAME => {
            form::key(Secret::new(passphrase.as_bytes().to_vec()))
        }
        _ => Found::in_text(
            passphrase.as_bytes(),
            About {
                claim: Claim::Wrapped,
                kek: token.text_of("KeyEncryptionKeyURL").map(key_id),
                algorithm: Some(Ok(KekAlgorithm::RsaOaep256)),
                identity: None,
            },
        ),
    };
    material(Source::Token, label.to_owned(), "Passphrase", found)
}

/// The same value for the strict reader of one token; `None` where it holds what none of ours has.
fn plain(value: &Value<'_>) -> Option<serde_json::Value> {
    Some(match value {
        Value::Other | Value::Number(_) => return None,
        Value::Text(text) => (*text).into(),
        Value::Copied(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(plain).collect::<Option<_>>()?,
        Value::Object(members) => {
            let member = |(name, value): &(Cow<'_, str>, Value<'_>)| {
                Some((name.clone().into_owned(), plain(value)?))
            };
            members.iter().map(member).collect::<Option<serde_json::Map<_, _>>>()?.into()
        }
    })
}
