use super::*;
use crate::azure::attributes::Attributes;
use crate::azure::id::{KeyId, SecretId, VaultUrl};
use crate::azure::list::{ListedSecret, Listing};
use crate::azure::tags::DiskTags;
use crate::volume::{KekAlgorithm, KeyFileName};

const NAME: &str = "6f1c0d52-1a2b-4c3d-8e9f-0a1b2c3d4e5f";
const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/89abcdef0123456789abcdef01234567";

fn secret(name: &str, machine: &str, file: &str) -> ListedSecret {
    let id = format!("https://contoso-kv.vault.azure.net/secrets/{name}");
    ListedSecret {
        id: SecretId::parse(&id).unwrap(),
        attributes: Attributes {
            enabled: true,
            created: Some(1_714_557_600),
            not_before: None,
            expires: Some(4_107_542_400),
        },
        content_type: Some("Wrapped BEK".to_owned()),
        tags: DiskTags {
            file: KeyFileName::parse(file),
            machine: Some(machine.to_owned()),
            kek: Some(Ok(KeyId::parse(KEK).unwrap())),
            algorithm: Some(Ok(KekAlgorithm::RsaOaep)),
        },
    }
}

fn with_rows<T>(secrets: Vec<ListedSecret>, show: impl FnOnce(&[DiskSecret<'_>]) -> T) -> T {
    let listing = Listing { seen: secrets.len(), secrets };
    let vault = VaultUrl::parse("https://contoso-kv.vault.azure.net").unwrap();
    let found = inventory::disk_secrets(&vault, &listing, Filter::default(), 1_800_000_000);
    show(&found.unwrap())
}

#[test]
fn a_long_name_has_a_line_of_its_own_and_the_rest_fits_a_console() {
    let mut odd = secret("odd", "web02", "mykey");
    odd.attributes = Attributes { enabled: false, created: None, not_before: None, expires: None };
    odd.content_type = None;
    odd.tags.kek = None;
    odd.tags.algorithm = None;
    let text = with_rows(vec![odd, secret(NAME, "web01", "LinuxPassPhraseFileName_1_0")], text);
    let expected = "\
MACHINE  DISK           CREATED     STATE     KEY      KEK           ALGORITHM
    SECRET
web01    data disk 1:0  2024-05-01  enabled   wrapped  kek/89abcdef  RSA-OAEP
    6f1c0d52-1a2b-4c3d-8e9f-0a1b2c3d4e5f
web02    mykey          -           disabled  ?        -             -
    odd
";
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| line.len() <= table::WIDTH));
}

#[test]
fn short_rows_are_one_line() {
    let mut plain = secret("bek-os", "a", "LinuxPassPhraseFileName");
    plain.content_type = Some("BEK".to_owned());
    plain.tags.kek = None;
    let text = with_rows(vec![plain], text);
    let expected = "\
MACHINE  DISK     CREATED     STATE    KEY    KEK  ALGORITHM  SECRET
a        OS disk  2024-05-01  enabled  plain  -    RSA-OAEP   bek-os
";
    assert_eq!(text, expected);
}

#[test]
fn a_long_machine_name_is_whole() {
    let machine = "m".repeat(255);
    let text = with_rows(vec![secret(NAME, &machine, "LinuxPassPhraseFileName")], text);
    assert!(text.lines().any(|line| line.starts_with(&format!("{machine}  OS disk"))));
}

#[test]
fn tags_that_do_not_parse_are_shown_and_their_cut_too() {
    let mut odd = secret("odd", "m", "LinuxPassPhraseFileName");
    odd.tags.kek = Some(Err("https://kv.evil.example/keys/a?b".to_owned()));
    odd.tags.algorithm = Some(Err("ROT13".to_owned()));
    let text = with_rows(vec![odd.clone()], text);
    assert!(text.contains("  https://kv.evil.example/...  ROT13"), "{text}");
    let value = with_rows(vec![odd], |rows| object(&rows[0]));
    assert_eq!(value["kek"], "https://kv.evil.example/keys/a?b");
    assert_eq!((&value["kek_version"], &value["algorithm"]), (&Value::Null, &json!("ROT13")));
}

#[test]
fn objects_say_everything_a_list_says() {
    let value = with_rows(vec![secret(NAME, "web01", "LinuxPassPhraseFileName_1_0")], |rows| {
        object(&rows[0])
    });
    let expected = json!({
        "machine_name": "web01",
        "file": "LinuxPassPhraseFileName_1_0",
        "slot": "data disk 1:0",
        "kek": KEK,
        "kek_name": "kek",
        "kek_version": "89abcdef0123456789abcdef01234567",
        "algorithm": "RSA-OAEP",
        "wrapped": true,
        "state": "enabled",
        "created": "2024-05-01T10:00:00Z",
        "not_before": null,
        "expires": "2100-03-01T00:00:00Z",
        "content_type": "Wrapped BEK",
        "id": format!("https://contoso-kv.vault.azure.net/secrets/{NAME}"),
    });
    assert_eq!(value, expected);
}
