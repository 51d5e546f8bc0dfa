//! A small raw client: writes a request, keeps every byte of the answer and how it ended.
//!
//! Not an HTTP library on purpose; one would hide the faults under test.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use azure_emulator::{Emulator, Options, Scenario};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};

pub const HOST: &str = "contoso-kv.vault.azure.net";
pub const AUDIENCE: &str = "https://vault.azure.net";

/// An answer and how the connection ended.
pub struct Answer {
    pub body: Vec<u8>,
    pub bytes: Vec<u8>,
    pub end: io::Result<()>,
    pub headers: Vec<(String, String)>,
    pub status: u16,
}

impl Answer {
    fn parse(bytes: Vec<u8>, end: io::Result<()>) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            _ => bytes.len(),
        };
        let header = |header: &httparse::Header<'_>| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        };
        Self {
            body: bytes[length..].to_vec(),
            end,
            headers: response.headers.iter().map(header).collect(),
            status: response.code.unwrap_or(0),
            bytes,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// Error code, inner code and message of a Key Vault refusal.
    pub fn refusal(&self) -> (u16, String, String, String) {
        let error = &self.json()["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let inner = text(&error["innererror"]["code"]);
        (self.status, text(&error["code"]), inner, text(&error["message"]))
    }
}

/// Starts a scenario written as JSON.
pub fn start(scenario: Value) -> Emulator {
    let scenario = Scenario::from_value(scenario).unwrap();
    Emulator::start(scenario, Options::default()).unwrap()
}

/// A machine with a system-assigned identity and one vault with these contents.
pub fn one_vault(vault: Value) -> Emulator {
    let mut vault = vault;
    vault["host"] = json!(HOST);
    start(json!({"imds": {"identities": [identity()]}, "vaults": [vault]}))
}

pub fn identity() -> Value {
    json!({
        "name": "vm",
        "client_id": "11111111-1111-1111-1111-111111111111",
        "object_id": "22222222-2222-2222-2222-222222222222",
    })
}

/// Sends a request line and headers to the metadata service as they are.
pub fn imds(emulator: &Emulator, target: &str, headers: &[&str]) -> Answer {
    let request = request("GET", target, "169.254.169.254", headers, "");
    exchange(TcpStream::connect(emulator.imds_address()).unwrap(), &request)
}

/// A token for a resource.
pub fn token(emulator: &Emulator, resource: &str) -> String {
    let target = token_target(resource);
    let answer = imds(emulator, &target, &["Metadata: true"]);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

pub fn token_target(resource: &str) -> String {
    format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}")
}

/// Requests to a vault, with a token.
pub struct Vault<'a> {
    pub emulator: &'a Emulator,
    pub host: String,
    pub token: String,
}

impl<'a> Vault<'a> {
    pub fn new(emulator: &'a Emulator) -> Self {
        Self::with(emulator, HOST, &token(emulator, AUDIENCE))
    }

    pub fn with(emulator: &'a Emulator, host: &str, token: &str) -> Self {
        let (host, token) = (host.to_owned(), token.to_owned());
        Self { emulator, host, token }
    }

    pub fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "")
    }

    pub fn post(&self, target: &str, body: &Value) -> Answer {
        self.send("POST", target, &body.to_string())
    }

    pub fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let headers = [authorization.as_str()];
        vault(self.emulator, &self.host, &request(method, target, &self.host, &headers, body))
    }
}

/// Sends raw bytes to a vault over TLS, trusting the emulator's CA.
pub fn vault(emulator: &Emulator, host: &str, request: &[u8]) -> Answer {
    let socket = TcpStream::connect(emulator.vault_address()).unwrap();
    exchange(tls(socket, host, &emulator.ca_pem()), request)
}

pub fn tls(
    socket: TcpStream,
    host: &str,
    ca_pem: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

pub fn request(method: &str, target: &str, host: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// Writes, then reads until the end, whatever the end is.
pub fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Answer {
    let mut bytes = Vec::new();
    let end = stream
        .write_all(request)
        .and_then(|()| stream.flush())
        .and_then(|()| stream.read_to_end(&mut bytes))
        .map(drop);
    Answer::parse(bytes, end)
}

/// Sends one request over plain HTTP to any address.
pub fn plain(address: SocketAddr, method: &str, target: &str, body: &str) -> Answer {
    let request = request(method, target, "localhost", &[], body);
    exchange(TcpStream::connect(address).unwrap(), &request)
}
