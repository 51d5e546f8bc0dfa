//! docs/internals.md and its picture: the files that they name are there, and no module of the
//! library is left out.

use super::{between, read, root};

/// What stands between backticks, or in the picture's small print, and is a path.
fn paths(text: &str) -> Vec<String> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_/.-".contains(c);
    let words = text.split(|c: char| !inside(c)).map(|word| word.trim_matches('.'));
    let begins =
        ["src/", "tests/", "docs/", "systemd/", "dracut/", "completions/", "token-plugin/"];
    words
        .filter(|word| begins.iter().any(|start| word.starts_with(start)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_files_of_the_picture_and_the_page_are_there() {
    for (document, least) in [("docs/internals.md", 40), ("docs/internals.svg", 10)] {
        let named = paths(&read(document));
        assert!(named.len() >= least, "{document}: {named:?}");
        for path in named {
            assert!(root().join(&path).exists(), "{document}: {path}");
        }
    }
}

#[test]
fn every_module_of_the_library_is_on_the_page() {
    let source = read("src/lib.rs");
    let document = read("docs/internals.md");
    let modules: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(modules.len() > 20, "{modules:?}");
    for module in modules {
        let named = [format!("`src/{module}`"), format!("`src/{module}.rs`")];
        let below = format!("`src/{module}/");
        let there = named.iter().any(|name| document.contains(name)) || document.contains(&below);
        assert!(there, "docs/internals.md says nothing of src/{module}.rs");
    }
}

/// Readable on a light and on a dark page: text takes the colour of either.
#[test]
fn the_picture_is_for_light_and_dark() {
    let picture = read("docs/internals.svg");
    let dark = between(&picture, "@media (prefers-color-scheme: dark) {", "\n");
    assert!(dark.contains("text { fill:"), "{dark}");
    assert!(!picture.contains("<image") && !picture.contains("href="), "it loads something");
    assert!(picture.contains("<title>"));
}
