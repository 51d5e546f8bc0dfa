//! What a value is: the key, or the key wrapped; and the one layer of base64 around it.

use super::ade;
use super::bek;
use super::layer::{Layer, is_readable, peel};
use super::password;
use super::refusal::Refusal;
use super::{Form, Key, Shape, Wrapped};
use crate::azure::id::KeyId;
use crate::azure::wrapped::{self, Claim};
use crate::secret::Secret;
use crate::volume::{Identity, KekAlgorithm};

/// Fewer bytes that are no text are no key: somebody gave a word that looks like base64.
const SHORTEST_BINARY: usize = 16;

/// What is known about a value before it is looked at.
pub struct About {
    /// What is written beside it.
    pub claim: Claim,
    /// The KEK, or what else stands where its URL should.
    pub kek: Option<Result<KeyId, String>>,
    /// The algorithm, or what else stands where its name should.
    pub algorithm: Option<Result<KekAlgorithm, String>>,
    /// The managed identity that is to ask.
    pub identity: Option<Identity>,
}

impl About {
    /// Nothing is known.
    pub fn nothing() -> Self {
        Self { claim: Claim::Nothing, kek: None, algorithm: None, identity: None }
    }
}

/// A value and what was done to find it.
pub struct Found {
    /// What it is.
    pub form: Form,
    /// What was taken off, from the outside in.
    pub layers: Vec<Layer>,
    /// How many `=` of an ADE passphrase had got lost and were put back.
    pub restored: usize,
}

impl Found {
    /// Nothing was done.
    pub fn plain(form: Form) -> Self {
        Self { form, layers: Vec::new(), restored: 0 }
    }

    /// The same below one more layer.
    pub fn below(mut self, layer: Layer) -> Self {
        self.layers.insert(0, layer);
        self
    }

    /// What a value of text is: below one layer of base64, or without.
    pub fn in_text(text: &[u8], about: About) -> Result<Self, Refusal> {
        if about.claim == Claim::Wrapped {
            let peeled = peel(text)?;
            let layer = peeled.layer();
            return Ok(Self::in_bytes(peeled.bytes, about)?.below(layer));
        }
        if let Some(password) = password::read(text) {
            let secret = password.map_err(Refusal::RecoveryPassword)?.into();
            return Ok(Self::plain(Form::Key(Key { secret, shape: Shape::RecoveryPassword })));
        }
        let peeled = peel(text)?;
        if let Some(secret) = ade::itself(&peeled) {
            let form = Form::Key(Key { secret, shape: Shape::Ade });
            return Ok(Self { restored: peeled.missing, ..Self::plain(form) });
        }
        let layer = peeled.layer();
        if let Some((secret, nuls)) = ade::without_nuls(peeled.bytes.expose()) {
            let form = Form::Key(Key { secret, shape: Shape::Ade });
            return Ok(Self::plain(form).below(Layer::Nuls(nuls)).below(layer));
        }
        Ok(Self::in_bytes(peeled.bytes, about)?.below(layer))
    }

    /// What bytes are that nothing is around any more.
    pub fn in_bytes(bytes: Secret, about: About) -> Result<Self, Refusal> {
        let algorithm = about.algorithm.as_ref().and_then(|name| name.as_ref().ok().copied());
        let fits = wrapped::fits(algorithm.unwrap_or(KekAlgorithm::RsaOaep), bytes.len());
        match about.claim {
            Claim::Wrapped if !fits => return Err(Refusal::NotWrapped { bytes: bytes.len() }),
            Claim::Nothing if !looks_wrapped(bytes.expose()) => return key(bytes),
            Claim::Plain => return key(bytes),
            Claim::Nothing | Claim::Wrapped => {}
        }
        Ok(Self::plain(Form::Wrapped(Wrapped {
            bytes,
            no_kek: about.kek.as_ref().and_then(|kek| kek.as_ref().err().cloned()),
            no_algorithm: about.algorithm.and_then(Result::err),
            kek: about.kek.and_then(Result::ok),
            algorithm,
            identity: about.identity,
        })))
    }
}

/// A key that is not wrapped, by what it looks like.
pub fn key(secret: Secret) -> Result<Found, Refusal> {
    let bytes = secret.expose();
    let shape = if let Some(guid) = bek::read(bytes) {
        Shape::Bek(guid.map_err(Refusal::Bek)?)
    } else if ade::is_passphrase(bytes) {
        Shape::Ade
    } else if let Some(missing) = ade::cut(bytes) {
        return Err(Refusal::AdeCut { missing });
    } else if password::is_exact(bytes) {
        Shape::RecoveryPassword
    } else if is_readable(bytes) && hides_another(bytes) {
        return Err(Refusal::Twice);
    } else if is_readable(bytes) {
        Shape::Text
    } else if bytes.len() < SHORTEST_BINARY {
        return Err(Refusal::Short { bytes: bytes.len() });
    } else {
        Shape::Binary
    };
    Ok(Found::plain(Form::Key(Key { secret, shape })))
}

/// By size and look alone: what RSA gives, and nothing that makes sense as it is.
fn looks_wrapped(bytes: &[u8]) -> bool {
    wrapped::fits(KekAlgorithm::RsaOaep, bytes.len())
        && !is_readable(bytes)
        && bek::read(bytes).is_none()
}

/// Whether text is base64 of what certainly is a key: a layer too much, put there by hand.
fn hides_another(text: &[u8]) -> bool {
    peel(text).is_ok_and(|peeled| {
        let below = peeled.bytes.expose();
        ade::is_passphrase(below) || matches!(bek::read(below), Some(Ok(_)))
    })
}
