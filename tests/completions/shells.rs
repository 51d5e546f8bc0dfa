//! The tables as each shell has them.

use std::collections::BTreeMap;
use std::fmt::Write;

use bek_unlock::cli::args::HELP;

use crate::model::{Command, Flag, Value};

/// `text` in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Words that follow `first`, folded at 96 columns with `end` at each line's end.
fn folded(first: &str, words: &[String], indent: usize, end: &str) -> String {
    let mut lines = vec![first.to_owned()];
    for word in words {
        let last = lines.last_mut().unwrap();
        if last.len() + word.len() + 1 + end.len() > 98 {
            last.push_str(end);
            lines.push(format!("{:indent$}{word}", ""));
        } else {
            let blank = if last.is_empty() || last.ends_with('(') { "" } else { " " };
            let _ = write!(last, "{blank}{word}");
        }
    }
    lines.join("\n")
}

/// The options that every command has, with what the help says of them.
fn common() -> Vec<(Vec<&'static str>, String)> {
    let (_, rest) = HELP.split_once("\nOptions:\n").unwrap();
    let rows = rest.split("\n\n").next().unwrap().lines();
    rows.map(|row| {
        let names = row[..18].trim().split(", ").collect();
        (names, row[18..].trim().to_owned())
    })
    .collect()
}

/// Bash: functions that print a list for a command, an option, an argument.
pub fn bash(commands: &[Command]) -> String {
    let mut out = String::new();
    let names: Vec<String> = commands.iter().map(|command| command.name.clone()).collect();
    let _ = writeln!(
        out,
        "{}",
        folded("_bek_unlock_commands='", &names, 4, "").replacen("' ", "'", 1) + "'"
    );
    let common: Vec<&str> = common().into_iter().flat_map(|(names, _)| names).collect();
    let _ = writeln!(out, "_bek_unlock_common='{}'\n", common.join(" "));

    out.push_str("_bek_unlock_options() {\n    case $1 in\n");
    for command in commands.iter().filter(|command| !command.flags.is_empty()) {
        let flags: Vec<String> = command.flags.iter().map(|f| format!("--{}", f.name)).collect();
        let first = format!("        {}) echo", command.name);
        let _ = writeln!(out, "{} ;;", folded(&first, &flags, 12, " \\"));
    }
    out.push_str("    esac\n}\n\n_bek_unlock_value() {\n    case $1:$2 in\n");
    for (flag, owners) in by_flag(commands) {
        let mut rows: Vec<(String, &Value)> = Vec::new();
        let alike = owners.iter().all(|(_, value)| *value == owners[0].1);
        match (&owners[0].1, alike) {
            (Some(value), true) => rows.push((format!("*:--{flag}"), value)),
            (None, true) => {}
            _ => rows.extend(owners.iter().filter_map(|(command, value)| {
                value.as_ref().map(|value| (format!("{command}:--{flag}"), value))
            })),
        }
        for (pattern, value) in rows {
            let first = format!("        {pattern}) echo {}", value.kind());
            let _ = writeln!(out, "{} ;;", folded(&first, value.words(), 12, " \\"));
        }
    }
    out.push_str("    esac\n}\n\n_bek_unlock_argument() {\n    case $1:$2 in\n");
    for command in commands {
        for (number, value) in command.arguments.iter().enumerate() {
            let number = match command.repeats && number + 1 == command.arguments.len() {
                true => "*".to_owned(),
                false => (number + 1).to_string(),
            };
            let first = format!("        {}:{number}) echo {}", command.name, value.kind());
            let _ = writeln!(out, "{} ;;", folded(&first, value.words(), 12, " \\"));
        }
    }
    out.push_str("    esac\n}\n");
    out
}

type Owners<'a> = Vec<(&'a str, Option<Value>)>;

fn by_flag(commands: &[Command]) -> BTreeMap<&'static str, Owners<'_>> {
    let mut found: BTreeMap<&'static str, Owners<'_>> = BTreeMap::new();
    for command in commands {
        for flag in &command.flags {
            found.entry(flag.name).or_default().push((&command.name, flag.value.clone()));
        }
    }
    found
}

/// Zsh: the commands for _describe, and for each command its _arguments.
pub fn zsh(commands: &[Command]) -> String {
    let mut out = String::from("_bek_unlock_commands=(\n");
    for command in commands {
        let _ = writeln!(out, "    {}", quoted(&format!("{}:{}", command.name, command.about)));
    }
    out.push_str(")\n_bek_unlock_common=(\n");
    for (names, about) in common() {
        let about = escaped(&about);
        match names.as_slice() {
            [name] => drop(writeln!(out, "    '{name}[{about}]'")),
            names => {
                let (excluded, listed) = (names.join(" "), names.join(","));
                let _ = writeln!(out, "    '({excluded})'{{{listed}}}'[{about}]'");
            }
        }
    }
    out.push_str(")\n");
    for (flag, owners) in by_flag(commands) {
        if let Some(Value::Words(words)) = &owners[0].1 {
            let first = format!("{}=(", list(flag));
            let _ = writeln!(out, "{})", folded(&first, words, 4, ""));
        }
    }
    out.push_str("\n_bek_unlock_command() {\n    case $words[1] in\n");
    for command in commands {
        let _ = writeln!(out, "        ({})", command.name);
        let mut specs: Vec<String> = command.flags.iter().map(zsh_flag).collect();
        for (number, value) in command.arguments.iter().enumerate() {
            let repeats = command.repeats && number + 1 == command.arguments.len();
            let place = if repeats { "*".to_owned() } else { (number + 1).to_string() };
            specs.push(quoted(&format!("{place}:{}:{}", value.kind(), zsh_action(value))));
        }
        out.push_str("            _arguments -S -s $_bek_unlock_common");
        for spec in specs {
            let _ = write!(out, " \\\n            {spec}");
        }
        out.push_str("\n            ;;\n");
    }
    out.push_str("    esac\n}\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

/// The array with the words of an option.
fn list(flag: &str) -> String {
    format!("_bek_unlock_{}", flag.replace('-', "_"))
}

fn zsh_flag(flag: &Flag) -> String {
    // The one option that may be given again.
    let again = if flag.name == "vault-suffix" { "*" } else { "" };
    let about = escaped(&flag.about);
    quoted(&match &flag.value {
        None => format!("{again}--{}[{about}]", flag.name),
        Some(value) => {
            let name = match value {
                Value::Free(name) => name,
                other => other.kind(),
            };
            let action = match value {
                Value::Words(_) => format!(" _bek_unlock_of ${}", list(flag.name)),
                other => zsh_action(other),
            };
            format!("{again}--{}=[{about}]:{name}:{action}", flag.name)
        }
    })
}

fn zsh_action(value: &Value) -> String {
    match value {
        Value::Device => "_bek_unlock_devices".to_owned(),
        Value::Directory => "_files -/".to_owned(),
        Value::File => "_files".to_owned(),
        Value::Free(_) => " ".to_owned(),
        Value::Name => "_bek_unlock_names".to_owned(),
        Value::Words(words) => format!(" _bek_unlock_of {}", escaped(&words.join(" "))),
    }
}

/// Fish: a `complete` for each command, option and argument.
pub fn fish(commands: &[Command]) -> String {
    let mut out = String::new();
    let valued: Vec<String> = commands
        .iter()
        .flat_map(|c| c.flags.iter().filter(|f| f.value.is_some()).map(move |f| (c, f)))
        .map(|(command, flag)| format!("{}:--{}", command.name, flag.name))
        .collect();
    let _ = writeln!(out, "{}", folded("set -g __bek_unlock_valued", &valued, 4, " \\"));
    for (flag, owners) in by_flag(commands) {
        if let Some(Value::Words(words)) = &owners[0].1 {
            let first = format!("set -g _{}", list(flag));
            let _ = writeln!(out, "{}", folded(&first, words, 4, " \\"));
        }
    }
    out.push('\n');
    for (names, about) in common() {
        let mut names_of = String::new();
        for name in names {
            let _ = match name.strip_prefix("--") {
                Some(long) => write!(names_of, " -l {long}"),
                None => write!(names_of, " -s {}", name.trim_start_matches('-')),
            };
        }
        let _ = writeln!(out, "complete -c bek-unlock{names_of} -d {}", fish_quoted(&about));
    }
    for command in commands {
        let _ = writeln!(
            out,
            "\ncomplete -c bek-unlock -n __bek_unlock_no_command -a {} \\\n    -d {}",
            command.name,
            fish_quoted(&command.about)
        );
        for flag in &command.flags {
            let _ = writeln!(
                out,
                "complete -c bek-unlock -n '__bek_unlock_in {}' -l {}{}",
                command.name,
                flag.name,
                flag.value.as_ref().map_or(String::new(), |value| match value {
                    Value::Words(_) => format!(" -x \\\n    -a '$_{}'", list(flag.name)),
                    other => fish_value(other),
                }) + " \\\n    -d "
                    + &fish_quoted(&flag.about)
            );
        }
        for (number, value) in command.arguments.iter().enumerate() {
            let repeats = command.repeats && number + 1 == command.arguments.len();
            let place = if repeats { "from" } else { "at" };
            let _ = writeln!(
                out,
                "complete -c bek-unlock -n '__bek_unlock_{place} {} {}'{}",
                command.name,
                number + 1,
                fish_value(value).replace(" -x", "").replace(" -r", "")
            );
        }
    }
    out
}

fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn fish_value(value: &Value) -> String {
    match value {
        Value::Device => " -x -a '(__bek_unlock_devices)'".to_owned(),
        Value::Directory => " -x \\\n    -a '(__fish_complete_directories)'".to_owned(),
        Value::File => " -r -F".to_owned(),
        Value::Free(_) => " -x".to_owned(),
        Value::Name => " -x -a '(__bek_unlock_names)'".to_owned(),
        Value::Words(words) => {
            format!(" -x -a '{}'", words.join(" "))
        }
    }
}
