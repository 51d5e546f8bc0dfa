//! docs/threat-model.md: whatever is said to hold names the test that shows it, and that is there.

use std::collections::BTreeSet;
use std::fs;

use super::{between, files, read, root};

const DOCUMENT: &str = "docs/threat-model.md";

/// The functions below `#[test]`, of the program and of what is beside it.
pub fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in ["src", "tests"].iter().flat_map(|name| files(&root().join(name), ".rs")) {
        let source = fs::read_to_string(file).unwrap();
        for after in source.split("#[test]").skip(1) {
            // Other attributes may stand between the two.
            let name = after.split_once("fn ").and_then(|(_, rest)| rest.split('(').next());
            found.extend(name.map(str::to_owned));
        }
    }
    assert!(found.contains("every_defence_names_a_test"));
    found
}

/// What stands between backticks and is a test: its name, a boot of a VM, or a script.
fn named(text: &str) -> Vec<&str> {
    let is_name = |word: &str| {
        word.contains('_')
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| is_name(word) || word.starts_with("tests/")).collect()
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    let (document, tests) = (read(DOCUMENT), tests());
    // How tests of a kind are run is said once, with the name of their directory.
    let runners = ["tests/vm/cases", "tests/vm/run NAME", "tests/root/run NAME"];
    let all = named(&document).into_iter().filter(|word| !runners.contains(word));
    let mut checked = 0;
    for word in all {
        let there = match word.strip_prefix("tests/vm/cases/") {
            Some(case) => root().join("tests/vm/cases").join(case).join("case.sh").exists(),
            None if word.starts_with("tests/") => root().join(word).exists(),
            None => tests.contains(word),
        };
        assert!(there, "no test {word}");
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

/// A line of the table, or an item below an attacker; what is not protected needs none.
#[test]
fn every_defence_names_a_test() {
    let document = read(DOCUMENT);
    let table = between(&document, "|---|---|\n", "\n\n");
    let attackers = between(&document, "## Attackers\n", "\n## What is not protected");
    let items = attackers.split("\n* ").skip(1).map(|item| item.split("\n\n").next().unwrap());
    let mut checked = 0;
    for claim in table.lines().chain(items) {
        assert!(!named(claim).is_empty(), "which test shows this?\n{claim}");
        checked += 1;
    }
    assert!(checked > 40, "{checked}");
}
