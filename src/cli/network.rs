//! `bek-unlock network`: the process that talks to the network, for one run or for a boot.
//!
//! Nobody types this. A run that needs the network starts it with a socket as standard input, and
//! bek-unlock-network.service with one that listens.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crate::azure::http::HttpError;
use crate::edge::http::authorities::Authorities;
use crate::edge::listening;
use crate::edge::network::serve::Service;
use crate::edge::network::{restrict, wire};
use crate::edge::process;
use crate::error::{Error, Goal, Kind};
use crate::report::logger;

/// Gives up all rights and answers what it is asked.
///
/// Errors: `Usage` without a socket, `Internal` when a right cannot be given up: nothing was asked of
/// anybody then.
pub fn run() -> Result<(), Error> {
    serve().map_err(|kind| Error::new(Goal::Run, kind))
}

fn serve() -> Result<(), Kind> {
    process::call_itself(c"bek-unlock-net");
    if standard_input().is_some() {
        process::close_inherited(None);
        let service = give_up(true);
        if let Some(mut stream) = standard_input() {
            // What is wrong with the socket, the other side knows; why nobody answers, it does not.
            let _ = match &service {
                Ok(service) => service.answer(&stream),
                Err(kind) => {
                    let reason = HttpError::Internal(format!("network: {kind}"));
                    wire::write_answer(&mut stream, &Err(reason))
                }
            };
        }
        return service.map(|_| ());
    }
    let listener = listening::inherited("network", "bek-unlock-network.socket")?;
    process::close_inherited(Some(listener.as_fd()));
    // Not before: its descriptors would have been among them. Whoever asks is told nothing by a
    // service that cannot start, so the journal has to be.
    logger::install(false);
    let service = give_up(false)?;
    service.listen(&listener).map_err(|error| Kind::Internal {
        call: "accepting a connection",
        reason: error.kind().to_string(),
    })
}

/// The service of a process without rights; with `parent` it ends with that.
fn give_up(parent: bool) -> Result<Service, Kind> {
    // Opened first: the user it becomes may not be allowed to.
    let authorities = Authorities::open(None);
    restrict::restrict(parent)?;
    Ok(Service::new(authorities))
}

/// Standard input, where it is a connected socket.
fn standard_input() -> Option<UnixStream> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    stream.peer_addr().ok()?;
    Some(stream)
}
