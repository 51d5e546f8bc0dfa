//! What a run must not leave behind.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::run::{LOOK, SLACK};
use crate::world::{KEY, PUBLIC, TOKEN, World};

/// What is still there: files with a key or token in them, mounts, mappings, loop devices,
/// processes.
pub fn left(world: &World, before: &str) -> Vec<String> {
    let mut found = Vec::new();
    let own = [world.directory.join("case")];
    for directory in PUBLIC.iter().map(Path::new).chain(own.iter().map(|path| &**path)) {
        found.extend(holding(directory).into_iter().map(|path| format!("{path} holds a secret")));
    }
    let after = mounts();
    let more = after.lines().filter(|line| !before.lines().any(|before| before == *line));
    found.extend(more.map(|line| format!("left mounted: {line}")));
    // What somebody else removes from below the machine's own /tmp vanishes here, too.
    let less = before.lines().filter(|line| !after.contains(line) && !line.contains(" /tmp/"));
    found.extend(less.map(|line| format!("no longer mounted: {line}")));
    for block in fs::read_dir("/sys/block").unwrap().flatten() {
        let name = fs::read_to_string(block.path().join("dm/name")).unwrap_or_default();
        let file = fs::read_to_string(block.path().join("loop/backing_file")).unwrap_or_default();
        if name.trim() == world.volume || file.starts_with(world.directory.to_str().unwrap()) {
            found.push(format!("{} is left: {name}{file}", block.path().display()));
        }
    }
    // A child that was left behind would have to notice first.
    let patience = Instant::now();
    let case = world.directory.join("case");
    while let Some(process) = processes(&case).first() {
        if patience.elapsed() > SLACK {
            found.push(format!("process {process} is left"));
            break;
        }
        thread::sleep(LOOK);
    }
    found
}

pub fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

/// The processes that work in `directory`, and those of the program that are in this network: that
/// is the worker's own, and what talks to it works in no directory of its own. By their numbers.
fn processes(directory: &Path) -> Vec<String> {
    let network = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let is_ours = |process: &Path| {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let its = fs::read_link(process.join("ns/net"));
        name.starts_with("bek-unlock") && its.is_ok_and(|its| its == network)
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| {
        let works_in = fs::read_link(entry.path().join("cwd"));
        works_in.is_ok_and(|cwd| cwd == directory) || is_ours(&entry.path())
    })
    .map(|entry| entry.file_name().to_string_lossy().into_owned())
    .collect()
}

/// The files below `directory` that hold a passphrase or a token.
fn holding(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            if holds(&KEY.as_bytes()[..40]) || holds(TOKEN.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// A search that finds nothing anywhere would pass every case.
#[test]
fn what_is_left_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(path.join("below")).unwrap();
    assert!(holding(&path).is_empty());
    fs::write(path.join("below/note"), format!("key: {KEY}\n")).unwrap();
    fs::write(path.join("log"), format!("Bearer {TOKEN}0123")).unwrap();
    assert_eq!(holding(&path).len(), 2);
    assert!(processes(&path).is_empty());
    let mut sleep = std::process::Command::new("sleep");
    let mut child = sleep.arg("60").current_dir(&path).spawn().unwrap();
    assert_eq!(processes(&path), [child.id().to_string()]);
    child.kill().unwrap();
    child.wait().unwrap();
}
