//! Client certificates: a PEM file with certificate and key, and signatures made with the key.
//!
//! Through the cryptography that rustls brings for TLS; no crate of its own. Entra takes RSA only.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::ring::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureAlgorithm};

use crate::azure::sign_in::ports::{Certificates, ClientCertificate};
use crate::secret::Secret;

/// Reads PEM.
#[derive(Clone, Copy, Debug)]
pub struct PemCertificates;

/// A certificate whose key fits and can sign.
struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

impl Certificates for PemCertificates {
    fn load(&self, pem: &Secret) -> Result<Box<dyn ClientCertificate>, String> {
        let text = pem.expose();
        let has = |marker: &str| text.windows(marker.len()).any(|w| w == marker.as_bytes());
        // Said before the parser passes over it as unknown: decrypting needs a password, PBKDF2 and
        // AES, none of which anything else here needs.
        if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
            return Err("its key is encrypted; decrypt a copy: openssl pkey -in FILE".to_owned());
        }
        if !has("-----BEGIN ") {
            // 0x30 0x82: DER, most likely PKCS#12.
            return Err("is no PEM; convert PKCS#12: openssl pkcs12 -in FILE -nodes".to_owned());
        }
        let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let chain = certificates.map_err(|_| "holds a broken certificate".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(text)
            .map_err(|_| "holds no private key that can be read".to_owned())?;
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| "its key cannot be used; RSA of 2048 to 8192 bits can".to_owned())?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err("its key is not RSA; Entra takes RSA only".to_owned());
        }
        paired(chain, key)
    }

    fn unique(&self) -> Result<[u8; 16], String> {
        let mut bytes = [0; 16];
        let filled = default_provider().secure_random.fill(&mut bytes);
        filled.map_err(|_| "no random numbers".to_owned())?;
        Ok(bytes)
    }
}

/// Puts the certificate of `key` first: some tools write the chain the other way round.
fn paired(
    mut chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
) -> Result<Box<dyn ClientCertificate>, String> {
    if chain.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    let matches = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)).keys_match()
    };
    let own = chain.iter().position(|certificate| matches(certificate).is_ok());
    match own {
        Some(own) => chain.swap(0, own),
        // A certificate of an old form, which the check cannot read: Entra will judge it.
        None if !chain.iter().any(|one| is_mismatch(matches(one))) => {}
        None => return Err("its key does not belong to its certificate".to_owned()),
    }
    Ok(Box::new(Certificate { chain, key }))
}

fn is_mismatch(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)))
}

impl ClientCertificate for Certificate {
    fn thumbprint(&self) -> [u8; 32] {
        let der = self.chain.first().map_or(&[][..], AsRef::as_ref);
        let mut thumbprint = [0; 32];
        // The provider's SHA-256, by the one public way to it: a suite that hashes with it.
        if let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() {
            let hash = suite.common.hash_provider.hash(der);
            thumbprint.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        }
        thumbprint
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|certificate| certificate.to_vec()).collect()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]);
        let signer = signer.ok_or_else(|| "its key cannot sign PS256".to_owned())?;
        signer.sign(message).map_err(|_| "signing failed".to_owned())
    }
}
