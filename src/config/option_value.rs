//! The values options take, each parsed into its type or marked where it is wrong.

use std::path::PathBuf;

use super::line::{Fault, Value};
use super::nearest::nearest;
use super::timespan;
use super::url::{self, Wanted};
use crate::azure::id::{Host, KeyId, VaultUrl};
use crate::volume::header::{HeaderSpec, device_colon};
use crate::volume::{Content, DeviceSpec, HeaderPolicy, Identity, KekAlgorithm, Limit, is_uuid};

/// Key Vault's longest tag value (Microsoft, "About Azure Key Vault keys, secrets and
/// certificates").
const TAG_VALUE_MAX: usize = 256;

/// The highest keyslot and token of LUKS2 (`LUKS2_KEYSLOTS_MAX` and `LUKS2_TOKENS_MAX` are 32);
/// LUKS1 has 8 keyslots.
const SLOT_MAX: u32 = 31;

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

/// `header=`: an absolute path of a file or device, or `PATH:DEVICE` as in crypttab(5).
pub(super) fn header(value: &Value) -> Result<HeaderSpec, Fault> {
    let text = value.as_str();
    HeaderSpec::parse(text).ok_or_else(|| match device_colon(text) {
        Some(colon) if DeviceSpec::parse(&text[colon + 1..]).is_none() => {
            value.part(colon + 1..text.len(), "this names no device")
        }
        Some(colon) if text.starts_with('/') => {
            value.part(0..colon, "a header on a device is a file below its root, without \"..\"")
        }
        _ => value.fault("not an absolute path"),
    })
}

/// `header-policy=`.
pub(super) fn header_policy(value: &Value) -> Result<HeaderPolicy, Fault> {
    match value.as_str() {
        "any" => Ok(HeaderPolicy::Any),
        "strict" => Ok(HeaderPolicy::Strict),
        other => {
            let meant = nearest(other, ["any", "strict"]);
            Err(value.fault("a header policy is \"any\" or \"strict\"").suggest(meant))
        }
    }
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
    Identity::parse(text).ok_or_else(|| {
        let message = match kind {
            "resource-id" => "a resource id starts with /subscriptions/",
            _ => "not a UUID",
        };
        value.part(text.len() - id.len()..text.len(), message)
    })
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
    match device_colon(text) {
        Some(at) => Err(value.part(at..text.len(), refusal)),
        None => path(value),
    }
}

/// `key-slot=`.
pub(super) fn slot(value: &Value) -> Result<u32, Fault> {
    below_32(value).ok_or_else(|| value.fault("a keyslot is a number from 0 to 31"))
}

/// The number of a token; LUKS2 has as many as keyslots.
pub(super) fn token(value: &Value) -> Result<u32, Fault> {
    below_32(value).ok_or_else(|| value.fault("a token is a number from 0 to 31"))
}

fn below_32(value: &Value) -> Option<u32> {
    let digits = value.as_str().bytes().all(|b| b.is_ascii_digit());
    let number: Option<u32> = if digits { value.as_str().parse().ok() } else { None };
    number.filter(|number| *number <= SLOT_MAX)
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

/// Whether `text` is the UUID of a partition: of a GPT, or the number of a DOS partition table and
/// that of the partition (`0c0a6a60-02`), as the kernel and libblkid spell it.
pub(super) fn is_partition_uuid(text: &str) -> bool {
    is_uuid(text) || is_hex(text, 8, 2)
}

/// Whether `text` is the UUID of a file system: a UUID, or the serial number of a FAT.
pub(super) fn is_filesystem_uuid(text: &str) -> bool {
    is_uuid(text) || is_hex(text, 4, 4)
}

/// Hexadecimal digits: `left` of them, a hyphen, `right` of them.
fn is_hex(text: &str, left: usize, right: usize) -> bool {
    let digits = |part: &str, count| {
        part.len() == count && part.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    text.split_once('-').is_some_and(|(a, b)| digits(a, left) && digits(b, right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::line::Word;

    fn value(text: &str) -> Value {
        Word { raw: text, column: 0 }.decode().unwrap()
    }

    /// The mark, first words of the message and suggestion of what must be refused.
    fn place<T: std::fmt::Debug>(result: Result<T, Fault>) -> (usize, usize, Option<String>) {
        let fault = result.unwrap_err();
        assert!(!fault.message.is_empty() && fault.message.len() < 79);
        (fault.column, fault.length, fault.suggestion)
    }

    #[test]
    fn identities_are_those_of_imds() {
        let uuid = "0C0A59E2-4b7d-4f0c-8d11-3a5b6c7d8e9f";
        let lower = uuid.to_lowercase();
        let parsed = |text: String| identity(&value(&text));
        assert_eq!(parsed(format!("client-id:{uuid}")), Ok(Identity::Client(lower.clone())));
        assert_eq!(parsed(format!("object-id:{uuid}")), Ok(Identity::Object(lower)));
        let resource = "/subscriptions/s/resourcegroups/g/providers/\
                        Microsoft.ManagedIdentity/userAssignedIdentities/bek";
        assert_eq!(
            parsed(format!("resource-id:{resource}")),
            Ok(Identity::Resource(resource.to_owned()))
        );
        for (text, column, length, suggestion) in [
            ("client-id:1234", 10, 4, None),
            ("object-id:0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9g", 10, 36, None),
            ("client-id:", 10, 1, None),
            ("clientid:x", 0, 8, Some("client-id:")),
            ("system", 0, 6, None),
            ("resource-id:subscriptions", 12, 13, None),
            ("resource-id:/", 12, 1, None),
            (":x", 0, 1, None),
        ] {
            let expected = (column, length, suggestion.map(str::to_owned));
            assert_eq!(place(identity(&value(text))), expected, "{text}");
        }
    }

    #[test]
    fn paths_are_absolute() {
        for good in ["/boot/luks/osluksheader", "/dev/disk/by-path/acpi-VMBUS:00-lun-1", "/a:b"] {
            assert_eq!(header(&value(good)), Ok(HeaderSpec::Path(good.into())));
        }
        let on = header(&value("/header:UUID=5f1e"));
        assert!(matches!(on, Ok(HeaderSpec::On { path, .. }) if path.as_os_str() == "/header"));
        assert_eq!(place(header(&value("boot/header"))), (0, 11, None));
        assert_eq!(place(header(&value("/header:UUID="))), (8, 5, None));
        assert_eq!(place(header(&value("/../header:/dev/sdc"))), (0, 10, None));
        assert_eq!(place(path(&value("ca.pem"))), (0, 6, None));
    }

    #[test]
    fn keyslots_are_numbers_of_luks2() {
        for (text, number) in [("0", 0), ("31", 31), ("007", 7)] {
            assert_eq!(slot(&value(text)), Ok(number));
        }
        for text in ["32", "-1", "+1", "1.0", "one", "99999999999"] {
            assert_eq!(place(slot(&value(text))), (0, text.len(), None), "{text}");
        }
    }

    #[test]
    fn closed_sets_suggest_their_words() {
        let suggested = |text: &str| Some(text.to_owned());
        assert_eq!(content(&value("filesystem")), Ok(Content::Filesystem));
        assert_eq!(place(content(&value("filesytem"))), (0, 9, suggested("filesystem")));
        assert_eq!(place(content(&value("ext4"))), (0, 4, None));
        assert_eq!(algorithm(&value("RSA1_5")), Ok(KekAlgorithm::Rsa15));
        assert_eq!(place(algorithm(&value("RSA-15"))), (0, 6, suggested("RSA1_5")));
        assert_eq!(place(algorithm(&value("none"))), (0, 4, None));
    }

    #[test]
    fn suffixes_are_bare_domains() {
        let suggested = Some("vault.azure.example".to_owned());
        assert_eq!(suffix(&value("Vault.Azure.example")).unwrap().as_str(), "vault.azure.example");
        assert_eq!(place(suffix(&value(".vault.azure.example"))), (0, 20, suggested.clone()));
        assert_eq!(place(suffix(&value("*.vault.azure.example"))), (0, 21, suggested.clone()));
        assert_eq!(place(suffix(&value("https://vault.azure.example/"))), (0, 28, suggested));
        assert_eq!(place(suffix(&value("example"))), (0, 7, None));
    }

    #[test]
    fn uuids_of_partitions_and_file_systems_are_told_from_slips() {
        let uuid = "0C0A59E2-4b7d-4f0c-8d11-3a5b6c7d8e9f";
        for (text, partition, filesystem) in [
            (uuid, true, true),
            ("0c0a6a60-02", true, false),
            ("1A2B-3C4D", false, true),
            ("", false, false),
            ("-", false, false),
            ("0c0a6a60-2", false, false),
            ("0c0a6a60-0g", false, false),
            ("*", false, false),
            ("0c0a59e24b7d4f0c8d113a5b6c7d8e9f", false, false),
            ("1a2b-3c4d-5e6f", false, false),
        ] {
            assert_eq!(is_partition_uuid(text), partition, "{text}");
            assert_eq!(is_filesystem_uuid(text), filesystem, "{text}");
        }
    }

    #[test]
    fn machine_names_fit_into_a_tag() {
        assert_eq!(machine_name(&value(&"m".repeat(256))), Ok("m".repeat(256)));
        assert_eq!(place(machine_name(&value(&"m".repeat(257)))), (0, 257, None));
    }

    #[test]
    fn urls_are_explained_where_they_are_wrong() {
        assert!(kek(&value("https://v.vault.azure.net/keys/k/1")).is_ok());
        assert_eq!(place(kek(&value("https://v.vault.azure.net/keys/k"))), (32, 1, None));
        assert!(vault(&value("https://v.vault.azure.net/")).is_ok());
        let suggested = Some("https".to_owned());
        assert_eq!(place(vault(&value("http://v.vault.azure.net"))), (0, 4, suggested));
    }
}
