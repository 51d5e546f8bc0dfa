//! HTTP and TLS for the Azure client: reqwest and rustls, made to do nothing on their own.
//!
//! Two clients: one for IMDS that cannot speak TLS, one for vaults and Entra that speaks nothing else. No
//! proxy, no redirect, no trust store from the environment. Both are built when first needed, so a
//! run that stays local builds none. Retries are azure/retry.rs's; a client is kept through all of
//! them and never dropped, because that waits for a name lookup that still hangs in getaddrinfo(3),
//! past every deadline. The process ends soon after; its exit does not wait for that thread.
//!
//! Threads: reqwest's blocking client runs its own; whoever restricts this process (seccomp,
//! namespaces) has to do so before the first request.

use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response as Answer};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::redirect;

use self::problem::{classify, classify_read};
use crate::azure::http::{Http, HttpError, Method, Request, Response, Service};
use crate::azure::id::Host;
use crate::edge::resolver::Resolver;
use crate::secret::Secret;

pub mod authorities;
mod problem;

/// IMDS is on the host itself: no connection in this time means there is none.
const METADATA_CONNECT: Duration = Duration::from_secs(3);

/// The network, as the Azure client wants it.
#[derive(Debug)]
pub struct Network {
    authorities: Option<PathBuf>,
    endpoints: Endpoints,
    resolver: Option<Resolver>,
    metadata: Option<ManuallyDrop<Client>>,
    vaults: Option<ManuallyDrop<Client>>,
}

/// Other addresses than the real ones, for tests; the program itself always uses the default.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Instead of 169.254.169.254:80.
    pub metadata: Option<SocketAddr>,
    /// Instead of asking the resolver, with the port instead of 443; Entra's hosts, too. Certificates are still
    /// verified for the host's name.
    pub vaults: Vec<(Host, SocketAddr)>,
}

impl Network {
    /// `ca` is the PEM file of the authorities to trust instead of the system's (`ca=`).
    pub fn new(ca: Option<PathBuf>, endpoints: Endpoints) -> Self {
        Self { authorities: ca, endpoints, resolver: None, metadata: None, vaults: None }
    }

    /// The same, with the name servers of an initramfs looked after.
    pub fn resolving(self, resolver: Option<Resolver>) -> Self {
        Self { resolver, ..self }
    }

    /// Lets the coming request find its host; where that fails, the lookup says what is missing.
    fn resolve(&self) {
        match self.resolver.as_ref().map(Resolver::prepare) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(servers))) => {
                let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
                log::info!("name servers for /etc/resolv.conf: {}", servers.join(", "));
            }
            Some(Err(error)) => log::debug!("/etc/resolv.conf: {error}"),
        }
    }

    // A client is a handle: its clones share connections.
    fn metadata(&mut self) -> Result<Client, HttpError> {
        if let Some(client) = &self.metadata {
            return Ok(Client::clone(client));
        }
        // Without a single authority: even by mistake it trusts nobody.
        let builder = builder(rustls::RootCertStore::empty())?;
        let client = builder.connect_timeout(METADATA_CONNECT).build().map_err(internal)?;
        Ok(Client::clone(self.metadata.insert(ManuallyDrop::new(client))))
    }

    fn vaults(&mut self) -> Result<Client, HttpError> {
        if let Some(client) = &self.vaults {
            return Ok(Client::clone(client));
        }
        let mut builder = builder(authorities::load(self.authorities.as_deref())?)?;
        builder = builder.https_only(true);
        for (host, address) in &self.endpoints.vaults {
            builder = builder.resolve(host.as_str(), *address);
        }
        let client = builder.build().map_err(internal)?;
        Ok(Client::clone(self.vaults.insert(ManuallyDrop::new(client))))
    }

    fn prepare(&mut self, request: &Request<'_>) -> Result<RequestBuilder, HttpError> {
        let (client, url) = match request.service {
            Service::Metadata => {
                let address =
                    self.endpoints.metadata.unwrap_or(SocketAddr::from(([169, 254, 169, 254], 80)));
                (self.metadata()?, format!("http://{address}{}", request.target))
            }
            Service::SignIn(authority) => {
                (self.vaults()?, format!("https://{authority}{}", request.target))
            }
            Service::Vault(host) => {
                self.resolve();
                (self.vaults()?, format!("https://{}{}", host.host(), request.target))
            }
        };
        let content_type = match request.service {
            Service::SignIn(_) => "application/x-www-form-urlencoded",
            Service::Metadata | Service::Vault(_) => "application/json",
        };
        let mut builder = match request.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url),
            Method::Put => client.put(url),
        };
        if let Some(body) = request.body {
            // The copy is reqwest's and not wiped, nor are hyper's and rustls's: wrapped keys, a new
            // passphrase on its way to wrapKey, and what signs in. It is locked memory of a process
            // without a core dump (process.rs).
            builder = builder.header(CONTENT_TYPE, content_type).body(body.expose().to_vec());
        }
        if request.service == Service::Metadata {
            builder = builder.header("Metadata", "true");
        }
        if let Some(token) = request.bearer {
            builder = builder.header(AUTHORIZATION, bearer(token)?);
        }
        Ok(builder)
    }
}

impl Http for Network {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let answer =
            self.prepare(request)?.timeout(timeout).send().map_err(|error| classify(&error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers();
        let retry_after = retry_after(headers);
        let request_id = text(headers, "x-ms-request-id");
        let challenge = text(headers, WWW_AUTHENTICATE.as_str());
        log::debug!("{} {}: HTTP {status}", service(&request.service), path(request.target));
        let body = read(answer, request.limit)?;
        Ok(Response { status, retry_after, request_id, challenge, body })
    }
}

fn builder(authorities: rustls::RootCertStore) -> Result<ClientBuilder, HttpError> {
    // Given explicitly: without a process-wide provider reqwest panics in build().
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Internal(error.to_string()))?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("bek-unlock/", env!("CARGO_PKG_VERSION"))))
}

fn internal(error: reqwest::Error) -> HttpError {
    HttpError::Internal(problem::innermost(&error))
}

/// `Bearer …`, kept out of reqwest's own Debug and out of HTTP compression tables.
fn bearer(token: &Secret) -> Result<HeaderValue, HttpError> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(7 + token.len()));
    bytes.extend_from_slice(b"Bearer ");
    bytes.extend_from_slice(token.expose());
    let mut value = HeaderValue::from_bytes(&bytes)
        .map_err(|_| HttpError::Internal("token does not fit into a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(answer: Answer, limit: usize) -> Result<Secret, HttpError> {
    Secret::read_from(answer, limit).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => HttpError::TooLarge(limit),
        _ => classify_read(&error),
    })
}

/// Milliseconds where a service gives them, else `Retry-After` in seconds.
///
/// The date form of RFC 9110 (10.2.3) counts as absent: at boot the clock may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| text(headers, name)?.trim().parse::<u64>().ok();
    number("retry-after-ms")
        .or_else(|| number("x-ms-retry-after-ms"))
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|text| crate::error::printable(text, 1000))
}

fn service(service: &Service<'_>) -> String {
    match service {
        Service::Metadata => "metadata service".to_owned(),
        Service::SignIn(authority) => authority.to_string(),
        Service::Vault(host) => host.host().to_string(),
    }
}

/// Without the query: a page's `$skiptoken` is nobody's business.
fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn retry_after_comes_in_three_headers() {
        let after = |pairs: &[(&'static str, &'static str)]| retry_after(&headers(pairs));
        let millis = |number| Some(Duration::from_millis(number));
        assert_eq!(after(&[("retry-after", "7")]), millis(7000));
        assert_eq!(after(&[("x-ms-retry-after-ms", "250"), ("retry-after", "7")]), millis(250));
        assert_eq!(after(&[("retry-after-ms", " 90 "), ("x-ms-retry-after-ms", "1")]), millis(90));
        for odd in ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "1.5", "", "99999999999999999999"] {
            assert_eq!(after(&[("retry-after", odd)]), None, "{odd}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn a_token_is_a_sensitive_header_or_none() {
        let value = bearer(&Secret::new(b"eyJ0".to_vec())).unwrap();
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("eyJ0"));
        let refused = bearer(&Secret::new(b"a\r\nX: SENTINEL".to_vec())).unwrap_err();
        assert!(!format!("{refused:?}").contains("SENTINEL"));
    }

    #[test]
    fn nothing_is_built_before_it_is_needed() {
        let network = Network::new(None, Endpoints::default());
        assert!(network.metadata.is_none() && network.vaults.is_none());
    }
}
