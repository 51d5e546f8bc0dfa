//! Two runs for one volume, and runs that are told to end in the middle.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use crate::world::{KEY, Luks, Volume, World, tool};

/// Long enough for everything below to happen while it runs.
const SLOW: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "100000"];

fn start(volume: &Volume, key: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "data1", &volume.device, key, "timeout=60"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the run tries its key, which is when it puts signals off (proc_pid_status(5)).
fn trying(child: &mut Child) {
    let status = format!("/proc/{}/status", child.id());
    let catches = |text: String| -> Option<bool> {
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
        Some(u64::from_str_radix(&mask, 16).ok()? & (1 << (15 - 1)) != 0)
    };
    while fs::read_to_string(&status).ok().and_then(catches) != Some(true) {
        assert_eq!(child.try_wait().unwrap(), None, "it never put signals off");
        std::thread::yield_now();
    }
}

fn told_to_end(key: &[u8]) -> (World, Output) {
    let world = World::new();
    let luks = Luks { filesystem: false, arguments: &SLOW, ..Luks::default() };
    let volume = world.luks("v", &luks);
    let key = world.file("key", key);
    let mut child = start(&volume, &key);
    trying(&mut child);
    tool(&["kill", "-TERM", &child.id().to_string()], b"");
    let output = child.wait_with_output().unwrap();
    (world, output)
}

#[test]
#[ignore = "needs root: make check-root"]
fn several_runs_for_one_volume_all_succeed() {
    let world = World::new();
    let volume = world.luks("v", &Luks { arguments: &SLOW, ..Luks::default() });
    let key = world.file("key", KEY.as_bytes());
    let mut runs: Vec<Child> = (0..3).map(|_| start(&volume, &key)).collect();
    runs.iter_mut().for_each(trying);
    let mut words = String::new();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        words.push_str(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{words}");
    }
    assert_eq!(words.matches("data1 unlocked").count(), 1, "{words}");
    assert_eq!(words.matches("data1 is already unlocked").count(), 2, "{words}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_run_that_is_told_to_end_leaves_no_mapping() {
    let (world, output) = told_to_end(KEY.as_bytes());
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("data1: asked to end by SIGTERM; closed again"), "{words}");
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_run_that_is_told_to_end_tries_no_further_key() {
    let (world, output) = told_to_end(b"wrong");
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    world.nothing_is_left();
}
