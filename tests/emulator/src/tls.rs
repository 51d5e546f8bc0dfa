//! The vaults' certificates: one CA of the emulator's own, one certificate for each host.
//!
//! The CA can live in the state folder so that a machine image can trust it in advance. Bad
//! certificates are made on purpose, by kind; a host no vault has gets no certificate at all.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{error::Error, scenario::Certificate};

const OWN_CA: &str = "Azure emulator TEST ONLY CA";
/// Another name too: one name with two keys would be a bad signature, not an unknown issuer.
const OTHER_CA: &str = "Azure emulator TEST ONLY unknown CA";

/// The CA and the certificates it signed.
#[derive(Debug)]
pub(crate) struct Certificates {
    ca: Authority,
    served: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

#[derive(Debug)]
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Certificates {
    /// Loads the CA from `DIR/ca.pem` and `DIR/ca.key`, or makes and keeps a new one.
    pub(crate) fn open(state: Option<&Path>) -> Result<Self, Error> {
        let ca = match state {
            Some(folder) => Authority::kept(folder)?,
            None => Authority::new(OWN_CA).map_err(|error| Error::new("CA", error))?,
        };
        Ok(Self { ca, served: RwLock::default() })
    }

    /// The CA's certificate for the client's trust store.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca.pem
    }

    /// Makes the certificate a host shows from now on.
    pub(crate) fn serve(&self, host: &str, kind: Certificate) -> Result<(), Error> {
        let host = host.to_ascii_lowercase();
        let certified = self.sign(&host, kind).map_err(|error| Error::new(&host, error))?;
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        served.insert(host, Arc::new(certified));
        Ok(())
    }

    /// The TLS server: 1.2 and 1.3 as Key Vault offers, HTTP/1.1 only.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new("TLS", error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn sign(
        &self,
        host: &str,
        kind: Certificate,
    ) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
        let name = match kind {
            Certificate::WrongName => "wrong-name.invalid",
            _ => host,
        };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = common_name(name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = match kind {
            Certificate::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Certificate::NotYetValid => (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)),
            _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2080, 1, 1)),
        };
        let key = KeyPair::generate()?;
        let certificate = match kind {
            Certificate::OtherCa => params.signed_by(&key, &Authority::new(OTHER_CA)?.issuer)?,
            _ => params.signed_by(&key, &self.ca.issuer)?,
        };
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = ring::sign::any_supported_type(&der)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.get(&name).cloned()
    }
}

impl Authority {
    fn new(name: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let pem = ca_params(name)?.self_signed(&key)?.pem();
        let issuer = Issuer::new(ca_params(name)?, key);
        Ok(Self { issuer, pem })
    }

    fn kept(folder: &Path) -> Result<Self, Error> {
        let (pem_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        let place = pem_path.display().to_string();
        if let (Ok(pem), Ok(key)) = (fs::read_to_string(&pem_path), fs::read_to_string(&key_path)) {
            let key = KeyPair::from_pem(&key).map_err(|error| Error::new(&place, error))?;
            // The issuer's name and key identifier follow from the same parameters and key.
            let params = ca_params(OWN_CA).map_err(|error| Error::new(&place, error))?;
            let issuer = Issuer::new(params, key);
            return Ok(Self { issuer, pem });
        }
        let authority = Self::new(OWN_CA).map_err(|error| Error::new(&place, error))?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&key_path, authority.issuer.key().serialize_pem()))
            .and_then(|()| fs::write(&pem_path, &authority.pem))
            .map_err(|error| Error::new(place, error))?;
        Ok(authority)
    }
}

fn ca_params(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2080, 1, 1));
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_stays_the_same_in_a_state_folder() {
        let state = tempfile::tempdir().unwrap();
        let first = Certificates::open(Some(state.path())).unwrap();
        let second = Certificates::open(Some(state.path())).unwrap();
        assert_eq!(first.ca_pem(), second.ca_pem());
    }

    #[test]
    fn without_a_state_folder_every_start_has_its_own() {
        let first = Certificates::open(None).unwrap();
        let second = Certificates::open(None).unwrap();
        assert_ne!(first.ca_pem(), second.ca_pem());
    }
}
