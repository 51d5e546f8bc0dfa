//! IMDS, Key Vault and Entra's sign-in for tests: real HTTP, real TLS, real RSA, scripted by data.
//!
//! The emulator knows nothing about bek-unlock: it speaks the documented dialect of Azure, well
//! enough for Azure's own Python SDK (`python/`), and misbehaves only as the scenario says.
//! README.md has the scenario format. No part of it is fit for anything but tests.
//!
//! ```
//! use azure_emulator::{Emulator, Options, Scenario};
//!
//! let scenario = Scenario::from_json(r#"{"vaults":[{"host":"kv.vault.azure.net"}]}"#)?;
//! let emulator = Emulator::start(scenario, Options::default())?;
//! assert!(emulator.ca_pem().contains("BEGIN CERTIFICATE"));
//! # Ok::<(), azure_emulator::Error>(())
//! ```

mod change;
mod control;
mod delivery;
mod emulator;
mod entra;
mod error;
mod fault;
mod http;
mod imds;
mod keyring;
mod log;
mod random;
mod rsa_ops;
pub mod scenario;
mod server;
mod shared;
mod tls;
mod token;
mod vault;
mod world;

pub use self::{
    change::{Change, Named},
    emulator::{Emulator, Options, ca_pem, wrap},
    error::Error,
    fault::{Action, At, Match, Reply, Rule, Throttled, Times},
    log::{Entry, LoggedConnection, LoggedHandshake, LoggedRequest, Service},
    scenario::{Algorithm, Scenario},
};
