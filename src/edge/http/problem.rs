//! What reqwest's errors mean: one of the outcomes of azure/http.rs.
//!
//! reqwest says little; the truth is further down the chain of sources, in rustls's error or in
//! the system's. Decided by type, except for the words that are shown.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError};

use crate::azure::http::HttpError;
use crate::error::printable;

/// Classifies what sending a request came to.
pub fn classify(error: &reqwest::Error) -> HttpError {
    if let Some(problem) = find(error, tls) {
        return problem;
    }
    if error.is_timeout() {
        return HttpError::TimedOut;
    }
    if error.is_dns() {
        return HttpError::Resolve(resolver_words(&innermost(error)));
    }
    let system = find(error, |source| source.downcast_ref::<io::Error>().and_then(words));
    if error.is_connect() {
        return HttpError::Connect(system.unwrap_or_else(|| innermost(error)));
    }
    let malformed = find(error, |source| {
        let hyper = source.downcast_ref::<hyper::Error>()?;
        hyper.is_parse().then(|| HttpError::Malformed("answer is no HTTP".to_owned()))
    });
    if let Some(malformed) = malformed {
        return malformed;
    }
    if error.is_builder() {
        return HttpError::Internal(innermost(error));
    }
    HttpError::Interrupted(system.unwrap_or_else(|| "connection closed".to_owned()))
}

/// Classifies what reading the body came to.
pub fn classify_read(error: &io::Error) -> HttpError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    match inner {
        Some(inner) => classify(inner),
        None if error.kind() == io::ErrorKind::TimedOut => HttpError::TimedOut,
        None => {
            HttpError::Interrupted(words(error).unwrap_or_else(|| "connection closed".to_owned()))
        }
    }
}

/// The words of the last error in the chain, printable.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = below(last) {
        last = source;
    }
    printable(&last.to_string(), 120)
}

/// getaddrinfo(3)'s words without what the standard library puts before them.
fn resolver_words(text: &str) -> String {
    text.trim_start_matches("failed to lookup address information: ").to_owned()
}

fn tls(source: &(dyn Error + 'static)) -> Option<HttpError> {
    Some(match source.downcast_ref::<TlsError>()? {
        TlsError::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                HttpError::CertificateTime("certificate expired".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                HttpError::CertificateTime("certificate not yet valid".to_owned())
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                HttpError::Certificate("certificate is for another name".to_owned())
            }
            CertificateError::UnknownIssuer => {
                HttpError::Certificate("certificate of an unknown authority".to_owned())
            }
            other => HttpError::Certificate(format!("bad certificate: {}", shown(other))),
        },
        other => HttpError::Malformed(format!("TLS: {}", shown(other))),
    })
}

fn shown(error: &dyn std::fmt::Display) -> String {
    printable(&error.to_string(), 120)
}

/// The system's words, where the system failed, without Rust's `(os error 111)`.
fn words(error: &io::Error) -> Option<String> {
    let text = io::Error::from_raw_os_error(error.raw_os_error()?).to_string();
    Some(printable(text.split(" (os error").next().unwrap_or_default(), 120))
}

/// The first thing `look` finds in the chain of sources.
fn find<T>(
    error: &(dyn Error + 'static),
    look: impl Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = look(error) {
            return Some(found);
        }
        next = below(error);
    }
    None
}

/// The next error down; `io::Error::source` would skip the error an io::Error was made of.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;
    use std::sync::Arc;

    use reqwest::dns::{Name, Resolve, Resolving};

    use super::*;

    /// getaddrinfo(3) on a name that no server needs to be asked about: a label of 64 characters.
    fn lookup() -> io::Error {
        (format!("{}.invalid", "x".repeat(64)), 443).to_socket_addrs().unwrap_err()
    }

    struct NoResolver;

    impl Resolve for NoResolver {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(std::future::ready(Err(Box::new(lookup()).into())))
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_is_told_in_the_resolvers_words() {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
        let client = reqwest::blocking::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .dns_resolver(Arc::new(NoResolver))
            .build()
            .unwrap();
        let error = client.get("https://contoso-kv.vault.azure.net/").send().unwrap_err();
        let HttpError::Resolve(words) = classify(&error) else { panic!("{error:?}") };
        assert!(lookup().to_string().ends_with(&words), "{words}");
        assert!(!words.contains("failed to lookup"), "{words}");
    }

    #[test]
    fn the_systems_words_come_without_rusts_numbers() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(words(&refused).as_deref(), Some("Connection refused"));
        assert_eq!(words(&io::Error::other("no number")), None);
    }

    #[test]
    fn certificate_problems_have_words_of_their_own() {
        let judge = |problem| tls(&TlsError::InvalidCertificate(problem)).unwrap();
        assert!(matches!(judge(CertificateError::Expired), HttpError::CertificateTime(_)));
        assert!(matches!(judge(CertificateError::NotValidYet), HttpError::CertificateTime(_)));
        assert!(matches!(judge(CertificateError::UnknownIssuer), HttpError::Certificate(_)));
        let HttpError::Certificate(words) = judge(CertificateError::Revoked) else { panic!() };
        assert_eq!(words, "bad certificate: Revoked");
        assert_eq!(
            tls(&TlsError::DecryptError),
            Some(HttpError::Malformed("TLS: cannot decrypt peer's message".to_owned()))
        );
    }
}
