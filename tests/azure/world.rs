//! The emulated world of these tests: one VM, one vault, one disk secret.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use azure_emulator::{Emulator, Options, Scenario, Service};
use serde_json::{Value, json};

use bek_unlock::azure::id::{Host, SecretId};
use bek_unlock::azure::{Azure, Settings};
use bek_unlock::deadline::{Clock, Deadline};
use bek_unlock::edge::http::authorities::Authorities;
use bek_unlock::edge::http::{Endpoints, Network};
use bek_unlock::error::{Kind, TrustProblem};
use bek_unlock::key::KeySource;
use bek_unlock::key::vault::{Kek, KeyVault, Lookup};
use bek_unlock::volume::Identity;

pub const HOST: &str = "contoso-kv.vault.azure.net";

pub const LOGIN: &str = "login.microsoftonline.com";

pub const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/bek-1";

pub const PASSPHRASE: &str = "cGFzc3BocmFzZSBTRU5USU5FTA==";

pub const FILE: &str = "LinuxPassPhraseFileName_1_0";

pub const OBJECT_ID: &str = "22222222-2222-4222-8222-222222222222";

/// The emulator, and the CA of its vaults as a file.
pub struct World {
    pub emulator: Emulator,
    pub ca: tempfile::NamedTempFile,
}

impl World {
    /// One VM, one vault with a KEK and a wrapped disk secret; `changes` are merged into the vault.
    pub fn new(changes: Value, faults: Value) -> Self {
        let mut vault = vault();
        if let (Some(vault), Some(changes)) = (vault.as_object_mut(), changes.as_object()) {
            vault.extend(changes.clone());
        }
        Self::of(json!({"imds": imds(), "vaults": [vault], "faults": faults}))
    }

    pub fn of(scenario: Value) -> Self {
        let scenario = Scenario::from_value(scenario).unwrap();
        let emulator = Emulator::start(scenario, Options::default()).unwrap();
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        ca.write_all(emulator.ca_pem().as_bytes()).unwrap();
        Self { emulator, ca }
    }

    pub fn endpoints(&self) -> Endpoints {
        let vault = self.emulator.vault_address();
        Endpoints {
            metadata: Some(self.emulator.imds_address()),
            vaults: vec![(Host::parse(HOST).unwrap(), vault), (Host::parse(LOGIN).unwrap(), vault)],
        }
    }

    pub fn network(&self, ca: PathBuf) -> Network {
        Network::new(Authorities::open(Some(&ca)), self.endpoints())
    }

    pub fn client(&self, ca: PathBuf, identity: Option<Identity>) -> Azure {
        let settings = Settings { identity, suffixes: Vec::new(), random: || 0.5 };
        Azure::new(Box::new(self.network(ca)), settings)
    }

    pub fn azure(&self) -> Azure {
        self.client(self.ca.path().to_owned(), None)
    }

    /// Reads and unwraps the secret: the key, or why not.
    pub fn unlock(&self) -> Result<Vec<u8>, Kind> {
        unlock(self.azure())
    }

    /// `GET /path -> 200`, in order of arrival.
    pub fn lines(&self) -> Vec<String> {
        let line = |request: azure_emulator::LoggedRequest| {
            let status = request.status.map_or("none".to_owned(), |status| status.to_string());
            format!("{} {} -> {status}", request.method, request.path)
        };
        self.emulator.requests().into_iter().map(line).collect()
    }

    pub fn requests(&self, service: Service) -> usize {
        self.emulator.requests().iter().filter(|request| request.service == service).count()
    }
}

pub fn vault() -> Value {
    json!({
        "host": HOST,
        "keys": [{"name": "kek", "versions": [{"version": "0".repeat(32)}]}],
        "secrets": [{"name": "bek-1", "versions": [{
            "wrap": {"key": "kek", "version": "0".repeat(32), "algorithm": "RSA-OAEP",
                     "plain": PASSPHRASE},
            "content_type": "Wrapped BEK",
            "tags": {
                "DiskEncryptionKeyFileName": FILE,
                "DiskEncryptionKeyEncryptionKeyURL":
                    format!("https://{HOST}:443/keys/KEK/{}", "0".repeat(32)),
                "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
                "MachineName": "web-1",
            },
        }]}],
    })
}

pub fn imds() -> Value {
    json!({"identities": [{
        "name": "vm", "assigned": "system", "object_id": OBJECT_ID,
        "client_id": "11111111-1111-4111-8111-111111111111",
    }], "vm": {"name": "vm-resource"}})
}

/// Real time, with every wait jumped over.
pub struct Hurried {
    start: Instant,
    skipped: Cell<Duration>,
}

impl Clock for Hurried {
    fn now(&self) -> Duration {
        self.start.elapsed() + self.skipped.get()
    }

    fn sleep(&self, duration: Duration) {
        self.skipped.set(self.skipped.get() + duration);
    }
}

pub fn hurried() -> Hurried {
    Hurried { start: Instant::now(), skipped: Cell::default() }
}

pub fn unlock(azure: Azure) -> Result<Vec<u8>, Kind> {
    let lookup = Lookup::Secret(SecretId::parse(SECRET).unwrap());
    let mut source = KeyVault::new(Rc::new(RefCell::new(azure)), lookup, Kek::default());
    let clock = hurried();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    let found = source.keys(&deadline)?;
    Ok(found[0].secret.expose().to_vec())
}

pub fn fault(path: &str, times: u32, action: Value) -> Value {
    json!({"match": {"path": path}, "times": times, "action": action})
}

pub fn untrusted(result: Result<Vec<u8>, Kind>) -> TrustProblem {
    match result {
        Err(Kind::VaultUntrusted { host, problem }) => {
            assert_eq!(host.as_str(), HOST);
            problem
        }
        other => panic!("{other:?}"),
    }
}
