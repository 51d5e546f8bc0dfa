//! How answers and faults reach the wire.
//!
//! Each returns whether the connection can carry another request.

use std::{
    io::{self, Write},
    net::Shutdown,
    time::Duration,
};

use crate::{
    fault::Action,
    http::Response,
    server::{Buffered, Stop, Wire},
};

/// Sends `response` in the way `action` says.
pub(crate) fn deliver<W: Wire>(
    stream: &mut Buffered<W>,
    stop: &Stop,
    action: &Action,
    response: &Response,
    close: bool,
) -> io::Result<bool> {
    match action {
        Action::DripMs(pause) => {
            drip(stream, stop, Duration::from_millis(*pause), &response.to_bytes(close))?;
            return Ok(!close);
        }
        Action::Half => {
            let bytes = response.to_bytes(close);
            let kept = bytes.len() - response.body.len().div_ceil(2);
            stream.write_all(bytes.get(..kept).unwrap_or_default())?;
            stream.flush()?;
            stream.0.get_ref().socket().shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        Action::Drop | Action::Garbage(_) | Action::Reset => {
            break_off(stream.0.get_mut(), action)?;
            return Ok(false);
        }
        Action::Oversized(_)
        | Action::Pass
        | Action::Redirect(_)
        | Action::Reply(_)
        | Action::Throttled(_) => stream.write_all(&response.to_bytes(close))?,
    }
    stream.flush()?;
    Ok(!close)
}

/// Ends a connection without an answer; other actions leave it alone.
pub(crate) fn break_off<W: Wire>(wire: &mut W, action: &Action) -> io::Result<()> {
    match action {
        Action::Drop => wire.socket().shutdown(Shutdown::Both),
        Action::Garbage(bytes) => {
            // Neither HTTP nor TLS begins with these bytes.
            wire.write_all(&[0xa5, 0x00, 0xff, 0x0a].repeat(bytes.div_ceil(4)))?;
            wire.flush()?;
            wire.socket().shutdown(Shutdown::Both)
        }
        // A socket with a zero linger time sends RST instead of FIN when its last descriptor is
        // closed (socket(7)), which the connection's thread does next.
        Action::Reset => socket2::SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO)),
        _ => Ok(()),
    }
}

fn drip<W: Wire>(
    stream: &mut Buffered<W>,
    stop: &Stop,
    pause: Duration,
    bytes: &[u8],
) -> io::Result<()> {
    for byte in bytes {
        stream.write_all(std::slice::from_ref(byte))?;
        stream.flush()?;
        if !stop.pause(pause) {
            return Ok(());
        }
    }
    Ok(())
}
