//! The Azure client of a command that a person or a pipeline runs.
//!
//! Unlike at boot it may sign in by any way, and the environment has a say in that.

use std::path::Path;

use super::args::azure::AzureFlags;
use crate::azure::auth::credential;
use crate::azure::http::Http;
use crate::azure::sign_in::environment::Environment;
use crate::azure::sign_in::ports::Ports;
use crate::azure::{Azure, Settings};
use crate::edge::network::Unprivileged;
use crate::edge::resolver::Resolver;
use crate::edge::sign_in;

/// A client as `flags` want it, on this machine; asks nobody yet.
pub fn client(flags: &AzureFlags) -> Azure {
    let resolver = Resolver::of_initramfs(Path::new("/"));
    let network = Box::new(Unprivileged::new(flags.ca.clone(), resolver));
    client_of(flags, network, sign_in::environment(), sign_in::ports())
}

/// The same client with another network, environment and ports.
pub fn client_of(
    flags: &AzureFlags,
    network: Box<dyn Http>,
    environment: Environment,
    ports: Ports,
) -> Azure {
    let settings =
        Settings { identity: None, suffixes: flags.vault_suffixes.clone(), random: fastrand::f64 };
    let auth = flags.auth.as_ref();
    let credential = credential(auth, environment, flags.identity.clone(), ports);
    Azure::new(network, settings).signing_in_with(credential)
}
