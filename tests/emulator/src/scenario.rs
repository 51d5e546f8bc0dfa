//! The world a test wants, as data: identities, vaults, faults.
//!
//! A scenario is JSON (README.md has the format) or the same structures built in Rust. Unknown
//! fields are errors with line and column, because a misspelt field would silently test
//! something else. Nothing here listens or decrypts; `world.rs` turns a scenario into live state.

mod content;
mod entra;
mod imds;
mod vault;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use self::{
    content::{Algorithm, Alphabet, Answer, Key, KeyVersion, Padding, Secret, SecretVersion, Wrap},
    entra::{Application, ClientSecret, Entra, Federated, Outcome, Person},
    imds::{Assigned, Identity, Imds, TokenPolicy, Vm},
    vault::{Certificate, Denial, ListEnd, Network, Paging, Permission, Vault},
};
use crate::{error::Error, fault::Rule};

/// The emulated world: one virtual machine's IMDS, sign-in, any number of vaults, faults to inject.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What the metadata service knows about the machine and its identities.
    pub imds: Imds,
    /// The sign-in host; none when absent.
    pub entra: Option<Entra>,
    /// Key Vaults and Managed HSMs, told apart by host name.
    pub vaults: Vec<Vault>,
    /// Faults, tried in this order.
    pub faults: Vec<Rule>,
    /// Relative file names in the scenario are below this folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Scenario {
    /// Reads a scenario file; relative names in it are relative to the file's own folder.
    ///
    /// # Errors
    /// The file cannot be read, is not JSON, or has a field the format does not know.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let place = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Error::new(&place, error))?;
        let mut scenario = Self::from_json(&text).map_err(|error| Error::new(place, error))?;
        scenario.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(scenario)
    }

    /// Parses scenario JSON; relative names in it are relative to the working directory.
    ///
    /// # Errors
    /// Not JSON, or a field the format does not know, with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::new("scenario", error))
    }

    /// The same from a `serde_json::json!` value, which is how tests in Rust write scenarios.
    ///
    /// # Errors
    /// A field the format does not know, or one of the wrong type.
    pub fn from_value(value: serde_json::Value) -> Result<Self, Error> {
        serde_json::from_value(value).map_err(|error| Error::new("scenario", error))
    }

    /// Builds everything the scenario names without listening: files are read, keys loaded.
    ///
    /// # Errors
    /// The first thing in it that cannot be used.
    pub fn check(&self, state: Option<&Path>) -> Result<(), Error> {
        crate::world::World::build(self, state).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_refused_with_its_place() {
        let error =
            Scenario::from_json("{\n  \"imds\": {\"identites\": []}\n}").unwrap_err().to_string();
        assert!(error.contains("unknown field `identites`"), "{error}");
        assert!(error.contains("line 2 column"), "{error}");
    }

    #[test]
    fn an_unknown_field_deep_in_a_vault_is_refused() {
        let text = r#"{"vaults":[{"host":"a.vault.azure.net","secrets":[{"name":"s",
            "versions":[{"valeu":"x"}]}]}]}"#;
        let error = Scenario::from_json(text).unwrap_err().to_string();
        assert!(error.contains("unknown field `valeu`"), "{error}");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_example_of_the_readme_works() {
        let readme = include_str!("../README.md");
        let (_, rest) = readme.split_once("```json\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        Scenario::from_json(example).unwrap().check(None).unwrap();
    }

    #[test]
    fn an_unknown_fault_is_refused() {
        let text = r#"{"faults":[{"action":"explode"}]}"#;
        let error = Scenario::from_json(text).unwrap_err().to_string();
        assert!(error.contains("explode"), "{error}");
    }
}
