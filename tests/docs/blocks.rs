//! Every block of code in README, docs and pages is of a kind, and is held to what its kind means.
//!
//! What runs here or in the root ring is run as it stands; see `tests/docs/run.rs` and
//! `tests/root/documented.rs`. What needs Azure, a person or another distribution is held to what
//! can be known of it: the program's own parser, and the commands and options that `az` has.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use bek_unlock::cli::args::Command;
use bek_unlock::config::{Configuration, Origin};

use super::code::{Block, commands, of_document, of_page};
use super::{files, read, root, same};

mod azure_cli;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Commands of a shell.
    Commands,
    /// `# command` and below it what that prints.
    Session,
    /// Lines of bektab or crypttab, folded.
    Lines,
    /// A message of the program: the tests of messages have its text.
    Message,
    /// tests/root/recipe.rs runs it by its name.
    Recipe,
    /// A request, or its answer: `every_request_is_documented`.
    Request,
    /// Not to be run or read by a program; listed below, with what it is.
    Shown,
}

/// Blocks that are no commands: the place, the first line, and why that needs no test or which one
/// it has.
const SHOWN: &[(&str, &str, &str)] = &[
    ("README.md", "/etc/bektab --> bek-unlock-generator -->", "a picture"),
    ("docs/man/bek-unlock-initramfs.7.scd", "rd.bek.device=root=UUID", "below: parameters"),
    (
        "docs/man/bek-unlock-recover.8.scd",
        "/dev/mapper/sdc4-recovered is open",
        "tests/root/recover.rs",
    ),
    ("docs/man/bek-unlock-token.8.scd", "{\"type\":\"bek-unlock\"", "a token, cut"),
    ("docs/man/bek-unlock.8.scd", "/etc/crypttab:4: data1 moves", "tests/root/adopt.rs"),
    ("docs/man/bek-unlock.8.scd", "data3 opened with Key Vault", "src/report/last_boot/tests.rs"),
    ("docs/man/bektab.5.scd", "name  device  key  options", "the names of the fields"),
    ("docs/man/bektab.5.scd", "/dev/mapper/data1  /srv/data1  ext4", "a line of fstab"),
];

/// Programs of others in the blocks. What they print and which options they have is theirs.
const PROGRAMS: &[&str] = &[
    "apt",
    "az",
    "bek-unlock",
    "blkid",
    "blockdev",
    "cargo",
    "cat",
    "cd",
    "cp",
    "cryptsetup",
    "curl",
    "dracut",
    "echo",
    "find",
    "git",
    "grep",
    "grubby",
    "journalctl",
    "make",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "printf",
    "rm",
    "sed",
    "strace",
    "systemctl",
    "umask",
    "umount",
    "uname",
    "update-initramfs",
];

/// The blocks of README, docs and pages.
pub fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for (directory, suffix) in [("docs", ".md"), ("docs/man", ".scd")] {
        for file in files(&root().join(directory), suffix) {
            let place = file.strip_prefix(root()).unwrap().display().to_string();
            let text = read(&place);
            let of = if suffix == ".scd" { of_page } else { of_document };
            found.extend(of(&place, &text));
        }
    }
    found.extend(of_document("README.md", &read("README.md")));
    assert!(found.len() > 120, "{}", found.len());
    found
}

fn is_program(word: &str) -> bool {
    PROGRAMS.contains(&word)
        || word == "/usr/lib/systemd/system-generators/bek-unlock-generator"
        || (word.starts_with("tests/") && root().join(word).exists())
}

/// All that a block may be.
fn classes(block: &Block) -> Vec<Class> {
    let first = block.lines[0].as_str();
    let mut found = Vec::new();
    let shown =
        |(place, start, _): &&(&str, &str, &str)| *place == block.place && first.starts_with(start);
    if SHOWN.iter().any(|row| shown(&row)) {
        found.push(Class::Shown);
    }
    if block.recipe.is_some() {
        found.push(Class::Recipe);
        return found;
    }
    if ["GET ", "POST ", "PUT ", "client_id=", "{\""].iter().any(|word| first.starts_with(word))
        && block.place == "docs/azure.md"
    {
        found.push(Class::Request);
    }
    if first.starts_with("cause: ") || first.starts_with("bek-unlock: ") {
        found.push(Class::Message);
    }
    let session = first.strip_prefix("# ").is_some_and(|command| {
        commands(command).first().is_some_and(|words| is_program(&words[0]))
    });
    if session {
        found.push(Class::Session);
    }
    if is_configuration(block) {
        found.push(Class::Lines);
    }
    let all = block.joined().iter().flat_map(|line| commands(line)).collect::<Vec<_>>();
    if !all.is_empty() && all.iter().all(|words| is_program(&words[0])) {
        found.push(Class::Commands);
    }
    found
}

fn is_configuration(block: &Block) -> bool {
    // As `status --last-boot` begins.
    if block.lines[0].contains(" opened with ") {
        return false;
    }
    let names =
        ["data", "archive ", "scratch ", "osencrypt ", "logs ", "# /etc/bektab", "# /etc/crypttab"];
    names.iter().any(|name| block.lines[0].starts_with(name))
}

fn of(class: Class) -> Vec<Block> {
    let found: Vec<Block> =
        blocks().into_iter().filter(|block| classes(block) == [class]).collect();
    assert!(!found.is_empty(), "no {class:?}");
    found
}

/// Each command of the documents with its words, whoever its program is.
pub fn all_commands() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for block in of(Class::Commands).into_iter().chain(of(Class::Recipe)) {
        let lines = block.joined();
        found.extend(lines.iter().flat_map(|l| commands(l)).map(|w| (block.place.clone(), w)));
    }
    for block in of(Class::Session) {
        let lines = block.lines.iter().filter_map(|line| line.strip_prefix("# "));
        found.extend(lines.flat_map(commands).map(|words| (block.place.clone(), words)));
    }
    found
}

#[test]
fn every_block_is_of_one_kind() {
    let mut wrong = Vec::new();
    for block in blocks() {
        let classes = classes(&block);
        if classes.len() != 1 {
            wrong.push(format!("{}: {:?}: {classes:?}", block.place, block.lines[0]));
        }
    }
    assert!(wrong.is_empty(), "of no kind, or of several:\n{}", wrong.join("\n"));
    for (place, start, _) in SHOWN {
        let there = blocks().iter().any(|b| b.place == *place && b.lines[0].starts_with(start));
        assert!(there, "{place}: {start} is listed and not there");
    }
}

#[test]
fn the_lines_of_bektab_and_crypttab_parse() {
    let mut checked = 0;
    for block in of(Class::Lines) {
        let mut origin = Origin::Bektab;
        for line in table_lines(&block) {
            match line.as_str() {
                "# /etc/bektab" | "# /etc/bektab; one line" => origin = Origin::Bektab,
                "# /etc/crypttab" | "# /etc/crypttab; one line" => origin = Origin::Crypttab,
                // Of crypttab only ADE's lines are read, so its lines are held to be none of them.
                line if origin == Origin::Crypttab => {
                    let fields = line.split_whitespace().count();
                    assert!((3..=4).contains(&fields), "{}: {line}", block.place);
                    checked += 1;
                }
                line => {
                    let parsed = Configuration::parse(
                        origin,
                        Path::new("/etc/bektab"),
                        real(line).as_bytes(),
                    );
                    assert_eq!(parsed.problems, [], "{}: {line}", block.place);
                    assert_eq!(parsed.entries.len(), 1, "{}: {line}", block.place);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 12, "{checked}");
}

/// The folded lines and the comments that say whose they are; a command below them is no line.
fn table_lines(block: &Block) -> Vec<String> {
    let mut lines = Vec::new();
    for part in block.lines.split(|line| line.is_empty()) {
        if part
            .first()
            .is_some_and(|line| commands(line).first().is_some_and(|w| is_program(&w[0])))
        {
            continue;
        }
        // A comment ends the line before it.
        let mut from = 0;
        for (at, line) in part.iter().enumerate() {
            if line.starts_with('#') {
                lines.extend(unfolded(&part[from..at]));
                lines.push(line.clone());
                from = at + 1;
            }
        }
        lines.extend(unfolded(&part[from..]));
    }
    lines
}

fn unfolded(lines: &[String]) -> Vec<String> {
    Block { place: String::new(), recipe: None, lines: lines.to_vec() }.unfolded()
}

/// A word in capitals in the place of an identifier becomes one.
fn real(line: &str) -> String {
    line.replace("SECRET-URL", "https://contoso-kv.vault.azure.net/secrets/bek-data1")
        .replace("KEY-URL", "https://contoso-kv.vault.azure.net/keys/kek/89abcdef")
        .replace("VAULT.vault", "contoso-kv.vault")
        .replace("keys/KEK", "keys/kek")
        .replace("PARTUUID=...", "PARTUUID=0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f")
        .replace("$VAULT", "https://contoso-kv.vault.azure.net")
}

/// The words behind `bek-unlock`, where a command runs that, itself or under strace.
pub fn ours(words: &[String]) -> Option<&[String]> {
    let at = words.iter().position(|word| word == "bek-unlock")?;
    (at == 0 || words[0] == "strace").then(|| &words[at + 1..])
}

#[test]
fn every_command_line_of_ours_is_one_that_the_program_takes() {
    let mut checked = BTreeSet::new();
    for (place, words) in all_commands() {
        let Some(words) = ours(&words) else { continue };
        let words: Vec<String> = words.iter().map(|word| real(word)).collect();
        let parsed = Command::parse(words.iter().map(OsString::from));
        let error = parsed.err().map(|error| error.kind.to_string());
        assert_eq!(error, None, "{place}: bek-unlock {}", words.join(" "));
        checked.insert(words.join(" "));
    }
    assert!(checked.len() > 25, "{checked:?}");
    let made_up = Command::parse(["adopt", "--vault", "x"].map(OsString::from));
    assert!(made_up.is_err());
}

/// Names of test binaries and scripts behind `cargo test` and `tests/`.
#[test]
fn what_the_documents_run_of_this_repository_exists() {
    let mut checked = 0;
    for (place, words) in all_commands() {
        if words[0] == "cargo" {
            let test = words.iter().skip_while(|word| *word != "--test").nth(1);
            if let Some(test) = test {
                let manifest = read("Cargo.toml");
                let named = manifest.contains(&format!("name = \"{test}\""));
                let there = root().join(format!("tests/{test}.rs")).exists()
                    || root().join(format!("tests/{test}/main.rs")).exists();
                assert!(named || there, "{place}: cargo test --test {test}");
                checked += 1;
            }
        }
        if words[0].starts_with("tests/") {
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn every_recipe_is_run() {
    let source = read("tests/root/recipe.rs");
    for block in of(Class::Recipe) {
        let name = block.recipe.unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "nothing runs the step {name}");
    }
}

#[test]
fn the_parameters_of_the_example_are_documented() {
    let block = blocks().into_iter().find(|block| block.lines[0].starts_with("rd.bek.device="));
    let page = read("docs/man/bek-unlock-initramfs.7.scd");
    for line in block.unwrap().lines {
        let name = line.split('=').next().unwrap();
        assert!(page.contains(&format!("*{name}=*")), "{name}");
    }
}
