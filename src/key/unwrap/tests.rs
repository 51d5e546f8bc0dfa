use std::time::Duration;

use ::base64::Engine;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::*;
use crate::azure::fake::{Fake, answer, refused, token};
use crate::azure::http::{HttpError, Response};
use crate::deadline::VirtualClock;
use crate::secret::Secret;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

/// A key disk with these files; a second call finds no further ones.
struct Files(Option<Vec<Vec<u8>>>);

impl KeySource for Files {
    fn name(&self) -> SourceName {
        SourceName::KeyDisk
    }

    fn keys(&mut self, _deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        let files = match self.0.replace(Vec::new()) {
            Some(files) => files,
            None => return Err(Kind::KeyDiskMissing { waited: Duration::ZERO }),
        };
        let candidate = |(place, bytes): (usize, Vec<u8>)| Candidate {
            secret: Secret::new(bytes),
            origin: format!("key disk: {place}"),
            from_file: true,
        };
        Ok(files.into_iter().enumerate().map(candidate).collect())
    }
}

fn unwrap_source(files: &[&[u8]], fake: &Fake) -> Unwrap<Files> {
    unwrap_files(Files(Some(files.iter().map(|bytes| bytes.to_vec()).collect())), fake)
}

fn unwrap_files(files: Files, fake: &Fake) -> Unwrap<Files> {
    let azure = Rc::new(RefCell::new(fake.azure()));
    Unwrap::new(files, azure, KeyId::parse(KEK).unwrap(), None)
}

fn next(source: &mut Unwrap<Files>, seconds: u64) -> Result<Vec<(String, Vec<u8>, bool)>, Kind> {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(seconds)));
    let found = source.keys(&deadline)?;
    Ok(found.into_iter().map(|c| (c.origin, c.secret.expose().to_vec(), c.from_file)).collect())
}

fn unwrapped(key: &str) -> Result<Response, HttpError> {
    let value = BASE64_URL_SAFE_NO_PAD.encode(key);
    answer(200, &format!(r#"{{"kid":"{KEK}","value":"{value}"}}"#))
}

fn wrapped() -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.encode([0xfe; 256]).into_bytes()
}

#[test]
fn a_wrapped_key_file_is_unwrapped() {
    let fake = Fake::new([token(), unwrapped("passphrase")]);
    let mut source = unwrap_source(&[&wrapped()], &fake);
    assert_eq!(source.name(), SourceName::KeyDisk);
    let found = next(&mut source, 90).unwrap();
    assert_eq!(found, [("key disk: 0, unwrapped".to_owned(), b"passphrase".to_vec(), false)]);
    assert_eq!(next(&mut source, 90), Ok(Vec::new()));
    assert_eq!(fake.lines()[1], "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey");
}

#[test]
fn a_plain_key_file_costs_no_request() {
    let passphrase = BASE64_STANDARD.encode([7; 127]).into_bytes();
    let fake = Fake::new([]);
    for plain in [passphrase.as_slice(), b"hunter2\n", b""] {
        let mut source = unwrap_source(&[plain], &fake);
        let found = next(&mut source, 90).unwrap();
        assert_eq!(found, [("key disk: 0".to_owned(), plain.to_vec(), true)]);
    }
    assert_eq!(fake.requests(), []);
}

#[test]
fn key_files_are_unwrapped_one_at_a_time() {
    let fake = Fake::new([token(), unwrapped("first"), unwrapped("second")]);
    let mut source = unwrap_source(&[&wrapped(), &wrapped()], &fake);
    assert_eq!(next(&mut source, 90).unwrap()[0].1, b"first");
    assert_eq!(fake.requests().len(), 2);
    assert_eq!(next(&mut source, 90).unwrap()[0].1, b"second");
    assert_eq!(next(&mut source, 90), Ok(Vec::new()));
}

#[test]
fn a_failed_unwrap_moves_on_and_is_reported_last() {
    let refusal = || refused(403, "Forbidden", "KeyDisabled", "Disabled.");
    let fake = Fake::new([token(), refusal(), refusal()]);
    let mut source = unwrap_source(&[&wrapped(), b"plain", &wrapped()], &fake);
    assert_eq!(next(&mut source, 90).unwrap()[0].1, b"plain");
    assert!(matches!(next(&mut source, 90), Err(Kind::VaultDenied(_))));
    assert_eq!(next(&mut source, 90), Ok(Vec::new()));
}

#[test]
fn a_candidate_is_kept_while_azure_is_away() {
    let fake = Fake::new([token(), Err(HttpError::TimedOut), unwrapped("passphrase")]);
    let mut source = unwrap_source(&[&wrapped()], &fake);
    assert!(matches!(next(&mut source, 1), Err(Kind::VaultUnreachable { .. })));
    assert_eq!(next(&mut source, 90).unwrap()[0].1, b"passphrase");
}

#[test]
fn the_inner_error_stays_what_it_is() {
    let fake = Fake::new([]);
    let mut source = unwrap_files(Files(None), &fake);
    assert!(matches!(next(&mut source, 90), Err(Kind::KeyDiskMissing { .. })));
}

#[test]
fn a_source_that_starts_over_costs_no_second_request() {
    let fake = Fake::new([token(), unwrapped("passphrase")]);
    let mut source = unwrap_source(&[&wrapped()], &fake);
    assert_eq!(next(&mut source, 90).unwrap().len(), 1);
    source.inner = Files(Some(vec![wrapped()]));
    assert_eq!(next(&mut source, 90), Ok(Vec::new()));
    assert_eq!(fake.requests().len(), 2);
}
