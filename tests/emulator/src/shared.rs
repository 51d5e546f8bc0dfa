//! What all connections share, and the life of one connection: read, decide, log, answer.
//!
//! A request is decided, and its line is in the log, before any delay and before the client
//! sees a byte, so that a test that has its answer finds the request logged.

use std::{
    io::BufReader,
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{
    delivery, entra,
    fault::{self, Action, At, Occasion, Rule},
    http::{self, ReadError, Request, Response},
    imds,
    log::{Entry, Log, LoggedConnection, LoggedHandshake, LoggedRequest, Service},
    server::{Buffered, Stop, Wire},
    tls::Certificates,
    vault,
    world::World,
};

/// The emulator without its listeners.
pub(crate) struct Shared {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) faults: Mutex<Vec<Rule>>,
    pub(crate) log: Log,
    pub(crate) stop: Arc<Stop>,
    pub(crate) world: Mutex<World>,
}

impl Shared {
    /// The live state; held for lookups, never while waiting or decrypting.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults still to come.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection to the metadata service.
    pub(crate) fn serve_imds(&self, mut socket: TcpStream, connection: u64) {
        if self.begins(Service::Imds, connection, &mut socket) {
            self.converse(socket, connection, Service::Imds);
        }
    }

    /// Serves a connection to the vaults.
    pub(crate) fn serve_vault(
        &self,
        config: &Arc<ServerConfig>,
        mut socket: TcpStream,
        connection: u64,
    ) {
        if !self.begins(Service::Vault, connection, &mut socket) {
            return;
        }
        let handshake = handshake(config, &mut socket);
        self.log.record(Entry::Handshake(LoggedHandshake {
            connection,
            error: handshake.as_ref().err().cloned(),
            sni: handshake.as_ref().ok().and_then(|tls| tls.server_name()).map(str::to_owned),
        }));
        if let Ok(tls) = handshake {
            self.converse(StreamOwned::new(tls, socket), connection, Service::Vault);
        }
    }

    /// Answers requests until the connection ends.
    fn converse<W: Wire>(&self, wire: W, connection: u64, service: Service) {
        let mut stream = Buffered(BufReader::new(wire));
        loop {
            let (request, response) = match http::read_request(&mut stream) {
                Ok(Some(request)) => (request, None),
                Ok(None) | Err(ReadError::Broken) => break,
                Err(ReadError::Refused(status, text)) => {
                    let response = Response::text(status, "text/plain", text);
                    (Request::unreadable(), Some(response))
                }
            };
            let since = Instant::now();
            let close = response.is_some() || request.wants_close();
            let fault = self.request_fault(service, &request).unwrap_or_default();
            // Described before answering: an answer may use the token up.
            let authorization = self.world().tokens.describe(request.header("authorization"));
            let response = response
                .or_else(|| fault.action.response(service))
                .unwrap_or_else(|| self.answer(service, &request));
            let status = (!fault.action.ends_without_answer()).then_some(response.status);
            let fault_text = describe(&fault);
            let took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            let line = LoggedRequest {
                took_us,
                ..logged(&request, service, connection, authorization, status, fault_text)
            };
            self.log.record(Entry::Request(line));
            let delay = Duration::from_millis(fault.delay_ms);
            if !delay.is_zero() && !self.stop.pause(delay) {
                break;
            }
            let delivered =
                delivery::deliver(&mut stream, &self.stop, &fault.action, &response, close);
            // A client that went away during a delay is nothing to report.
            if !delivered.unwrap_or(false) {
                let _ = close.then(|| stream.0.get_mut().finish());
                break;
            }
        }
    }

    fn answer(&self, service: Service, request: &Request) -> Response {
        match service {
            Service::Imds => imds::answer(&mut self.world(), request),
            Service::Vault if self.is_sign_in(request) => entra::answer(&mut self.world(), request),
            Service::Vault => vault::answer(self, request),
        }
    }

    fn is_sign_in(&self, request: &Request) -> bool {
        self.world().entra.as_ref().is_some_and(|entra| entra.is_at(request.host()))
    }

    fn connection_fault(&self, service: Service) -> Option<Rule> {
        let occasion = Occasion { at: At::Connect, host: "", method: "", path: "", service };
        fault::take(&mut self.faults(), &occasion)
    }

    fn request_fault(&self, service: Service, request: &Request) -> Option<Rule> {
        let occasion = Occasion {
            at: At::Request,
            host: request.host(),
            method: &request.method,
            path: &request.path,
            service,
        };
        fault::take(&mut self.faults(), &occasion)
    }

    /// Logs a connection and carries out its fault; false when that was the end of it.
    fn begins(&self, service: Service, connection: u64, socket: &mut TcpStream) -> bool {
        let rule = self.connection_fault(service).unwrap_or_default();
        self.log.record(Entry::Connection(LoggedConnection {
            connection,
            fault: describe(&rule),
            service,
        }));
        let delay = Duration::from_millis(rule.delay_ms);
        if !delay.is_zero() && !self.stop.pause(delay) {
            return false;
        }
        // The peer may be gone; the connection ends either way.
        let _ = delivery::break_off(socket, &rule.action);
        !rule.action.ends_without_answer()
    }
}

fn handshake(
    config: &Arc<ServerConfig>,
    socket: &mut TcpStream,
) -> Result<ServerConnection, String> {
    let mut tls = ServerConnection::new(Arc::clone(config)).map_err(|error| error.to_string())?;
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(socket) {
            // The alert that says why is still in the buffer.
            let _ = tls.write_tls(socket);
            return Err(error.to_string());
        }
    }
    Ok(tls)
}

fn describe(rule: &Rule) -> Option<String> {
    match (&rule.action, rule.delay_ms) {
        (Action::Pass, 0) => None,
        (action, 0) => Some(action.name().to_owned()),
        (action, delay) => Some(format!("{} after {delay} ms", action.name())),
    }
}

fn logged(
    request: &Request,
    service: Service,
    connection: u64,
    authorization: String,
    status: Option<u16>,
    fault: Option<String>,
) -> LoggedRequest {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    LoggedRequest {
        authorization,
        body_length: request.body.len(),
        connection,
        fault,
        header_names: names.collect(),
        host: request.host().to_owned(),
        method: request.method.clone(),
        path: request.path.clone(),
        query: query.to_owned(),
        service,
        status,
        took_us: 0,
        user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
    }
}
