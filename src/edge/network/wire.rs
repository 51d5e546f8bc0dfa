//! What crosses between the program and the process that talks to the network.
//!
//! Frames of one byte that says what it is, and fields: numbers in little-endian order, texts and
//! bytes behind their length in 32 bits. Every length is checked against a limit before anything is
//! read, on both sides; [`Answer`] comes from a process that a hostile server may have taken over.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use field::{Frame, byte, bytes, garbled, number, text};

use crate::azure::http::{HttpError, Method, Response};
use crate::azure::id::Host;
use crate::edge::http::order::{Order, Place};
use crate::error::printable;
use crate::secret::Secret;

mod field;

/// Of a token and of what is sent with a request, in bytes.
const SENT_LIMIT: usize = 1024 * 1024;
/// Of the authorities in one file, in bytes, as authorities.rs has it.
pub const AUTHORITIES_LIMIT: usize = 4 * 1024 * 1024;
/// Of an answer, whatever the order says, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// What the program says.
#[derive(Debug)]
pub enum Message {
    /// Vaults are verified against the authorities in this text, whose file is for errors only.
    Authorities(PathBuf, Vec<u8>),
    /// This host will be asked.
    Expect(Host),
    /// Send this, within that time.
    Send(Box<Sending>, Duration),
}

/// An order with all that belongs to it.
#[derive(Debug)]
pub struct Sending {
    method: Method,
    place: Placed,
    target: String,
    bearer: Option<Secret>,
    body: Option<Secret>,
    limit: usize,
}

#[derive(Debug)]
enum Placed {
    Metadata,
    SignIn(Host),
    Vault(Host),
}

impl Sending {
    /// The order.
    pub fn order(&self) -> Order<'_> {
        Order {
            method: self.method,
            place: match &self.place {
                Placed::Metadata => Place::Metadata,
                Placed::SignIn(host) => Place::SignIn(host),
                Placed::Vault(host) => Place::Vault(host),
            },
            target: &self.target,
            bearer: self.bearer.as_ref(),
            body: self.body.as_ref(),
            limit: self.limit,
        }
    }
}

/// Writes [`Message::Authorities`].
pub fn write_authorities(to: &mut impl Write, path: &str, pem: &[u8]) -> io::Result<()> {
    let mut frame = Frame::new(0, path.len() + pem.len());
    frame.bytes(path.as_bytes());
    frame.bytes(pem);
    frame.send(to)
}

/// Writes [`Message::Expect`].
pub fn write_expect(to: &mut impl Write, host: &Host) -> io::Result<()> {
    let mut frame = Frame::new(1, host.as_str().len());
    frame.bytes(host.as_str().as_bytes());
    frame.send(to)
}

/// Writes [`Message::Send`].
pub fn write_order(to: &mut impl Write, order: &Order<'_>, timeout: Duration) -> io::Result<()> {
    let sent = [order.bearer, order.body].map(|secret| secret.map_or(0, Secret::len));
    let mut frame = Frame::new(2, order.target.len() + sent.iter().sum::<usize>());
    frame.byte(match order.method {
        Method::Get => 0,
        Method::Post => 1,
        Method::Put => 2,
    });
    let (place, host) = match order.place {
        Place::Metadata => (0, ""),
        Place::SignIn(host) => (1, host.as_str()),
        Place::Vault(host) => (2, host.as_str()),
    };
    frame.byte(place);
    frame.bytes(host.as_bytes());
    frame.bytes(order.target.as_bytes());
    for secret in [order.bearer, order.body] {
        frame.byte(u8::from(secret.is_some()));
        frame.bytes(secret.map_or(&[], Secret::expose));
    }
    frame.number(order.limit as u64);
    frame.number(millis(timeout));
    frame.send(to)
}

/// Reads the next message; `None` at the end.
pub fn read_message(from: &mut impl Read) -> io::Result<Option<Message>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    Ok(Some(match kind {
        [0] => {
            let path = text(from)?;
            Message::Authorities(path.into(), bytes(from, AUTHORITIES_LIMIT)?.expose().to_vec())
        }
        [1] => Message::Expect(host(from)?),
        [2] => {
            let method = match byte(from)? {
                0 => Method::Get,
                1 => Method::Post,
                2 => Method::Put,
                _ => return Err(garbled()),
            };
            let (place, name) = (byte(from)?, text(from)?);
            let host = || Host::parse(&name).ok_or_else(garbled);
            let place = match place {
                0 => Placed::Metadata,
                1 => Placed::SignIn(host()?),
                2 => Placed::Vault(host()?),
                _ => return Err(garbled()),
            };
            let target = text(from)?;
            let mut secret = || match byte(from)? {
                0 => bytes(from, 0).map(|_| None),
                _ => bytes(from, SENT_LIMIT).map(Some),
            };
            let (bearer, body) = (secret()?, secret()?);
            let limit = usize::try_from(number(from)?).unwrap_or(ANSWER_LIMIT).min(ANSWER_LIMIT);
            let timeout = Duration::from_millis(number(from)?);
            Message::Send(Box::new(Sending { method, place, target, bearer, body, limit }), timeout)
        }
        _ => return Err(garbled()),
    }))
}

/// What comes back.
pub type Answer = Result<Response, HttpError>;

/// Writes an answer.
pub fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut frame;
    match answer {
        Ok(response) => {
            frame = Frame::new(0, response.body.len());
            frame.number(u64::from(response.status));
            frame.number(response.retry_after.map_or(u64::MAX, millis));
            for text in [&response.request_id, &response.challenge] {
                frame.byte(u8::from(text.is_some()));
                frame.bytes(text.as_deref().unwrap_or_default().as_bytes());
            }
            frame.bytes(response.body.expose());
        }
        Err(error) => {
            let (kind, words) = match error {
                HttpError::Certificate(words) => (0, words.clone()),
                HttpError::CertificateTime(words) => (1, words.clone()),
                HttpError::Connect(words) => (2, words.clone()),
                HttpError::Internal(words) => (3, words.clone()),
                HttpError::Interrupted(words) => (4, words.clone()),
                HttpError::Malformed(words) => (5, words.clone()),
                HttpError::NoAuthorities(path) => (6, path.display().to_string()),
                HttpError::Resolve(words) => (7, words.clone()),
                HttpError::TimedOut => (8, String::new()),
                HttpError::TooLarge(_) => (9, String::new()),
            };
            frame = Frame::new(1, words.len());
            frame.byte(kind);
            frame.bytes(words.as_bytes());
        }
    }
    frame.send(to)
}

/// Reads the answer to an order with this limit. Texts are printable ASCII afterwards.
pub fn read_answer(from: &mut impl Read, limit: usize) -> io::Result<Answer> {
    if byte(from)? != 0 {
        let (kind, words) = (byte(from)?, printable(&text(from)?, 1000));
        return Ok(Err(match kind {
            0 => HttpError::Certificate(words),
            1 => HttpError::CertificateTime(words),
            2 => HttpError::Connect(words),
            3 => HttpError::Internal(words),
            4 => HttpError::Interrupted(words),
            5 => HttpError::Malformed(words),
            6 => HttpError::NoAuthorities(words.into()),
            7 => HttpError::Resolve(words),
            8 => HttpError::TimedOut,
            9 => HttpError::TooLarge(limit),
            _ => return Err(garbled()),
        }));
    }
    let status = u16::try_from(number(from)?).map_err(|_| garbled())?;
    let retry_after = Some(number(from)?).filter(|after| *after != u64::MAX);
    let mut words = || {
        let there = byte(from)? != 0;
        text(from).map(|text| there.then(|| printable(&text, 1000)))
    };
    let (request_id, challenge) = (words()?, words()?);
    let body = bytes(from, limit)?;
    let retry_after = retry_after.map(Duration::from_millis);
    Ok(Ok(Response { status, retry_after, request_id, challenge, body }))
}

fn host(from: &mut impl Read) -> io::Result<Host> {
    Host::parse(&text(from)?).ok_or_else(garbled)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests;
