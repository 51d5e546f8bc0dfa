use std::time::Duration;

use ::base64::Engine;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::*;
use crate::azure::fake::{Fake, answer, refused, token};
use crate::azure::http::{HttpError, Response};
use crate::azure::id::VaultUrl;
use crate::azure::matching::Disk;
use crate::deadline::VirtualClock;
use crate::error::TransportProblem;
use crate::volume::KeyFileName;

mod tags;

const VAULT: &str = "https://contoso-kv.vault.azure.net";
const FILE: &str = "LinuxPassPhraseFileName_1_0";

type Answer = Result<Response, HttpError>;

/// What the source hands over until it has no more: origin and key, and the error's words.
fn run(source: &mut KeyVault) -> Vec<String> {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    let mut said = Vec::new();
    loop {
        match source.keys(&deadline) {
            Ok(candidates) if candidates.is_empty() => return said,
            Ok(candidates) => said.extend(candidates.into_iter().map(|found| {
                let key = String::from_utf8_lossy(found.secret.expose()).into_owned();
                format!("{} = {key}", found.origin)
            })),
            Err(kind) => {
                said.push(kind.to_string());
                return said;
            }
        }
    }
}

fn source(fake: &Fake, lookup: Lookup, kek: Kek) -> KeyVault {
    KeyVault::new(Rc::new(RefCell::new(fake.azure())), lookup, kek)
}

fn by_url(path: &str) -> Lookup {
    Lookup::Secret(SecretId::parse(&format!("{VAULT}/secrets/{path}")).unwrap())
}

fn by_tags(machine: MachineName) -> Lookup {
    Lookup::Tags {
        vault: VaultUrl::parse(VAULT).unwrap(),
        files: vec![KeyFileName::parse(FILE).unwrap()],
        machine,
    }
}

fn kek(version: &str) -> KeyId {
    KeyId::parse(&format!("{VAULT}/keys/kek/{version}")).unwrap()
}

/// A secret whose plain key is its own path.
fn plain(path: &str) -> Answer {
    let value = BASE64_STANDARD.encode(path);
    answer(
        200,
        &format!(r#"{{"value":"{value}","contentType":"BEK","id":"{VAULT}/secrets/{path}"}}"#),
    )
}

fn wrapped(path: &str, tag: &str) -> Answer {
    let value = BASE64_URL_SAFE_NO_PAD.encode([0xfe; 256]);
    answer(
        200,
        &format!(
            r#"{{"value":"{value}","contentType":"Wrapped BEK","id":"{VAULT}/secrets/{path}",
            "tags":{{"DiskEncryptionKeyEncryptionKeyURL":"{tag}"}}}}"#
        ),
    )
}

fn unwrapped(version: &str, key: &str) -> Answer {
    let value = BASE64_URL_SAFE_NO_PAD.encode(key);
    answer(200, &format!(r#"{{"kid":"{VAULT}/keys/kek/{version}","value":"{value}"}}"#))
}

/// A list entry: `path`, machine, time of creation, enabled.
fn list(entries: &[(&str, &str, u64, bool)]) -> Answer {
    let entries: Vec<String> = entries
        .iter()
        .map(|(path, machine, created, enabled)| {
            format!(
                r#"{{"id":"{VAULT}/secrets/{path}",
                "attributes":{{"enabled":{enabled},"created":{created}}},
                "tags":{{"DiskEncryptionKeyFileName":"{FILE}","MachineName":"{machine}"}}}}"#
            )
        })
        .collect();
    answer(200, &format!(r#"{{"value":[{}],"nextLink":null}}"#, entries.join(",")))
}

#[test]
fn a_secret_in_one_version_is_all_there_is() {
    let fake = Fake::new([token(), plain("bek-1/0123456789")]);
    let mut source = source(&fake, by_url("bek-1/0123456789"), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/01234567 = bek-1/0123456789"]);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn older_versions_follow_only_when_the_newest_did_not_open_it() {
    let fake = Fake::new([
        token(),
        plain("bek-1/3"),
        list(&[
            ("bek-1/1", "", 10, true),
            ("bek-1/3", "", 30, true),
            ("bek-1/2", "", 20, true),
            ("bek-1/0", "", 25, false),
        ]),
        plain("bek-1/2"),
        plain("bek-1/1"),
    ]);
    let mut source = source(&fake, by_url("bek-1"), Kek::default());
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    assert_eq!(source.keys(&deadline).unwrap().len(), 1);
    assert_eq!(fake.requests().len(), 2);
    assert_eq!(
        run(&mut source),
        ["key vault contoso-kv: bek-1/2 = bek-1/2", "key vault contoso-kv: bek-1/1 = bek-1/1"]
    );
    assert_eq!(
        fake.lines()[2..],
        [
            "GET contoso-kv.vault.azure.net/secrets/bek-1/versions",
            "GET contoso-kv.vault.azure.net/secrets/bek-1/2",
            "GET contoso-kv.vault.azure.net/secrets/bek-1/1",
        ]
    );
}

#[test]
fn without_the_right_to_list_the_newest_version_is_enough() {
    let denied = refused(403, "Forbidden", "AccessDenied", "No list.");
    let fake = Fake::new([token(), plain("bek-1/3"), denied]);
    let mut source = source(&fake, by_url("bek-1"), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/3 = bek-1/3"]);
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn a_missing_secret_is_not_asked_for_its_versions() {
    let fake = Fake::new([token(), refused(404, "SecretNotFound", "", "Not found.")]);
    let mut source = source(&fake, by_url("bek-1"), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: HTTP 404 SecretNotFound (bek-1)"]);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_disabled_newest_version_leaves_the_older_ones() {
    let disabled = refused(403, "Forbidden", "SecretDisabled", "Disabled.");
    let versions = list(&[("bek-1/3", "", 30, false), ("bek-1/2", "", 20, true)]);
    let fake = Fake::new([token(), disabled, versions, plain("bek-1/2")]);
    let mut source = source(&fake, by_url("bek-1"), Kek::default());
    assert_eq!(
        run(&mut source),
        [
            "key vault contoso-kv: bek-1/2 = bek-1/2",
            "key vault contoso-kv: secret bek-1 is disabled",
        ]
    );
}

#[test]
fn the_tag_names_the_kek_and_its_version() {
    let fake = Fake::new([
        token(),
        wrapped("bek-1/1", &format!("{VAULT}:443/keys/KEK/0123/")),
        unwrapped("0123", "passphrase"),
    ]);
    let mut source = source(&fake, by_url("bek-1/1"), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/1 = passphrase"]);
    assert_eq!(fake.lines()[2], "POST contoso-kv.vault.azure.net/keys/kek/0123/unwrapkey");
}

#[test]
fn a_kek_tag_that_points_elsewhere_gets_no_request() {
    let fake = Fake::new([token(), wrapped("bek-1/1", "https://kv.evil.org/keys/kek/0123")]);
    let mut source = source(&fake, by_url("bek-1/1"), Kek::default());
    assert_eq!(run(&mut source), ["kv.evil.org is no Key Vault host; no token was sent"]);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn after_a_rotation_the_tag_helps_out() {
    let padding = "Error occurred while decoding OAEP padding.";
    let fake = Fake::new([
        token(),
        wrapped("bek-1/1", &kek("0123").to_string()),
        refused(400, "BadParameter", "", padding),
        unwrapped("0123", "passphrase"),
    ]);
    let given = Kek { key: Some(kek("4567")), algorithm: None };
    let mut source = source(&fake, by_url("bek-1/1"), given);
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/1 = passphrase"]);
}

#[test]
fn a_refused_kek_is_the_reason_and_the_next_secret_is_still_tried() {
    let fake = Fake::new([
        token(),
        list(&[("a", "vm-1", 20, true), ("b", "vm-1", 10, true)]),
        wrapped("a/1", &kek("0123").to_string()),
        refused(403, "Forbidden", "KeyDisabled", "Operation unwrapKey is not allowed."),
        plain("b/1"),
        answer(200, r#"{"value":[]}"#),
        answer(200, r#"{"value":[]}"#),
    ]);
    let machine = MachineName::Given("vm-1".to_owned());
    let mut source = source(&fake, by_tags(machine), Kek::default());
    assert_eq!(
        run(&mut source),
        [
            "key vault contoso-kv: b/1 = b/1",
            "key vault contoso-kv: HTTP 403 KeyDisabled: Operation unwrapKey is not allowed",
        ]
    );
}

#[test]
fn a_refused_vault_is_not_asked_for_other_secrets() {
    let fake = Fake::new([
        token(),
        list(&[("a", "vm-1", 20, true), ("b", "vm-1", 10, true)]),
        refused(403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized."),
    ]);
    let machine = MachineName::Given("vm-1".to_owned());
    let mut source = source(&fake, by_tags(machine), Kek::default());
    assert_eq!(
        run(&mut source),
        ["key vault contoso-kv: HTTP 403 ForbiddenByRbac: no permission secrets/get"]
    );
    assert_eq!(fake.requests().len(), 3);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    assert!(matches!(source.keys(&deadline), Err(Kind::VaultDenied(_))));
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn what_azure_did_not_answer_in_time_is_asked_again() {
    let fake = Fake::new([
        token(),
        wrapped("bek-1/1", &kek("0123").to_string()),
        Err(HttpError::TimedOut),
        unwrapped("0123", "passphrase"),
    ]);
    let mut source = source(&fake, by_url("bek-1/1"), Kek::default());
    let clock = VirtualClock::default();
    // One try only: no second fits into the deadline.
    let short = Deadline::start(&clock, Some(Duration::from_secs(1)));
    let Kind::VaultUnreachable { unreachable, .. } = source.keys(&short).unwrap_err() else {
        panic!()
    };
    assert_eq!(unreachable.problem, TransportProblem::TimedOut);
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/1 = passphrase"]);
    // The secret itself was not asked for twice.
    assert_eq!(fake.requests().len(), 4);
}

#[test]
fn a_kek_in_a_managed_hsm_takes_a_token_of_its_own() {
    let hsm = "https://contoso.managedhsm.azure.net/keys/kek/0123";
    let value = BASE64_URL_SAFE_NO_PAD.encode("passphrase");
    let fake = Fake::new([
        token(),
        wrapped("bek-1/1", hsm),
        token(),
        answer(200, &format!(r#"{{"kid":"{hsm}","value":"{value}"}}"#)),
    ]);
    let mut source = source(&fake, by_url("bek-1/1"), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: bek-1/1 = passphrase"]);
    let resources: Vec<String> = fake
        .requests()
        .into_iter()
        .filter_map(|request| request.line.split_once("&resource=").map(|(_, end)| end.to_owned()))
        .collect();
    assert_eq!(resources, ["https%3A%2F%2Fvault.azure.net", "https%3A%2F%2Fmanagedhsm.azure.net"]);
}

fn rescue(machine: Option<&str>, disk: Disk) -> Lookup {
    let vault = VaultUrl::parse(VAULT).unwrap();
    Lookup::Rescue { vault, machine: machine.map(str::to_owned), disk }
}

/// A list of secrets: name, file, machine.
fn listed(secrets: &[(String, &str, &str)]) -> Answer {
    let entry = |(name, file, machine): &(String, &str, &str)| {
        serde_json::json!({"id": format!("{VAULT}/secrets/{name}"),
            "attributes": {"enabled": true, "created": 1},
            "tags": {"DiskEncryptionKeyFileName": file, "MachineName": machine}})
    };
    let value: Vec<_> = secrets.iter().map(entry).collect();
    answer(200, &serde_json::json!({"value": value, "nextLink": null}).to_string())
}

#[test]
fn a_disk_from_elsewhere_gets_the_keys_of_every_machine() {
    let secrets = [
        ("os".to_owned(), "LinuxPassPhraseFileName", "vm-1"),
        ("data".to_owned(), FILE, "vm-2"),
        ("win".to_owned(), "6F1C0D52.BEK", "vm-3"),
    ];
    let none = || answer(200, r#"{"value":[]}"#);
    let fake =
        Fake::new([token(), listed(&secrets), plain("data/1"), plain("os/1"), none(), none()]);
    let said = run(&mut source(&fake, rescue(None, Disk::Data), Kek::default()));
    assert_eq!(
        said,
        ["key vault contoso-kv: data/1 = data/1", "key vault contoso-kv: os/1 = os/1"]
    );
    // No machine of this name, and nobody asks the metadata service for one.
    let fake = Fake::new([token(), listed(&secrets)]);
    let said = run(&mut source(&fake, rescue(Some("vm-3"), Disk::Os), Kek::default()));
    let words = "key vault contoso-kv: none of 3 secrets has tags for a Linux disk of vm-3";
    assert_eq!(said, [words]);
}

#[test]
fn too_many_secrets_are_not_tried_on_one_disk() {
    let secrets: Vec<_> = (0..33).map(|n| (format!("s{n}"), FILE, "vm")).collect();
    let fake = Fake::new([token(), listed(&secrets)]);
    let said = run(&mut source(&fake, rescue(None, Disk::Data), Kek::default()));
    assert_eq!(said, ["key vault contoso-kv: 33 secrets may be those of a Linux disk"]);
    assert_eq!(fake.lines().len(), 2);
}
