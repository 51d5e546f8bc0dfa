//! Which modules a dracut has that no configuration leaves out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::edge::sysfs::names;

/// Where dracut looks for its modules.
const MODULES: &str = "usr/lib/dracut/modules.d";

/// Where dracut.conf(5) has its parts; of equal names the last directory's counts.
const PARTS: [&str; 2] = ["usr/lib/dracut/dracut.conf.d", "etc/dracut.conf.d"];

/// The directories of the modules below `root`, such as `50bek-unlock`.
pub(super) fn modules(root: &Path) -> Vec<String> {
    let omitted = omitted(root);
    let directory = root.join(MODULES);
    let mut found: Vec<String> = names(&directory)
        .into_iter()
        .filter(|name| directory.join(name).join("module-setup.sh").is_file())
        .filter(|name| !omitted.contains(name.trim_start_matches(|c: char| c.is_ascii_digit())))
        .collect();
    found.sort();
    found
}

/// What `omit_dracutmodules` names, as far as it can be read without a shell.
fn omitted(root: &Path) -> BTreeSet<String> {
    let mut parts: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in PARTS.map(|part| root.join(part)) {
        let files = names(&directory).into_iter().filter(|name| name.ends_with(".conf"));
        parts.extend(files.map(|name| (name.clone(), directory.join(name))));
    }
    let mut omitted = BTreeSet::new();
    for file in [root.join("etc/dracut.conf")].iter().chain(parts.values()) {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let Some(rest) = line.trim_start().strip_prefix("omit_dracutmodules") else { continue };
            let value = match rest.strip_prefix("+=") {
                Some(value) => value,
                None => {
                    omitted.clear();
                    rest
                }
            };
            let value = value.split('#').next().unwrap_or_default();
            let words = value.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '='));
            omitted.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    omitted
}
