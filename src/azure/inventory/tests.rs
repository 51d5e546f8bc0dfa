use super::*;
use crate::azure::attributes::Attributes;
use crate::azure::id::{KeyId, SecretId};
use crate::azure::tags::DiskTags;

const NOW: u64 = 1_000;

fn vault() -> VaultUrl {
    VaultUrl::parse("https://kv.vault.azure.net").unwrap()
}

fn name(name: &str) -> KeyFileName {
    KeyFileName::parse(name).unwrap()
}

fn secret(id: &str, machine: &str, file: &str, created: u64) -> ListedSecret {
    ListedSecret {
        id: SecretId::parse(&format!("https://kv.vault.azure.net/secrets/{id}")).unwrap(),
        attributes: Attributes {
            enabled: true,
            created: Some(created),
            not_before: None,
            expires: None,
        },
        content_type: None,
        tags: DiskTags {
            file: Some(name(file)),
            machine: (!machine.is_empty()).then(|| machine.to_owned()),
            ..DiskTags::default()
        },
    }
}

fn listing(secrets: Vec<ListedSecret>) -> Listing {
    Listing { seen: 75, secrets }
}

fn shown(listing: &Listing, filter: Filter<'_>) -> Vec<String> {
    let found = disk_secrets(&vault(), listing, filter, NOW).unwrap();
    found.iter().map(|row| row.secret.id.name().as_str().to_owned()).collect()
}

fn refused(listing: &Listing, filter: Filter<'_>) -> String {
    let kind = disk_secrets(&vault(), listing, filter, NOW).unwrap_err();
    assert_eq!((kind.name(), kind.exit_status()), ("secret-missing", 4));
    kind.to_string()
}

#[test]
fn disks_are_told_by_the_names_of_their_key_files() {
    for (file, words) in [
        ("LinuxPassPhraseFileName", "OS disk"),
        ("LINUXPASSPHRASEFILENAME", "OS disk"),
        ("LinuxPassPhraseFileName_1_0", "data disk 1:0"),
        ("linuxpassphrasefilename_3_12", "data disk 3:12"),
        ("6F1C0D52-1A2B-4C3D-8E9F-000000000000.BEK", "Windows"),
        ("x.bek", "Windows"),
        ("LinuxPassPhraseFileName_9_0", "other"),
        ("mykey", "other"),
    ] {
        assert_eq!(Disk::of(&name(file)).to_string(), words, "{file}");
    }
}

#[test]
fn rows_are_sorted_by_machine_then_disk_and_the_newest_is_first() {
    let os = "LinuxPassPhraseFileName";
    let data = |lun: u16| format!("{os}_1_{lun}");
    let listing = listing(vec![
        secret("nobody", "", os, 99),
        secret("b-os", "web-b", os, 1),
        secret("a-win", "web-a", "X.BEK", 50),
        secret("a-10", "WEB-A", &data(10), 50),
        secret("a-2-old", "web-a", &data(2), 20),
        secret("a-2-new", "Web-A", &data(2), 30),
        secret("a-os", "web-a", os, 1),
    ]);
    let expected = ["a-os", "a-2-new", "a-2-old", "a-10", "a-win", "b-os", "nobody"];
    assert_eq!(shown(&listing, Filter::default()), expected);
}

#[test]
fn filters_compare_without_case_and_go_together() {
    let os = "LinuxPassPhraseFileName";
    let data = "LinuxPassPhraseFileName_1_0";
    let listing = listing(vec![
        secret("a-os", "web-a", os, 1),
        secret("a-data", "web-a", data, 1),
        secret("b-data", "b\u{fc}ro", data, 1),
    ]);
    let lower = name("linuxpassphrasefilename_1_0");
    let machine = |machine| Filter { machine: Some(machine), file: None };
    assert_eq!(shown(&listing, machine("WEB-a")), ["a-os", "a-data"]);
    let file = Filter { machine: None, file: Some(&lower) };
    assert_eq!(shown(&listing, file).len(), 2);
    let both = Filter { machine: Some("web-a"), file: Some(&lower) };
    assert_eq!(shown(&listing, both), ["a-data"]);
}

#[test]
fn a_name_that_is_not_ascii_is_compared_as_tags_are_kept() {
    let mut bureau = secret("b", "b\u{fc}ro", "LinuxPassPhraseFileName", 1);
    bureau.tags.machine = Some(printable("b\u{fc}ro", 255));
    let listing = listing(vec![bureau]);
    assert_eq!(shown(&listing, Filter { machine: Some("b\u{fc}ro"), file: None }), ["b"]);
}

#[test]
fn states_are_those_that_matter() {
    let with = |enabled, not_before, expires| {
        let mut one = secret("s", "m", "LinuxPassPhraseFileName", 1);
        one.attributes = Attributes { enabled, created: None, not_before, expires };
        explain(&one, NOW).unwrap().state
    };
    assert_eq!(with(true, None, None), "enabled");
    assert_eq!(with(true, Some(NOW), Some(NOW + 1)), "enabled");
    assert_eq!(with(true, None, Some(NOW)), "expired");
    assert_eq!(with(true, Some(NOW + 1), None), "not valid yet");
    // It cannot be read; that it has expired as well does not matter.
    assert_eq!(with(false, None, Some(1)), "disabled");
}

#[test]
fn wrapped_is_what_tags_and_content_type_say() {
    let kek = KeyId::parse("https://kv.vault.azure.net/keys/k/1").unwrap();
    for (tag, content, wrapped) in [
        (Some(Ok(kek.clone())), None, Some(true)),
        (Some(Ok(kek)), Some("BEK"), Some(true)),
        (Some(Err("garbage".to_owned())), None, Some(true)),
        (None, Some("Wrapped BEK"), Some(true)),
        (None, Some("BEK"), Some(false)),
        (None, Some("text/plain"), None),
        (None, None, None),
    ] {
        let mut one = secret("s", "m", "LinuxPassPhraseFileName", 1);
        one.tags.kek = tag;
        one.content_type = content.map(str::to_owned);
        assert_eq!(explain(&one, NOW).unwrap().wrapped, wrapped, "{content:?}");
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let os = "LinuxPassPhraseFileName";
    let some = listing(vec![
        secret("1", "web-b", os, 1),
        secret("2", "web-a", os, 1),
        secret("3", "WEB-A", os, 1),
        secret("4", "", os, 1),
    ]);
    let machine = Filter { machine: Some("web-c"), file: None };
    assert_eq!(
        refused(&some, machine),
        "key vault kv: none of 75 secrets has tags for machine web-c; \
         machines there: (no name), WEB-A, web-b"
    );
    let file = name("X.BEK");
    let both = Filter { machine: Some("web-c\u{1b}[2J"), file: Some(&file) };
    assert_eq!(
        refused(&some, both),
        "key vault kv: none of 75 secrets has tags for machine web-c?[2J and file X.BEK; \
         machines there: (no name), WEB-A, web-b"
    );
    let empty = listing(vec![]);
    let none = "key vault kv: none of 75 secrets has tags for";
    assert_eq!(refused(&empty, Filter::default()), format!("{none} a disk"));
    assert_eq!(refused(&empty, machine), format!("{none} machine web-c"));
}
