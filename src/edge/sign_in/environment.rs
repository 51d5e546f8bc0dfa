//! The environment of this process, read once, by name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::azure::sign_in::environment::Environment;
use crate::secret::Secret;

/// A variable of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "a person runs this and sets what Azure's SDKs honour; nothing at boot comes here"
)]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The names Azure's SDKs honour, through `variable`; an empty value counts as not set.
///
/// What is not UTF-8 and should be an identifier is kept with replacement characters: it is then
/// refused by its name instead of passing for absent.
pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Environment {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
    let truth = |value: OsString| value == OsStr::new("1") || value.eq_ignore_ascii_case("true");
    Environment {
        authority_host: text("AZURE_AUTHORITY_HOST"),
        certificate_path: set("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
        client_id: text("AZURE_CLIENT_ID"),
        client_secret: set("AZURE_CLIENT_SECRET").map(|value| Secret::new(value.into_vec())),
        federated_token_file: set("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
        send_chain: set("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").is_some_and(truth),
        tenant_id: text("AZURE_TENANT_ID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_empty_ones_are_not_there() {
        let all = read(|name| Some(OsString::from(name)));
        assert_eq!(all.authority_host.as_deref(), Some("AZURE_AUTHORITY_HOST"));
        assert_eq!(all.client_id.as_deref(), Some("AZURE_CLIENT_ID"));
        assert_eq!(all.tenant_id.as_deref(), Some("AZURE_TENANT_ID"));
        assert_eq!(all.certificate_path, Some("AZURE_CLIENT_CERTIFICATE_PATH".into()));
        assert_eq!(all.federated_token_file, Some("AZURE_FEDERATED_TOKEN_FILE".into()));
        assert!(!all.send_chain);
        assert!(!format!("{all:?}").contains("AZURE_CLIENT_SECRET"));
        let secret = all.client_secret.unwrap();
        assert_eq!(secret.len(), "AZURE_CLIENT_SECRET".len());
        for value in ["1", "true", "TRUE"] {
            assert!(read(|_| Some(value.into())).send_chain);
        }
        let none = read(|_| Some(OsString::new()));
        assert!(none.client_id.is_none() && none.client_secret.is_none() && !none.send_chain);
    }
}
