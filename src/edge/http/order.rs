//! One request as it crosses to the process that talks to the network.
//!
//! The same as [`Request`], but for the places: that a host may be asked was decided where it was
//! asked for, and over there it is a name.

use crate::azure::http::{Method, Request, Service};
use crate::azure::id::Host;
use crate::secret::Secret;

/// What is to be sent.
#[derive(Debug)]
pub struct Order<'a> {
    /// How it asks.
    pub method: Method,
    /// Who is asked.
    pub place: Place<'a>,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// The access token.
    pub bearer: Option<&'a Secret>,
    /// JSON, but a form where somebody signs in.
    pub body: Option<&'a Secret>,
    /// The largest answer that is read, in bytes.
    pub limit: usize,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// IMDS, over HTTP.
    Metadata,
    /// A host of Entra, over TLS.
    SignIn(&'a Host),
    /// A vault or Managed HSM, over TLS.
    Vault(&'a Host),
}

impl<'a> Order<'a> {
    /// The order of `request`.
    pub fn of(request: &Request<'a>) -> Self {
        let place = match request.service {
            Service::Metadata => Place::Metadata,
            Service::SignIn(authority) => Place::SignIn(authority.host()),
            Service::Vault(host) => Place::Vault(host.host()),
        };
        Self {
            method: request.method,
            place,
            target: request.target,
            bearer: request.bearer,
            body: request.body,
            limit: request.limit,
        }
    }
}
