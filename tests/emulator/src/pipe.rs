//! `connect HOST:PORT`: standard input and output as one TCP connection.
//!
//! QEMU's `guestfwd=tcp:…-cmd:` starts one such process for each connection of the guest. The
//! end of input closes only the sending half, because the answer is still to come; the end of
//! the answer ends the process, whether or not input goes on.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    thread,
};

/// Connects and copies both ways until the peer has closed.
pub(crate) fn run(address: &str) -> io::Result<()> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let upward = socket.try_clone()?;
    // The standard streams without std's buffers: a request must not wait for a line break.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Not joined: it may wait for input for ever, and returning from main ends it.
    thread::Builder::new().spawn(move || {
        let _ = copy(input, &upward);
        // The peer may have closed first.
        let _ = upward.shutdown(Shutdown::Write);
    })?;
    match copy(&socket, output) {
        // The side that went away first is the normal end of a pipe.
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
