//! bek-unlock-messages(7) against error.rs: a heading for each kind of failure, with its status.

use std::collections::{BTreeMap, BTreeSet};

use super::manual::{exit_statuses, section};
use super::{between, read, same};

/// The body of a method of `Kind`.
fn method(signature: &str) -> String {
    between(&read("src/error/status.rs"), signature, "\n    }\n").to_owned()
}

/// Variant to word, from `Kind::name`.
fn names() -> BTreeMap<String, String> {
    let body = method("pub fn name(&self) -> &'static str {");
    let arms = body.lines().filter_map(|line| line.trim().strip_prefix("Self::"));
    arms.map(|arm| {
        let word = arm.split('"').nth(1).unwrap_or_else(|| panic!("no word in {arm}"));
        (variant(arm), word.to_owned())
    })
    .collect()
}

/// Variant to exit statuses, from `Kind::exit_status`; a kind may have more than one.
fn statuses() -> BTreeMap<String, BTreeSet<u8>> {
    let numbers: BTreeMap<String, u8> = exit_statuses().into_iter().collect();
    let body = method("pub fn exit_status(&self) -> u8 {");
    let mut found: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    let mut arms = body.split("=> exit::");
    let mut patterns = arms.next().unwrap();
    for arm in arms {
        let (constant, next) = arm.split_once(',').unwrap();
        for pattern in patterns.split("Self::").skip(1) {
            found.entry(variant(pattern)).or_default().insert(numbers[constant]);
        }
        patterns = next;
    }
    found
}

fn variant(pattern: &str) -> String {
    pattern.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Heading to text.
fn headings() -> BTreeMap<String, String> {
    let failures = section("bek-unlock-messages.7", "FAILURES");
    let parts = failures.split("\n## ").skip(1);
    parts
        .map(|part| {
            let (heading, text) = part.split_once('\n').unwrap();
            (heading.to_owned(), text.to_owned())
        })
        .collect()
}

#[test]
fn every_kind_has_a_heading_and_every_heading_a_kind() {
    let words: BTreeSet<String> = names().into_values().collect();
    same(&words, &headings().into_keys().collect(), "bek-unlock-messages(7)");
    let published: BTreeSet<String> =
        bek_unlock::message_id::KINDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    assert_eq!(words, published);
}

#[test]
fn headings_stand_in_the_order_of_the_alphabet() {
    let failures = section("bek-unlock-messages.7", "FAILURES");
    let order: Vec<&str> = failures.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn every_heading_has_its_message_and_its_exit_status() {
    let (names, headings) = (names(), headings());
    let statuses = statuses();
    assert_eq!(names.len(), statuses.len());
    for (variant, word) in names {
        let text = headings[&word].replace('\n', " ");
        let said = text.rsplit_once("Exit status ").unwrap_or_else(|| panic!("{word}: none")).1;
        let said = said.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
        same(&statuses[&variant], &said.collect(), word.as_str());
        assert!(text.contains("``` cause: "), "{word} has no message");
    }
}

/// The events of message_id.rs that are no failures are explained below OTHER MESSAGES.
#[test]
fn the_journal_fields_are_documented() {
    let documented = section("bek-unlock-messages.7", "JOURNAL FIELDS");
    let mut used = BTreeSet::new();
    for file in super::files(&super::root().join("src"), ".rs") {
        let source = std::fs::read_to_string(&file).unwrap();
        for (at, _) in source.match_indices("BEK_") {
            let field: String =
                source[at..].chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            if source[at + field.len()..].trim_start().starts_with("= ") {
                used.insert(field);
            }
        }
    }
    let written: BTreeSet<String> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("*BEK_")?.strip_suffix("=*"))
        .map(|field| format!("BEK_{field}"))
        .collect();
    same(&used, &written, "bek-unlock-messages(7), JOURNAL FIELDS");
}
