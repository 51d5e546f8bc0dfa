//! The rules of the house that no compiler and no lint knows, against the sources.
//!
//! Which module is core and what core may not name, who may look at a secret's bytes, where unsafe
//! code is, who speaks. Lines are read as text, without comments: a forbidden word inside a string
//! is found too, so these tests err on the loud side.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Decides; pure, without unsafe code, never imports the others.
const CORE: [&str; 21] = [
    "azure",
    "check",
    "config",
    "deadline",
    "detach",
    "device",
    "error",
    "header",
    "hint",
    "initramfs",
    "key",
    "keyslots",
    "mapping",
    "message_id",
    "recovery",
    "rekey",
    "secret",
    "slot",
    "token",
    "unlock",
    "volume",
];

/// Touches the machine, joins, speaks.
const OUTER: [&str; 4] = ["cli", "edge", "generator", "report"];

/// Who looks at a secret's bytes, and what for. Nothing else does.
const EXPOSE: [(&str, &str); 47] = [
    ("azure.rs", "a renewed token that equals the refused one is of no use"),
    ("azure/answer.rs", "an error's body is JSON"),
    ("azure/imds.rs", "the token and the VM's name are in the body"),
    ("azure/list.rs", "a page of a list is JSON; it holds no values"),
    ("azure/sign_in/az.rs", "what az printed is JSON with a token, or words to decide upon"),
    ("azure/sign_in/device_code.rs", "device code and refresh token go into forms"),
    ("azure/sign_in/entra.rs", "an answer with a token is JSON"),
    ("azure/sign_in/entra/refused.rs", "a refusal is JSON and must not echo what was sent"),
    ("azure/sign_in/jwt.rs", "the claims of a token that was handed over are checked"),
    ("azure/sign_in/pasted.rs", "a token that was handed over is taken out of what is around it"),
    ("azure/sign_in/probe.rs", "the list of api-versions tells Azure's service from others"),
    ("azure/sign_in/service_principal.rs", "secret and assertion go into forms; PEM or not"),
    ("azure/sign_in/workload_identity.rs", "the other issuer's token goes into a form"),
    ("azure/vault.rs", "the secret and the unwrapped key are in the body"),
    ("azure/write.rs", "a new passphrase goes to wrapKey"),
    ("cli/rotate/current.rs", "which place holds the key that opened is found by comparing"),
    ("cli/token_key.rs", "a token is JSON, and its type is looked at"),
    ("cli/rotate.rs", "the passphrase that is kept is the key that is wrapped anew"),
    ("edge/http.rs", "the Authorization header and the body of unwrapKey go out"),
    ("edge/key_paste.rs", "decode writes the key to standard output"),
    (
        "edge/key_pipe.rs",
        "cryptsetup-initramfs, systemd-cryptsetup and the plugin are given the passphrase",
    ),
    ("edge/key_save.rs", "--save-key writes the key to the file that was named"),
    ("edge/luks/activate.rs", "libcryptsetup is given the passphrase"),
    ("edge/luks/format.rs", "libcryptsetup is given the passphrase of a new volume"),
    ("edge/luks/keyslots.rs", "libcryptsetup is given a passphrase to try, or to add"),
    ("edge/network/flights.rs", "each volume that asked for a token gets one"),
    ("edge/network/serve.rs", "an answer's JSON is written anew before it crosses"),
    ("edge/network/wire.rs", "what is sent and what is answered crosses between two processes"),
    ("edge/network/wire/field.rs", "a text in a frame has to be UTF-8"),
    ("edge/sign_in/certificate.rs", "certificate and key are parsed"),
    ("initramfs/carried.rs", "a key that is not wrapped stays out of the image"),
    ("key/checked.rs", "a .BEK file is known by its header"),
    ("key/disk.rs", "a key that two key files hold is tried once"),
    ("key/material.rs", "the wrapped key goes to unwrapKey"),
    ("key/unwrap.rs", "whether a file holds a wrapped key shows in its shape"),
    ("key/vault.rs", "the wrapped key goes to unwrapKey"),
    ("key/vault/form.rs", "a secret's value is decoded once, wrapped or not"),
    ("recovery.rs", "what was given is looked at; the same key twice is one"),
    ("recovery/ade.rs", "a passphrase of ADE is known by its look"),
    ("recovery/form.rs", "what was below a layer is looked at"),
    ("recovery/tokens.rs", "the same key in two tokens is one; a header's metadata is JSON"),
    ("rekey.rs", "what unwrapKey gives is compared with what was wrapped"),
    ("rekey/fake.rs", "of tests only: what stands in for Key Vault wraps letters"),
    ("rekey/record.rs", "the wrapped key goes into the note"),
    ("rekey/store.rs", "the wrapped key is compared with what is stored"),
    ("secret.rs", "the method itself"),
    ("token/change.rs", "a token that was given goes into the header"),
];

#[test]
fn every_module_is_core_or_is_not() {
    let library = read("lib.rs");
    let declared: BTreeSet<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, CORE.into_iter().chain(OUTER).collect());
}

#[test]
fn core_names_nothing_outside_core() {
    for (file, source) in core() {
        for line in code(&source) {
            for outer in OUTER {
                let named = [format!("crate::{outer}"), format!("{outer}::")];
                let found = named.iter().find(|path| has_path(line, path));
                assert_eq!(found, None, "src/{file}: {line}");
            }
            // The check reads line by line: `use crate::{...}` would hide a name from it.
            assert!(!line.contains("crate::{"), "src/{file}: {line}");
        }
    }
}

#[test]
fn core_touches_the_system_in_one_place() {
    let words = ["std::env", "std::fs", "std::process", "std::thread", "nix"];
    for (file, source) in core().into_iter().filter(|(file, _)| file != "config/file.rs") {
        for line in code(without_tests(&source)) {
            let found = words.iter().find(|path| has_path(line, path));
            assert_eq!(found, None, "src/{file}: {line}");
        }
    }
}

#[test]
fn core_forbids_unsafe_code() {
    for module in CORE {
        let source = read(&format!("{module}.rs"));
        // An inner attribute holds for the modules below, too.
        assert!(source.lines().any(|line| line == "#![forbid(unsafe_code)]"), "src/{module}.rs");
    }
}

#[test]
fn unsafe_code_is_where_c_the_kernel_and_signals_are_met_and_nowhere_else() {
    let files = [
        "edge/disk/flag.rs",
        // The descriptor that systemd passes is a number.
        "edge/listening.rs",
        "edge/luks/bitlk.rs",
        "edge/luks/version.rs",
        "edge/luks/words.rs",
        "edge/process/kernel.rs",
        "edge/signals.rs",
    ];
    assert_eq!(users("unsafe", |source| source), set(&files));
}

/// The plugin runs in other people's programs: what it is made of is this and the standard library.
#[test]
fn the_plugin_has_no_dependency_but_c() {
    let manifest = include_str!("../token-plugin/Cargo.toml");
    let (_, tables) = manifest.split_once("[dependencies]\n").unwrap();
    let (dependencies, _) = tables.split_once("\n[").unwrap();
    let names = dependencies.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
    assert_eq!(names.collect::<Vec<_>>(), ["libc"]);
    assert!(!manifest.contains("-dependencies]"), "{manifest}");
}

/// Let chains came with Rust 1.88, and nothing else here asks for more than `rust-version`.
#[test]
fn the_rust_that_is_promised_is_enough() {
    let promised = include_str!("../Cargo.toml").contains("rust-version = \"1.87\"");
    for (file, source) in sources().into_iter().filter(|_| promised) {
        let found = code(&source).find(|line| line.contains("&& let "));
        assert_eq!(found, None, "src/{file}");
    }
}

#[test]
fn nobody_prints() {
    for name in ["print", "println", "eprint", "eprintln", "dbg"] {
        for (file, source) in sources() {
            let macros = format!("{name}!");
            let found = code(&source).find(|line| has_path(line, &macros));
            assert_eq!(found, None, "src/{file}");
        }
    }
}

#[test]
fn secrets_are_exposed_where_it_says_why() {
    let listed = EXPOSE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(users("expose", without_tests), listed);
}

/// `decode` is for machines that should reach nobody, with a key in hand.
#[test]
fn decode_reaches_no_network_code() {
    let files: BTreeMap<String, String> = sources().into_iter().collect();
    let own = |file: &String| file.starts_with("recovery") || file == "edge/key_paste.rs";
    let mut reached: BTreeSet<String> = files.keys().filter(|file| own(file)).cloned().collect();
    reached.insert("cli/decode.rs".to_owned());
    let mut open: Vec<String> = reached.iter().cloned().collect();
    while let Some(file) = open.pop() {
        for used in uses(&files, &file) {
            if reached.insert(used.clone()) {
                open.push(used);
            }
        }
    }
    let network = ["azure.rs", "azure/http.rs", "azure/imds.rs", "azure/list.rs", "azure/vault.rs"];
    let found = |file: &&String| network.contains(&file.as_str()) || file.starts_with("edge/http");
    assert_eq!(reached.iter().find(found), None, "{reached:?}");
    // It went somewhere, and attach does get there.
    assert!(reached.contains("azure/base64.rs") && reached.contains("report.rs"), "{reached:?}");
    assert!(uses(&files, "cli/sources.rs").contains("edge/network.rs"));
}

/// HTTP, TLS and name lookups are for the process without rights, and only `network` is that.
#[test]
fn what_holds_keys_speaks_no_tls() {
    for (file, source) in sources() {
        let apart = file.starts_with("edge/http") || file == "edge/network/serve.rs";
        for line in code(without_tests(&source)).filter(|_| !apart && file != "cli/network.rs") {
            let words = ["reqwest", "rustls", "hyper", "edge::http::Network", "network::serve"];
            let found = words.iter().find(|path| has_path(line, path));
            // A certificate to sign in with is a file that somebody named.
            let signs = file.starts_with("edge/sign_in") && found == Some(&"rustls");
            assert!(found.is_none() || signs, "src/{file}: {line}");
        }
    }
}

/// The files in which what `file` names is defined: paths from the crate's root, from the parent,
/// and into its own modules.
fn uses(files: &BTreeMap<String, String>, file: &str) -> BTreeSet<String> {
    let own = file.strip_suffix(".rs").unwrap();
    let parent = own.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut found = BTreeSet::new();
    for line in code(without_tests(&files[file])) {
        for (at, _) in line.match_indices("crate::") {
            found.extend(defined_in(files, "", &line[at + "crate::".len()..]));
        }
        for (at, _) in line.match_indices("super::") {
            let item = defined_in(files, parent, &line[at + "super::".len()..]);
            found.extend(item.or_else(|| Some(format!("{parent}.rs"))));
        }
        for word in line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            // Declaring a module is not using it.
            if word.contains("::") {
                found.extend(defined_in(files, own, word));
            }
        }
    }
    found.retain(|file| files.contains_key(file));
    found
}

/// The file of the longest module path that `text` begins with, below `base`.
fn defined_in(files: &BTreeMap<String, String>, base: &str, text: &str) -> Option<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path = text.split(|c| !is_path(c)).next().unwrap_or_default();
    let mut module = base.to_owned();
    let mut found = None;
    for segment in path.split("::").filter(|segment| !segment.is_empty()) {
        module = if module.is_empty() { segment.to_owned() } else { format!("{module}/{segment}") };
        match files.contains_key(&format!("{module}.rs")) {
            true => found = Some(format!("{module}.rs")),
            false => break,
        }
    }
    found
}

/// The files that have this word in the part of their code that counts.
fn users(word: &str, part: impl Fn(&str) -> &str) -> BTreeSet<String> {
    sources()
        .into_iter()
        .filter(|(_, source)| code(part(source)).any(|line| has_path(line, word)))
        .map(|(file, _)| file)
        .collect()
}

/// The files of core modules.
fn core() -> Vec<(String, String)> {
    let is_core = |file: &str| {
        let module = file.split('/').next().unwrap_or_default();
        CORE.contains(&module.strip_suffix(".rs").unwrap_or(module))
    };
    sources().into_iter().filter(|(file, _)| is_core(file)).collect()
}

/// Path below src and text of each file, those that are only compiled for tests left out.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else {
                let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((file, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 80, "only {} sources were found", found.len());
    let test_files = test_files(&found);
    found.retain(|(file, _)| !test_files.iter().any(|test| is_of(file, test)));
    found.sort();
    found
}

/// The files of modules that are declared below `#[cfg(test)]`.
fn test_files(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, source) in sources {
        let lines: Vec<&str> = source.lines().collect();
        for pair in lines.windows(2) {
            let [attribute, declaration] = pair else { continue };
            let name = declaration.trim_start_matches("pub ").strip_prefix("mod ");
            let name = name.and_then(|rest| rest.strip_suffix(';'));
            if let (&"#[cfg(test)]", Some(name)) = (attribute, name) {
                found.insert(format!("{}/{name}.rs", file.strip_suffix(".rs").unwrap()));
            }
        }
    }
    found
}

/// Whether `file` is that module's, or a module's below it.
fn is_of(file: &str, module: &str) -> bool {
    let below = file.strip_prefix(module.strip_suffix(".rs").unwrap_or(module));
    below.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// A file up to the tests at its end.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The lines that are no comments.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

/// Whether `path` stands in `line` and is not a part of longer names.
fn has_path(line: &str, path: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.strip_prefix(path).unwrap_or_default();
        !before.ends_with(in_name) && (path.ends_with(':') || !after.starts_with(in_name))
    })
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn set(files: &[&str]) -> BTreeSet<String> {
    files.iter().map(|file| (*file).to_owned()).collect()
}

#[test]
fn the_reading_finds_what_it_looks_for() {
    assert!(has_path("use crate::edge::luks;", "crate::edge"));
    assert!(has_path("use super::super::edge::luks;", "edge::"));
    assert!(!has_path("use crate::knowledge::luks;", "edge::"));
    assert!(has_path("    .expose()", "expose"));
    assert!(!has_path("self.exposed()", "expose"));
    assert!(!has_path("#![forbid(unsafe_code)]", "unsafe"));
    assert_eq!(code("// unsafe\n    /// unsafe\nlet a = 1;").collect::<Vec<_>>(), ["let a = 1;"]);
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\nb"), "a\n");
    let parent = ("a.rs".to_owned(), "#[cfg(test)]\npub mod fake;\nmod b;\n".to_owned());
    assert_eq!(test_files(&[parent]), set(&["a/fake.rs"]));
    assert!(is_of("a/tests.rs", "a/tests.rs") && is_of("a/tests/b.rs", "a/tests.rs"));
    assert!(!is_of("a/tests_of.rs", "a/tests.rs") && !is_of("a.rs", "a/tests.rs"));
}
