//! docs/troubleshooting.md: a heading for each kind of failure, and below it what the console shows
//! of one, word for word.
//!
//! `BLESS=1 cargo test --test docs troubleshooting` writes the quoted blocks anew.

use std::collections::BTreeSet;
use std::fs;

use bek_unlock::error::Error;
use bek_unlock::message_id::KINDS;
use bek_unlock::report::{self, logger};

use super::samples::samples;
use super::{read, root, same};

const DOCUMENT: &str = "docs/troubleshooting.md";
/// Above the failures.
const FAILURES: &str = "\n# What was said, and what to do\n";

/// A failure on the serial console, indented as code.
fn console(error: &Error) -> String {
    let text = logger::plain(log::Level::Error, &report::lines(error).join("\n"));
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Word, rest of the heading, text below it.
fn sections() -> Vec<(String, String, String)> {
    let document = read(DOCUMENT);
    let (_, failures) = document.split_once(FAILURES).unwrap();
    let parts = failures.split("\n## ").skip(1);
    parts
        .map(|part| {
            let (heading, text) = part.split_once('\n').unwrap();
            let (word, said) = heading.split_once(": ").unwrap_or_else(|| panic!("{heading}"));
            (word.to_owned(), said.to_owned(), text.to_owned())
        })
        .collect()
}

#[test]
fn every_kind_of_failure_has_a_heading_and_a_sample() {
    let known: BTreeSet<String> = KINDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    let sections = sections();
    same(&known, &sections.iter().map(|section| section.0.clone()).collect(), DOCUMENT);
    let sampled = samples().iter().map(|error| error.kind.name().to_owned()).collect();
    same(&known, &sampled, "tests/docs/samples.rs");
    assert!(sections.is_sorted(), "not in the order of the words");
    assert_eq!(sections.len(), samples().len());
}

/// `...` in a heading stands for what differs from case to case.
#[test]
fn headings_are_what_the_cause_begins_with() {
    for (word, said, _) in sections() {
        let error = samples().into_iter().find(|error| error.kind.name() == word).unwrap();
        let lines = report::lines(&error);
        let cause = lines.iter().find_map(|line| line.strip_prefix("cause: ")).unwrap();
        let mut rest = cause;
        for (number, part) in said.split("...").enumerate() {
            let at =
                rest.find(part).unwrap_or_else(|| panic!("{word}: {part:?} is not in {cause:?}"));
            assert!(number > 0 || at == 0, "{word}: {cause:?} does not begin with {part:?}");
            rest = &rest[at + part.len()..];
        }
        assert!(rest.is_empty() || said.ends_with("..."), "{word}: {cause:?} goes on: {rest:?}");
    }
}

#[test]
fn what_is_quoted_is_what_the_program_prints() {
    let document = read(DOCUMENT);
    let mut blessed = document.clone();
    for (word, said, text) in sections() {
        let error = samples().into_iter().find(|error| error.kind.name() == word).unwrap();
        let printed = console(&error);
        let quoted: String = text
            .lines()
            .skip_while(|line| line.is_empty())
            .take_while(|line| line.starts_with("    "))
            .map(|line| format!("{line}\n"))
            .collect();
        if std::env::var_os("BLESS").is_some() {
            let heading = format!("\n## {word}: {said}\n\n");
            let blank = if quoted.is_empty() { "\n" } else { "" };
            blessed = blessed.replacen(
                &format!("{heading}{quoted}"),
                &format!("{heading}{printed}{blank}"),
                1,
            );
            continue;
        }
        assert!(quoted == printed, "{word}: quoted\n{quoted}and printed is\n{printed}");
    }
    if blessed != document {
        fs::write(root().join(DOCUMENT), blessed).unwrap();
    }
}

/// Each says what it means, how to look and what to do, and its exit status.
#[test]
fn each_says_how_to_look_and_what_to_do() {
    for (word, _, text) in sections() {
        for part in ["\n*Look:* ", "\n*Do:* "] {
            assert!(text.contains(part), "{word}: no {part:?}");
        }
        let error = samples().into_iter().find(|error| error.kind.name() == word).unwrap();
        let status = format!("Exit status {}.", error.kind.exit_status());
        // Wherever the line is broken.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.ends_with(&status), "{word}: not at its end: {status}");
    }
}
