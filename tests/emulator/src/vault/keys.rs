//! `/keys`: the public half of a KEK, and wrap and unwrap by it.
//!
//! `encrypt` and `decrypt` are the same primitives under other permissions. Without a version,
//! or with an empty one as SDKs write it (`/keys/kek//unwrapkey`), the newest is used, and if
//! that one is disabled the request is refused rather than an older one tried.

use std::sync::Arc;

use base64::Engine;
use rsa::{PrivateKey, traits::PublicKeyParts};
use serde_json::{Value, json};

use super::{Outcome, access, attributes, now, refusal};
use crate::{
    http::{Request, Response},
    rsa_ops::{self, BASE64URL},
    scenario::{Algorithm, Answer},
    token::Token,
    world::{LiveKeyVersion, LiveVault},
};

/// A wrap or unwrap that was let through and only has to be computed.
pub(super) struct Operation {
    algorithm: Algorithm,
    answer: Answer,
    decrypts: bool,
    input: Vec<u8>,
    kid: String,
    material: Arc<PrivateKey>,
}

/// Answers a request below `/keys/`.
pub(super) fn answer(
    vault: &LiveVault,
    caller: &Token,
    request: &Request,
    path: &[&str],
) -> Result<Outcome, Response> {
    match (request.method.as_str(), path) {
        ("GET", [name] | [name, ""]) => get(vault, caller, name, None),
        ("GET", [name, version]) => get(vault, caller, name, Some(version)),
        ("POST", [name, action] | [name, "", action]) => {
            operate(vault, caller, request, (name, None), action)
        }
        ("POST", [name, version, action]) => {
            operate(vault, caller, request, (name, Some(version)), action)
        }
        _ => Err(refusal::no_such_page()),
    }
}

impl Operation {
    /// Computes the answer.
    pub(super) fn run(self) -> Response {
        let computed = if self.decrypts {
            rsa_ops::unwrap(&self.material, self.algorithm, &self.input)
        } else {
            rsa_ops::wrap(&self.material, self.algorithm, &self.input)
        };
        match computed {
            Ok(bytes) => {
                let value = rsa_ops::encode(&bytes, self.answer);
                Response::json(200, &json!({"kid": self.kid, "value": value}))
            }
            Err(_) if self.decrypts && self.algorithm != Algorithm::Rsa15 => {
                refusal::bad_parameter("Error occurred while decoding OAEP padding.")
            }
            // Input of the wrong length. Neither text is documented.
            Err(_) if self.decrypts => refusal::bad_parameter("The parameter is incorrect."),
            Err(_) => refusal::bad_parameter("The value is too long for the key and algorithm."),
        }
    }
}

fn get(
    vault: &LiveVault,
    caller: &Token,
    name: &str,
    version: Option<&str>,
) -> Result<Outcome, Response> {
    access::check_permission(vault, caller, "keys", name, "get")?;
    let (kid, key) = find(vault, name, version)?;
    let jwk = json!({
        "e": BASE64URL.encode(key.material.e_bytes()),
        "key_ops": key.operations,
        "kid": kid,
        "kty": "RSA",
        "n": BASE64URL.encode(key.material.n_bytes()),
    });
    let body = json!({"attributes": attributes(&key.attributes), "key": jwk, "tags": {}});
    Ok(Response::json(200, &body).into())
}

fn operate(
    vault: &LiveVault,
    caller: &Token,
    request: &Request,
    (name, version): (&str, Option<&str>),
    action: &str,
) -> Result<Outcome, Response> {
    let (operation, decrypts) = match action.to_ascii_lowercase().as_str() {
        "decrypt" => ("decrypt", true),
        "encrypt" => ("encrypt", false),
        "unwrapkey" => ("unwrapKey", true),
        "wrapkey" => ("wrapKey", false),
        _ => return Err(refusal::no_such_page()),
    };
    access::check_permission(vault, caller, "keys", name, operation)?;
    let (kid, key) = find(vault, name, version)?;
    check_state(key, operation, decrypts)?;
    let (algorithm, input) = parse(&request.body)?;
    Ok(Outcome::Operation(Operation {
        algorithm,
        answer: vault.spec.answer,
        decrypts,
        input,
        kid,
        material: Arc::clone(&key.material),
    }))
}

fn find<'a>(
    vault: &'a LiveVault,
    name: &str,
    version: Option<&str>,
) -> Result<(String, &'a LiveKeyVersion), Response> {
    let key = vault.key(name).ok_or_else(|| refusal::not_found("key", name))?;
    let id = || format!("{name}/{}", version.unwrap_or_default());
    let found = key.version(version).ok_or_else(|| refusal::not_found("key", &id()))?;
    let kid = format!("https://{}/keys/{}/{}", vault.spec.host, key.name, found.version);
    Ok((kid, found))
}

fn check_state(key: &LiveKeyVersion, operation: &str, decrypts: bool) -> Result<(), Response> {
    let attributes = &key.attributes;
    if !attributes.enabled {
        let message = format!("Operation {operation} is not allowed on a disabled key.");
        return Err(refusal::forbidden("KeyDisabled", &message));
    }
    // Outside its dates a key still decrypts ("About keys"); the inner codes are not documented.
    if !decrypts && attributes.exp.is_some_and(|exp| exp <= now()) {
        let message = format!("Operation {operation} is not allowed on an expired key.");
        return Err(refusal::forbidden("KeyExpired", &message));
    }
    if !decrypts && attributes.nbf.is_some_and(|nbf| nbf > now()) {
        let message = format!("Operation {operation} is not allowed on a not yet valid key.");
        return Err(refusal::forbidden("KeyNotYetValid", &message));
    }
    if key.operations.iter().any(|allowed| allowed == operation) {
        Ok(())
    } else {
        let message = format!("Operation {operation} is not permitted on this key.");
        Err(refusal::forbidden("KeyOperationForbidden", &message))
    }
}

fn parse(body: &[u8]) -> Result<(Algorithm, Vec<u8>), Response> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(refusal::bad_parameter("The request body is not a JSON object."));
    };
    let text = |name: &str| {
        let missing = || refusal::bad_parameter(&format!("Property '{name}' is required."));
        fields.get(name).and_then(Value::as_str).ok_or_else(missing)
    };
    let (name, value) = (text("alg")?, text("value")?);
    let algorithm = Algorithm::from_name(name).ok_or_else(|| {
        // The text is not documented.
        refusal::bad_parameter(&format!("Algorithm {name} is not supported by this key."))
    })?;
    let input = BASE64URL
        .decode(value)
        .map_err(|_| refusal::bad_parameter("Content of 'value' is not base64url."))?;
    Ok((algorithm, input))
}
