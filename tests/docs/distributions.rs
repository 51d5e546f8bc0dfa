//! docs/distributions.md: what the built program and the units need is what the page says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{between, files, read, root};

const DOCUMENT: &str = "docs/distributions.md";

/// Which part of `feature | needs` a row of the page's table is.
fn needs(feature: &str) -> String {
    let document = read(DOCUMENT);
    let row = document.lines().find(|line| line.starts_with(&format!("| {feature} |")));
    let row = row.unwrap_or_else(|| panic!("{DOCUMENT} has no row for {feature}"));
    row.split('|').nth(2).unwrap().trim().to_owned()
}

/// The versions of its symbols that the program asks the dynamic linker for.
#[test]
fn the_oldest_libcryptsetup_is_that_of_the_binary() {
    let binary = fs::read(env!("CARGO_BIN_EXE_bek-unlock")).unwrap();
    let text = String::from_utf8_lossy(&binary);
    let mut versions = BTreeSet::new();
    for behind in text.split("CRYPTSETUP_").skip(1) {
        let number: String =
            behind.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        if let Some((major, minor)) = number.split_once('.') {
            versions.extend(major.parse::<u32>().ok().zip(minor.parse::<u32>().ok()));
        }
    }
    let (major, minor) = versions.last().copied().expect("no version of a symbol");
    let needed = needs("the program at all");
    assert!(
        needed.starts_with(&format!("libcryptsetup {major}.{minor},")),
        "{versions:?}: {needed}"
    );
}

/// Directives that are newer than systemd 235, by the "Added in version" of systemd.unit(5),
/// systemd.exec(5) and systemd.resource-control(5).
const SINCE: &[(&str, u32)] = &[
    ("PrivateIPC", 248),
    ("PrivateMounts", 239),
    ("ProcSubset", 247),
    ("ProtectClock", 245),
    ("ProtectHostname", 242),
    ("ProtectKernelLogs", 244),
    ("ProtectProc", 247),
    ("RestrictSUIDSGID", 242),
    ("StopPropagatedFrom", 249),
];

/// The others that the units and the generator use.
const OLD: &[&str] = &[
    "After",
    "Also",
    "Before",
    "BindsTo",
    "CapabilityBoundingSet",
    "ConditionFileIsExecutable",
    "Conflicts",
    "DefaultDependencies",
    "Description",
    "DeviceAllow",
    "DevicePolicy",
    "DirectoryMode",
    "Documentation",
    "ExecStart",
    "ExecStop",
    "IPAddressDeny",
    "IgnoreOnIsolate",
    "InaccessiblePaths",
    "JobRunningTimeoutSec",
    "JobTimeoutSec",
    "KeyringMode",
    "LimitCORE",
    "LimitMEMLOCK",
    "ListenStream",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "OOMScoreAdjust",
    "PrivateDevices",
    "PrivateNetwork",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectSystem",
    "ReadWritePaths",
    "RemainAfterExit",
    "RemoveOnStop",
    "RequiredBy",
    "Requires",
    "RequiresMountsFor",
    "Restart",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "Slice",
    "SocketMode",
    "SourcePath",
    "StandardError",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "TriggerLimitIntervalSec",
    "Type",
    "UMask",
    "WantedBy",
    "Wants",
];

/// What is in the units, and in what the generator's tests expect of it.
fn directives() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for directory in ["systemd", "tests/generator"] {
        for file in files(&root().join(directory), "") {
            let path = file.display().to_string();
            let unit = [".service", ".socket", ".target", ".slice", ".conf"];
            if !unit.iter().any(|end| path.ends_with(end))
                || (directory != "systemd" && !path.contains("/run.expected/"))
            {
                continue;
            }
            let Ok(text) = fs::read_to_string(file) else { continue };
            let names = text.lines().filter_map(|line| Some(line.split_once('=')?.0));
            let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric());
            found.extend(names.filter(is_name).map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_oldest_systemd_is_that_of_the_units() {
    let used = directives();
    let since: BTreeMap<&str, u32> = SINCE.iter().copied().collect();
    let unlisted: Vec<&String> = used
        .iter()
        .filter(|name| !since.contains_key(name.as_str()) && !OLD.contains(&name.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "since which systemd is there {unlisted:?}?");
    let listed = since.keys().chain(OLD).find(|name| !used.contains(**name));
    assert_eq!(listed, None, "listed and not used");
    let newest = since.values().max().unwrap();
    assert_eq!(needs("what the units and drop-ins say"), format!("systemd {newest}"));
}

/// The releases in the program's own tables are those of the page.
#[test]
fn what_the_messages_say_is_what_the_page_says() {
    let table = between(&read("src/header/known.rs"), "const KNOWN", "];").to_owned();
    for (word, feature) in
        [("opal", "a header with *opal*"), ("inline-hw-tags", "a header with *inline-hw-tags*")]
    {
        let since = between(&table, &format!("(\"{word}\", ("), "))").replace(", ", ".");
        assert_eq!(needs(feature), format!("libcryptsetup {since}"));
    }
    let table = between(&read("src/edge/luks/dropped.rs"), "const SINCE", "];").to_owned();
    let document = read(DOCUMENT);
    let mut checked = 0;
    for row in table.split("CryptActivate::").skip(1) {
        let (option, rest) = between(row, ", \"", ")").split_once("\", \"").unwrap();
        let linux = rest.trim_end_matches('"');
        let there = document.lines().any(|line| {
            line.starts_with('|')
                && line.contains(&format!("`{option}`"))
                && line.contains(&format!("| Linux {linux} |"))
        });
        assert!(there, "{option}: Linux {linux}");
        checked += 1;
    }
    assert_eq!(checked, 5);
}
