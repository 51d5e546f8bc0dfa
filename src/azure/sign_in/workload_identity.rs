//! Workload identity: another issuer's token, exchanged for one of Entra ("Workload identity
//! federation"). Kubernetes, GitHub and others leave it in a file and replace it every hour or so.

use super::authority::Authority;
use super::environment::Environment;
use super::ports::Ports;
use super::service_principal::{by_assertion, read};
use super::unavailable;
use crate::azure::auth::{Exchange, Token};
use crate::azure::way::Way;
use crate::error::Kind;
use crate::secret::Secret;

const WAY: Way = Way::WorkloadIdentity;

/// Signs in with the token that is in the file now.
///
/// Errors: `SignInUnavailable` when something is missing or the file is of no use, and those of
/// [`by_assertion`].
pub fn token(
    environment: &Environment,
    ports: &mut Ports,
    exchange: &mut Exchange<'_>,
) -> Result<Token, Kind> {
    let file = environment.federated_token_file.as_deref();
    let also = file.is_none().then_some("AZURE_FEDERATED_TOKEN_FILE");
    let application = environment.application(also).map_err(|reason| unavailable(WAY, reason))?;
    let Some(file) = file else {
        return Err(unavailable(WAY, "AZURE_FEDERATED_TOKEN_FILE is not set"));
    };
    let authority = Authority::choose(environment.authority_host.as_deref(), exchange.audience)?;
    // Read at each use: the file changes under a running process.
    let content = read(ports, WAY, file)?;
    let assertion = Secret::new(content.expose().trim_ascii().to_vec());
    if assertion.expose().split(|&byte| byte == b'.').count() != 3 {
        return Err(unavailable(WAY, format!("{}: holds no JWT", file.display())));
    }
    by_assertion(WAY, &assertion, &application, &authority, exchange)
}
