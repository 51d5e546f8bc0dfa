//! The names in the environment that Azure's SDKs honour, with the meaning they have there.
//!
//! Values come from edge/sign_in/environment.rs; an empty one counts as not set. Read only by
//! commands a person runs: at boot nothing is taken from the environment.

use std::path::PathBuf;

use crate::secret::Secret;

/// What the environment says about signing in.
#[derive(Debug, Default)]
pub struct Environment {
    /// AZURE_AUTHORITY_HOST.
    pub authority_host: Option<String>,
    /// AZURE_CLIENT_CERTIFICATE_PATH: PEM with certificate and key.
    pub certificate_path: Option<PathBuf>,
    /// AZURE_CLIENT_ID.
    pub client_id: Option<String>,
    /// AZURE_CLIENT_SECRET.
    pub client_secret: Option<Secret>,
    /// AZURE_FEDERATED_TOKEN_FILE.
    pub federated_token_file: Option<PathBuf>,
    /// AZURE_CLIENT_SEND_CERTIFICATE_CHAIN is `1` or `true`.
    pub send_chain: bool,
    /// AZURE_TENANT_ID.
    pub tenant_id: Option<String>,
}

/// An application in a tenant, as the token endpoint wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// UUID or domain name.
    pub tenant: String,
    /// UUID.
    pub client: String,
}

impl Environment {
    /// AZURE_CLIENT_ID, where it can be one.
    pub fn client_id(&self) -> Option<String> {
        self.client_id.clone().filter(|id| is_id(id))
    }

    /// AZURE_TENANT_ID, where it is set; the reason when it can be none.
    pub fn tenant(&self) -> Result<Option<String>, String> {
        match &self.tenant_id {
            // Part of a path, therefore the SDKs' own rule: letters, digits, `.` and `-`.
            Some(tenant) if !is_id(tenant) => Err("AZURE_TENANT_ID is no tenant".to_owned()),
            tenant => Ok(tenant.clone()),
        }
    }

    /// Tenant and client, when both are set; `also` names what else is missing, if anything is.
    ///
    /// Errors: which names are not set, or what is wrong with one.
    pub fn application(&self, also: Option<&str>) -> Result<Application, String> {
        let missing: Vec<&str> = [
            self.tenant_id.is_none().then_some("AZURE_TENANT_ID"),
            self.client_id.is_none().then_some("AZURE_CLIENT_ID"),
            also,
        ]
        .into_iter()
        .flatten()
        .collect();
        let (Some(tenant), Some(client), []) =
            (self.tenant()?, &self.client_id, missing.as_slice())
        else {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            return Err(format!("{} {verb} not set", missing.join(", ")));
        };
        if !is_id(client) {
            return Err("AZURE_CLIENT_ID is no client id".to_owned());
        }
        Ok(Application { tenant, client: client.clone() })
    }
}

fn is_id(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && text != "."
        && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(tenant: Option<&str>, client: Option<&str>) -> Environment {
        Environment {
            tenant_id: tenant.map(str::to_owned),
            client_id: client.map(str::to_owned),
            ..Environment::default()
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = environment(None, None);
        assert_eq!(
            nothing.application(Some("AZURE_CLIENT_SECRET")).unwrap_err(),
            "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set"
        );
        let half = environment(Some("contoso.example"), None);
        assert_eq!(half.application(None).unwrap_err(), "AZURE_CLIENT_ID is not set");
        let whole = environment(Some("contoso.example"), Some("1111"));
        assert_eq!(whole.application(Some("X")).unwrap_err(), "X is not set");
        assert_eq!(whole.application(None).unwrap().tenant, "contoso.example");
    }

    #[test]
    fn what_could_lead_a_path_astray_is_no_tenant() {
        for tenant in ["", "a/b", "..", ".", "a b", "a?b", "a%2fb", "tenant\n", "\u{e4}"] {
            let reason = environment(Some(tenant), Some("1111")).application(None).unwrap_err();
            assert_eq!(reason, "AZURE_TENANT_ID is no tenant", "{tenant}");
        }
        let reason = environment(Some("t"), Some("a/b")).application(None).unwrap_err();
        assert_eq!(reason, "AZURE_CLIENT_ID is no client id");
    }
}
