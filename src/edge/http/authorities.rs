//! The certificate authorities vaults are verified against: one PEM file, named or the system's.
//!
//! Never from SSL_CERT_FILE or SSL_CERT_DIR: a root program takes no orders from its environment.
//! Nothing is compiled in either, because a compiled list ages with the binary and Microsoft moves
//! its chain (Azure TLS, "Certificate authority details").

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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

/// The files, opened: whoever reads them later may have no right to any more.
#[derive(Debug, Default)]
pub struct Authorities(Vec<(PathBuf, Text)>);

#[derive(Debug)]
enum Text {
    Absent,
    File(File),
    Given(Vec<u8>),
}

impl Authorities {
    /// Opens `named`, or those of the system's files that are there; reads none yet.
    pub fn open(named: Option<&Path>) -> Self {
        let system = SYSTEM.map(Path::new);
        let files = named.as_ref().map_or(system.as_slice(), std::slice::from_ref);
        let open = |file: &Path| File::open(file).map_or(Text::Absent, Text::File);
        Self(files.iter().map(|file| (file.to_path_buf(), open(file))).collect())
    }

    /// Those in `pem`, which somebody else read from `path`.
    pub fn given(path: PathBuf, pem: Vec<u8>) -> Self {
        Self(vec![(path, Text::Given(pem))])
    }

    /// The authorities of the first file that has any.
    ///
    /// A certificate that rustls cannot use is passed over: bundles carry ancient ones. Errors:
    /// `NoAuthorities` with the file that should have had some.
    pub fn load(&self) -> Result<RootCertStore, HttpError> {
        self.0.iter().find_map(|(_, text)| text.authorities()).ok_or_else(|| {
            HttpError::NoAuthorities(
                self.0.first().map_or(PathBuf::new(), |(path, _)| path.clone()),
            )
        })
    }
}

impl Text {
    fn authorities(&self) -> Option<RootCertStore> {
        let pem = match self {
            Self::Absent => return None,
            Self::File(file) => &read(file).ok()?,
            Self::Given(pem) => pem,
        };
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        let (usable, _) = store.add_parsable_certificates(certificates);
        (usable > 0).then_some(store)
    }
}

fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    // The position is the descriptor's: a second reading would begin at the end of the first.
    file.seek(SeekFrom::Start(0))?;
    file.take(LIMIT).read_to_end(&mut pem)?;
    Ok(pem)
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
            let refused = Authorities::open(Some(file.path())).load().unwrap_err();
            assert_eq!(refused, HttpError::NoAuthorities(file.path().to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_folder_or_a_missing_file_holds_none() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("ca.pem")] {
            let refused = Authorities::open(Some(&path)).load().unwrap_err();
            assert_eq!(refused, HttpError::NoAuthorities(path));
        }
    }
}
