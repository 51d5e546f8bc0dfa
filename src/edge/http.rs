//! HTTP and TLS for the Azure client: reqwest and rustls, made to do nothing on their own.
//!
//! A client for IMDS that cannot speak TLS, and one for each vault and host of Entra that speaks
//! nothing else. No proxy, no redirect, no trust store from the environment. Each is built when first
//! needed. Retries are azure/retry.rs's; a client is kept through all of them and never dropped,
//! because that waits for a name lookup that still hangs in getaddrinfo(3), past every deadline. The
//! process ends soon after; its exit does not wait for that thread.
//!
//! This runs in a process of its own, without privileges (network.rs). Threads: reqwest's blocking
//! client runs its own, so the process is restricted before the first request.

use std::collections::HashMap;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response as Answer};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::redirect;

use self::authorities::Authorities;
use self::early::Early;
use self::order::{Order, Place};
use self::problem::{classify, classify_read};
use crate::azure::http::{Http, HttpError, Method, Request, Response};
use crate::azure::id::Host;
use crate::secret::Secret;

pub mod authorities;
mod early;
pub mod order;
mod problem;

/// IMDS is on the host itself: no connection in this time means there is none.
const METADATA_CONNECT: Duration = Duration::from_secs(3);
/// What is connected early is given up after this; whoever waits for it has a limit of their own.
const EARLY_CONNECT: Duration = Duration::from_secs(15);

/// The network itself; may be shared by threads, and so are its connections.
#[derive(Debug)]
pub struct Network {
    authorities: Authorities,
    endpoints: Endpoints,
    clients: Mutex<Clients>,
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

/// What was needed so far.
#[derive(Debug, Default)]
struct Clients {
    metadata: Option<ManuallyDrop<Client>>,
    tls: Option<Arc<rustls::ClientConfig>>,
    hosts: HashMap<Host, (ManuallyDrop<Client>, Early)>,
}

impl Network {
    /// The network with these authorities for vaults and Entra.
    pub fn new(authorities: Authorities, endpoints: Endpoints) -> Self {
        Self { authorities, endpoints, clients: Mutex::default() }
    }

    /// Connects to `host` unless that was done before, so that the first request finds it done.
    ///
    /// Comes back when it is connected or failed; whatever failed, the request will meet it, too.
    pub fn connect(&self, host: &Host) {
        let made = {
            let mut clients = self.clients();
            if clients.hosts.contains_key(host) {
                return;
            }
            // Armed before anybody else can see it.
            self.add(&mut clients, host, Early::armed())
        };
        if let Ok((client, early)) = made {
            early.made_by(|| {
                let _ = client.get(format!("https://{host}/")).timeout(EARLY_CONNECT).send();
            });
        }
    }

    /// Sends `order` once; as [`Http::send`].
    pub fn exchange(&self, order: &Order<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let answer =
            self.prepare(order)?.timeout(timeout).send().map_err(|error| classify(&error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers();
        let retry_after = retry_after(headers);
        let request_id = text(headers, "x-ms-request-id");
        let challenge = text(headers, WWW_AUTHENTICATE.as_str());
        let body = read(answer, order.limit)?;
        Ok(Response { status, retry_after, request_id, challenge, body })
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // A client is a handle: its clones share connections.
    fn metadata(&self) -> Result<Client, HttpError> {
        let mut clients = self.clients();
        if let Some(client) = &clients.metadata {
            return Ok(Client::clone(client));
        }
        // Without a single authority: even by mistake it trusts nobody.
        let tls = Arc::new(tls(rustls::RootCertStore::empty())?);
        let client = builder(&tls).connect_timeout(METADATA_CONNECT).build().map_err(internal)?;
        Ok(Client::clone(clients.metadata.insert(ManuallyDrop::new(client))))
    }

    fn host(&self, host: &Host) -> Result<(Client, Early), HttpError> {
        let mut clients = self.clients();
        if let Some((client, early)) = clients.hosts.get(host) {
            return Ok((Client::clone(client), early.clone()));
        }
        self.add(&mut clients, host, Early::default())
    }

    fn add(
        &self,
        clients: &mut Clients,
        host: &Host,
        early: Early,
    ) -> Result<(Client, Early), HttpError> {
        let config = match &clients.tls {
            Some(config) => Arc::clone(config),
            None => Arc::clone(clients.tls.insert(Arc::new(tls(self.authorities.load()?)?))),
        };
        let mut builder = builder(&config).https_only(true).connector_layer(early.clone());
        for (name, address) in &self.endpoints.vaults {
            builder = builder.resolve(name.as_str(), *address);
        }
        let client = builder.build().map_err(internal)?;
        let kept = (ManuallyDrop::new(Client::clone(&client)), early.clone());
        clients.hosts.insert(host.clone(), kept);
        Ok((client, early))
    }

    fn prepare(&self, order: &Order<'_>) -> Result<RequestBuilder, HttpError> {
        let (client, url) = match order.place {
            Place::Metadata => {
                let address =
                    self.endpoints.metadata.unwrap_or(SocketAddr::from(([169, 254, 169, 254], 80)));
                (self.metadata()?, format!("http://{address}{}", order.target))
            }
            Place::SignIn(host) | Place::Vault(host) => {
                let (client, early) = self.host(host)?;
                early.wait();
                (client, format!("https://{host}{}", order.target))
            }
        };
        let content_type = match order.place {
            Place::SignIn(_) => "application/x-www-form-urlencoded",
            Place::Metadata | Place::Vault(_) => "application/json",
        };
        let mut builder = match order.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url),
            Method::Put => client.put(url),
        };
        if let Some(body) = order.body {
            // The copy is reqwest's and not wiped, nor are hyper's and rustls's: wrapped keys, a new
            // passphrase on its way to wrapKey, and what signs in. It is locked memory of a process
            // without a core dump (process.rs).
            builder = builder.header(CONTENT_TYPE, content_type).body(body.expose().to_vec());
        }
        if matches!(order.place, Place::Metadata) {
            builder = builder.header("Metadata", "true");
        }
        if let Some(token) = order.bearer {
            builder = builder.header(AUTHORIZATION, bearer(token)?);
        }
        Ok(builder)
    }
}

/// In the process itself: for tests, which need no root and no program for that.
impl Http for Network {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        self.exchange(&Order::of(request), timeout)
    }
}

fn tls(authorities: rustls::RootCertStore) -> Result<rustls::ClientConfig, HttpError> {
    // Given explicitly: without a process-wide provider reqwest panics in build().
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Internal(error.to_string()))?
        .with_root_certificates(authorities)
        .with_no_client_auth())
}

fn builder(tls: &Arc<rustls::ClientConfig>) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(tls))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("bek-unlock/", env!("CARGO_PKG_VERSION")))
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
        let network = Network::new(Authorities::default(), Endpoints::default());
        let clients = network.clients();
        assert!(clients.metadata.is_none() && clients.tls.is_none() && clients.hosts.is_empty());
    }
}
