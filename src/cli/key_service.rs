//! `bek-unlock key-service`: a volume's key for systemd-cryptsetup, which opens the volume itself.
//!
//! Whoever asks gets an answer: the key, or a closed connection without a byte, after which
//! systemd-cryptsetup goes on to its prompt. To end without accepting would leave it waiting, and a
//! socket that nobody listens on fails its unit without a prompt.

use std::path::Path;

use super::account::{self, Ended};
use super::machine::Machine;
use super::sources::KeySources;
use crate::config::key_service;
use crate::deadline::Deadline;
use crate::edge::key_pipe::KeyPipe;
use crate::edge::key_socket::{KeySocket, Question};
use crate::edge::luks::Libcryptsetup;
use crate::edge::process::{self, SystemClock};
use crate::error::{Error, Goal, Kind};
use crate::key::asker::NoAnswer;
use crate::report::{self, logger, panic};
use crate::unlock;
use crate::volume::VolumeName;

/// Who may ask.
const ROOT: u32 = 0;

/// Answers everybody who waits on the socket that systemd passed, and ends.
///
/// Errors: `Usage` without such a socket. What is wrong with one answer is reported, and the next
/// one is answered.
pub fn run(name: &VolumeName) -> Result<(), Error> {
    logger::about(name);
    let fail = |kind: Kind| Error::new(Goal::Unlock, kind).volume(name);
    let socket = KeySocket::inherited().map_err(fail)?;
    serve(&socket, name, ROOT, |pipe| hand_over(name, &pipe))
}

/// Answers one after the other, as long as somebody waits; `find` writes the key into the pipe.
fn serve(
    socket: &KeySocket,
    name: &VolumeName,
    owner: u32,
    mut find: impl FnMut(KeyPipe) -> Result<(), Error>,
) -> Result<(), Error> {
    let fail =
        |call, reason| Error::new(Goal::Unlock, Kind::Internal { call, reason }).volume(name);
    loop {
        let question = match socket.next() {
            Ok(Some(question)) => question,
            Ok(None) => return Ok(()),
            Err(error) => return Err(fail("accepting a connection", error.kind().to_string())),
        };
        // Every way out of this drops the connection, and that closes it.
        let answered = panic::caught(|| answer(question, name, owner, &mut find));
        if let Err(error) = answered.unwrap_or_else(|place| Err(fail("panic", place))) {
            report::failure(&error, false);
        }
    }
}

fn answer(
    question: Question,
    name: &VolumeName,
    owner: u32,
    find: &mut impl FnMut(KeyPipe) -> Result<(), Error>,
) -> Result<(), Error> {
    match question.asker.admit(name, owner) {
        Ok(()) => return find(question.into_pipe()),
        // Only a volume that has such a token asks for that.
        Err(other @ NoAnswer::Other(_)) => log::info!("{other}"),
        Err(refused) => log::warn!("{refused}"),
    }
    Ok(())
}

/// Finds the key of the volume and writes it into `pipe`.
fn hand_over(name: &VolumeName, pipe: &KeyPipe) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Unlock, kind).volume(name);
    process::harden().map_err(fail)?;
    let root = Path::new("/");
    let volume = key_service::volume(root, name).map_err(fail)?;
    let clock = SystemClock::new();
    let trace = account::trace(&clock, name);
    let deadline = Deadline::start(&clock, volume.options.timeout.0).traced(&trace);

    // systemd-cryptsetup opens with the header it was told of: no copy may stand in for it.
    let mut machine = Machine::new(root, false);
    let mut luks = pipe.behind(Libcryptsetup::new());
    let mut world = machine.world(&mut luks);
    let mut sources = KeySources::new(root, &volume);
    let found = unlock::find_key(&volume, &mut world, &mut sources, &deadline);
    if let Ok(found) = &found {
        report::key_found(&volume, found, deadline.elapsed());
    }
    account::keep(name, Ended::Key(found.as_ref()), &trace, &clock, false);
    found.map(|_| ())
}

#[cfg(test)]
mod tests;
