//! The values options take, each parsed into its type or marked where it is wrong.

use std::path::PathBuf;

use super::line::{Fault, Value};
use super::nearest::nearest;
use super::timespan;
use super::url::{self, Wanted};
use crate::azure::id::{Host, KeyId, VaultUrl};
use crate::volume::{Content, Identity, KekAlgorithm, Limit};

/// Key Vault's longest tag value (Microsoft, "About Azure Key Vault keys, secrets and
/// certificates").
const TAG_VALUE_MAX: usize = 256;

/// The highest keyslot of LUKS2 (`LUKS2_KEYSLOTS_MAX` is 32); LUKS1 has 8.
const KEYSLOT_MAX: u32 = 31;

/// Tags that begin a device specification after a path, as in `header=PATH:DEVICE`.
const DEVICE_TAGS: [&str; 5] = ["/dev/", "LABEL=", "PARTLABEL=", "PARTUUID=", "UUID="];

/// `kek-algorithm=`.
pub(super) fn algorithm(value: &Value) -> Result<KekAlgorithm, Fault> {
    KekAlgorithm::parse(value.as_str()).ok_or_else(|| {
        let known = ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "A256KW"];
        let message = "not RSA-OAEP, RSA-OAEP-256, RSA1_5 or A256KW";
        value.fault(message).suggest(nearest(value.as_str(), known))
    })
}

/// `content=`.
pub(super) fn content(value: &Value) -> Result<Content, Fault> {
    match value.as_str() {
        "any" => Ok(Content::Any),
        "filesystem" => Ok(Content::Filesystem),
        other => {
            let meant = nearest(other, ["any", "filesystem"]);
            Err(value.fault("content is \"any\" or \"filesystem\"").suggest(meant))
        }
    }
}

/// `header=`: an absolute path of a file or device.
///
/// crypttab(5) also knows `PATH:DEVICE`, a file on a device that is mounted for it; that is refused
/// by name, since taken for a path it would only be "not there".
pub(super) fn header(value: &Value) -> Result<PathBuf, Fault> {
    plain_path(value, "a header must be a file or device by itself; PATH:DEVICE is not read")
}

/// `identity=`.
pub(super) fn identity(value: &Value) -> Result<Identity, Fault> {
    let text = value.as_str();
    let kinds = ["client-id", "object-id", "resource-id"];
    let Some((kind, id)) = text.split_once(':').filter(|(kind, _)| kinds.contains(kind)) else {
        let kind = text.split(':').next().unwrap_or_default();
        let meant = nearest(kind, kinds).map(|kind| format!("{kind}:"));
        let message = "an identity is client-id:UUID, object-id:UUID or resource-id:/...";
        return Err(value.part(0..kind.len(), message).suggest(meant));
    };
    let range = kind.len() + 1..text.len();
    match kind {
        "resource-id" if id.starts_with('/') && id.len() > 1 && !id.contains(' ') => {
            Ok(Identity::Resource(id.to_owned()))
        }
        "resource-id" => Err(value.part(range, "a resource id starts with /subscriptions/")),
        _ if !is_uuid(id) => Err(value.part(range, "not a UUID")),
        "client-id" => Ok(Identity::Client(id.to_ascii_lowercase())),
        _ => Ok(Identity::Object(id.to_ascii_lowercase())),
    }
}

/// `kek=`.
pub(super) fn kek(value: &Value) -> Result<KeyId, Fault> {
    KeyId::parse(value.as_str()).ok_or_else(|| url::explain(value, Wanted::Key))
}

/// `timeout=`, `x-systemd.device-timeout=`.
pub(super) fn limit(value: &Value) -> Result<Limit, Fault> {
    timespan::parse(value)
}

/// `machine-name=`: the value of a tag.
pub(super) fn machine_name(value: &Value) -> Result<String, Fault> {
    if value.as_str().chars().count() > TAG_VALUE_MAX {
        return Err(value.fault(format!("a tag has at most {TAG_VALUE_MAX} characters")));
    }
    Ok(value.as_str().to_owned())
}

/// An absolute path.
pub(super) fn path(value: &Value) -> Result<PathBuf, Fault> {
    match value.as_str() {
        text if text.starts_with('/') => Ok(PathBuf::from(text)),
        _ => Err(value.fault("not an absolute path")),
    }
}

/// An absolute path without crypttab(5)'s `:DEVICE` after it, or `refusal`.
pub(super) fn plain_path(value: &Value, refusal: &str) -> Result<PathBuf, Fault> {
    let text = value.as_str();
    let device = |(at, _): &(usize, &str)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        DEVICE_TAGS.iter().any(|tag| rest.starts_with(tag))
    };
    match text.match_indices(':').find(device) {
        Some((at, _)) => Err(value.part(at..text.len(), refusal)),
        None => path(value),
    }
}

/// `key-slot=`.
pub(super) fn slot(value: &Value) -> Result<u32, Fault> {
    let digits = value.as_str().bytes().all(|b| b.is_ascii_digit());
    let slot = if digits { value.as_str().parse().ok() } else { None };
    slot.filter(|slot| *slot <= KEYSLOT_MAX)
        .ok_or_else(|| value.fault(format!("a keyslot is a number from 0 to {KEYSLOT_MAX}")))
}

/// `vault-suffix=`.
pub(super) fn suffix(value: &Value) -> Result<Host, Fault> {
    let text = value.as_str();
    Host::parse(text).ok_or_else(|| {
        let bare = text.trim_start_matches("https://").trim_matches(['.', '/', '*']);
        let meant = Host::parse(bare).map(|host| host.as_str().to_owned());
        value.fault("not a DNS suffix such as vault.azure.net").suggest(meant)
    })
}

/// `vault=`.
pub(super) fn vault(value: &Value) -> Result<VaultUrl, Fault> {
    VaultUrl::parse(value.as_str()).ok_or_else(|| url::explain(value, Wanted::Vault))
}

/// Whether `text` is a UUID in its canonical form (RFC 9562, section 4), in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}
