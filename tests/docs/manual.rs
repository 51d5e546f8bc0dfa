//! The pages of the manual as scdoc sources: options, commands, exit statuses, width.

use std::collections::BTreeSet;
use std::process::Command;

use bek_unlock::config;

use super::{between, files, read, root, same};

/// The section `# NAME` of a page, up to the next one.
pub fn section(page: &str, name: &str) -> String {
    let text = format!("{}\n# ", read(&format!("docs/man/{page}.scd")));
    between(&text, &format!("\n# {name}\n"), "\n# ").to_owned()
}

/// The bold words that begin a line of a list; `\_` is scdoc's underscore.
pub fn terms(section: &str) -> Vec<String> {
    section
        .lines()
        .filter(|line| line.starts_with('*'))
        .flat_map(|line| line.split('*').skip(1).step_by(2))
        .map(|term| term.replace('\\', ""))
        .collect()
}

/// The names in option_table.rs, and whether they take a value.
pub fn options() -> BTreeSet<(String, bool)> {
    let source = read("src/config/option_table.rs");
    let table = between(&source, "const TABLE", "\n];");
    let mut found = BTreeSet::new();
    for row in table.split("option(").skip(1) {
        let takes_value = row.contains("One(") || row.contains("Each(");
        let names = between(row, "&[", "]");
        found.extend(names.split('"').skip(1).step_by(2).map(|n| (n.to_owned(), takes_value)));
    }
    found
}

#[test]
fn every_option_is_in_the_manual_and_every_documented_one_is_known() {
    let documented = ["OPTIONS OF CRYPTTAB", "OPTIONS OF BEKTAB"]
        .iter()
        .flat_map(|name| terms(&section("bektab.5", name)))
        // Behind a value come the forms it takes: identity=KIND:VALUE.
        .map(|term| match term.split_once('=') {
            Some((name, _)) => (name.to_owned(), true),
            None => (term, false),
        })
        .collect();
    same(&options(), &documented, "bektab(5)");
}

#[test]
fn the_option_list_of_this_test_is_the_parser_s() {
    for (name, takes_value) in options() {
        let word = if takes_value { format!("{name}=x") } else { name };
        let parsed = config::volume_from_arguments("x", "/dev/x", None, Some(&word));
        let message = parsed.err().map(|kind| kind.to_string()).unwrap_or_default();
        assert!(!message.contains("unknown option"), "{message}");
    }
    let made_up = config::volume_from_arguments("x", "/dev/x", None, Some("nofial"));
    assert!(made_up.unwrap_err().to_string().contains("unknown option"));
}

/// The names that the kernel command line's parser compares with, and those that a page has.
#[test]
fn every_parameter_of_the_kernel_command_line_is_in_the_manual() {
    let mut known = BTreeSet::new();
    for file in ["cmdline.rs", "cmdline/ade.rs", "cmdline/given.rs"] {
        let source = read(&format!("src/config/{file}"));
        let words = source.split('"').skip(1).step_by(2);
        let is_name = |word: &&str| {
            word.starts_with("rd") && !word.contains(['{', ' ']) && !word.ends_with('.')
        };
        known.extend(words.filter(is_name).map(str::to_owned));
    }
    let section = section("bek-unlock-initramfs.7", "KERNEL COMMAND LINE");
    let name = |term: String| term.split('=').next().unwrap_or_default().to_owned();
    let documented = terms(&section).into_iter().map(name).filter(|name| name.starts_with("rd"));
    same(&known, &documented.collect(), "bek-unlock-initramfs(7), KERNEL COMMAND LINE");
}

#[test]
fn defaults_are_as_documented() {
    let timeout = bek_unlock::volume::Options::default().timeout;
    let seconds = timeout.0.unwrap().as_secs();
    assert!(section("bektab.5", "OPTIONS OF BEKTAB").contains(&format!("Default: *{seconds}s*")));
}

fn help() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bek-unlock")).arg("--help").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.starts_with("Usage: "), "{help:?}");
    help
}

/// Those of `attach --json` are in bek-unlock(8).
#[test]
fn the_manual_has_the_fields_that_recover_prints() {
    let source = read("src/report/recovery.rs");
    let printed = source.split("#[cfg(test)]").next().unwrap();
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (behind, before) in [("\": ", "\""), ("\".to_owned(), json!", "insert(\"")] {
        let names = printed.split(behind).filter_map(|text| text.rsplit(before).next());
        known.extend(names.filter(is_name).map(str::to_owned));
    }
    known.remove("result");
    let json = section("bek-unlock-recover.8", "JSON");
    let terms = json.lines().filter_map(|line| line.strip_prefix('_')?.strip_suffix('_'));
    same(&known, &terms.map(str::to_owned).collect(), "bek-unlock-recover(8), JSON");
}

#[test]
fn the_manual_has_the_words_and_fields_of_token() {
    let words = ["show", "assign", "import", "remove"].map(|word| format!("*{word}*"));
    let commands = section("bek-unlock-token.8", "COMMANDS");
    let commands: Vec<&str> = commands.lines().filter(|line| line.starts_with('*')).collect();
    assert_eq!(commands, words);
    let underlined = |name: &str| -> BTreeSet<String> {
        let text = section("bek-unlock-token.8", name);
        let terms = text.lines().filter(|line| line.starts_with('_') && line.ends_with('_'));
        terms.flat_map(|line| line.split(", ")).map(|term| term.trim_matches('_').into()).collect()
    };
    let source = read("src/cli/token/show.rs");
    let mut printed: BTreeSet<String> = between(&source, "json!({", "})")
        .split("\": ")
        .filter_map(|text| Some(text.rsplit_once('"')?.1.to_owned()))
        .collect();
    printed.extend(["result", "device"].map(str::to_owned));
    same(&printed, &underlined("JSON"), "bek-unlock-token(8), JSON");
    let source = read("src/token.rs");
    let fields: BTreeSet<String> = between(&source, "struct Raw {", "}")
        .lines()
        .filter_map(|line| {
            Some(line.trim().split_once(": ")?.0.trim_start_matches("r#").to_owned())
        })
        .collect();
    same(&fields, &underlined("THE TOKEN"), "bek-unlock-token(8), THE TOKEN");
}

#[test]
fn the_ways_to_sign_in_are_in_the_manual() {
    let section = section("bek-unlock.8", "SIGNING IN TO AZURE");
    for word in bek_unlock::azure::auth::Auth::WORDS {
        let way = word.replace("FILE", "*_FILE_");
        assert!(section.contains(&format!("*{}", way.trim_end_matches('*'))), "{word}");
    }
    let source = read("src/edge/sign_in/environment.rs");
    let names = between(&source, "pub fn read(", "\n}");
    let names: Vec<&str> = names.split('"').filter(|word| word.starts_with("AZURE_")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(section.contains(name), "{name}");
    }
}

#[test]
fn the_help_fits_a_console() {
    for line in help().lines() {
        assert!(line.len() <= 79 && line.is_ascii(), "{line}");
    }
}

/// The constants of `error::exit`.
pub fn exit_statuses() -> Vec<(String, u8)> {
    let source = read("src/error/status.rs");
    let module = between(&source, "pub mod exit {", "\n}");
    let constants = module.split("pub const ").skip(1);
    constants
        .map(|constant| {
            let (name, rest) = constant.split_once(": u8 = ").unwrap();
            (name.to_owned(), rest.split(';').next().unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn every_exit_status_is_in_the_manual_and_in_the_help() {
    let statuses: BTreeSet<String> =
        exit_statuses().into_iter().map(|(_, status)| status.to_string()).collect();
    let documented = terms(&section("bek-unlock.8", "EXIT STATUS")).into_iter().collect();
    same(&statuses, &documented, "bek-unlock(8), EXIT STATUS");
    let help = help();
    let line = between(&help, "\nExit status:", "\n\n");
    let words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    same(&statuses, &words.map(str::to_owned).collect(), "bek-unlock --help");
}

/// man(1) sets paragraphs to the width of the terminal, but neither literal text nor long words.
#[test]
fn pages_fit_79_columns() {
    // Text of a list is indented by 11 columns, literal text by 4 more than what is around it.
    const ROOM: usize = 79 - 11;
    let pages = files(&root().join("docs/man"), ".scd");
    assert!(!pages.is_empty());
    for page in pages {
        let mut literal = false;
        for line in std::fs::read_to_string(&page).unwrap().lines() {
            if line.trim_start() == "```" {
                literal = !literal;
            }
            let longest = if literal {
                line.replace("\\\\", "\\").chars().count()
            } else {
                line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0)
            };
            assert!(longest <= ROOM, "{}: {line}", page.display());
            assert!(line.is_ascii(), "{}: {line}", page.display());
        }
    }
}
