//! Certificates and authorities: whom the client talks to at all.

use std::path::PathBuf;

use azure_emulator::Service;
use serde_json::json;

use bek_unlock::error::TrustProblem;

use crate::wire::TOKEN_LINE;
use crate::world::*;

#[test]
fn bad_certificates_end_it_before_any_request() {
    let time = |text: &str| TrustProblem::CertificateTime(text.to_owned());
    let bad = |text: &str| TrustProblem::Certificate(text.to_owned());
    for (certificate, problem) in [
        ("expired", time("certificate expired")),
        ("not_yet_valid", time("certificate not yet valid")),
        ("wrong_name", bad("certificate is for another name")),
        ("other_ca", bad("certificate of an unknown authority")),
    ] {
        let world = World::new(json!({"certificate": certificate}), json!([]));
        assert_eq!(untrusted(world.unlock()), problem);
        assert_eq!(world.lines(), [TOKEN_LINE], "{certificate}");
        assert_eq!(world.emulator.connections(Service::Vault).len(), 1);
    }
}

#[test]
fn a_file_without_authorities_is_named() {
    let world = World::new(json!({}), json!([]));
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [PathBuf::from("/nonexistent/ca.pem"), empty.path().to_owned()] {
        let azure = world.client(path.clone(), None);
        assert_eq!(untrusted(unlock(azure)), TrustProblem::NoAuthorities(path));
    }
    assert_eq!(world.emulator.connections(Service::Vault).len(), 0);
}

#[test]
fn other_authorities_are_not_trusted() {
    let world = World::new(json!({}), json!([]));
    let other = World::new(json!({}), json!([]));
    let azure = world.client(other.ca.path().to_owned(), None);
    assert!(matches!(untrusted(unlock(azure)), TrustProblem::Certificate(_)));
}
