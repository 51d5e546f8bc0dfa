//! The documents against the program: what is accepted, printed or sent is written down, and what
//! is written down is so.
//!
//! Needs no root, no network and no tool: pages are checked as sources here, and rendered by
//! tests/lint.sh. Lists the library does not publish are read from its sources, and each such
//! reading first proves that it found something.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "docs/code.rs"]
mod code;
#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/distributions.rs"]
mod distributions;
#[path = "docs/internals.rs"]
mod internals;
#[path = "docs/manual.rs"]
mod manual;
#[path = "docs/messages.rs"]
mod messages;
#[path = "docs/readme.rs"]
mod readme;
#[path = "docs/run.rs"]
mod run;
#[path = "docs/samples.rs"]
mod samples;
#[path = "docs/threats.rs"]
mod threats;
#[path = "docs/troubleshooting.rs"]
mod troubleshooting;
#[path = "docs/words.rs"]
mod words;

/// The text of a file of this repository.
fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `directory` whose names end in `suffix`, except what is built or hidden.
fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || path == root().join("target") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, suffix));
        } else if name.ends_with(suffix) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What stands between two markers in `text`; the first place where both are.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start:?} is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?} is not behind {start:?}")).0
}

/// Compares what the program has with what a document has, and names the difference.
fn same<T: Ord + std::fmt::Debug>(program: &BTreeSet<T>, document: &BTreeSet<T>, where_: &str) {
    let missing: Vec<_> = program.difference(document).collect();
    let surplus: Vec<_> = document.difference(program).collect();
    assert!(!program.is_empty(), "{where_}: nothing to compare with was found");
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{where_}: not documented {missing:?}, documented without being there {surplus:?}"
    );
}
