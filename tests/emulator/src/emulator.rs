//! The running emulator as a value: it serves while it lives.
//!
//! Also the two things that need a scenario but no listeners: the CA and wrapped keys.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    change::{self, Change},
    control,
    error::Error,
    fault::Rule,
    log::{Entry, Log, LoggedConnection, LoggedHandshake, LoggedRequest, Service},
    scenario::{Algorithm, Scenario},
    server::{Listener, Stop},
    shared::Shared,
    tls::Certificates,
    world::World,
};

/// Where to listen and what to keep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address of the control endpoint; none by default.
    pub control: Option<SocketAddr>,
    /// Address of the metadata service; port 0 picks one.
    pub imds: SocketAddr,
    /// File for the request log, one JSON object a line.
    pub log: Option<PathBuf>,
    /// Folder for the CA (`ca.pem`, `ca.key`) and generated RSA keys; memory only when absent.
    pub state: Option<PathBuf>,
    /// Address of the vaults and the sign-in host; port 0 picks one.
    pub vault: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { control: None, imds: any_port, log: None, state: None, vault: any_port }
    }
}

/// A running emulator; dropping it closes every socket and waits for the listeners.
pub struct Emulator {
    control: Option<Listener>,
    imds: Listener,
    shared: Arc<Shared>,
    vault: Listener,
}

impl Emulator {
    /// Builds the scenario and listens.
    ///
    /// # Errors
    /// The scenario cannot be used, or an address cannot be listened on.
    pub fn start(scenario: Scenario, options: Options) -> Result<Self, Error> {
        let world = World::build(&scenario, options.state.as_deref())?;
        let certificates = Arc::new(Certificates::open(options.state.as_deref())?);
        for vault in &scenario.vaults {
            certificates.serve(&vault.host, vault.certificate)?;
        }
        if let Some(entra) = &scenario.entra {
            certificates.serve(&entra.host, entra.certificate)?;
        }
        let config = certificates.server_config()?;
        let log = Log::create(options.log.as_deref())
            .map_err(|error| Error::new("request log", error))?;
        let shared = Arc::new(Shared {
            certificates,
            faults: Mutex::new(scenario.faults),
            log,
            stop: Arc::new(Stop::default()),
            world: Mutex::new(world),
        });
        let vault = move |shared: &Shared, socket, number| {
            shared.serve_vault(&config, socket, number);
        };
        let control = |shared: &Shared, socket, _| control::serve(shared, socket);
        let control = options.control.map(|address| listen(&shared, address, control));
        Ok(Self {
            control: control.transpose()?,
            imds: listen(&shared, options.imds, Shared::serve_imds)?,
            vault: listen(&shared, options.vault, vault)?,
            shared,
        })
    }

    /// Address of the metadata service.
    #[must_use]
    pub fn imds_address(&self) -> SocketAddr {
        self.imds.address
    }

    /// Address of the vaults and the sign-in host.
    #[must_use]
    pub fn vault_address(&self) -> SocketAddr {
        self.vault.address
    }

    /// Address of the control endpoint, when there is one.
    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control.as_ref().map(|listener| listener.address)
    }

    /// The CA of the vaults' certificates, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.shared.certificates.ca_pem().to_owned()
    }

    /// Applies a change; requests that arrive later see it.
    ///
    /// # Errors
    /// The change names something that does not exist.
    pub fn change(&self, change: Change) -> Result<(), Error> {
        change::apply(&self.shared, change)
    }

    /// Adds a fault behind the others.
    pub fn push_fault(&self, rule: Rule) {
        self.shared.faults().push(rule);
    }

    /// Everything logged so far, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.log.entries()
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        let request = |entry| match entry {
            Entry::Request(request) => Some(request),
            Entry::Connection(_) | Entry::Handshake(_) => None,
        };
        self.entries().into_iter().filter_map(request).collect()
    }

    /// All connections to a service so far.
    #[must_use]
    pub fn connections(&self, service: Service) -> Vec<LoggedConnection> {
        let connection = |entry| match entry {
            Entry::Connection(connection) if connection.service == service => Some(connection),
            _ => None,
        };
        self.entries().into_iter().filter_map(connection).collect()
    }

    /// All finished TLS handshakes so far, failed ones included.
    #[must_use]
    pub fn handshakes(&self) -> Vec<LoggedHandshake> {
        let handshake = |entry| match entry {
            Entry::Handshake(handshake) => Some(handshake),
            Entry::Connection(_) | Entry::Request(_) => None,
        };
        self.entries().into_iter().filter_map(handshake).collect()
    }

    /// Every token handed out so far, in no order; for a search for what became of them.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.shared.world().tokens.texts()
    }

    /// Value of the newest version of a secret, whoever set it; for looking behind the scenes.
    #[must_use]
    pub fn secret_value(&self, host: &str, name: &str) -> Option<String> {
        let world = self.shared.world();
        let secret = world.vault(host)?.secret(name)?;
        secret.version(None).map(|newest| newest.value.clone())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shared.stop.set();
        self.imds.join();
        self.vault.join();
        if let Some(control) = &mut self.control {
            control.join();
        }
    }
}

fn listen<F>(shared: &Arc<Shared>, address: SocketAddr, serve: F) -> Result<Listener, Error>
where
    F: Fn(&Shared, TcpStream, u64) + Clone + Send + 'static,
{
    let connection = Arc::clone(shared);
    let started = Listener::start(address, &shared.stop, move |socket, number| {
        serve(&connection, socket, number);
    });
    started.map_err(|error| Error::new(address.to_string(), error))
}

/// Wraps `plain` by a key of the scenario (`https://HOST/keys/NAME[/VERSION]`): base64url text.
///
/// # Errors
/// No such key, or more plain text than key and algorithm can take.
pub fn wrap(
    scenario: &Scenario,
    state: Option<&Path>,
    key_url: &str,
    algorithm: Algorithm,
    plain: &[u8],
) -> Result<String, Error> {
    World::build(scenario, state)?.wrap(key_url, algorithm, plain)
}

/// The CA kept in a state folder, made if it is not there yet.
///
/// # Errors
/// The folder cannot be read or written.
pub fn ca_pem(state: &Path) -> Result<String, Error> {
    Ok(Certificates::open(Some(state))?.ca_pem().to_owned())
}
