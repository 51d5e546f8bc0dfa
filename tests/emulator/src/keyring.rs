//! RSA material: the test keys shipped in `keys/`, then generated ones kept in the state folder.
//!
//! Generating RSA keys takes seconds, loading them milliseconds. Each key version of a scenario
//! takes the next unused key of its size, so two versions never share material and a scenario
//! gives the same keys in every run. Nothing here is secret: the keys are public in this
//! repository and named so.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use rsa::{
    PrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding},
    traits::PublicKeyParts,
};

use crate::error::Error;

const SHIPPED: [(usize, &str); 5] = [
    (2048, include_str!("../keys/TEST-ONLY-rsa2048-1.pem")),
    (2048, include_str!("../keys/TEST-ONLY-rsa2048-2.pem")),
    (2048, include_str!("../keys/TEST-ONLY-rsa2048-3.pem")),
    (3072, include_str!("../keys/TEST-ONLY-rsa3072-1.pem")),
    (4096, include_str!("../keys/TEST-ONLY-rsa4096-1.pem")),
];

/// Hands out RSA keys, each once.
pub(crate) struct Keyring {
    state: Option<PathBuf>,
    /// Number of keys handed out, by size in bits.
    taken: HashMap<usize, usize>,
}

impl Keyring {
    /// A keyring that keeps generated keys below `state`, or only in memory.
    pub(crate) fn new(state: Option<&Path>) -> Self {
        Self { state: state.map(Path::to_path_buf), taken: HashMap::new() }
    }

    /// The next key of this size: shipped, else cached, else generated.
    pub(crate) fn next(&mut self, bits: usize) -> Result<PrivateKey, Error> {
        let taken = self.taken.entry(bits).or_default();
        let index = *taken;
        *taken += 1;
        let mut shipped = SHIPPED.iter().filter(|(size, _)| *size == bits);
        if let Some((_, pem)) = shipped.nth(index) {
            return parse(pem, &format!("shipped test key {} of {bits} bits", index + 1));
        }
        self.generated(bits, index + 1)
    }

    fn generated(&self, bits: usize, number: usize) -> Result<PrivateKey, Error> {
        let object = format!("test key {number} of {bits} bits");
        if ![2048, 3072, 4096].contains(&bits) {
            return Err(Error::new(object, "Key Vault has 2048, 3072 and 4096 bits"));
        }
        let Some(state) = &self.state else {
            return generate(bits, &object);
        };
        let path = state.join(format!("TEST-ONLY-rsa{bits}-{number}.pem"));
        if let Ok(pem) = fs::read_to_string(&path) {
            return parse(&pem, &path.display().to_string());
        }
        let key = generate(bits, &object)?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| Error::new(&object, error))?;
        fs::create_dir_all(state)
            .and_then(|()| fs::write(&path, pem.as_bytes()))
            .map_err(|error| Error::new(path.display().to_string(), error))?;
        Ok(key)
    }
}

/// Reads a PKCS#8 PEM file and insists on its size.
pub(crate) fn from_file(path: &Path, bits: usize) -> Result<PrivateKey, Error> {
    let place = path.display().to_string();
    let pem = fs::read_to_string(path).map_err(|error| Error::new(&place, error))?;
    let key = parse(&pem, &place)?;
    if key.size() * 8 == bits {
        Ok(key)
    } else {
        let problem = format!("has {} bits, the scenario says {bits}", key.size() * 8);
        Err(Error::new(place, problem))
    }
}

fn parse(pem: &str, place: &str) -> Result<PrivateKey, Error> {
    PrivateKey::from_pkcs8_pem(pem).map_err(|error| Error::new(place, error))
}

fn generate(bits: usize, object: &str) -> Result<PrivateKey, Error> {
    PrivateKey::new(&mut getrandom::SysRng, bits).map_err(|error| Error::new(object, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_never_share_material() {
        let mut keyring = Keyring::new(None);
        let first = keyring.next(2048).unwrap();
        let second = keyring.next(2048).unwrap();
        assert_ne!(first.n(), second.n());
    }

    #[test]
    fn a_generated_key_is_the_same_in_the_next_run() {
        let state = tempfile::tempdir().unwrap();
        let fourth = || {
            let mut keyring = Keyring::new(Some(state.path()));
            (0..3).for_each(|_| drop(keyring.next(2048).unwrap()));
            keyring.next(2048).unwrap()
        };
        assert_eq!(fourth().n(), fourth().n());
    }

    #[test]
    fn other_sizes_are_refused() {
        let error = Keyring::new(None).next(1024).unwrap_err().to_string();
        assert!(error.contains("2048, 3072 and 4096"), "{error}");
    }
}
