//! The completions of bash, zsh and fish: their tables are what the program's own parser and its
//! help say, so a new command or option is in all three or this fails.
//!
//! `BLESS=1 cargo test --test completions` writes the tables anew, between the two lines of each
//! file that say so; everything else there is written by hand. What a shell makes of them is
//! tried in the shells themselves, by tests/completions.sh.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs;
use std::path::Path;

#[path = "completions/model.rs"]
mod model;
#[path = "completions/shells.rs"]
mod shells;

/// Begins and ends the table in each file.
const START: &str = "# BEGIN: written by `BLESS=1 cargo test --test completions`\n";
const END: &str = "# END\n";

fn is_current(file: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(START).unwrap_or_else(|| panic!("{file}: no {START}"));
    let (there, tail) = rest.split_once(END).unwrap_or_else(|| panic!("{file}: no {END}"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{head}{START}{table}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        there == table,
        "completions/{file} is not what the parser has; run: BLESS=1 cargo test --test completions"
    );
}

#[test]
fn the_tables_of_bash_are_current() {
    is_current("bek-unlock.bash", &shells::bash(&model::commands()));
}

#[test]
fn the_tables_of_zsh_are_current() {
    is_current("_bek-unlock", &shells::zsh(&model::commands()));
}

#[test]
fn the_tables_of_fish_are_current() {
    is_current("bek-unlock.fish", &shells::fish(&model::commands()));
}

/// What is written by hand needs no more than this of the tables.
#[test]
fn the_model_is_that_of_the_parser() {
    let commands = model::commands();
    let command = |name: &str| commands.iter().find(|c| c.name == name).unwrap();
    let flag = |name: &str, flag: &str| {
        command(name).flags.iter().find(|f| f.name == flag).unwrap_or_else(|| panic!("{flag}"))
    };
    assert!(
        commands.iter().all(|c| !c.about.is_empty() && c.flags.iter().all(|f| !f.about.is_empty()))
    );
    // A flag of one name is two things.
    assert_eq!(flag("recover", "token").value, None);
    assert_eq!(flag("token", "token").value, Some(model::Value::Free("NUMBER")));
    assert_eq!(flag("recover", "auth").value.clone().map(|v| v.words().len()), Some(7));
    assert_eq!(flag("initramfs", "tool").value.clone().map(|v| v.words().len()), Some(2));
    let kinds: Vec<_> = command("attach").arguments.iter().map(|a| a.kind()).collect();
    assert_eq!(kinds, ["name", "device", "file"]);
    assert_eq!(command("token").arguments[0].words(), ["show", "assign", "import", "remove"]);
    assert!(command("decode").arguments.is_empty());
    assert!(command("status").repeats && !command("detach").repeats);
}
