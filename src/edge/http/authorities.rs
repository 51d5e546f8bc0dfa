//! The certificate authorities vaults are verified against: one PEM file, named or the system's.
//!
//! Never from SSL_CERT_FILE or SSL_CERT_DIR: a root program takes no orders from its environment.
//! Nothing is compiled in either, because a compiled list ages with the binary and Microsoft moves
//! its chain (Azure TLS, "Certificate authority details").

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::azure::http::HttpError;

/// Where distributions keep their bundle: Debian and Arch, Fedora and RHEL, SUSE, newer RHEL,
/// Alpine and BSD.
pub const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Debian's bundle has 220 KB; what comes after this is not read.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The authorities of `named`, or of the first of the system's files that has any.
///
/// A certificate that rustls cannot use is passed over: bundles carry ancient ones. Errors:
/// `NoAuthorities` with the file that should have had some.
pub fn load(named: Option<&Path>) -> Result<RootCertStore, HttpError> {
    let system = SYSTEM.map(Path::new);
    let files = named.as_ref().map_or(system.as_slice(), std::slice::from_ref);
    files.iter().find_map(|file| read(file)).ok_or_else(|| {
        HttpError::NoAuthorities(files.first().map_or(PathBuf::new(), PathBuf::from))
    })
}

fn read(file: &Path) -> Option<RootCertStore> {
    let mut pem = Vec::new();
    File::open(file).and_then(|file| file.take(LIMIT).read_to_end(&mut pem)).ok()?;
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let (usable, passed_over) = store.add_parsable_certificates(certificates);
    log::debug!("{}: {usable} authorities, {passed_over} passed over", file.display());
    (usable > 0).then_some(store)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn what_is_no_certificate_is_passed_over() {
        let pem = |body: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        for text in
            ["", "no PEM", &pem(""), &pem("QUJD"), &pem("!!!!"), "-----BEGIN CERTIFICATE-----"]
        {
            let file = file(text);
            let refused = load(Some(file.path())).unwrap_err();
            assert_eq!(refused, HttpError::NoAuthorities(file.path().to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_folder_or_a_missing_file_holds_none() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("ca.pem")] {
            assert_eq!(load(Some(&path)).unwrap_err(), HttpError::NoAuthorities(path));
        }
    }
}
