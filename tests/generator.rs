//! The generator's output, case by case.
//!
//! A case is a directory tests/generator/NN-name, the root of a system: `etc/` is the input, with
//! `etc/initrd-release` and `proc/cmdline` it is an initramfs, and `run/` holds what one has left.
//! `run.expected/` is everything the generator writes below its output directory, `kmsg.expected`
//! what it says, where it says something. To add one, make the directory with its `etc/`, run
//!
//!     BLESS=1 cargo test --test generator
//!
//! and read the difference before committing it.
//!
//! The library is run on the case as its root. The real binary, which reads /, is run in a user and
//! mount namespace of its own where the case lies over /etc, /proc/cmdline and /run, and a file
//! over /dev/kmsg.

// clippy.toml allows unwrap inside #[test] only, not in the helpers here; BLESS is for the test.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bek_unlock::generator;

const BINARY: &str = env!("CARGO_BIN_EXE_bek-unlock-generator");

/// Path below the root of the tree to content; a link's content is `-> TARGET`.
type Tree = BTreeMap<String, String>;

#[test]
fn cases_give_what_is_expected() {
    for case in cases() {
        let run = tempfile::tempdir().unwrap();
        let plan = generator::plan(&case);
        let failures = generator::write(&plan, run.path());
        assert_eq!(failures, Vec::<String>::new(), "{}", case.display());
        let notices: String = plan.notices.iter().map(|notice| format!("{notice}\n")).collect();
        compare(&case, &tree(run.path()), &notices);
    }
}

#[test]
fn the_binary_writes_the_same() {
    if !may_unshare() {
        // Said, not hidden: the case above has run the same code on the same files.
        println!("no user namespaces here: the binary was not run on the cases");
        return;
    }
    for case in cases() {
        let work = tempfile::tempdir().unwrap();
        let [run, kmsg] = ["run", "kmsg"].map(|name| work.path().join(name));
        fs::create_dir(&run).unwrap();
        fs::write(&kmsg, "").unwrap();
        // Copied: mounted from the sources, they could be written to. Never this machine's own.
        let system = work.path().join("system");
        copy(&case, &system);
        fs::create_dir_all(system.join("run")).unwrap();
        fs::create_dir_all(system.join("proc")).unwrap();
        if !system.join("proc/cmdline").exists() {
            fs::write(system.join("proc/cmdline"), "").unwrap();
        }
        let script = "mount --bind \"$1/proc/cmdline\" /proc/cmdline && \
                      mount --bind \"$2\" /dev/kmsg && mount --bind \"$1/etc\" /etc && \
                      mount --bind \"$4\" /mnt && mount --bind \"$1/run\" /run && exec \"$3\" /mnt";
        let status = namespace()
            .args(["sh", "-c", script, "sh"])
            .args([&system, &kmsg, Path::new(BINARY), &run])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{}", case.display());
        let said = fs::read_to_string(&kmsg).unwrap();
        let notices: String = said.lines().map(|line| format!("{}\n", message(line))).collect();
        compare(&case, &tree(&run), &notices);
    }
}

#[test]
fn without_a_directory_it_fails() {
    if may_unshare() {
        let script = "mount --bind /dev/null /dev/kmsg && exec \"$1\"";
        let status = namespace().args(["sh", "-c", script, "sh", BINARY]).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
}

/// The boot waits for it, so it must start fast; and what is not linked cannot be called by mistake.
#[test]
fn it_links_neither_libcryptsetup_nor_libblkid_nor_tls() {
    let dynamic = readelf("--dynamic");
    let needed: Vec<&str> = dynamic.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert!(needed.iter().any(|line| line.contains("libc.so")), "{dynamic}");
    for library in ["cryptsetup", "blkid", "ssl", "crypto", "devmapper"] {
        assert!(!needed.iter().any(|line| line.contains(library)), "{needed:?}");
    }
    // Test builds are not stripped: mangled names hold the crate's name. Functions only: the linker
    // keeps the names of files that it took nothing from.
    let symbols = readelf("--symbols");
    let functions: Vec<&str> = symbols.lines().filter(|line| line.contains(" FUNC ")).collect();
    let holds = |word: &str| functions.iter().filter(|line| line.contains(word)).count();
    assert!(holds("10bek_unlock9generator") > 0, "this test would find nothing");
    for word in ["6rustls", "7reqwest", "ring_core", "crypt_activate", "blkid_"] {
        assert_eq!(holds(word), 0, "functions with {word}");
    }
}

fn readelf(part: &str) -> String {
    let output = Command::new("readelf").args([part, "--wide", BINARY]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generator");
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.join("etc").is_dir()).collect();
    cases.sort();
    assert!(cases.len() > 10, "cases are missing");
    cases
}

fn compare(case: &Path, found: &Tree, notices: &str) {
    let (run, kmsg) = (case.join("run.expected"), case.join("kmsg.expected"));
    if std::env::var_os("BLESS").is_some() {
        bless(&run, found);
        let _ = fs::remove_file(&kmsg);
        if !notices.is_empty() {
            fs::write(&kmsg, notices).unwrap();
        }
    }
    let expected = if run.is_dir() { tree(&run) } else { Tree::new() };
    assert_eq!(show(found), show(&expected), "{}", case.display());
    assert_eq!(notices, fs::read_to_string(kmsg).unwrap_or_default(), "{}", case.display());
}

fn bless(run: &Path, found: &Tree) {
    let _ = fs::remove_dir_all(run);
    for (path, content) in found {
        let path = run.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, content).unwrap(),
        }
    }
}

/// The input of a case: its directories but for the expected output.
fn copy(case: &Path, to: &Path) {
    for (path, content) in tree(case) {
        if !path.contains(".expected") {
            let path = to.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else if let Ok(target) = fs::read_link(&path) {
                tree.insert(name, format!("-> {}", target.display()));
            } else {
                tree.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    tree
}

/// As text, because assert_eq! then shows which line differs.
fn show(tree: &Tree) -> String {
    tree.iter().map(|(path, content)| format!("=== {path}\n{content}\n")).collect()
}

/// What follows `<28>bek-unlock-generator[PID]: `.
fn message(line: &str) -> &str {
    line.split_once("]: ").map_or(line, |(_, message)| message)
}

fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]);
    command
}

fn may_unshare() -> bool {
    let script = "mount --bind /dev/null /dev/kmsg";
    namespace().args(["sh", "-c", script]).output().is_ok_and(|output| output.status.success())
}
