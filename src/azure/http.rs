//! The port between the Azure client and the network: one request, one answer.
//!
//! edge/network.rs implements [`Http`] with a process that speaks TLS, tests with a list of answers. A request cannot name
//! a wrong place: it goes to IMDS, to a [`TrustedHost`] or to an [`Authority`], and only trust.rs and
//! sign_in/authority.rs make those. Nothing
//! here decides what a status means or whether to try again; that is retry.rs.

use std::path::PathBuf;
use std::time::Duration;

use super::sign_in::authority::Authority;
use super::trust::TrustedHost;
use crate::deadline::Deadline;
use crate::secret::Secret;

/// Sends one request over HTTP/1.1.
pub trait Http {
    /// Sends `request` once and reads the whole answer, redirects included: they are not followed.
    ///
    /// `timeout` covers name lookup, connection, TLS, request and answer. Errors: see
    /// [`HttpError`]; an HTTP status is never an error here.
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError>;

    /// The same within `limit`, in whose time others have their turn where this can give it.
    fn send_within(
        &mut self,
        request: &Request<'_>,
        limit: &Deadline<'_>,
    ) -> Result<Response, HttpError> {
        self.send(request, limit.remaining())
    }

    /// Says that `host` will be asked soon: it may be connected to meanwhile. Sends nothing.
    fn expect(&mut self, _host: &TrustedHost) {}
}

/// One request.
#[derive(Debug)]
pub struct Request<'a> {
    /// How it asks.
    pub method: Method,
    /// Where it goes.
    pub service: Service<'a>,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// The access token.
    pub bearer: Option<&'a Secret>,
    /// JSON, but a form where somebody signs in.
    pub body: Option<&'a Secret>,
    /// The largest answer that is read, in bytes.
    pub limit: usize,
}

/// What is asked of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// With one.
    Post,
    /// With one, which is what is to be there afterwards.
    Put,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service<'a> {
    /// `http://169.254.169.254`, with the header `Metadata: true`, never through a proxy.
    Metadata,
    /// `https://HOST`, port 443: where secrets are exchanged for tokens.
    SignIn(&'a Authority),
    /// `https://HOST`, port 443.
    Vault(&'a TrustedHost),
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `retry-after-ms`, `x-ms-retry-after-ms` or `Retry-After` in seconds, whichever is there.
    pub retry_after: Option<Duration>,
    /// `x-ms-request-id`: what Microsoft's support asks for.
    pub request_id: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The body, wiped when dropped: it may hold a key or a token.
    pub body: Secret,
}

/// Why there is no answer. Texts are printable ASCII already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The certificate was refused; the verifier's words.
    Certificate(String),
    /// The certificate is not valid yet or any more.
    CertificateTime(String),
    /// No connection: refused, no route, network unreachable; the system's words.
    Connect(String),
    /// The client could not be set up or driven; nothing to do with the other side.
    Internal(String),
    /// The connection broke before the answer was whole.
    Interrupted(String),
    /// The other side does not speak HTTP or TLS as it should.
    Malformed(String),
    /// This file holds no certificate authority that can be read.
    NoAuthorities(PathBuf),
    /// The host name did not resolve; the resolver's words.
    Resolve(String),
    /// Nothing within the time limit.
    TimedOut,
    /// The body is longer than the request's limit, in bytes.
    TooLarge(usize),
}
