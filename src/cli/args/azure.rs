//! The flags of the commands that may ask Azure: how to sign in, and whom to trust.

use std::path::PathBuf;

use super::words::{Stop, Words, once};
use crate::azure::auth::{Auth, TokenSource};
use crate::azure::id::Host;
use crate::config::flag::Flag;
use crate::volume::Identity;

/// Their names.
pub const FLAGS: &[&str] = &["auth", "ca", "identity", "vault-suffix"];

/// How a command signs in, and whom it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureFlags {
    /// `--auth`; `None` tries the ways in order.
    pub auth: Option<Auth>,
    /// `--ca`: PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `--identity`: which managed identity of the VM.
    pub identity: Option<Identity>,
    /// `--vault-suffix`: further DNS suffixes a token may go to.
    pub vault_suffixes: Vec<Host>,
}

impl AzureFlags {
    /// Takes `flag` and its value, if it is one of [`FLAGS`].
    pub fn take(&mut self, flag: &str, words: &mut Words) -> Result<bool, Stop> {
        match flag {
            "auth" => once(&mut self.auth, flag, words.typed(flag, Flag::auth)?)?,
            "ca" => once(&mut self.ca, flag, words.path(flag)?)?,
            "identity" => once(&mut self.identity, flag, words.typed(flag, Flag::identity)?)?,
            "vault-suffix" => self.vault_suffixes.push(words.typed(flag, Flag::suffix)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the flags go together, asked once all are there.
    pub fn check(&self) -> Result<(), Stop> {
        match &self.auth {
            Some(auth) if self.identity.is_some() && *auth != Auth::ManagedIdentity => {
                let way = auth.way();
                Err(format!("--identity chooses a managed identity; --auth says {way}").into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the access token comes from standard input.
    pub fn reads_stdin(&self) -> bool {
        self.auth == Some(Auth::Token(TokenSource::Stdin))
    }
}
