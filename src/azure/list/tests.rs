use std::time::Duration;

use super::*;
use crate::azure::fake::{Fake, answer, refused, token};
use crate::deadline::VirtualClock;
use crate::error::TrustProblem;

const VAULT: &str = "https://contoso-kv.vault.azure.net";

fn vault() -> VaultUrl {
    VaultUrl::parse(VAULT).unwrap()
}

fn list(pages: &[String]) -> (Result<Rc<Listing>, Kind>, Fake) {
    let answers = std::iter::once(token()).chain(pages.iter().map(|page| answer(200, page)));
    let fake = Fake::new(answers);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
    (fake.azure().disk_secrets(&vault(), &deadline), fake)
}

fn page(secrets: &[&str], next: Option<&str>) -> String {
    let secrets: Vec<String> = secrets
        .iter()
        .map(|name| {
            format!(
                r#"{{"id":"{VAULT}:443/secrets/{name}","contentType":"BEK",
                "attributes":{{"enabled":true,"created":1493938289}},
                "tags":{{"DiskEncryptionKeyFileName":"LinuxPassPhraseFileName"}}}}"#
            )
        })
        .collect();
    let next = next.map_or("null".to_owned(), |link| format!("\"{link}\""));
    format!(r#"{{"value":[{}],"nextLink":{next}}}"#, secrets.join(","))
}

fn untrusted_reason(kind: Kind) -> String {
    match kind {
        Kind::VaultUntrusted { problem: TrustProblem::Answer(reason), .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_are_followed_to_the_end() {
    let link = format!("{VAULT}:443/secrets?api-version=7.4&$skiptoken=abc&maxresults=25");
    let last = format!("{VAULT}/secrets?api-version=7.4&$skiptoken=def");
    let (listing, fake) =
        list(&[page(&["a", "b"], Some(&link)), page(&[], Some(&last)), page(&["c"], None)]);
    let listing = listing.unwrap();
    let names: Vec<&str> = listing.secrets.iter().map(|s| s.id.name().as_str()).collect();
    assert_eq!((names, listing.seen), (vec!["a", "b", "c"], 3));
    let lines: Vec<String> = fake.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(
        lines[1..],
        [
            "GET contoso-kv.vault.azure.net/secrets?api-version=7.4",
            "GET contoso-kv.vault.azure.net/secrets?api-version=7.4&$skiptoken=abc&maxresults=25",
            "GET contoso-kv.vault.azure.net/secrets?api-version=7.4&$skiptoken=def",
        ]
    );
}

#[test]
fn a_next_page_elsewhere_is_not_asked() {
    for link in [
        "https://evil.vault.azure.net/secrets?x=1",
        "https://contoso-kv.vault.azure.net.evil.org/secrets?x=1",
        "https://user@contoso-kv.vault.azure.net/secrets?x=1",
        "https://contoso-kv.vault.azure.net:8443/secrets?x=1",
        "http://contoso-kv.vault.azure.net/secrets?x=1",
        "https://contoso-kv.vault.azure.net/keys?x=1",
        "https://contoso-kv.vault.azure.net/secrets/../keys?x=1",
        "https://contoso-kv.vault.azure.net/secrets",
        "https://contoso-kv.vault.azure.net/secrets?x= y",
        "https://contoso-kv.vault.azure.net/secrets?x#y",
        "/secrets?x=1",
        "x",
    ] {
        let (listing, fake) = list(&[page(&["a"], Some(link)), page(&["b"], None)]);
        let reason = untrusted_reason(listing.unwrap_err());
        assert!(reason.starts_with("next page leads elsewhere: "), "{reason}");
        assert_eq!(fake.requests().len(), 2, "{link}");
    }
}

#[test]
fn a_list_without_end_is_ended() {
    let same = format!("{VAULT}/secrets?api-version=7.4");
    let (listing, fake) = list(&[page(&[], Some(&same))]);
    assert_eq!(untrusted_reason(listing.unwrap_err()), "next page is the same page");
    assert_eq!(fake.requests().len(), 2);
    let pages: Vec<String> =
        (0..=PAGES).map(|n| page(&[], Some(&format!("{VAULT}/secrets?n={n}")))).collect();
    let (listing, fake) = list(&pages);
    assert_eq!(untrusted_reason(listing.unwrap_err()), "list of secrets has more than 400 pages");
    assert_eq!(fake.requests().len(), PAGES + 1);
}

#[test]
fn what_is_no_list_is_refused() {
    let foreign = page(&["a"], None).replace("contoso-kv", "evil");
    for (body, reason) in [
        ("<html>", "answer is no list of secrets"),
        (r#"{"value":{}}"#, "answer is no list of secrets"),
        (r#"{"value":[{"id":"x"}]}"#, "a listed secret is not of this vault"),
        (foreign.as_str(), "a listed secret is not of this vault"),
    ] {
        let (listing, _) = list(&[body.to_owned()]);
        assert_eq!(untrusted_reason(listing.unwrap_err()), reason);
    }
}

#[test]
fn a_list_is_asked_once() {
    let fake = Fake::new([token(), answer(200, &page(&["a"], None))]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let mut azure = fake.azure();
    let first = azure.disk_secrets(&vault(), &deadline).unwrap();
    assert_eq!(azure.disk_secrets(&vault(), &deadline).unwrap(), first);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn only_disk_secrets_are_kept_and_all_are_counted() {
    let body = r#"{"value":[
        {"id":"https://contoso-kv.vault.azure.net/secrets/password","tags":{"owner":null}},
        {"id":"https://contoso-kv.vault.azure.net/secrets/cert","tags":null},
        {"id":"https://contoso-kv.vault.azure.net/secrets/evil",
         "tags":{"DiskEncryptionKeyFileName":"../../etc/passwd"}},
        {"id":"https://contoso-kv.vault.azure.net/secrets/old","attributes":{"enabled":"false"},
         "tags":{"diskencryptionkeyfilename":"LinuxPassPhraseFileName"}}]}"#;
    let (listing, _) = list(&[body.to_owned()]);
    let listing = listing.unwrap();
    assert_eq!(listing.seen, 4);
    let [old] = listing.secrets.as_slice() else { panic!("{listing:?}") };
    assert_eq!((old.id.name().as_str(), old.attributes.enabled), ("old", false));
}

#[test]
fn versions_come_newest_first() {
    let versions = r#"{"value":[
        {"id":"https://contoso-kv.vault.azure.net/secrets/a/1","attributes":{"created":10}},
        {"id":"https://contoso-kv.vault.azure.net/secrets/a/2","attributes":{"created":30}},
        {"id":"https://contoso-kv.vault.azure.net/secrets/a/3","attributes":{"created":20}}]}"#;
    let fake = Fake::new([token(), answer(200, versions)]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let id = SecretId::parse("https://contoso-kv.vault.azure.net/secrets/a").unwrap();
    let versions = fake.azure().versions(&id, &deadline).unwrap();
    let names: Vec<String> = versions.iter().map(|version| version.id.short()).collect();
    assert_eq!(names, ["a/2", "a/3", "a/1"]);
    assert_eq!(fake.lines()[1], "GET contoso-kv.vault.azure.net/secrets/a/versions");
}

#[test]
fn a_refused_list_names_its_permission() {
    let fake = Fake::new([token(), refused(403, "Forbidden", "AccessDenied", "No.")]);
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let Kind::VaultDenied(denied) = fake.azure().disk_secrets(&vault(), &deadline).unwrap_err()
    else {
        panic!()
    };
    assert_eq!(denied.permission, "secrets/list");
}
