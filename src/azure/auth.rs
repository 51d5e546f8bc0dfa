//! Signing in to Azure: the port the client gets its tokens through, and which way is taken.
//!
//! At boot there is one way, the VM's managed identity. A disk is also opened on machines that have
//! none: a person's desk, another cloud, a build runner. There a way is chosen with a word of
//! [`Auth`], or found by trying them in order:
//!
//! | order | word | taken when |
//! |---|---|---|
//! | 1 | `service-principal` | AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or certificate are set |
//! | 2 | `workload-identity` | AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are set |
//! | 3 | `managed-identity` | a metadata service answers within 2 s and has an identity |
//! | 4 | `az` | the Azure CLI is installed and logged in |
//! | 5 | `device-code` | somebody sits at a terminal |
//! | - | `token:FILE`, `token:-` | only when named: an access token that somebody else got |
//!
//! The names in the environment mean what they mean to Azure's SDKs ("Azure Identity client
//! library", EnvironmentCredential and WorkloadIdentityCredential). Like there, a way that is
//! configured and refused ends the search: going on with somebody else's rights would hide the
//! mistake. The ways themselves are in sign_in.rs.

use std::path::PathBuf;
use std::time::Duration;

use super::http::Http;
use super::imds;
use super::sign_in::SignIn;
use super::sign_in::environment::Environment;
use super::sign_in::ports::Ports;
use super::trust::Audience;
use super::way::Way;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::secret::Secret;
use crate::volume::Identity;

/// An access token and its lifetime.
#[derive(Debug)]
pub struct Token {
    /// The token: visible ASCII, fit for a header.
    pub secret: Secret,
    /// How long it lives from now; `None` when nobody said.
    pub lifetime: Option<Duration>,
}

/// Whatever proves to Azure who is asking.
pub trait Credential {
    /// A token for `exchange.audience`, a new one at each call if there is one to be had.
    ///
    /// Errors: those of the way it goes; see [`super::sign_in`].
    fn token(&mut self, exchange: &mut Exchange<'_>) -> Result<Token, Kind>;

    /// How the last token was got, or the next one will be.
    fn way(&self) -> Way;

    /// Asks as `hint` from now on, where nobody chose who asks; with `None` as before. Whether that
    /// changes anything.
    fn ask_as(&mut self, _hint: Option<&Identity>) -> bool {
        false
    }
}

/// What a credential may use to get one token.
pub struct Exchange<'a> {
    /// The network.
    pub http: &'a mut dyn Http,
    /// What the token is for.
    pub audience: &'a Audience,
    /// Uniform in `0.0..1.0`; spreads retries, guards nothing.
    pub random: fn() -> f64,
    /// When to give up.
    pub deadline: &'a Deadline<'a>,
}

/// A way to sign in as the user chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `az`.
    Az,
    /// `device-code`.
    DeviceCode,
    /// `managed-identity`.
    ManagedIdentity,
    /// `service-principal`, or `service-principal:FILE` with the client secret, or the certificate
    /// and its key in PEM, in that file instead of in the environment.
    ServicePrincipal(Option<PathBuf>),
    /// `token:FILE` or `token:-`.
    Token(TokenSource),
    /// `workload-identity`.
    WorkloadIdentity,
}

/// Where an access token is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    File(PathBuf),
    /// Standard input, to its end.
    Stdin,
}

impl Auth {
    /// What [`Auth::parse`] takes, for usage texts and suggestions.
    pub const WORDS: [&str; 6] = [
        "managed-identity",
        "az",
        "service-principal",
        "workload-identity",
        "device-code",
        "token:FILE",
    ];

    /// Parses a word of [`Auth::WORDS`]; `service-principal` takes a `:FILE`, too, and `token:-` is
    /// standard input. `None` for everything else.
    pub fn parse(word: &str) -> Option<Self> {
        let (word, file) = match word.split_once(':') {
            Some((_, "")) => return None,
            Some((word, file)) => (word, Some(file)),
            None => (word, None),
        };
        Some(match (word, file) {
            ("az", None) => Self::Az,
            ("device-code", None) => Self::DeviceCode,
            ("managed-identity", None) => Self::ManagedIdentity,
            ("service-principal", file) => Self::ServicePrincipal(file.map(PathBuf::from)),
            ("token", Some("-")) => Self::Token(TokenSource::Stdin),
            ("token", Some(file)) => Self::Token(TokenSource::File(PathBuf::from(file))),
            ("workload-identity", None) => Self::WorkloadIdentity,
            _ => return None,
        })
    }

    /// The way it is.
    pub fn way(&self) -> Way {
        match self {
            Self::Az => Way::Az,
            Self::DeviceCode => Way::DeviceCode,
            Self::ManagedIdentity => Way::ManagedIdentity,
            Self::ServicePrincipal(_) => Way::ServicePrincipal,
            Self::Token(_) => Way::Token,
            Self::WorkloadIdentity => Way::WorkloadIdentity,
        }
    }
}

/// The credential of a command: the chosen way, or the first of the default order that works.
///
/// `identity` selects a managed identity. Asks nobody yet: what the environment lacks is an error
/// of the first token.
pub fn credential(
    auth: Option<&Auth>,
    environment: Environment,
    identity: Option<Identity>,
    ports: Ports,
) -> Box<dyn Credential> {
    Box::new(SignIn::new(auth, environment, identity, ports))
}

/// The VM's managed identity and nothing else: what is used at boot.
#[derive(Debug)]
pub struct ManagedIdentity {
    /// `identity=`; `None` lets IMDS choose the only one.
    identity: Option<Identity>,
    /// Who a token in a header says was meant to ask.
    hint: Option<Identity>,
}

impl ManagedIdentity {
    /// The one that was chosen, or the only one.
    pub fn new(identity: Option<Identity>) -> Self {
        Self { identity, hint: None }
    }
}

impl Credential for ManagedIdentity {
    fn token(&mut self, exchange: &mut Exchange<'_>) -> Result<Token, Kind> {
        let Exchange { http, audience, random, deadline } = exchange;
        let identity = self.identity.as_ref().or(self.hint.as_ref());
        imds::token(*http, identity, audience, *random, deadline)
    }

    fn way(&self) -> Way {
        Way::ManagedIdentity
    }

    fn ask_as(&mut self, hint: Option<&Identity>) -> bool {
        if self.identity.is_none() {
            self.hint = hint.cloned();
        }
        self.identity.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        for word in Auth::WORDS {
            let auth = Auth::parse(word).unwrap();
            let plain = word.split(':').next().unwrap().replace('-', " ");
            assert_eq!(auth.way().to_string(), plain);
        }
        let token = |source| Some(Auth::Token(source));
        assert_eq!(Auth::parse("token:-"), token(TokenSource::Stdin));
        assert_eq!(Auth::parse("token:/run/t:1"), token(TokenSource::File("/run/t:1".into())));
        let file = Some("/root/sp.pem".into());
        assert_eq!(
            Auth::parse("service-principal:/root/sp.pem"),
            Some(Auth::ServicePrincipal(file))
        );
    }

    #[test]
    fn everything_else_is_not() {
        for word in
            ["", "token", "token:", "az:x", "AZ", "managed-identity:", "msi", "service-principal:"]
        {
            assert_eq!(Auth::parse(word), None, "{word}");
        }
    }
}
