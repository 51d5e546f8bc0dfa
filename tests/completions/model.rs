//! What there is to complete, read off the parser and the help.

use std::ffi::OsString;

use bek_unlock::azure::auth::Auth;
use bek_unlock::cli::args::{self, HELP};
use bek_unlock::config::flag::Flag as FlagValue;
use bek_unlock::initramfs::Tool;

/// What stands in the place of a value or an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A block device, or an image of one.
    Device,
    /// A directory.
    Directory,
    /// A file.
    File,
    /// Nothing that can be listed; what the help calls it.
    Free(&'static str),
    /// The name of a volume.
    Name,
    /// One of these.
    Words(Vec<String>),
}

impl Value {
    /// The word for it in the scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Directory => "directory",
            Self::File => "file",
            Self::Free(_) => "free",
            Self::Name => "name",
            Self::Words(_) => "words",
        }
    }

    pub fn words(&self) -> &[String] {
        match self {
            Self::Words(words) => words,
            _ => &[],
        }
    }
}

/// An option of a command.
#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    pub value: Option<Value>,
    pub about: String,
}

/// A command.
#[derive(Debug)]
pub struct Command {
    pub name: String,
    pub about: String,
    /// What is behind it, in its order.
    pub arguments: Vec<Value>,
    /// Whether the last argument can be given again.
    pub repeats: bool,
    pub flags: Vec<Flag>,
}

/// What the value of an option is. One that takes a value and is not here fails the test.
fn value_of(flag: &str) -> Value {
    match flag {
        "auth" => Value::Words(ways()),
        "kek-algorithm" => Value::Words(owned(&["A256KW", "RSA-OAEP", "RSA-OAEP-256", "RSA1_5"])),
        "tool" => Value::Words(owned(&["dracut", "initramfs-tools"])),
        "identity" => Value::Words(owned(&["client-id:", "object-id:", "resource-id:/"])),
        "key-disk" => Value::Device,
        "backup-json" | "ca" | "crypttab" | "header" | "initrd" | "key-file" | "save-key"
        | "to-file" | "unwrapped" | "wrapped" => Value::File,
        "root" => Value::Directory,
        "name" => Value::Free("NAME"),
        "file" | "machine-name" | "secret-name" => Value::Free("NAME"),
        "kek" | "secret" | "to-vault" | "vault" => Value::Free("URL"),
        "kernel" => Value::Free("RELEASE"),
        "key-slot" | "token" => Value::Free("NUMBER"),
        "timeout" => Value::Free("TIME"),
        "vault-suffix" => Value::Free("DNS"),
        _ => panic!("--{flag} takes a value: say in tests/completions/model.rs what it is"),
    }
}

/// The ways to sign in; `service-principal` alone and with a file.
fn ways() -> Vec<String> {
    let mut ways: Vec<String> =
        Auth::WORDS.iter().map(|way| way.trim_end_matches("FILE").to_owned()).collect();
    ways.push("service-principal:".to_owned());
    ways.sort();
    ways
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What is said here in other words than the help's, or what that says in no line of its own: the
/// command, its option, and what it does. `*` is every command, and no option the command itself.
const ABOUT: &[(&str, &str, &str)] = &[
    ("*", "auth", "how to sign in"),
    ("*", "identity", "which managed identity"),
    ("*", "kek-algorithm", "how the KEK wraps"),
    ("adopt", "dry-run", "show what would be done"),
    ("status", "last-boot", "what this boot's time went into"),
    ("enroll", "secret-name", "the name of that secret"),
    ("enroll", "to-vault", "put the wrapped key into a secret of this vault"),
    ("initramfs", "", "what an image needs to open the root disk"),
    ("initramfs", "crypttab", "the crypttab inside the image"),
    ("initramfs", "kernel", "the kernel that the image is for"),
    ("initramfs", "root", "the system that the image is for"),
    ("initramfs", "tool", "what builds the image"),
];

fn in_other_words(command: &str, flag: &str) -> Option<String> {
    let row = ABOUT.iter().find(|row| (row.0 == command || row.0 == "*") && row.1 == flag);
    row.map(|row| row.2.to_owned())
}

/// All commands, in the order of the help.
pub fn commands() -> Vec<Command> {
    let found: Vec<Command> = usages()
        .into_iter()
        .map(|(usage, about)| command(&usage, about))
        .fold(Vec::new(), |mut all: Vec<Command>, next| {
            // `initramfs` has two entries: one command, and the words of both.
            match all.iter_mut().find(|there| there.name == next.name) {
                Some(there) => merge(there, next),
                None => all.push(next),
            }
            all
        });
    assert!(found.len() > 10);
    found
}

fn merge(there: &mut Command, next: Command) {
    let mut words = there.arguments[0].words().to_vec();
    words.extend(next.arguments[0].words().iter().cloned());
    there.arguments[0] = Value::Words(words);
}

/// Of each entry below "Commands:" its usage and what it says it does.
fn usages() -> Vec<(String, String)> {
    let (_, rest) = HELP.split_once("\nCommands:\n").unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in rest.split("\n\n").next().unwrap().lines() {
        let (usage, about) = match line.as_bytes().get(18) {
            // The column where what it does begins.
            Some(b' ') => (line[..18].trim(), line[18..].trim()),
            _ => (line.trim(), ""),
        };
        if line.starts_with("  ") && !line.starts_with("   ") {
            found.push((usage.to_owned(), about.to_owned()));
            continue;
        }
        let last = found.last_mut().unwrap();
        last.0 = format!("{} {usage}", last.0).trim().to_owned();
        last.1 = format!("{} {about}", last.1).trim().to_owned();
    }
    found
}

fn command(usage: &str, about: String) -> Command {
    // What one of the words takes stands behind all of them.
    let usage = usage.replace(" [DEVICE]|", "|");
    let mut words = usage.split_whitespace();
    let name = words.next().unwrap().to_owned();
    let mut arguments = Vec::new();
    let mut repeats = false;
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        repeats |= word.contains("...");
        let plain = word.trim_matches(|c| matches!(c, '[' | ']' | '.'));
        let lower = plain.split('|').next().unwrap();
        match plain {
            // An option in the usage, and its value.
            _ if plain.starts_with("--") => {
                if !word.ends_with(']') {
                    words.next();
                }
            }
            "DEVICE" => arguments.push(Value::Device),
            "KEY" | "FILE" => arguments.push(Value::File),
            "OPTIONS" => {}
            _ if lower == "NAME" => arguments.push(Value::Name),
            _ if lower.chars().all(|c| c.is_ascii_lowercase()) => {
                arguments.push(Value::Words(plain.split('|').map(str::to_owned).collect()));
            }
            _ => panic!("{name}: what is {word} in the help?"),
        }
    }
    if name == "token" {
        // Of `import` alone.
        arguments.push(Value::File);
    }
    if name == "token-key" {
        arguments.push(Value::Device);
    }
    let flags = flags(&name);
    let first = || about.split(';').next().unwrap().to_owned();
    let about = in_other_words(&name, "").unwrap_or_else(first);
    Command { name, about, arguments, repeats, flags }
}

fn flags(command: &str) -> Vec<Flag> {
    let mut found = Vec::new();
    for (owner, names) in args::flags() {
        if owner.split(' ').next() != Some(command) {
            continue;
        }
        for name in *names {
            let value = takes_a_value(owner, name).then(|| value_of(name));
            found.push(Flag { name, value, about: about(command, name) });
        }
    }
    found.sort_by_key(|flag| flag.name);
    found
}

/// Whether the parser wants a value behind `--flag`.
fn takes_a_value(command: &str, flag: &str) -> bool {
    let words = command.split(' ').map(OsString::from).chain([format!("--{flag}").into()]);
    let error = args::Command::parse(words).err().map(|error| error.kind.to_string());
    error.is_some_and(|text| text.starts_with("missing argument for option"))
}

/// What the help says of an option, below the heading that names the command.
fn about(command: &str, flag: &str) -> String {
    if let Some(about) = in_other_words(command, flag) {
        return about;
    }
    for section in HELP.split("\n\n") {
        let (heading, rows) = section.split_once(":\n").unwrap_or_default();
        let named = heading.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        let keys = command == "enroll" && heading.starts_with("Keys of recover");
        if !named.into_iter().any(|word| word == command) && !keys {
            continue;
        }
        let mut lines = rows.lines().skip_while(|line| {
            line.split_whitespace().next() != Some(format!("--{flag}").as_str())
        });
        let Some(first) = lines.next() else { continue };
        let more = lines.take_while(|line| line.starts_with("     "));
        let text = first.get(26..).unwrap_or_default().trim().to_owned();
        return more.fold(text, |text, line| format!("{text} {}", line.trim()));
    }
    panic!(
        "{command} --{flag}: the help says nothing of it, nor ABOUT in tests/completions/model.rs"
    )
}

/// The lists above that no constant has are what the parser takes.
#[test]
fn every_word_is_one_that_the_parser_takes() {
    for name in ["dracut", "initramfs-tools"] {
        assert!(Tool::parse(name).is_some(), "{name}");
    }
    for name in value_of("kek-algorithm").words() {
        let flag = FlagValue { name: "kek-algorithm".to_owned(), text: name.clone() };
        assert!(flag.kek_algorithm().is_ok(), "{name}");
    }
    for way in ways() {
        let full = if way.ends_with(':') { format!("{way}/tmp/x") } else { way };
        assert!(Auth::parse(&full).is_some(), "{full}");
    }
}
