//! Entra's side of a scenario: applications with what proves them, and a scripted person.
//!
//! Only what signing in to Key Vault needs. Certificates are registered as Entra has them, by their
//! public half; a file may hold the key, too, which is then not looked at.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Certificate, TokenPolicy};

/// What the sign-in host serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entra {
    /// Applications (service principals).
    pub applications: Vec<Application>,
    /// Kind of the host's TLS certificate.
    pub certificate: Certificate,
    /// Host of the sign-in endpoints.
    pub host: String,
    /// Who enters device codes.
    pub person: Person,
    /// How long tokens live.
    pub token: TokenPolicy,
}

impl Default for Entra {
    fn default() -> Self {
        Self {
            applications: Vec::new(),
            certificate: Certificate::default(),
            host: "login.microsoftonline.com".to_owned(),
            person: Person::default(),
            // An hour less a second, as in the answers of the documentation.
            token: TokenPolicy { lifetime_seconds: 3599, max_uses: None },
        }
    }
}

/// An application and what it may prove itself with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// PEM files with the registered certificates.
    pub certificate_files: Vec<PathBuf>,
    /// Registered certificates as PEM text.
    pub certificates: Vec<String>,
    /// Application id.
    pub client_id: String,
    /// False gives AADSTS7000112.
    pub enabled: bool,
    /// Other issuers' tokens it can be signed in with.
    pub federated: Vec<Federated>,
    /// Label for permissions of this scenario.
    pub name: String,
    /// Id of the service principal.
    pub object_id: String,
    /// Client secrets.
    pub secrets: Vec<ClientSecret>,
    /// Its tenant; the machine's when absent.
    pub tenant: Option<String>,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            certificate_files: Vec::new(),
            certificates: Vec::new(),
            client_id: String::new(),
            enabled: true,
            federated: Vec::new(),
            name: String::new(),
            object_id: String::new(),
            secrets: Vec::new(),
            tenant: None,
        }
    }
}

/// A client secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// True gives AADSTS7000222.
    #[serde(default)]
    pub expired: bool,
    /// Its value.
    pub value: String,
}

/// A federated credential: claims that must be equal. The other issuer's signature is not verified,
/// because its keys are not emulated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federated {
    /// `aud`.
    #[serde(default = "exchange")]
    pub audience: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

fn exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// Somebody with a browser, by script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Person {
    /// Seconds a code is good for, as answered; the emulator itself does not wait.
    pub expires_in: u64,
    /// Seconds between two polls, as answered.
    pub interval: u64,
    /// Label for permissions of this scenario.
    pub name: String,
    /// Id of the account.
    pub object_id: String,
    /// What comes of a code, after the polls below.
    pub outcome: Outcome,
    /// Polls answered `authorization_pending`.
    pub pending: u32,
    /// Polls answered `slow_down`, before those.
    pub slow_down: u32,
    /// The account's tenant; the machine's when absent.
    pub tenant: Option<String>,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            expires_in: 900,
            interval: 5,
            name: "person".to_owned(),
            object_id: "55555555-5555-4555-8555-555555555555".to_owned(),
            outcome: Outcome::default(),
            pending: 0,
            slow_down: 0,
            tenant: None,
        }
    }
}

/// What a person does with a code.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Signs in and is blocked by Conditional Access.
    Blocked,
    /// Declines.
    Declines,
    /// Never enters it, until it expires.
    Expires,
    /// Signs in.
    #[default]
    SignsIn,
}
