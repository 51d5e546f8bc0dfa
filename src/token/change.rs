//! Changes of the tokens in a header: which one is meant, and what is refused before it is written.
//!
//! Each change is one call that writes, after everything that can be checked without the network
//! was checked. Whether the KEK still unwraps the key is not: a backup is put back when nobody can
//! be asked.

use serde_json::Value;

use crate::error::Kind;
use crate::keyslots::Keyslots;
use crate::mapping::Format;
use crate::recovery::Form;
use crate::recovery::refusal::Refusal;
use crate::recovery::tokens::HeaderToken;
use crate::secret::Secret;

/// What became of a header.
#[derive(Debug)]
pub struct Changed {
    /// The token, as it is now; a removed one as it was.
    pub token: HeaderToken,
    /// Whether anything was written.
    pub written: bool,
}

/// A header, and what messages call it.
pub struct Tokens<'a> {
    header: &'a mut dyn Keyslots,
    place: String,
}

impl<'a> Tokens<'a> {
    /// The tokens in `header`, which messages call `place`.
    ///
    /// Errors: `MaterialRefused` where it cannot have any.
    pub fn new(header: &'a mut dyn Keyslots, place: String) -> Result<Self, Kind> {
        match header.format() {
            Format::Luks2 => Ok(Self { header, place }),
            format => {
                Err(Kind::MaterialRefused { what: place, refusal: Refusal::NoTokens { format } })
            }
        }
    }

    /// Those that hold a key of the volume, by number.
    pub fn list(&mut self) -> Result<Vec<HeaderToken>, Kind> {
        let all = self.header.tokens()?;
        Ok(all.iter().filter_map(|(number, json)| HeaderToken::read(*number, json)).collect())
    }

    /// Adds a keyslot to those of a token, so that stock cryptsetup uses it; the only one there is
    /// where `token` or `keyslot` is not given.
    pub fn assign(&mut self, token: Option<u32>, keyslot: Option<u32>) -> Result<Changed, Kind> {
        let mut token = match (token, self.list()?) {
            (Some(number), tokens) => self.numbered(tokens, number)?,
            (None, tokens) => self.only(tokens)?,
        };
        let keyslot = self.keyslot(keyslot)?;
        if token.keyslots.contains(&keyslot) {
            return Ok(Changed { token, written: false });
        }
        token.keyslots.push(keyslot);
        token.keyslots.sort_unstable();
        let all = self.header.tokens()?;
        let json = all.into_iter().find_map(|(n, json)| (n == token.number).then_some(json));
        let json = with_keyslots(&json.unwrap_or_default(), &token.keyslots)?;
        self.header.set_token(Some(token.number), &json)?;
        Ok(Changed { token, written: true })
    }

    /// Adds the token with this JSON, which messages call `what`; for `keyslot` instead of its own
    /// ones, where that is given.
    ///
    /// Errors: `MaterialRefused` and `KeyMalformed` for what is no token with a wrapped key, has the
    /// key of one that is there, or is for a keyslot that is not in use.
    pub fn import(
        &mut self,
        json: &Secret,
        what: &str,
        keyslot: Option<u32>,
    ) -> Result<Changed, Kind> {
        let refuse = |refusal| Kind::MaterialRefused { what: what.to_owned(), refusal };
        let mut token = HeaderToken::parse(json).map_err(refuse)?;
        match &token.content {
            Ok(Form::Wrapped(wrapped)) if wrapped.kek.is_none() => {
                let url = wrapped.no_kek.as_deref().unwrap_or("it names none");
                let reason = format!("names no KEK in one version: {url}");
                return Err(Kind::KeyMalformed { what: what.to_owned(), reason });
            }
            Ok(Form::Wrapped(_)) => {}
            Ok(Form::Key(_)) => return Err(refuse(Refusal::InClear)),
            Err(refusal) => return Err(refuse(refusal.clone())),
        }
        if let Some(known) = self.list()?.iter().find(|known| known.same_key(&token)) {
            return Err(refuse(Refusal::TokenTwice { number: known.number }));
        }
        if let Some(keyslot) = keyslot {
            token.keyslots = vec![keyslot];
        }
        for keyslot in token.keyslots.clone() {
            self.keyslot(Some(keyslot))?;
        }
        // It was read as JSON, and so is UTF-8.
        let json = std::str::from_utf8(json.expose()).unwrap_or_default();
        let json = with_keyslots(json, &token.keyslots)?;
        token.number = self.header.set_token(None, &json)?;
        Ok(Changed { token, written: true })
    }

    /// Removes a token; without `number` the only one, which ADE's never is: it is the only way to
    /// the key of a confidential VM's disk.
    pub fn remove(&mut self, number: Option<u32>) -> Result<Changed, Kind> {
        let tokens = self.list()?;
        let token = match number {
            Some(number) => self.numbered(tokens, number)?,
            None => self.only(tokens)?,
        };
        if number.is_none() && token.is_ades() {
            let number = token.number;
            return Err(Kind::Usage(format!(
                "token {number} is Azure Disk Encryption's: name it with --token {number}"
            )));
        }
        self.header.remove_token(token.number)?;
        Ok(Changed { token, written: true })
    }

    fn numbered(&self, tokens: Vec<HeaderToken>, number: u32) -> Result<HeaderToken, Kind> {
        let token = tokens.into_iter().find(|token| token.number == number);
        token.ok_or_else(|| self.refuse(Refusal::TokenMissing { number }))
    }

    fn only(&self, mut tokens: Vec<HeaderToken>) -> Result<HeaderToken, Kind> {
        match (tokens.pop(), tokens.as_slice()) {
            (None, _) => Err(self.refuse(Refusal::NoToken)),
            (Some(only), []) => Ok(only),
            (Some(last), others) => {
                let numbers = others.iter().chain([&last]).map(|token| token.number);
                Err(several("token", "token", numbers))
            }
        }
    }

    /// The keyslot that was asked for, or the only one in use.
    fn keyslot(&mut self, wanted: Option<u32>) -> Result<u32, Kind> {
        let used = self.header.slots()?;
        match (wanted, used.as_slice()) {
            (Some(keyslot), used) if used.contains(&keyslot) => Ok(keyslot),
            (Some(keyslot), _) => Err(self.refuse(Refusal::KeyslotMissing { keyslot, used })),
            (None, [only]) => Ok(*only),
            (None, used) => Err(several("keyslot", "key-slot", used.iter().copied())),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Kind {
        Kind::MaterialRefused { what: self.place.clone(), refusal }
    }
}

/// The error where one of several has to be chosen by a flag.
fn several(what: &str, flag: &str, numbers: impl Iterator<Item = u32>) -> Kind {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    Kind::Usage(format!("there are {what}s {}: choose with --{flag}", numbers.join(", ")))
}

/// The same token for these keyslots; everything else in it stays as it is.
fn with_keyslots(json: &str, keyslots: &[u32]) -> Result<String, Kind> {
    let not_json = |reason: &str| Kind::Internal { call: "reading a token", reason: reason.into() };
    let mut token: Value = serde_json::from_str(json).map_err(|_| not_json("no JSON"))?;
    let object = token.as_object_mut().ok_or_else(|| not_json("no object"))?;
    let keyslots = keyslots.iter().map(|keyslot| Value::from(keyslot.to_string())).collect();
    object.insert("keyslots".to_owned(), Value::Array(keyslots));
    Ok(token.to_string())
}

#[cfg(test)]
mod tests;
