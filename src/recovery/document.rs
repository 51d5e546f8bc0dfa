//! The JSON that keys come in: answers, secrets, Azure Backup's file, LUKS2 tokens.
//!
//! | what | told by | key in |
//! |---|---|---|
//! | Key Vault's answer to unwrapKey, decrypt | `kid` | `value` |
//! | `az keyvault key decrypt` | `algorithm` | `result` |
//! | `Invoke-AzKeyVaultKeyOperation` | `KeyId` | `RawResult`, a list of bytes |
//! | a secret | `id`, `contentType`, `attributes`, `tags` | `value` |
//! | Azure Backup ("Restore Key Vault key and secret") | `SecretData`, anywhere | `SecretData` |
//! | LUKS2 token (tokens.rs) | `type` | `wrapped_key`, or ADE's `Passphrase` |
//!
//! The answer to wrapKey looks like that to unwrapKey; what is in it tells them apart.

use std::borrow::Cow;

use super::form::{About, Found};
use super::json::Value;
use super::layer::Layer;
use super::refusal::Refusal;
use super::{Material, Source, tokens};
use crate::azure::id::{KeyId, SecretId};
use crate::azure::tags::{DiskTags, RawTags};
use crate::azure::wrapped::Claim;
use crate::error::printable;
use crate::secret::Secret;
use crate::volume::KekAlgorithm;

/// Everything that can be a key in `text`.
///
/// Of several disks the damaged ones are left out while there is one that is not.
pub fn read(text: &[u8]) -> Result<Vec<Material>, Refusal> {
    let document = Value::parse(text)?;
    if matches!(document, Value::List(_)) {
        return Err(Refusal::List);
    }
    if let Some(error) = error(&document) {
        return Err(error);
    }
    if document.member("access_token").or(document.member("accessToken")).is_some() {
        return Err(Refusal::AccessToken);
    }
    let mut found = Vec::new();
    backups(&document, "", &mut found);
    found.extend(tokens::materials(&document));
    if found.is_empty() {
        found.push(answer(&document));
    }
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    if good.is_empty() {
        let first = bad.into_iter().find_map(Result::err);
        return Err(first.unwrap_or(Refusal::NoMember));
    }
    for refusal in bad.into_iter().filter_map(Result::err) {
        log::debug!("one of several: {refusal}");
    }
    Ok(good.into_iter().flatten().collect())
}

/// `{"error":{"code":…,"message":…}}` of Key Vault, `{"error":…,"error_description":…}` of Entra.
fn error(document: &Value<'_>) -> Option<Refusal> {
    let outer = document.member("error")?;
    let inner = outer.member("innererror").and_then(|inner| inner.text_of("code"));
    let code = inner.or(outer.text_of("code")).or(outer.text());
    let message = outer.text_of("message").or(document.text_of("error_description"));
    Some(Refusal::Error {
        code: printable(code.unwrap_or_default(), 60),
        message: printable(message.unwrap_or_default(), 200),
    })
}

/// Collects every object with Azure Backup's members, with its path for a label.
fn backups(value: &Value<'_>, path: &str, found: &mut Vec<Result<Material, Refusal>>) {
    if let Value::List(items) = value {
        for (index, item) in items.iter().enumerate() {
            backups(item, &format!("{path}[{index}]"), found);
        }
    }
    let has = |name: &str| {
        let mut members = value.members().unwrap_or_default().iter();
        members.any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    if has("SecretData") || has("KeyVaultSecretBackupData") {
        found.push(backup(value, path));
        return;
    }
    for (name, member) in value.members().unwrap_or_default() {
        let name = printable(name, 60);
        backups(member, &if path.is_empty() { name } else { format!("{path}.{name}") }, found);
    }
}

fn backup(disk: &Value<'_>, path: &str) -> Result<Material, Refusal> {
    let data = disk.text_of("SecretData").ok_or(Refusal::BackupBlob)?;
    let kek = disk.text_of("KeyUrl");
    let about =
        About { claim: Claim::of(kek.is_some(), None), kek: kek.map(key_id), ..About::nothing() };
    let secret = disk.text_of("SecretUrl").and_then(SecretId::parse);
    let label = [Some(path.to_owned()), secret.map(|id| id.short())];
    let label: Vec<String> = label.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    material(Source::Backup, label.join(", "), "SecretData", Found::in_text(data.as_bytes(), about))
}

/// An answer of Key Vault, whichever tool printed it, or a secret.
fn answer(document: &Value<'_>) -> Result<Material, Refusal> {
    let find = |member: &'static str| Some((member, document.member(member)?));
    let found = find("value").or_else(|| find("RawResult")).or_else(|| find("result"));
    let (member, value) = found.ok_or(Refusal::NoMember)?;
    let id = document.text_of("id").and_then(SecretId::parse);
    let is_secret = id.is_some()
        || ["contentType", "attributes", "tags"].iter().any(|m| document.member(m).is_some());
    let (source, label, about) = if is_secret {
        let tags = document.member("tags").map(tags).unwrap_or_default();
        let claim = Claim::of(tags.kek.is_some(), document.text_of("contentType"));
        let about = About { claim, kek: tags.kek, algorithm: tags.algorithm, ..About::nothing() };
        (Source::Secret, id.map(|id| id.short()), about)
    } else {
        let kek = document.text_of("kid").or(document.text_of("KeyId")).map(key_id);
        let algorithm = document.text_of("algorithm").or(document.text_of("alg"));
        let algorithm = algorithm.map(|a| KekAlgorithm::parse(a).ok_or_else(|| printable(a, 40)));
        let label = kek.as_ref().map(|kek| match kek {
            Ok(kek) => format!("{}/{}", kek.name().as_str(), kek.version().as_str()),
            Err(other) => other.clone(),
        });
        (Source::Answer, label, About { kek, algorithm, ..About::nothing() })
    };
    let found = match (value.text(), value.bytes()) {
        (Some(text), _) => Found::in_text(text.as_bytes(), about),
        (None, Some(mut bytes)) if !bytes.is_empty() => {
            let bytes = Secret::new(std::mem::take(&mut *bytes));
            Found::in_bytes(bytes, about).map(|found| found.below(Layer::Bytes))
        }
        _ => Err(Refusal::NotText { member }),
    };
    material(source, label.unwrap_or_default(), member, found)
}

pub(super) fn material(
    source: Source,
    label: String,
    member: &str,
    found: Result<Found, Refusal>,
) -> Result<Material, Refusal> {
    Ok(Material::new(source, label, found?.below(Layer::Json(member.to_owned()))))
}

pub(super) fn key_id(url: &str) -> Result<KeyId, String> {
    KeyId::parse(url.trim()).ok_or_else(|| printable(url, 120))
}

fn tags(value: &Value<'_>) -> DiskTags {
    let members = value.members().unwrap_or_default().iter();
    let raw: RawTags<'_> =
        members.map(|(name, tag)| (name.clone(), tag.text().map(Cow::from))).collect();
    DiskTags::parse(&raw)
}
