//! Listeners and connections: one thread each, stopped together.
//!
//! Threads and blocking sockets keep a delay of one connection away from all others. What a
//! request is answered with is decided in `shared.rs`; how a fault looks on the wire, in
//! `delivery.rs`.

use std::{
    collections::HashMap,
    io::{self, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A connection left idle this long is closed, so that vanished peers do not pile up.
const IDLE: Duration = Duration::from_secs(120);

/// A byte stream over a TCP connection, with TLS or without.
pub(crate) trait Wire: Read + Write {
    /// The socket below, for closing it in unusual ways.
    fn socket(&self) -> &TcpStream;
    /// Says goodbye as the protocol wants it.
    fn finish(&mut self) {}
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn finish(&mut self) {
        self.conn.send_close_notify();
        // The client may be gone already; then there is nobody to be polite to.
        let _ = self.flush();
    }
}

/// A buffered reader that still writes, for the HTTP parser.
pub(crate) struct Buffered<W: Wire>(pub(crate) BufReader<W>);

impl<W: Wire> Read for Buffered<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<W: Wire> io::BufRead for Buffered<W> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

impl<W: Wire> Write for Buffered<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

/// Ends everything that was started, and lets waiting threads know.
#[derive(Default)]
pub(crate) struct Stop {
    next: AtomicU64,
    sockets: Mutex<HashMap<u64, TcpStream>>,
    stopped: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Waits; false when the emulator stopped meanwhile.
    pub(crate) fn pause(&self, duration: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(stopped, duration, |stopped| !*stopped);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_set(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all connections and pauses.
    pub(crate) fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in sockets.values() {
            // Closed by the peer already is as good as closed by us.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn enter(&self, socket: &TcpStream) -> io::Result<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.insert(number, socket.try_clone()?);
        Ok(number)
    }

    fn leave(&self, number: u64) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.remove(&number);
    }
}

/// A listening socket and its accepting thread.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens and gives each connection with its number to `serve`, on a thread of its own.
    pub(crate) fn start<F>(address: SocketAddr, stop: &Arc<Stop>, serve: F) -> io::Result<Self>
    where
        F: Fn(TcpStream, u64) + Clone + Send + 'static,
    {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let stop = Arc::clone(stop);
        let thread = thread::Builder::new()
            .name(format!("listen-{}", address.port()))
            .spawn(move || accept(&listener, &stop, &serve))?;
        Ok(Self { address, thread: Some(thread) })
    }

    /// Waits for the accepting thread; `Stop::set` comes first.
    pub(crate) fn join(&mut self) {
        // accept(2) does not return by itself: one more connection wakes it.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept<F>(listener: &TcpListener, stop: &Arc<Stop>, serve: &F)
where
    F: Fn(TcpStream, u64) + Clone + Send + 'static,
{
    for socket in listener.incoming() {
        if stop.is_set() {
            return;
        }
        let Ok(socket) = socket else { continue };
        let prepared = socket
            .set_nodelay(true)
            .and_then(|()| socket.set_read_timeout(Some(IDLE)))
            .and_then(|()| stop.enter(&socket));
        let Ok(number) = prepared else { continue };
        let (stop, serve) = (Arc::clone(stop), serve.clone());
        // A refused thread closes the connection, which is what an overloaded server does.
        let _ = thread::Builder::new().name(format!("connection-{number}")).spawn(move || {
            serve(socket, number);
            stop.leave(number);
        });
    }
}
