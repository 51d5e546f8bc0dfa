//! Commands and their options: the parser, `--help` and the pages name the same ones.
//!
//! What there is comes from the parser. A new command, or a new option of one, fails here until
//! the help and a page have it.

use std::collections::{BTreeMap, BTreeSet};

use bek_unlock::cli::args::{self, HELP, azure, key};

use super::manual::{section, terms};
use super::{between, read, same};

/// Where the options of a command are explained: page, section, and the line of the help above
/// them. Those that a synopsis alone says enough about are not here.
const EXPLAINED: &[(&str, &str, &str, &str)] = &[
    ("secrets", "bek-unlock.8", "OPTIONS OF SECRETS", "Options of secrets"),
    ("token", "bek-unlock-token.8", "OPTIONS", "Options of token"),
    (
        "enroll",
        "bek-unlock-enroll.8",
        "OPTIONS OF ENROLL",
        "Options of enroll, and keys as for recover",
    ),
    ("rotate", "bek-unlock-enroll.8", "OPTIONS OF ROTATE", "Options of rotate"),
    ("recover", "bek-unlock-recover.8", "OPTIONS", "Options of recover"),
];
const KEYS: &str = "Keys of recover, tried in this order; FILE may be - for standard input";
const SIGNING_IN: &str = "Options of enroll, recover, rotate and secrets, to sign in to Azure";

/// The commands that the parser knows: the words it compares with.
pub fn commands() -> BTreeSet<String> {
    let source = read("src/cli/args.rs");
    let arms = between(&source, "match command.as_str() {\n", "\n    })").to_owned();
    let known: BTreeSet<String> = arms
        .lines()
        .filter_map(|line| line.strip_prefix("        \"")?.split_once("\" => "))
        .map(|(word, _)| word.to_owned())
        .collect();
    assert!(known.contains("attach") && known.contains("token-key"), "{known:?}");
    for command in &known {
        let error = args::Command::parse([command.into(), "--bogus".into()]).unwrap_err();
        assert_eq!(error.kind.to_string(), "invalid option '--bogus'", "{command}");
    }
    known
}

/// The lines of the help below `heading` that begin an entry.
fn entries(heading: &str) -> Vec<&'static str> {
    let block = between(HELP, &format!("\n{heading}:\n"), "\n\n");
    block.lines().filter(|line| !line.starts_with("   ")).collect()
}

/// What the help says behind each command, words of one blank: `attach NAME [DEVICE [...`.
fn usages() -> BTreeSet<String> {
    let block = between(HELP, "\nCommands:\n", "\n\n");
    let mut found: Vec<String> = Vec::new();
    for line in block.lines() {
        // What it does begins at column 19, and a long usage goes on at column 6.
        let usage = if line.starts_with("       ") {
            continue;
        } else if line.as_bytes().get(18) == Some(&b' ') {
            &line[..18]
        } else {
            line
        };
        match (line.strip_prefix("      "), found.last_mut()) {
            (Some(rest), Some(last)) => *last = format!("{last} {}", rest.trim()),
            _ => found.push(usage.trim().to_owned()),
        }
    }
    found.into_iter().collect()
}

#[test]
fn the_help_and_the_synopsis_have_the_same_commands() {
    let plain = |line: &str| {
        let usage = line.replace(['*', '_'], "");
        let usage = usage.trim_end_matches('+').split(" < ").next().unwrap().to_owned();
        usage.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let synopsis = section("bek-unlock.8", "SYNOPSIS");
    let documented: BTreeSet<String> =
        synopsis.lines().filter_map(|line| line.strip_prefix("*bek-unlock* ")).map(plain).collect();
    same(&usages(), &documented, "bek-unlock(8), SYNOPSIS, beside --help");
    let first = |usage: &String| usage.split(' ').next().unwrap().to_owned();
    same(&commands(), &documented.iter().map(first).collect(), "bek-unlock(8), SYNOPSIS");
    let listed = terms(&section("bek-unlock.8", "COMMANDS")).into_iter().collect();
    same(&commands(), &listed, "bek-unlock(8), COMMANDS");
}

#[test]
fn the_common_options_are_those_of_the_help() {
    let helped: BTreeSet<String> = entries("Options")
        .iter()
        .flat_map(|entry| entry.split_whitespace().take_while(|word| word.starts_with('-')))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect();
    let documented = terms(&section("bek-unlock.8", "OPTIONS")).into_iter().collect();
    same(&helped, &documented, "bek-unlock(8), OPTIONS");
    // Each is one that every command takes.
    for option in &helped {
        let parsed = args::Command::parse(["status".into(), option.into()]);
        assert!(parsed.is_ok(), "{option}: {parsed:?}");
    }
}

/// The long options that begin an entry of a section, in their order.
fn flags(page: &str, name: &str) -> Vec<String> {
    let terms = terms(&section(page, name));
    terms.into_iter().filter(|term| term.starts_with("--")).collect()
}

fn helped(heading: &str) -> BTreeSet<String> {
    let words = entries(heading).into_iter().filter_map(|entry| entry.split_whitespace().next());
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

fn dashed(flags: &[&str]) -> BTreeSet<String> {
    flags.iter().map(|flag| format!("--{flag}")).collect()
}

#[test]
fn every_option_of_a_command_is_in_the_help_and_in_the_manual() {
    let common: BTreeSet<String> = flags("bek-unlock.8", "OPTIONS").into_iter().collect();
    let mut explained = BTreeMap::new();
    for (command, page, name, heading) in EXPLAINED {
        explained.insert(*command, (*page, *name, *heading));
    }
    let synopsis = section("bek-unlock.8", "SYNOPSIS");
    let mut used = BTreeSet::new();
    for (command, known) in args::flags() {
        // These are shared by commands, and explained once: below.
        if *known == azure::FLAGS || *known == key::FLAGS {
            continue;
        }
        if let Some((page, name, heading)) = explained.get(command) {
            used.insert(*command);
            let known = dashed(known);
            same(&known, &helped(heading), &format!("bek-unlock --help, {heading}"));
            let documented = flags(page, name).into_iter().filter(|flag| !common.contains(flag));
            same(&known, &documented.collect(), &format!("{page}, {name}"));
            continue;
        }
        let usage =
            synopsis.lines().find(|line| line.starts_with(&format!("*bek-unlock* {command} ")));
        let usage = usage.unwrap_or_else(|| panic!("SYNOPSIS of bek-unlock(8) has no {command}"));
        let documented: BTreeSet<String> = usage
            .split('*')
            .filter(|word| word.starts_with("--"))
            .map(str::to_owned)
            .filter(|flag| !common.contains(flag))
            .collect();
        same(&dashed(known), &documented, &format!("bek-unlock(8), SYNOPSIS of {command}"));
    }
    assert_eq!(used, explained.into_keys().collect(), "explained, and no command has options");
}

#[test]
fn the_options_that_commands_share_are_where_each_of_them_says() {
    let known = dashed(azure::FLAGS);
    same(&known, &helped(SIGNING_IN), "bek-unlock --help, signing in");
    for (page, name) in
        [("bek-unlock-recover.8", "SIGNING IN"), ("bek-unlock.8", "SIGNING IN TO AZURE")]
    {
        same(&known, &flags(page, name).into_iter().collect(), &format!("{page}, {name}"));
    }
    let signing_in = owners(azure::FLAGS);
    assert!(
        SIGNING_IN
            .contains(&signing_in.join(", ").replace("rotate, secrets", "rotate and secrets"))
    );
    same(&dashed(key::FLAGS), &helped(KEYS), "bek-unlock --help, keys");
    assert_eq!(owners(key::FLAGS), ["enroll", "recover"]);
    // The order is that of trying.
    let order: Vec<String> = key::FLAGS.iter().map(|flag| format!("--{flag}")).collect();
    assert_eq!(flags("bek-unlock-recover.8", "KEYS"), order);
}

/// The commands that take all of `flags`.
fn owners(flags: &[&str]) -> Vec<&'static str> {
    args::flags().iter().filter(|(_, known)| *known == flags).map(|(name, _)| *name).collect()
}
