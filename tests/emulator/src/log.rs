//! The request log: every connection and request in order, without tokens and secrets.
//!
//! Tests count attempts and look at who was asked what. Bodies and header values are not kept;
//! an `Authorization` header is described by what its token is for.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// The two services of the emulator.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Instance Metadata Service.
    Imds,
    /// Key Vault, Managed HSM and, on the same port, the sign-in host.
    Vault,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// A connection was accepted; logged before anything is sent on it.
    Connection(LoggedConnection),
    /// TLS came about or did not; a client may know of a failure before it is logged.
    Handshake(LoggedHandshake),
    /// A request was answered, or met a fault.
    Request(LoggedRequest),
}

/// A connection.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedConnection {
    /// Number of the connection, counted over both services.
    pub connection: u64,
    /// Fault applied to the connection.
    pub fault: Option<String>,
    /// Service connected to.
    pub service: Service,
}

/// The end of a TLS handshake with a vault.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedHandshake {
    /// Number of the connection.
    pub connection: u64,
    /// Why TLS did not come about; a client that refuses the certificate shows up here.
    pub error: Option<String>,
    /// Server name of the TLS ClientHello, when there is TLS.
    pub sni: Option<String>,
}

/// A request.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    /// `absent`, `Bearer present: audience X`, `Bearer present: unknown token`.
    pub authorization: String,
    /// Bytes of the body.
    pub body_length: usize,
    /// Number of the connection it came on.
    pub connection: u64,
    /// Fault applied, as `reply`, `drop`, `pass after 100 ms`.
    pub fault: Option<String>,
    /// Names of all headers, lower case, in order.
    pub header_names: Vec<String>,
    /// Host header as sent.
    pub host: String,
    /// Method.
    pub method: String,
    /// Path without query, as sent.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: String,
    /// Service asked.
    pub service: Service,
    /// Status answered; none if the connection ended without an answer.
    pub status: Option<u16>,
    /// Microseconds from the whole request to its answer; delays come after that.
    pub took_us: u64,
    /// `User-Agent`.
    pub user_agent: String,
}

/// Collects entries and writes them to a file as JSON lines.
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

struct Inner {
    entries: Vec<Entry>,
    file: Option<File>,
}

impl Log {
    /// A log that also goes to `path`.
    pub(crate) fn create(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(File::create).transpose()?;
        let entries = Vec::new();
        Ok(Self { inner: Mutex::new(Inner { entries, file }) })
    }

    /// Adds an entry; it is in the file before the client sees its answer.
    pub(crate) fn record(&self, entry: Entry) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(file), Ok(mut line)) = (&mut inner.file, serde_json::to_string(&entry)) {
            line.push('\n');
            // A full disk must not change what the client under test sees.
            let _ = file.write_all(line.as_bytes()).and_then(|()| file.flush());
        }
        inner.entries.push(entry);
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.entries.clone()
    }
}
