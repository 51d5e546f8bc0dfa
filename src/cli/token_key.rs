//! `bek-unlock token-key`: what the plugin in libcryptsetup asks about a LUKS2 token.
//!
//! The plugin is loaded into other programs and knows nothing of tokens, of JSON or of Azure. It gives
//! us the token's JSON at standard input and reads a frame (key/frame.rs) at standard output.
//! libcryptsetup tries the key in the token's keyslots; here no volume is looked at.

use std::cell::RefCell;
use std::mem;
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;

use super::args::token_key::TokenKey;
use super::sources;
use crate::azure::Azure;
use crate::deadline::Deadline;
use crate::edge::given::StandardInput;
use crate::edge::key_pipe::KeyPipe;
use crate::edge::process::{self, SystemClock};
use crate::error::{Error, Goal, Kind};
use crate::key::material::{Given, Material, Use};
use crate::key::vault::Kek;
use crate::key::{Candidate, KeySource, SourceName};
use crate::recovery::refusal::Refusal;
use crate::recovery::{self, Form, Source};
use crate::report;
use crate::secret::Secret;
use crate::token::{self, Token};
use crate::volume::Options;

/// What messages call it.
const PLACE: &str = "the LUKS2 token";

/// Answers one question.
pub fn run(question: &TokenKey) -> Result<(), Error> {
    match question {
        TokenKey::Dump => dump().map_err(|kind| Error::new(Goal::Show, kind)),
        TokenKey::Open { device } => {
            let device = device.as_deref();
            open(device).map_err(|kind| Error::new(Goal::Unlock, kind).device(device))
        }
        TokenKey::Validate => StandardInput
            .read()
            .and_then(|json| validate(&json))
            .map_err(|kind| Error::new(Goal::Unlock, kind)),
    }
}

/// Writes the token's key into the pipe.
fn open(device: Option<&Path>) -> Result<(), Kind> {
    // First of all: no key is looked for that may not be handed over.
    let pipe = KeyPipe::stdout()?;
    process::keep_secrets();
    let json = StandardInput.read()?;
    let options = Options::default();
    let clock = SystemClock::new();
    let deadline = Deadline::start(&clock, options.timeout.0);
    let azure = sources::azure(Path::new("/"), &options);
    let key = key(json, azure, &deadline)?;
    pipe.answer(&key.secret)?;
    report::token_key(device, &key.origin, deadline.elapsed());
    Ok(())
}

/// The key in a token, unwrapped.
fn key(json: Secret, azure: Azure, deadline: &Deadline<'_>) -> Result<Candidate, Kind> {
    // A header is anybody's: only a token is taken, not what else recover finds keys in.
    token_in(&json)?;
    let azure = Rc::new(RefCell::new(azure));
    let kek = Kek { key: None, algorithm: None };
    let given = (ReadAlready(json), PLACE.to_owned());
    let mut source = Material::new(given, (SourceName::Token, Use::WrappedKeys), azure, kek);
    source.keys(deadline)?.pop().ok_or_else(|| refused(Refusal::NoMember))
}

/// Refuses a token of ours that cannot be read.
///
/// What Azure Disk Encryption puts into its own tokens is its business: with a judgement of ours in
/// the way it could not write a header any more when that changes.
fn validate(json: &Secret) -> Result<(), Kind> {
    let text = text(json)?;
    match kind(text)?.as_str() {
        token::TYPE => Token::parse(text).map(drop).map_err(malformed),
        _ => Ok(()),
    }
}

/// Writes what `cryptsetup luksDump` shows of the token into the pipe, no part of the key.
fn dump() -> Result<(), Kind> {
    let pipe = KeyPipe::stdout()?;
    let shown = shown(&StandardInput.read()?)?;
    pipe.answer(&Secret::new(shown.into_bytes()))
}

/// The lines about a token, like those that luksDump has of its own.
fn shown(json: &Secret) -> Result<String, Kind> {
    let line = |name: &str, value: &str| format!("\t{:<12}{value}\n", format!("{name}:"));
    if kind(text(json)?)? == token::TYPE {
        let token = Token::parse(text(json)?).map_err(malformed)?;
        let identity = token.identity.as_ref().map(ToString::to_string);
        return Ok([
            line("KEK", &token.kek.to_string()),
            line("Algorithm", token.algorithm.as_str()),
            line("Wrapped", &format!("{} bytes", token.wrapped.len())),
            identity.map(|identity| line("Identity", &identity)).unwrap_or_default(),
        ]
        .concat());
    }
    let wrapped = match token_in(json)? {
        Form::Key(_) => return Ok(line("Key", "not wrapped")),
        Form::Wrapped(wrapped) => wrapped,
    };
    let kek = wrapped.kek.map(|kek| kek.to_string()).or(wrapped.no_kek);
    let algorithm = wrapped.algorithm.map(|algorithm| algorithm.as_str().to_owned());
    Ok([
        line("KEK", kek.as_deref().unwrap_or("none")),
        line("Algorithm", algorithm.or(wrapped.no_algorithm).as_deref().unwrap_or("none")),
        line("Wrapped", &format!("{} bytes", wrapped.bytes.len())),
    ]
    .concat())
}

/// What is in a token.
fn token_in(json: &Secret) -> Result<Form, Kind> {
    let found = recovery::recognise(json).map_err(refused)?;
    let mut tokens = found.into_iter().filter(|found| found.origin.source == Source::Token);
    tokens.next().map(|token| token.form).ok_or_else(|| refused(Refusal::NoMember))
}

/// The type of the token that `json` is.
fn kind(json: &str) -> Result<String, Kind> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    // serde's own message may quote what it read.
    let typed: Typed =
        serde_json::from_str(json).map_err(|_| malformed(token::Problem::NotJson))?;
    Ok(typed.r#type)
}

fn text(json: &Secret) -> Result<&str, Kind> {
    std::str::from_utf8(json.expose()).map_err(|_| malformed(token::Problem::NotJson))
}

fn malformed(problem: token::Problem) -> Kind {
    Kind::KeyMalformed { what: PLACE.to_owned(), reason: problem.to_string() }
}

fn refused(refusal: Refusal) -> Kind {
    Kind::MaterialRefused { what: PLACE.to_owned(), refusal }
}

/// A token that was read before it is looked at once more.
struct ReadAlready(Secret);

impl Given for ReadAlready {
    fn read(&mut self) -> Result<Secret, Kind> {
        Ok(mem::replace(&mut self.0, Secret::new(Vec::new())))
    }
}

#[cfg(test)]
mod tests;
