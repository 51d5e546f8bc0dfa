//! An application's own sign-in: by client secret, or by certificate.
//!
//! EnvironmentCredential's rules: with AZURE_TENANT_ID and AZURE_CLIENT_ID the secret in
//! AZURE_CLIENT_SECRET goes before the certificate in AZURE_CLIENT_CERTIFICATE_PATH. A file named
//! on the command line goes before both, because it is neither in a shell's history nor in
//! /proc/PID/environ; what is in it, a secret or PEM, shows in itself.

use std::path::Path;

use super::assertion::{self, Claims};
use super::authority::Authority;
use super::environment::{Application, Environment};
use super::ports::Ports;
use super::{entra, form, unavailable};
use crate::azure::auth::{Exchange, Token};
use crate::azure::way::Way;
use crate::error::{FileProblem, Kind};
use crate::secret::Secret;

const WAY: Way = Way::ServicePrincipal;
/// RFC 7523, 2.2.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Signs in; `file` is `service-principal:FILE`.
///
/// Errors: `SignInUnavailable` when something is missing or a file is of no use, and those of
/// [`entra::token`].
pub fn token(
    file: Option<&Path>,
    environment: &Environment,
    ports: &mut Ports,
    exchange: &mut Exchange<'_>,
) -> Result<Token, Kind> {
    let certificate = environment.certificate_path.as_deref();
    let nothing = file.is_none() && environment.client_secret.is_none() && certificate.is_none();
    let also = nothing.then_some("AZURE_CLIENT_SECRET");
    let application = environment.application(also).map_err(|reason| unavailable(WAY, reason))?;
    let authority = Authority::choose(environment.authority_host.as_deref(), exchange.audience)?;
    match (file, &environment.client_secret, certificate) {
        (Some(file), _, _) => {
            let content = read(ports, WAY, file)?;
            if is_pem(&content) {
                by_certificate(
                    &content,
                    file,
                    environment,
                    &application,
                    &authority,
                    ports,
                    exchange,
                )
            } else {
                let secret = content.without_final_newline().unwrap_or(content);
                by_secret(&secret, &application, &authority, exchange)
            }
        }
        (None, Some(secret), _) => by_secret(secret, &application, &authority, exchange),
        (None, None, Some(path)) => {
            let pem = read(ports, WAY, path)?;
            by_certificate(&pem, path, environment, &application, &authority, ports, exchange)
        }
        (None, None, None) => Err(unavailable(WAY, "AZURE_CLIENT_SECRET is not set")),
    }
}

fn by_secret(
    secret: &Secret,
    application: &Application,
    authority: &Authority,
    exchange: &mut Exchange<'_>,
) -> Result<Token, Kind> {
    if secret.is_empty() {
        return Err(unavailable(WAY, "the client secret is empty"));
    }
    let form = form::encode(&[
        ("client_id", application.client.as_bytes()),
        ("client_secret", secret.expose()),
        ("grant_type", b"client_credentials"),
        ("scope", scope(exchange).as_bytes()),
    ]);
    entra::token(exchange, WAY, authority, &application.tenant, &form, secret)
}

fn by_certificate(
    pem: &Secret,
    path: &Path,
    environment: &Environment,
    application: &Application,
    authority: &Authority,
    ports: &Ports,
    exchange: &mut Exchange<'_>,
) -> Result<Token, Kind> {
    let fail = |reason: String| unavailable(WAY, format!("{}: {reason}", path.display()));
    let certificate = ports.certificates.load(pem).map_err(fail)?;
    let endpoint = format!("https://{authority}{}", entra::target(&application.tenant, "token"));
    let claims = Claims {
        application,
        audience: &endpoint,
        now: (ports.now)(),
        unique: ports.certificates.unique().map_err(fail)?,
        chain: environment.send_chain,
    };
    let assertion = assertion::sign(&claims, certificate.as_ref()).map_err(fail)?;
    by_assertion(WAY, &assertion, application, authority, exchange)
}

/// Signs in with an assertion, one's own or another issuer's.
pub fn by_assertion(
    way: Way,
    assertion: &Secret,
    application: &Application,
    authority: &Authority,
    exchange: &mut Exchange<'_>,
) -> Result<Token, Kind> {
    let form = form::encode(&[
        ("client_assertion", assertion.expose()),
        ("client_assertion_type", ASSERTION_TYPE.as_bytes()),
        ("client_id", application.client.as_bytes()),
        ("grant_type", b"client_credentials"),
        ("scope", scope(exchange).as_bytes()),
    ]);
    entra::token(exchange, way, authority, &application.tenant, &form, assertion)
}

/// A file somebody named: never empty, and never said to hold what it holds.
pub fn read(ports: &mut Ports, way: Way, path: &Path) -> Result<Secret, Kind> {
    let shown = path.display();
    let fail = |reason: String| unavailable(way, format!("{shown}: {reason}"));
    let (content, mode) = ports.files.read(path).map_err(|problem| {
        fail(match problem {
            FileProblem::Empty => "is empty".to_owned(),
            FileProblem::Missing => "does not exist".to_owned(),
            FileProblem::TooLarge => "is larger than 64 KiB".to_owned(),
            FileProblem::Unreadable(reason) => reason,
        })
    })?;
    if content.expose().iter().all(u8::is_ascii_whitespace) {
        return Err(fail("is empty".to_owned()));
    }
    // Federated tokens are mounted for a service and often readable by its whole group.
    if mode & 0o077 != 0 && way != Way::WorkloadIdentity {
        log::warn!("{shown} can be read by others; chmod 600 closes it");
    }
    Ok(content)
}

/// `https://vault.azure.net/.default`.
pub fn scope(exchange: &Exchange<'_>) -> String {
    format!("{}/.default", exchange.audience.resource())
}

fn is_pem(content: &Secret) -> bool {
    let marker = b"-----BEGIN ";
    content.expose().windows(marker.len()).any(|window| window == marker)
}
