//! The process that talks to the network: what it is asked comes over a socket, and so does what it
//! answers.
//!
//! Either the program that needs it has started it, for itself, or systemd, for all volumes of a boot
//! at once: then they share its connections, and what the metadata service says (flights.rs).

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

use super::flights::Flights;
use super::turns::Turns;
use super::wire::{self, Answer, Message, Sending};
use crate::azure::http::HttpError;
use crate::edge::http::authorities::Authorities;
use crate::edge::http::order::Place;
use crate::edge::http::{Endpoints, Network};
use crate::secret::Secret;

/// How long it stays when nobody is there: the volumes of a boot come one after the other.
const IDLE: Duration = Duration::from_secs(15);
/// How often it looks whether that is over.
const LOOK: Duration = Duration::from_secs(1);
/// More volumes than any VM has disks for; each is a thread.
const MOST: usize = 512;

/// A file of authorities (`ca=`): its path for errors, and what is in it.
type Others = HashMap<(PathBuf, Vec<u8>), Arc<Network>>;

/// What all connections share.
pub struct Service {
    flights: Flights,
    turns: Turns,
    /// The network with the system's authorities.
    usual: Arc<Network>,
    /// The same with others.
    others: Mutex<Others>,
}

impl Service {
    /// A service with these authorities for who names no others.
    pub fn new(authorities: Authorities) -> Self {
        let usual = Arc::new(Network::new(authorities, Endpoints::default()));
        Self {
            flights: Flights::default(),
            turns: Turns::default(),
            usual,
            others: Mutex::default(),
        }
    }

    /// Answers whoever connects and is root, until nobody has been there for a while.
    ///
    /// Errors: those of the socket.
    pub fn listen(self, listener: &UnixListener) -> io::Result<()> {
        let (service, here) = (Arc::new(self), Arc::new(AtomicUsize::new(0)));
        listener.set_nonblocking(true)?;
        let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX);
        let mut last = Instant::now();
        while last.elapsed() < IDLE {
            poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(listener), PollFlags::POLLIN)], look)?;
            if here.load(Ordering::SeqCst) > 0 {
                last = Instant::now();
            }
            let Ok((stream, _)) = listener.accept() else { continue };
            last = Instant::now();
            if here.load(Ordering::SeqCst) >= MOST || !is_root(&stream) {
                continue;
            }
            stream.set_nonblocking(false)?;
            let (service, here) = (Arc::clone(&service), Arc::clone(&here));
            here.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let _ = service.answer(&stream);
                here.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(())
    }

    /// Answers one who asks, until they are done.
    ///
    /// Errors: those of the socket, and `InvalidData` for what is no message.
    pub fn answer(&self, mut stream: &UnixStream) -> io::Result<()> {
        let mut network = Arc::clone(&self.usual);
        let mut answered = HashSet::new();
        while let Some(message) = wire::read_message(&mut stream)? {
            match message {
                Message::Authorities(path, pem) => network = self.with_authorities(path, pem),
                Message::Expect(host) => {
                    let network = Arc::clone(&network);
                    thread::spawn(move || network.connect(&host));
                }
                Message::Send(sending, timeout) => {
                    let answer = self.send(&network, &sending, timeout, &mut answered);
                    wire::write_answer(&mut stream, &answer)?;
                }
            }
        }
        Ok(())
    }

    fn send(
        &self,
        network: &Network,
        sending: &Sending,
        timeout: Duration,
        answered: &mut HashSet<String>,
    ) -> Answer {
        let order = sending.order();
        let send = || network.exchange(&order, timeout).and_then(plain);
        if let Place::SignIn(host) | Place::Vault(host) = order.place {
            let _turn = self.turns.wait(host);
            return send();
        }
        // Who asks for the same thing again has seen it refused.
        let anew = answered.contains(order.target);
        let answer = self.flights.answer(order.target, anew, timeout, send);
        if answer.as_ref().is_ok_and(|response| response.status == 200) {
            answered.insert(order.target.to_owned());
        }
        answer
    }

    fn with_authorities(&self, path: PathBuf, pem: Vec<u8>) -> Arc<Network> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let network = others.entry((path, pem)).or_insert_with_key(|(path, pem)| {
            let authorities = Authorities::given(path.clone(), pem.clone());
            Arc::new(Network::new(authorities, Endpoints::default()))
        });
        Arc::clone(network)
    }
}

fn is_root(stream: &UnixStream) -> bool {
    getsockopt(stream, sockopt::PeerCredentials).is_ok_and(|peer| peer.uid() == 0)
}

/// JSON is read here first, where it can do no harm, and crosses as it is written here: whoever
/// parses it next to the keys meets no text that a server has chosen the form of. What is neither
/// JSON nor a plain word crosses as nothing, which no answer is.
fn plain(mut response: crate::azure::http::Response) -> Answer {
    let body = response.body.expose();
    let written = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => {
            serde_json::to_vec(&value).map_err(|error| HttpError::Internal(error.to_string()))?
        }
        Err(_) if is_word(body) => return Ok(response),
        Err(_) => Vec::new(),
    };
    response.body = Secret::new(written);
    Ok(response)
}

/// The name of a VM, which IMDS gives as text.
fn is_word(body: &[u8]) -> bool {
    body.len() <= 256
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._\r\n ".contains(byte))
}

#[cfg(test)]
mod tests;
