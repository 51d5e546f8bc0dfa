//! The network, reached through a process that has no rights.
//!
//! Names, TLS and HTTP, and the first look at JSON, are where a hostile server would attack, and this
//! process holds keys and opens disks. So requests are sent by another one (serve.rs): the same
//! program, started anew, which gives up its user, its capabilities and most system calls before it
//! asks anybody (restrict.rs). It is executed, not forked, so nothing this process knows is in its
//! memory, whenever it is started; of a request it sees what is sent, of an answer what came. What
//! comes back is measured before it is read (wire.rs).
//!
//! Where systemd offers the same service on a socket, all volumes of a boot share one: its
//! connections, and one token of the metadata service (flights.rs).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::azure::http::{Http, HttpError, Request, Response, Service};
use crate::azure::trust::TrustedHost;
use crate::deadline::{Deadline, TURN};
use crate::edge::http::order::Order;
use crate::edge::resolver::Resolver;

pub mod flights;
pub mod restrict;
pub mod serve;
mod syscalls;
mod turns;
pub mod wire;

/// Where systemd's socket is (bek-unlock-network.socket).
pub const SOCKET: &str = "/run/bek-unlock-network.sock";

/// This program, also after its file was replaced.
const PROGRAM: &str = "/proc/self/exe";
/// What the other process may take beyond the time of a request: to start, under load, on a machine
/// that boots.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any request.
const LONGEST: Duration = Duration::from_secs(3600);

/// The network, as the Azure client wants it.
#[derive(Debug)]
pub struct Unprivileged {
    authorities: Option<PathBuf>,
    resolver: Option<Resolver>,
    shared: Option<PathBuf>,
    link: Option<Link>,
}

/// Who is asked.
#[derive(Debug)]
struct Link {
    stream: UnixStream,
    child: Option<Child>,
}

impl Unprivileged {
    /// `ca` is the PEM file of the authorities to trust instead of the system's (`ca=`), `resolver`
    /// looks after the name servers of an initramfs. Starts nothing yet.
    pub fn new(ca: Option<PathBuf>, resolver: Option<Resolver>) -> Self {
        Self { authorities: ca, resolver, shared: None, link: None }
    }

    /// The same, asking the service on this socket where there is one.
    pub fn sharing(self, socket: &Path) -> Self {
        Self { shared: Some(socket.to_owned()), ..self }
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

    fn link(&mut self) -> io::Result<&mut Link> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        Ok(self.link.insert(link))
    }

    fn connect(&self) -> io::Result<Link> {
        let shared = self.shared.as_ref().and_then(|socket| UnixStream::connect(socket).ok());
        let mut link = match shared {
            Some(stream) => Link { stream, child: None },
            None => Link::start()?,
        };
        link.stream.set_write_timeout(Some(PATIENCE))?;
        if let Some(path) = &self.authorities {
            // Read here: the file may be root's alone. An empty one says over there what is wrong.
            let mut pem = Vec::new();
            let _ = File::open(path)
                .and_then(|file| file.take(authorities_limit()).read_to_end(&mut pem));
            wire::write_authorities(&mut link.stream, &path.to_string_lossy(), &pem)?;
        }
        Ok(link)
    }

    fn exchange(
        &mut self,
        order: &Order<'_>,
        timeout: Duration,
        waits: Option<&Deadline<'_>>,
    ) -> io::Result<wire::Answer> {
        let link = self.link()?;
        wire::write_order(&mut link.stream, order, timeout)?;
        let end = Instant::now() + timeout.min(LONGEST) + PATIENCE;
        wire::read_answer(&mut Until { stream: &link.stream, end, waits }, order.limit)
    }

    fn ask(
        &mut self,
        request: &Request<'_>,
        timeout: Duration,
        waits: Option<&Deadline<'_>>,
    ) -> Result<Response, HttpError> {
        if matches!(request.service, Service::Vault(_)) {
            self.resolve();
        }
        let answer = match self.exchange(&Order::of(request), timeout, waits) {
            Ok(answer) => answer,
            Err(error) => Err(broken(&error, self.link.take())),
        };
        if let Ok(response) = &answer {
            let place = match request.service {
                Service::Metadata => "metadata service".to_owned(),
                Service::SignIn(authority) => authority.to_string(),
                Service::Vault(host) => host.host().to_string(),
            };
            log::debug!("{place} {}: HTTP {}", path(request.target), response.status);
        }
        answer
    }
}

impl Http for Unprivileged {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        self.ask(request, timeout, None)
    }

    /// The other process does the waiting; this one has time for others meanwhile.
    fn send_within(
        &mut self,
        request: &Request<'_>,
        limit: &Deadline<'_>,
    ) -> Result<Response, HttpError> {
        self.ask(request, limit.remaining(), Some(limit))
    }

    fn expect(&mut self, host: &TrustedHost) {
        self.resolve();
        // What fails here fails again when it matters, and is told then.
        if self.link().and_then(|link| wire::write_expect(&mut link.stream, host.host())).is_err() {
            self.link = None;
        }
    }
}

impl Link {
    fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(PROGRAM)
            .arg0("bek-unlock")
            .arg("network")
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            // May be a file; what it has to say, it answers.
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { stream: ours, child: Some(child) })
    }
}

/// Nobody waits for the process: it may hang in a name lookup.
impl Drop for Link {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What came of it: a process that ended is started again by the next try.
fn broken(error: &io::Error, link: Option<Link>) -> HttpError {
    let Some(mut link) = link else {
        let reason = format!("the process for the network does not start: {}", error.kind());
        return HttpError::Internal(reason);
    };
    if is_silence(error) {
        return HttpError::TimedOut;
    }
    let ended = link.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
    HttpError::Interrupted(match ended {
        Some(status) => format!("the process for the network ended with {status}"),
        None => format!("the process for the network does not answer: {}", error.kind()),
    })
}

fn authorities_limit() -> u64 {
    wire::AUTHORITIES_LIMIT as u64
}

/// Without the query: a page's `$skiptoken` is nobody's business.
fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// Reads until `end`, however slowly the other side writes.
struct Until<'a> {
    stream: &'a UnixStream,
    end: Instant,
    /// Who has a turn meanwhile, and may say that it is over.
    waits: Option<&'a Deadline<'a>>,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let Some(waits) = self.waits else {
                self.stream.set_read_timeout(Some(left))?;
                return self.stream.read(buffer);
            };
            self.stream.set_read_timeout(Some(left.min(TURN)))?;
            match self.stream.read(buffer) {
                Err(error) if is_silence(&error) => waits.turn(),
                read => return read,
            }
            if waits.is_cut() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
