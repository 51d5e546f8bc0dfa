//! `/secrets`: get, list, versions, set, update.
//!
//! Dates are informational for secrets: one that has expired can still be read ("About Azure
//! Key Vault secrets"). Deleting is not emulated; a scenario can have a deleted secret.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{access, attributes, listing, now, refusal};
use crate::{
    http::{Request, Response},
    token::Token,
    world::{Attributes, LiveSecret, LiveSecretVersion, LiveVault, is_name},
};

/// Largest value of a secret ("About Azure Key Vault secrets").
const VALUE_LIMIT: usize = 25 * 1024;

/// Answers a request below `/secrets`.
pub(super) fn answer(
    vault: &mut LiveVault,
    caller: &Token,
    request: &Request,
    path: &[&str],
) -> Result<Response, Response> {
    let method = request.method.as_str();
    let check = |object: &str, permission: &str| {
        access::check_permission(vault, caller, "secrets", object, permission)
    };
    match (method, path) {
        ("GET", [] | [""]) => {
            check("", "list")?;
            list(vault, request)
        }
        ("GET", [name, "versions"]) => {
            check(name, "list")?;
            versions(vault, request, name)
        }
        ("GET", [name] | [name, ""]) => {
            check(name, "get")?;
            get(vault, name, None)
        }
        ("GET", [name, version]) => {
            check(name, "get")?;
            get(vault, name, Some(version))
        }
        ("PUT", [name] | [name, ""]) => {
            check(name, "set")?;
            set(vault, name, &parse(&request.body)?)
        }
        ("PATCH", [name, version]) => {
            check(name, "set")?;
            let version = Some(*version).filter(|version| !version.is_empty());
            update(vault, name, version, parse(&request.body)?)
        }
        _ => Err(refusal::no_such_page()),
    }
}

fn get(vault: &LiveVault, name: &str, version: Option<&str>) -> Result<Response, Response> {
    let (secret, found) = find(vault, name, version)?;
    if !found.attributes.enabled {
        let message = "Operation get is not allowed on a disabled secret.";
        return Err(refusal::forbidden("SecretDisabled", message));
    }
    Ok(Response::json(200, &bundle(vault, &secret.name, found, true)))
}

fn list(vault: &LiveVault, request: &Request) -> Result<Response, Response> {
    let alive = vault.secrets.iter().filter(|secret| !secret.soft_deleted);
    let items: Vec<Value> = alive
        .filter_map(|secret| Some((secret, secret.version(None)?)))
        .map(|(secret, newest)| {
            let id = format!("https://{}/secrets/{}", vault.spec.host, secret.name);
            item(&id, newest)
        })
        .collect();
    listing::page(vault, request, &items)
}

fn versions(vault: &LiveVault, request: &Request, name: &str) -> Result<Response, Response> {
    let secret = alive(vault, name)?;
    let items: Vec<Value> = secret
        .versions
        .iter()
        .map(|version| item(&id(vault, &secret.name, version), version))
        .collect();
    listing::page(vault, request, &items)
}

/// Body of PUT and PATCH; fields not known are ignored, as the service does.
#[derive(Deserialize)]
struct Parameters {
    attributes: Option<GivenAttributes>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct GivenAttributes {
    enabled: Option<bool>,
    exp: Option<u64>,
    nbf: Option<u64>,
}

fn set(vault: &mut LiveVault, name: &str, given: &Parameters) -> Result<Response, Response> {
    if !is_name(name) {
        let text = format!("The request URI contains an invalid name: {name}");
        return Err(refusal::bad_parameter(&text));
    }
    let Some(value) = &given.value else {
        return Err(refusal::bad_parameter("Property 'value' is required."));
    };
    if value.len() > VALUE_LIMIT {
        return Err(refusal::bad_parameter("The value is longer than 25600 characters."));
    }
    let newest = vault.secret(name).and_then(|secret| secret.version(None));
    // Newer than its predecessor even within one second, or "newest" would be a toss-up.
    let created = newest.map_or(0, |newest| newest.attributes.created + 1).max(now());
    let given_attributes = given.attributes.as_ref();
    let added = LiveSecretVersion {
        attributes: Attributes {
            created,
            enabled: given_attributes.and_then(|given| given.enabled).unwrap_or(true),
            exp: given_attributes.and_then(|given| given.exp),
            nbf: given_attributes.and_then(|given| given.nbf),
            updated: created,
        },
        content_type: given.content_type.clone(),
        tags: given.tags.clone().unwrap_or_default(),
        value: value.clone(),
        version: LiveVault::fresh_version(),
    };
    match vault.secret_mut(name) {
        Some(secret) if secret.soft_deleted => return Err(refusal::deleted_but_recoverable(name)),
        Some(secret) => secret.versions.push(added.clone()),
        None => vault.secrets.push(LiveSecret {
            name: name.to_owned(),
            soft_deleted: false,
            versions: vec![added.clone()],
        }),
    }
    Ok(Response::json(200, &bundle(vault, name, &added, true)))
}

fn update(
    vault: &mut LiveVault,
    name: &str,
    version: Option<&str>,
    given: Parameters,
) -> Result<Response, Response> {
    let wanted = find(vault, name, version)?.1.version.clone();
    let secret = vault.secret_mut(name).ok_or_else(|| refusal::not_found("secret", name))?;
    let found = secret.versions.iter_mut().find(|known| known.version == wanted);
    let changed = found.ok_or_else(|| refusal::not_found("secret", name))?;
    if let Some(attributes) = given.attributes {
        changed.attributes.enabled = attributes.enabled.unwrap_or(changed.attributes.enabled);
        changed.attributes.exp = attributes.exp.or(changed.attributes.exp);
        changed.attributes.nbf = attributes.nbf.or(changed.attributes.nbf);
    }
    changed.content_type = given.content_type.or(changed.content_type.take());
    changed.tags = given.tags.unwrap_or(std::mem::take(&mut changed.tags));
    changed.attributes.updated = now();
    let changed = changed.clone();
    Ok(Response::json(200, &bundle(vault, name, &changed, false)))
}

fn parse(body: &[u8]) -> Result<Parameters, Response> {
    serde_json::from_slice(body)
        .map_err(|_| refusal::bad_parameter("The request body is not what was expected."))
}

fn alive<'a>(vault: &'a LiveVault, name: &str) -> Result<&'a LiveSecret, Response> {
    let found = vault.secret(name).filter(|secret| !secret.soft_deleted);
    found.ok_or_else(|| refusal::not_found("secret", name))
}

fn find<'a>(
    vault: &'a LiveVault,
    name: &str,
    version: Option<&str>,
) -> Result<(&'a LiveSecret, &'a LiveSecretVersion), Response> {
    let secret = alive(vault, name)?;
    let id = || format!("{name}/{}", version.unwrap_or_default());
    let found = secret.version(version).ok_or_else(|| refusal::not_found("secret", &id()))?;
    Ok((secret, found))
}

fn bundle(vault: &LiveVault, name: &str, version: &LiveSecretVersion, with_value: bool) -> Value {
    let mut bundle = fields(&id(vault, name, version), version);
    if with_value {
        bundle.insert("value", json!(version.value));
    }
    json!(bundle)
}

fn id(vault: &LiveVault, name: &str, version: &LiveSecretVersion) -> String {
    format!("https://{}/secrets/{name}/{}", vault.spec.host, version.version)
}

fn item(id: &str, version: &LiveSecretVersion) -> Value {
    json!(fields(id, version))
}

fn fields(id: &str, version: &LiveSecretVersion) -> BTreeMap<&'static str, Value> {
    let mut fields =
        BTreeMap::from([("attributes", attributes(&version.attributes)), ("id", json!(id))]);
    fields.extend(version.content_type.iter().map(|kind| ("contentType", json!(kind))));
    if !version.tags.is_empty() {
        fields.insert("tags", json!(version.tags));
    }
    fields
}
