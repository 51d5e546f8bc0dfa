//! A connection made before there is anything to send over it.
//!
//! The first request to a vault needs a token, and IMDS takes its time to give one. Meanwhile this
//! looks the vault's name up, connects and shakes hands, so that the request goes out at once: two
//! round trips and the handshake's arithmetic are off the way. reqwest has no word for that, but
//! lets its connector be wrapped: a request that is sent only to connect leaves its connection here
//! and fails, before a byte of HTTP was written; the next one finds it.
//!
//! One of these belongs to one client, and a client to one host: a connection is never given to a
//! request for another.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex as Lock, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

/// Servers close what stays silent; Key Vault's front ends after minutes.
const FRESH: Duration = Duration::from_secs(20);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What wraps the connector; clones share the connection.
#[derive(Clone, Default)]
pub struct Early(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Whether the next connection is to be left here. Other requests stay away until it is begun.
    armed: Lock<bool>,
    begun: Condvar,
    /// reqwest does not name the type of its connections. Locked while one is being made: the
    /// request that needs it waits for that instead of making another.
    made: Mutex<Option<(Instant, Box<dyn Any + Send>)>>,
}

impl Early {
    /// One whose next connection is left here, for the one after it: [`Early::made_by`] makes it.
    pub fn armed() -> Self {
        let early = Self::default();
        *early.0.armed() = true;
        early
    }

    /// Has `connect` make the connection that is left here. Others wait in [`Early::wait`] until it
    /// is begun, so none of them can be taken for it, and none leaves a connection that it takes.
    pub fn made_by(&self, connect: impl FnOnce()) {
        connect();
        // It may have failed before it got as far as connecting.
        self.0.disarm();
    }

    /// Waits until a connection that is to be left here is begun: another request must not be taken
    /// for that one. An instant, because connecting is the first thing a request does.
    pub fn wait(&self) {
        let armed = self.0.armed();
        drop(self.0.begun.wait_while(armed, |armed| *armed));
    }
}

impl Shared {
    fn armed(&self) -> MutexGuard<'_, bool> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was armed until now.
    fn disarm(&self) -> bool {
        let was = std::mem::take(&mut *self.armed());
        self.begun.notify_all();
        was
    }
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Early(..)")
    }
}

/// The end of a request that was sent only to connect.
#[derive(Debug)]
struct Connected;

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connected for the next request")
    }
}

impl std::error::Error for Connected {}

impl<S> Layer<S> for Early {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner, early: self.clone() }
    }
}

/// A connector that knows of the connection made early.
#[derive(Clone, Debug)]
pub struct Connector<S> {
    inner: S,
    early: Early,
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let shared = Arc::clone(&self.early.0);
        let connect = self.inner.call(target);
        Box::pin(async move {
            // Locked before anybody else is let on.
            let mut made = shared.made.lock().await;
            if shared.disarm() {
                *made = Some((Instant::now(), Box::new(connect.await?)));
                return Err(Connected.into());
            }
            let usable = made.take().filter(|(since, _)| since.elapsed() < FRESH);
            match usable.and_then(|(_, connection)| connection.downcast::<S::Response>().ok()) {
                Some(connection) => Ok(*connection),
                None => {
                    drop(made);
                    connect.await
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Connects at once, to a number.
    #[derive(Clone, Default)]
    struct Counter(Arc<AtomicU32>);

    impl Service<()> for Counter {
        type Response = u32;
        type Error = BoxError;
        type Future = Ready<Result<u32, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1))
        }
    }

    fn connect(connector: &mut Connector<Counter>) -> Result<u32, String> {
        let mut future = connector.call(());
        let mut context = Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => done.map_err(|error| error.to_string()),
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn what_was_connected_early_is_used_once() {
        let early = Early::armed();
        let mut connector = early.layer(Counter::default());
        early.made_by(|| {
            let connected = Err("connected for the next request".to_owned());
            assert_eq!(connect(&mut connector), connected);
            early.wait();
        });
        // The counter counts what is begun, also where it is then not needed.
        assert_eq!(connect(&mut connector), Ok(1));
        assert_eq!(connect(&mut connector), Ok(3));
    }

    #[test]
    fn what_was_not_armed_is_as_without_it() {
        let early = Early::default();
        let mut connector = early.layer(Counter::default());
        early.wait();
        assert_eq!([connect(&mut connector), connect(&mut connector)], [Ok(1), Ok(2)]);
    }

    /// Who could not even begin keeps nobody waiting.
    #[test]
    fn a_connection_that_was_never_begun_is_not_waited_for() {
        let early = Early::armed();
        early.made_by(|| {});
        early.wait();
        let mut connector = early.layer(Counter::default());
        assert_eq!(connect(&mut connector), Ok(1));
    }
}
