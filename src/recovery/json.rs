//! JSON as people paste it, read strictly: a member that is there twice is an error.
//!
//! A parser that takes the first or the last of two members would let the reader of a document
//! and this program see different keys. Strings stay where they are; what had to be copied because
//! of an escape is wiped.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::refusal::Refusal;

/// A value of JSON.
pub enum Value<'a> {
    /// null, a truth value, a number that is no small whole one.
    Other,
    /// A whole number.
    Number(u64),
    /// A string without an escape.
    Text(&'a str),
    /// A string with an escape.
    Copied(Zeroizing<String>),
    /// A list.
    List(Vec<Value<'a>>),
    /// An object; no name is there twice, whatever its case.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Reads all of `text`.
    pub fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        // serde's own message may quote the text: only the place is kept.
        serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            match error.classify() {
                Category::Eof => Refusal::JsonCut,
                Category::Data => Refusal::Duplicate { line, column },
                Category::Io | Category::Syntax => Refusal::JsonBroken { line, column },
            }
        })
    }

    /// The string, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Copied(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub fn members(&self) -> Option<&[(Cow<'a, str>, Value<'a>)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member of that name, in any case (PowerShell writes `Value`); null counts as missing.
    pub fn member(&self, name: &str) -> Option<&Value<'a>> {
        let mut members = self.members()?.iter();
        let (_, value) = members.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        (!matches!(value, Self::Other)).then_some(value)
    }

    /// The string in the member of that name; an empty one counts as missing.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.member(name)?.text().filter(|text| !text.trim().is_empty())
    }

    /// The bytes, if it is a list of nothing else.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let Self::List(items) = self else { return None };
        let mut bytes = Zeroizing::new(Vec::with_capacity(items.len()));
        for item in items {
            let Self::Number(number) = item else { return None };
            bytes.push(u8::try_from(*number).ok()?);
        }
        Some(bytes)
    }
}

impl<'a> Deserialize<'a> for Value<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'a> Visitor<'a> for Reader {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Copied(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<Value<'a>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Value<'a>, A::Error> {
        let mut object = Vec::new();
        let mut known = BTreeSet::new();
        while let Some(name) = members.next_key::<Name<'a>>()? {
            if !known.insert(name.0.to_ascii_lowercase()) {
                return Err(A::Error::custom("twice"));
            }
            object.push((name.0, members.next_value()?));
        }
        Ok(Value::Object(object))
    }
}

/// A member's name; serde borrows a bare `Cow` never.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
