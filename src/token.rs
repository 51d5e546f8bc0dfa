//! The LUKS2 token of this program: a wrapped key in the header of the volume that it opens.
//!
//! A volume with one needs no key disk and no secret: whoever may use the KEK can open it. What is
//! in a token is harmless at rest, like every wrapped key. The text is JSON and may be anybody's,
//! so it is read strictly; the schema is documented in bek-unlock-token(8).

#![forbid(unsafe_code)]

pub mod change;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::azure::id::KeyId;
use crate::azure::wrapped::fits;
use crate::error::printable;
use crate::volume::{Identity, KekAlgorithm};

/// `type` of this program's tokens, and the middle of the name of the plugin that cryptsetup loads
/// for them.
pub const TYPE: &str = "bek-unlock";

/// `type` of the tokens that ADE makes for disks of confidential VMs.
pub const ADE_TYPE: &str = "Azure_Disk_Encryption";

/// What `version` says; another one means fields that are not known here.
pub const VERSION: &str = "1";

/// The most a token is read of, in bytes: a wrapped key has 512, an identity some hundreds.
pub const LIMIT: usize = 16 * 1024;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The keyslots that its key opens; cryptsetup does not use a token without one.
    pub keyslots: Vec<u32>,
    /// What wrapped the key.
    pub kek: KeyId,
    /// How.
    pub algorithm: KekAlgorithm,
    /// The wrapped key: 256, 384 or 512 bytes by RSA.
    pub wrapped: Vec<u8>,
    /// Which managed identity of the VM may use the KEK, where it has several.
    pub identity: Option<Identity>,
}

/// Why text is no token of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A field is missing or is not what it should be.
    Field(&'static str),
    /// It is no JSON object with strings in the places where they should be.
    NotJson,
    /// Its `type` is another program's.
    Type(String),
    /// Its version is another one.
    Version(String),
}

/// The fields as they stand in the header (LUKS2 On-Disk Format 1.1.1, section 3.1.6).
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    r#type: String,
    keyslots: Vec<String>,
    version: String,
    kek: String,
    algorithm: String,
    wrapped_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

impl Token {
    /// Reads the JSON of one token.
    pub fn parse(json: &str) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
            version: Option<String>,
        }
        if json.len() > LIMIT {
            return Err(Problem::NotJson);
        }
        let kind: Kind = serde_json::from_str(json).map_err(|_| Problem::NotJson)?;
        if kind.r#type != TYPE {
            return Err(Problem::Type(printable(&kind.r#type, 60)));
        }
        match kind.version {
            Some(version) if version == VERSION => {}
            version => return Err(Problem::Version(printable(&version.unwrap_or_default(), 20))),
        }
        // serde's own message may quote what it read.
        let raw: Raw = serde_json::from_str(json).map_err(|_| Problem::NotJson)?;
        Self::of(&raw)
    }

    fn of(raw: &Raw) -> Result<Self, Problem> {
        let keyslots = raw.keyslots.iter().map(|number| number.parse().ok()).collect();
        let algorithm = KekAlgorithm::parse(&raw.algorithm).ok_or(Problem::Field("algorithm"))?;
        let wrapped = BASE64_URL_SAFE_NO_PAD
            .decode(&raw.wrapped_key)
            .ok()
            .filter(|bytes| fits(algorithm, bytes.len()))
            .ok_or(Problem::Field("wrapped_key"))?;
        let identity = match &raw.identity {
            Some(text) => Some(identity(text).ok_or(Problem::Field("identity"))?),
            None => None,
        };
        Ok(Self {
            keyslots: Option::ok_or(keyslots, Problem::Field("keyslots"))?,
            kek: KeyId::parse(&raw.kek).ok_or(Problem::Field("kek"))?,
            algorithm,
            wrapped,
            identity,
        })
    }

    /// Its JSON, on one line.
    pub fn to_json(&self) -> String {
        let raw = Raw {
            r#type: TYPE.to_owned(),
            keyslots: self.keyslots.iter().map(ToString::to_string).collect(),
            version: VERSION.to_owned(),
            kek: self.kek.to_string(),
            algorithm: self.algorithm.as_str().to_owned(),
            wrapped_key: BASE64_URL_SAFE_NO_PAD.encode(&self.wrapped),
            identity: self.identity.as_ref().map(ToString::to_string),
        };
        // Strings and lists of them always are JSON.
        serde_json::to_string(&raw).unwrap_or_default()
    }
}

/// `client-id:UUID` and its like, as identity= of bektab(5) has it.
pub fn identity(text: &str) -> Option<Identity> {
    Identity::parse(text)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "its \"{name}\" is not what it should be"),
            Self::NotJson => f.write_str("it is not the JSON of a token"),
            Self::Type(name) => write!(f, "it is a token of type \"{name}\""),
            Self::Version(version) => {
                write!(f, "it has version \"{version}\", and this program knows \"{VERSION}\"")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            keyslots: vec![1, 30],
            kek: KeyId::parse("https://contoso-kv.vault.azure.net/keys/kek/0123").unwrap(),
            algorithm: KekAlgorithm::RsaOaep,
            wrapped: vec![0xfb; 256],
            identity: None,
        }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let plain = token();
        assert_eq!(Token::parse(&plain.to_json()), Ok(plain));
        let id = "client-id:6f1c0d52-0000-4000-8000-000000000001";
        let with = Token { identity: identity(id), ..token() };
        assert!(with.to_json().contains(id));
        assert_eq!(Token::parse(&with.to_json()), Ok(with));
    }

    #[test]
    fn the_schema_is_the_documented_one() {
        let json: serde_json::Value = serde_json::from_str(&token().to_json()).unwrap();
        assert_eq!(json["type"], "bek-unlock");
        assert_eq!(json["keyslots"], serde_json::json!(["1", "30"]));
        assert_eq!(json["version"], "1");
        assert_eq!(json["kek"], "https://contoso-kv.vault.azure.net/keys/kek/0123");
        assert_eq!(json["algorithm"], "RSA-OAEP");
        assert_eq!(json["wrapped_key"].as_str().unwrap().len(), 342);
        assert_eq!(json.get("identity"), None);
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        let good = token().to_json();
        let with = |from: &str, to: &str| good.replacen(from, to, 1);
        for (text, problem) in [
            (String::new(), Problem::NotJson),
            ("[]".to_owned(), Problem::NotJson),
            ("{\"type\":7}".to_owned(), Problem::NotJson),
            (with("\"bek-unlock\"", "\"clevis\""), Problem::Type("clevis".to_owned())),
            (with("\"version\":\"1\"", "\"version\":\"2\""), Problem::Version("2".to_owned())),
            (with("\"version\":\"1\",", ""), Problem::Version(String::new())),
            (with("\"1\",\"30\"", "\"x\""), Problem::Field("keyslots")),
            (with("/0123\"", "\""), Problem::Field("kek")),
            (with("RSA-OAEP", "ROT13"), Problem::Field("algorithm")),
            (with("\"wrapped_key\":\"", "\"wrapped_key\":\"AAAA"), Problem::Field("wrapped_key")),
            (with("}", ",\"identity\":\"me\"}"), Problem::Field("identity")),
            (with("}", ",\"more\":\"1\"}"), Problem::NotJson),
            (format!("{good}{}", " ".repeat(LIMIT)), Problem::NotJson),
        ] {
            assert_eq!(Token::parse(&text), Err(problem), "{text}");
        }
    }
}
