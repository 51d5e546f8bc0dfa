//! Tokens in words and as JSON. Never what is in them: a token of ADE may hold a passphrase in the
//! clear.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::printable;
use crate::recovery::tokens::HeaderToken;
use crate::recovery::{Form, Wrapped};
use crate::token::change::Changed;

/// The tokens of a header: a paragraph each, or with `json` one array.
pub fn all(tokens: &[HeaderToken], json: bool) -> String {
    if json {
        let values: Vec<Value> = tokens.iter().map(object).collect();
        return format!("{}\n", Value::Array(values));
    }
    if tokens.is_empty() {
        return "no token of bek-unlock or Azure Disk Encryption\n".to_owned();
    }
    tokens.iter().flat_map(lines).map(|line| line + "\n").collect()
}

/// What became of one: its paragraph below `word`, or with `json` one object.
pub fn changed(word: &str, device: &Path, changed: &Changed, json: bool) -> String {
    let word = if changed.written { word } else { "unchanged" };
    if json {
        let mut value = object(&changed.token);
        if let Some(object) = value.as_object_mut() {
            object.insert("result".to_owned(), json!(word));
            object.insert("device".to_owned(), json!(device));
        }
        return format!("{value}\n");
    }
    let head = match word {
        "removed" => format!("removed from {}:", device.display()),
        word => format!("{word} in {}:", device.display()),
    };
    std::iter::once(head).chain(lines(&changed.token)).map(|line| line + "\n").collect()
}

fn object(token: &HeaderToken) -> Value {
    let (wrapped, problem) = match &token.content {
        Ok(Form::Wrapped(wrapped)) => (Some(wrapped), None),
        Ok(Form::Key(_)) => (None, None),
        Err(refusal) => (None, Some(refusal.to_string())),
    };
    let kek = wrapped.and_then(|wrapped| wrapped.kek.as_ref());
    json!({
        "token": token.number,
        "type": token.kind,
        "version": token.version,
        "wrapped": token.content.as_ref().ok().map(|form| matches!(form, Form::Wrapped(_))),
        "problem": problem,
        "kek": kek.map(ToString::to_string).or_else(|| wrapped?.no_kek.clone()),
        "kek_name": kek.map(|kek| kek.name().as_str()),
        "kek_version": kek.map(|kek| kek.version().as_str()),
        "algorithm": wrapped.and_then(|wrapped| wrapped.algorithm).map(|name| name.as_str()),
        "identity": wrapped.and_then(identity),
        "keyslots": token.keyslots,
    })
}

fn lines(token: &HeaderToken) -> Vec<String> {
    let field = |name: &str, value: &str| format!("    {name:<10} {value}");
    let number = token.number;
    let mut lines = vec![format!("token {number}: {}, version {}", token.kind, token.version)];
    match &token.content {
        Ok(Form::Wrapped(wrapped)) => {
            lines.push(field("holds", &format!("a wrapped key of {} bytes", wrapped.bytes.len())));
            lines.extend(kek_lines(wrapped, field));
        }
        Ok(Form::Key(_)) => lines.push(field("holds", "a passphrase in the clear")),
        Err(refusal) => lines.push(field("holds", &format!("nothing usable: it {refusal}"))),
    }
    let keyslots: Vec<String> = token.keyslots.iter().map(ToString::to_string).collect();
    lines.push(match keyslots.is_empty() {
        true => field("keyslots", "unassigned: cryptsetup will not use it"),
        false => field("keyslots", &keyslots.join(", ")),
    });
    lines
}

fn kek_lines(wrapped: &Wrapped, field: impl Fn(&str, &str) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    match (&wrapped.kek, &wrapped.no_kek) {
        (Some(kek), _) => {
            let name = format!("{}/{}", kek.name().as_str(), kek.version().as_str());
            lines.push(field("KEK", &name));
            lines.push(field("vault", kek.host().as_str()));
        }
        (None, Some(text)) => lines.push(field("KEK", &format!("none in one version: {text}"))),
        (None, None) => lines.push(field("KEK", "not named")),
    }
    lines.extend(wrapped.algorithm.map(|algorithm| field("algorithm", algorithm.as_str())));
    lines.extend(identity(wrapped).map(|identity| field("identity", &identity)));
    lines
}

fn identity(wrapped: &Wrapped) -> Option<String> {
    wrapped.identity.as_ref().map(|identity| printable(&identity.to_string(), 300))
}
