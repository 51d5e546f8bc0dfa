//! The Markdown files: links that lead somewhere, commands that exist, words the program says.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bek_unlock::azure::answer::{Operation, refusal};
use bek_unlock::azure::http::Response;
use bek_unlock::azure::id::{Host, KeyId};
use bek_unlock::azure::way::Way;
use bek_unlock::error::{Error, Goal, Kind};
use bek_unlock::report;
use bek_unlock::secret::Secret;
use bek_unlock::volume::VolumeName;

use super::{between, files, read, root};

fn documents() -> Vec<PathBuf> {
    let found = files(root(), ".md");
    assert!(found.contains(&root().join("README.md")));
    found
}

#[test]
fn relative_links_lead_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = link.split('#').next().unwrap();
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {link}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// Commands stand in code: lines indented by four blanks, and text between backticks.
fn code(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.starts_with("    "));
    let inline = text
        .lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    lines.chain(inline).collect()
}

#[test]
fn make_targets_exist() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']) && !line.contains(":="))
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    let mut named = BTreeSet::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for line in code(&text) {
            // Up to the next command of the line, or its comment.
            for command in line.split(['&', '|', ';', '#']) {
                let words = command.split_whitespace().skip_while(|word| *word != "make").skip(1);
                let targets = words.filter(|word| !word.contains('=') && !word.starts_with('-'));
                named.extend(targets.map(str::to_owned));
            }
        }
    }
    assert!(named.contains("check") && named.contains("install"), "{named:?}");
    for target in named {
        assert!(targets.contains(target.as_str()), "make {target}");
    }
}

/// What the VM of the README's bad boot meets: no key disk, and this answer of its vault.
fn bad_boot() -> Error {
    let host = Host::parse("contoso-kv.vault.azure.net").unwrap();
    let kek = KeyId::parse("https://contoso-kv.vault.azure.net/keys/kek/0123").unwrap();
    let body = br#"{"error": {"code": "Forbidden", "innererror": {"code": "KeyDisabled"},
                    "message": "Operation unwrapKey is not allowed on a disabled key."}}"#;
    let answer = Response {
        status: 403,
        retry_after: None,
        request_id: None,
        challenge: None,
        body: Secret::new(body.to_vec()),
    };
    let causes = vec![
        Kind::KeyDiskMissing { waited: Duration::from_secs(10) },
        refusal(&Operation::UnwrapKey(kek), &host, Way::ManagedIdentity, &answer),
    ];
    Error::of_sources(Goal::Unlock, causes)
        .volume(&VolumeName::parse("data3").unwrap())
        .device(Some("/dev/sdd".as_ref()))
}

#[test]
fn the_bad_boot_of_the_readme_is_what_the_program_says() {
    const PREFIX: &str = "    bek-unlock: ";
    let readme = read("README.md");
    let mut shown: Vec<String> = Vec::new();
    for line in readme.lines().filter_map(|line| line.strip_prefix(PREFIX)) {
        assert!(line.len() + PREFIX.len() - 4 <= 79, "{line}");
        match (line.strip_prefix("       "), shown.last_mut()) {
            // The console breaks long lines between words.
            (Some(rest), Some(last)) => *last = format!("{last} {rest}"),
            _ => shown.push(line.to_owned()),
        }
    }
    assert_eq!(shown, report::lines(&bad_boot()));
}

#[test]
fn the_lines_of_the_readme_parse() {
    let readme = read("README.md");
    let session = between(&readme, "the fields of crypttab:\n\n", "\n\n");
    let path = bek_unlock::config::Origin::Bektab.path();
    let parsed = bek_unlock::config::Configuration::parse(
        bek_unlock::config::Origin::Bektab,
        path,
        session.as_bytes(),
    );
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.entries.len(), 2);
}

/// What steers the tests is read by them.
#[test]
fn variables_of_the_test_scripts_exist() {
    let mut scripts = read("tests/vm/run");
    for directory in ["tests/root", "tests/vm/lib"] {
        for file in files(&root().join(directory), "") {
            // Not everything below is text.
            scripts.push_str(&String::from_utf8_lossy(&fs::read(file).unwrap()));
        }
    }
    let document = read("docs/testing.md");
    let words = document.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let variables: BTreeSet<&str> =
        words.filter(|word| word.starts_with("VM_") || word.starts_with("ROOT_")).collect();
    assert!(!variables.is_empty());
    for variable in variables {
        assert!(scripts.contains(&format!("${{{variable}:-")), "{variable}");
    }
}

/// Paths and api-versions that the client sends are in docs/azure.md.
#[test]
fn every_request_is_documented() {
    let document = read("docs/azure.md");
    let version = between(&read("src/azure.rs"), "API_VERSION: &str = \"", "\"").to_owned();
    assert!(document.contains(&format!("/unwrapkey?api-version={version}")));
    assert!(document.contains(&format!("/secrets?api-version={version}")));
    let metadata = read("src/azure/imds.rs");
    let mut targets = 0;
    for target in metadata.split("\"/metadata/").skip(1) {
        let target = target.split(['"', '{']).next().unwrap();
        assert!(document.contains(&format!("/metadata/{target}")), "{target}");
        targets += 1;
    }
    assert!(targets >= 2);
    let table = read("src/azure/trust.rs");
    let table = between(&table, "const CLOUDS", "];").to_owned();
    let suffixes: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    assert!(!suffixes.is_empty());
    for suffix in suffixes {
        assert!(document.contains(suffix), "{suffix}");
    }
}
