//! The question for a passphrase, put by systemd-ask-password itself and answered as an agent does,
//! while the metadata service keeps the other source waiting.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use azure_emulator::Change;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::azure::{contoso, secret};
use crate::world::{KEY, Luks, Volume, World};

const TOOL: &str = "/usr/bin/systemd-ask-password";
/// Where questions stand (systemd.io, "Password Agents").
const QUESTIONS: &str = "/run/systemd/ask-password";
const REPORT: &str = "/run/bek-unlock/report.json";

/// A world whose metadata service is busy, and a volume; `None`, and said, without the tool.
#[expect(clippy::print_stdout, reason = "said, not hidden")]
fn busy() -> Option<(World, Volume)> {
    if !Path::new(TOOL).exists() {
        println!("no {TOOL} here: not run");
        return None;
    }
    let _ = fs::remove_file(REPORT);
    let mut scenario = contoso();
    scenario["faults"] = json!([{"match": {"service": "imds"}, "times": "forever",
        "action": {"reply": {"status": 503, "headers": {}, "body": "busy"}}}]);
    let world = World::with_azure(scenario);
    let volume = world.luks("v", &Luks::default());
    assert_eq!(questions(), BTreeSet::new());
    Some((world, volume))
}

fn start(world: &World, volume: &Volume, options: &str) -> Child {
    let options = format!("{},{options}", world.ca());
    Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "data1", &volume.device, &secret("plain"), &options])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The files of questions for the volume.
fn questions() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(QUESTIONS) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("ask.")).collect()
}

/// Waits for a question that is not among `known`.
fn question(child: &mut Child, known: &BTreeSet<String>) -> String {
    loop {
        if let Some(new) = questions().difference(known).next() {
            return new.clone();
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended without a question");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Answers as an agent does: one datagram, a plus before the passphrase.
fn answer(question: &str, passphrase: &str) {
    let text = fs::read_to_string(Path::new(QUESTIONS).join(question)).unwrap();
    assert!(text.contains("\nId=bek-unlock:data1\n"), "{text}");
    assert!(text.contains("\nMessage=Passphrase for volume data1:\n"), "{text}");
    let socket = text.lines().find_map(|line| line.strip_prefix("Socket=")).unwrap();
    let agent = UnixDatagram::unbound().unwrap();
    agent.send_to(format!("+{passphrase}").as_bytes(), socket).unwrap();
}

/// What it said; nothing of a question is left.
fn end(child: Child, status: i32) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(questions(), BTreeSet::new(), "{said}");
    for process in fs::read_dir("/proc").unwrap().map(Result::unwrap) {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        assert!(!name.starts_with("systemd-ask-pas"), "{name}");
    }
    said
}

/// The steps of the last run that are called `word`, by source.
fn steps(word: &str) -> Vec<(Value, u64)> {
    let report: Value = serde_json::from_slice(&fs::read(REPORT).unwrap()).unwrap();
    let run = report["volumes"]["data1"].as_array().unwrap().last().unwrap().clone();
    let steps = run["steps"].as_array().unwrap().clone();
    let found = steps.into_iter().filter(|step| step["step"] == word);
    found.map(|step| (step["source"].clone(), step["tries"].as_u64().unwrap())).collect()
}

#[test]
#[ignore = "needs root: make check-root"]
fn somebody_types_while_the_network_is_tried() {
    let Some((world, volume)) = busy() else { return };
    let mut child = start(&world, &volume, "prompt,timeout=600");
    let first = question(&mut child, &BTreeSet::new());
    answer(&first, "mistyped");
    // Asked again, until it is right.
    let second = question(&mut child, &[first].into());
    answer(&second, KEY);
    let said = end(child, 0);
    assert!(said.contains("data1 unlocked with a typed passphrase in "), "{said}");
    assert_eq!(steps("question"), [(json!("prompt"), 1), (json!("prompt"), 1)]);
    // Both keys, and none of the vault, which never answered.
    assert_eq!(steps("keyslots"), [(json!("prompt"), 2)]);
    assert_eq!(world.requests().iter().filter(|line| line.contains("/secrets/")).count(), 0);
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_question_is_gone_when_the_network_answers() {
    let Some((world, volume)) = busy() else { return };
    let mut child = start(&world, &volume, "prompt,timeout=600");
    question(&mut child, &BTreeSet::new());
    let emulator = world.emulator.as_ref().unwrap();
    emulator.change(Change::ClearFaults(true)).unwrap();
    let said = end(child, 0);
    assert!(said.contains("data1 unlocked with Key Vault in "), "{said}");
    assert_eq!(steps("keyslots"), [(json!("key-vault"), 1)]);
    assert_eq!(steps("question").len(), 1);
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_question_goes_with_the_run_that_asks_it() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let Some((world, volume)) = busy() else { return };
        let mut child = start(&world, &volume, "prompt,timeout=600");
        question(&mut child, &BTreeSet::new());
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        child.wait().unwrap();
        // The kernel tells the tool, which takes its question back in its own time.
        let limit = Instant::now() + Duration::from_secs(20);
        while !questions().is_empty() {
            assert!(Instant::now() < limit, "{signal}: the question stands");
            thread::sleep(Duration::from_millis(20));
        }
        world.nothing_is_left();
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn nobody_is_asked_without_prompt() {
    let Some((world, volume)) = busy() else { return };
    let mut child = start(&world, &volume, "timeout=9");
    while child.try_wait().unwrap().is_none() {
        assert_eq!(questions(), BTreeSet::new());
        thread::sleep(Duration::from_millis(20));
    }
    let said = end(child, 69);
    assert!(said.contains("cause: metadata service 169.254.169.254: HTTP 503"), "{said}");
    assert_eq!(steps("question"), []);
}

#[test]
#[ignore = "needs root: make check-root"]
fn nobody_answers_until_the_deadline() {
    let Some((world, volume)) = busy() else { return };
    let mut child = start(&world, &volume, "prompt,timeout=9");
    question(&mut child, &BTreeSet::new());
    let said = end(child, 69);
    assert!(said.contains("cause: no passphrase was typed: nobody answered in time"), "{said}");
    assert!(said.contains("cause: metadata service 169.254.169.254: HTTP 503"), "{said}");
    world.nothing_is_left();
}

/// A source that has failed for good: the person is asked at once, and is the only one left.
#[test]
#[ignore = "needs root: make check-root"]
fn three_answers_that_do_not_fit_are_enough() {
    let Some((world, volume)) = busy() else { return };
    let options = "prompt,timeout=600";
    let mut child = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "data1", &volume.device, "/nonexistent/key", options])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut known = BTreeSet::new();
    for word in ["one", "two", "three"] {
        let asked = question(&mut child, &known);
        answer(&asked, word);
        known.insert(asked);
    }
    let said = end(child, 2);
    assert!(said.contains("the prompt"), "{said}");
    assert_eq!(steps("question").len(), 3);
    assert_eq!(steps("keyslots"), [(json!("prompt"), 3)]);
    assert!(world.requests().is_empty());
    world.nothing_is_left();
}
