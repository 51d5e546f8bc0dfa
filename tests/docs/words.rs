//! The other direction: no page and no document names an option, an exit status, a word for a
//! failure or a page that does not exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bek_unlock::cli::args;
use bek_unlock::message_id::KINDS;

use super::manual::{exit_statuses, options, section};
use super::{files, read, root, same};

/// Options of other programs that are written about: none of them is ours.
const OF_OTHERS: &[&str] = &[
    "--add",
    "--batch-mode",
    "--enabled",
    "--pbkdf-memory",
    "--resource",
    "--setro",
    "--setrw",
    "--token-only",
];

/// What stands before `=` in bold and belongs to crypttab, systemd or a boot loader.
const WORDS_OF_OTHERS: &[&str] = &[
    "LABEL",
    "MemoryMax",
    "PARTLABEL",
    "PARTUUID",
    "SYSTEMD_SULOGIN_FORCE",
    "UUID",
    "console",
    "ip",
    "keyscript",
    "panic",
    "rd.emergency",
    "rd.luks.name",
    "rd.luks.uuid",
    "rd.retry",
    "rd.shell",
    "rootdelay",
    "tpm2-measure-pcr",
    "tries",
    "umask",
];

fn pages() -> Vec<(String, String)> {
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let pages = files(&root().join("docs/man"), ".scd");
    assert!(pages.len() >= 8);
    pages.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Pages, README and docs/*.md, by their paths.
fn everything() -> Vec<(String, String)> {
    let mut found = pages();
    let documents = files(&root().join("docs"), ".md");
    for path in documents.into_iter().chain([root().join("README.md")]) {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        found.push((name, fs::read_to_string(path).unwrap()));
    }
    found
}

/// The text without literal blocks.
fn prose(page: &str) -> String {
    let mut literal = false;
    let mut kept = String::new();
    for line in page.lines() {
        if line.trim() == "```" {
            literal = !literal;
        } else if !literal {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The words of `text` that begin with `--` and a letter.
fn flags(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        // A rule of a table, or the middle of a word.
        if text[..at].ends_with(|c: char| c == '-' || c.is_ascii_alphanumeric()) {
            continue;
        }
        let name: String =
            text[at + 2..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if name.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.insert(format!("--{}", name.trim_end_matches('-')));
        }
    }
    found
}

#[test]
fn no_page_names_an_option_that_no_command_has() {
    let own = args::flags().iter().flat_map(|(_, flags)| flags.iter().copied());
    let common = ["help", "json", "verbose", "version"];
    let known: BTreeSet<String> = own.chain(common).map(|flag| format!("--{flag}")).collect();
    let mut named = BTreeSet::new();
    for (page, text) in pages() {
        for flag in flags(&prose(&text)) {
            let there = known.contains(&flag) || OF_OTHERS.contains(&flag.as_str());
            assert!(there, "{page}: {flag} is no option of any command");
            named.insert(flag);
        }
    }
    // All of ours are named, and a word that is written nowhere any more is out of the list.
    let of_others = OF_OTHERS.iter().map(|flag| (*flag).to_owned());
    same(&known.into_iter().chain(of_others).collect(), &named, "options in the pages");
}

/// `*kek=*` in bold: an option of bektab, a parameter, a field, or a known word of others.
#[test]
fn no_page_names_an_option_of_bektab_that_is_none() {
    let own: BTreeSet<String> = options().into_iter().filter(|o| o.1).map(|o| o.0).collect();
    let parameters = section("bek-unlock-initramfs.7", "KERNEL COMMAND LINE").replace('\\', "");
    let fields = section("bek-unlock-messages.7", "JOURNAL FIELDS");
    let mut foreign = BTreeSet::new();
    let mut checked = 0;
    for (page, text) in pages() {
        for (at, _) in text.match_indices('*') {
            let rest = &text[at + 1..];
            let is_name = |c: &char| c.is_ascii_alphanumeric() || "\\_.-".contains(*c);
            let name: String = rest.chars().take_while(is_name).collect();
            if name.is_empty() || name.starts_with('_') || !rest[name.len()..].starts_with('=') {
                continue;
            }
            let name = name.replace('\\', "");
            checked += 1;
            if own.contains(&name)
                || parameters.contains(&format!("*{name}="))
                || fields.contains(&format!("*{name}="))
            {
                continue;
            }
            assert!(WORDS_OF_OTHERS.contains(&name.as_str()), "{page}: {name}= is no option");
            foreign.insert(name);
        }
    }
    assert!(checked > 100, "{checked}");
    let listed = WORDS_OF_OTHERS.iter().map(|word| (*word).to_owned());
    let explained = |word: &String| !parameters.contains(&format!("*{word}="));
    same(&listed.filter(explained).collect(), &foreign, "words of others");
}

/// Behind "exit status" or "status" stands one that the program has.
#[test]
fn no_page_names_an_exit_status_that_does_not_exist() {
    let known: BTreeSet<String> =
        exit_statuses().into_iter().map(|(_, status)| status.to_string()).collect();
    let mut named = BTreeSet::new();
    for (page, text) in everything() {
        let text = text.replace(['\n', '*', '`'], " ");
        for behind in text.split("xit status ").skip(1) {
            let number: String = behind.chars().take_while(char::is_ascii_digit).collect();
            if !number.is_empty() {
                assert!(known.contains(&number), "{page}: exit status {number}");
                named.insert(number);
            }
        }
    }
    // Nothing is said of 0 by number.
    assert!(named.len() > 4, "{named:?}");
}

/// The last part of a word for a failure, `-denied`, makes a word one of them.
#[test]
fn no_page_names_a_failure_that_does_not_exist() {
    let known: BTreeSet<&str> = KINDS.iter().map(|(word, _)| *word).collect();
    let last = |word: &&str| word.rsplit_once('-').map(|(_, last)| last.to_owned());
    let endings: BTreeSet<String> = known.iter().filter_map(last).collect();
    let mut checked = 0;
    for (page, text) in everything() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
        for word in text.split(|c: char| !is_word(c)).map(|word| word.trim_matches('.')) {
            let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let ends = last(&word).is_some_and(|last| endings.contains(&last));
            // A case of tests/vm is called after what it provokes.
            if !plain || !ends || word.starts_with('-') || word.starts_with("refuse-") {
                continue;
            }
            let other = ["key-slot", "built-in", "not-before", "log-in", "key-file", "opt-in"];
            assert!(known.contains(word) || other.contains(&word), "{page}: {word}");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

/// A page's first line has its name and section; references have the section of the page.
#[test]
fn references_to_our_own_pages_lead_to_one() {
    let pages = pages();
    let mut checked = 0;
    for (file, text) in &pages {
        let (name, number) = file.rsplit_once('.').unwrap();
        assert!(text.starts_with(&format!("{name}({number}) ")), "{file}");
        let about = section(file, "NAME");
        assert!(about.trim_start().starts_with(name), "{file}: NAME");
    }
    for (place, text) in everything() {
        let text = text.replace('*', "");
        for (at, _) in text.match_indices('(') {
            let name: String = text[..at]
                .chars()
                .rev()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            let name: String = name.chars().rev().collect();
            let number: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
            if !name.starts_with("bek") || number.is_empty() {
                continue;
            }
            let there = pages.iter().any(|(file, _)| *file == format!("{name}.{number}"));
            assert!(there, "{place}: {name}({number})");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// From bek-unlock(8) every page is one step away, and from every page bek-unlock(8) is.
#[test]
fn see_also_lists_our_pages() {
    let listed = section("bek-unlock.8", "SEE ALSO");
    for (file, _) in pages() {
        let (name, number) = file.rsplit_once('.').unwrap();
        if file != "bek-unlock.8" {
            assert!(listed.contains(&format!("*{name}*({number})")), "bek-unlock(8): {file}");
            assert!(section(&file, "SEE ALSO").contains("*bek-unlock*(8)"), "{file}");
        }
        for line in section(&file, "SEE ALSO").split(',') {
            let (page, number) = line.trim().split_once("*(").unwrap_or_else(|| panic!("{line}"));
            assert!(page.starts_with('*') && number.ends_with(')'), "{file}: {line}");
        }
    }
    assert!(read("README.md").contains("`man bek-unlock`"));
}
