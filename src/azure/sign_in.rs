//! The ways to sign in away from a managed identity, and the order they are tried in.
//!
//! Whatever proves who is asking (client secret, assertion, refresh token) goes to one of Entra's
//! compiled hosts over verified TLS and nowhere else (authority.rs); redirects are not followed.
//! What comes back is a token for one audience, which only travels to that audience's vaults.
//!
//! Failures: [`Kind::SignInUnavailable`] when a way is not set up or nobody took part in it,
//! [`Kind::SignInRefused`] when Entra says no, [`Kind::SignInUnreachable`] and
//! [`Kind::SignInUntrusted`] as for vaults, and those of IMDS.

use super::auth::{Auth, Credential, Exchange, Token};
use super::imds;
use super::way::Way;
use crate::error::{Kind, PassedOver};
use crate::volume::Identity;

use device_code::DeviceCode;
use environment::Environment;
use ports::Ports;

mod assertion;
pub mod authority;
mod az;
mod device_code;
mod entra;
pub mod environment;
mod form;
mod jwt;
mod pasted;
pub mod ports;
mod probe;
mod service_principal;
mod workload_identity;

/// The default order; see the table in auth.rs.
const ORDER: [Auth; 5] = [
    Auth::ServicePrincipal(None),
    Auth::WorkloadIdentity,
    Auth::ManagedIdentity,
    Auth::Az,
    Auth::DeviceCode,
];

/// The credential of a command that a person or a pipeline runs.
pub struct SignIn {
    /// One way, or the default order; shrinks to the one that worked.
    ways: Vec<Auth>,
    chosen: bool,
    identity: Option<Identity>,
    environment: Environment,
    ports: Ports,
    device_code: DeviceCode,
    pasted: pasted::Pasted,
}

impl SignIn {
    /// See [`super::auth::credential`].
    pub fn new(
        auth: Option<&Auth>,
        environment: Environment,
        identity: Option<Identity>,
        ports: Ports,
    ) -> Self {
        Self {
            ways: auth.map_or(ORDER.to_vec(), |auth| vec![auth.clone()]),
            chosen: auth.is_some(),
            identity,
            environment,
            ports,
            device_code: DeviceCode::default(),
            pasted: pasted::Pasted::default(),
        }
    }

    fn by(&mut self, auth: &Auth, exchange: &mut Exchange<'_>) -> Result<Token, Kind> {
        let (environment, ports) = (&self.environment, &mut self.ports);
        match auth {
            Auth::Az => az::token(ports, exchange),
            Auth::DeviceCode => self.device_code.token(environment, ports, exchange),
            Auth::ManagedIdentity => {
                let Exchange { http, audience, random, deadline } = exchange;
                imds::token(*http, self.identity.as_ref(), audience, *random, deadline)
            }
            Auth::ServicePrincipal(file) => {
                service_principal::token(file.as_deref(), environment, ports, exchange)
            }
            Auth::Token(source) => self.pasted.token(source, ports, exchange),
            Auth::WorkloadIdentity => workload_identity::token(environment, ports, exchange),
        }
    }

    /// Tries the ways in order; the first that works is kept for every later token.
    fn first_that_works(&mut self, exchange: &mut Exchange<'_>) -> Result<Token, Kind> {
        let mut passed_over = Vec::new();
        for auth in self.ways.clone() {
            if auth == Auth::ManagedIdentity {
                if let Err(reason) = probe::metadata_service(exchange) {
                    passed_over.push(PassedOver { way: Way::ManagedIdentity, reason });
                    continue;
                }
                // As DefaultAzureCredential has it: the environment may choose the identity.
                if self.identity.is_none() {
                    self.identity = self.environment.client_id().map(Identity::Client);
                }
            }
            match self.by(&auth, exchange) {
                Ok(token) => {
                    log::debug!("signed in by {}", auth.way());
                    self.ways = vec![auth];
                    self.chosen = true;
                    return Ok(token);
                }
                Err(Kind::SignInUnavailable(reasons)) => passed_over.extend(reasons),
                Err(kind) if is_passed_over(auth.way(), &kind) => {
                    passed_over.push(PassedOver { way: auth.way(), reason: kind.to_string() });
                }
                Err(kind) => return Err(kind),
            }
        }
        Err(Kind::SignInUnavailable(passed_over))
    }
}

/// Whether a refusal says nothing about what the user set up: a VM without an identity, something
/// that only looks like IMDS, an old login of az.
fn is_passed_over(way: Way, kind: &Kind) -> bool {
    match way {
        Way::ManagedIdentity => {
            matches!(kind, Kind::IdentityMissing { .. } | Kind::MetadataUntrusted { .. })
        }
        Way::Az => matches!(kind, Kind::SignInRefused(_) | Kind::SignInUntrusted { .. }),
        Way::DeviceCode | Way::ServicePrincipal | Way::Token | Way::WorkloadIdentity => false,
    }
}

impl Credential for SignIn {
    fn token(&mut self, exchange: &mut Exchange<'_>) -> Result<Token, Kind> {
        match self.ways.clone().as_slice() {
            [auth] if self.chosen => self.by(auth, exchange),
            _ => self.first_that_works(exchange),
        }
    }

    fn way(&self) -> Way {
        self.ways.first().map_or(Way::ManagedIdentity, Auth::way)
    }
}

/// A way that cannot be taken, and why.
fn unavailable(way: Way, reason: impl Into<String>) -> Kind {
    Kind::SignInUnavailable(vec![PassedOver { way, reason: reason.into() }])
}

#[cfg(test)]
mod tests;
