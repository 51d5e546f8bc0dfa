//! Whatever happens, no system call carries a passphrase or a token out of the program.
//!
//! `rotate --dry-run` asks the sources of a volume's line and tries their keys on the header, as at a
//! boot, and maps nothing; tests/root/secrecy.rs has the same with the mapping.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::needles::Needles;
use crate::trace::{Trace, strace};
use crate::world::{KEK, KEY, OLDER, VAULT, World, contoso};

/// How a run ends.
enum End {
    Status(i32),
    /// As soon as the vault was asked.
    Killed(Signal),
}

/// One run of the program before a vault that has these faults.
struct Case {
    name: &'static str,
    /// Where the key is, and options.
    line: String,
    faults: Value,
    end: End,
}

fn case(name: &'static str, line: String, end: i32) -> Case {
    Case { name, line, faults: json!([]), end: End::Status(end) }
}

fn faulty(name: &'static str, action: Value, times: Value, end: End) -> Case {
    let faults = json!([{"match": {"service": "vault"}, "times": times, "action": action}]);
    // Short only where nothing but the deadline ends it.
    let timeout = if matches!(end, End::Status(69)) { 2 } else { 20 };
    let line = format!("{VAULT}/secrets/ade kek={KEK}/{OLDER},timeout={timeout}");
    Case { name, line, faults, end }
}

fn cases() -> Vec<Case> {
    let secret = |name: &str| format!("{VAULT}/secrets/{name} timeout=20");
    let wrapped = |name: &str| format!("{},kek={KEK}/{OLDER}", secret(name));
    let forever = || json!("forever");
    let mut cases = vec![
        case("success", wrapped("ade"), 0),
        case("success, by tags", format!("- vault={VAULT},machine-name=root-ring,timeout=12"), 0),
        // They open the volume, too; only a wrapped key is renewed.
        case("in the clear", secret("plain"), 4),
        case("from a file", "/etc/key timeout=20".to_owned(), 4),
        case("wrong key", wrapped("wrong"), 2),
        case("secret not there", wrapped("nowhere"), 4),
        case("key file not there", "/etc/nowhere timeout=1".to_owned(), 4),
        case("KEK disabled", format!("{},kek={VAULT}/keys/dead/{OLDER}", secret("disabled")), 77),
        case("no answer to unwrap", wrapped("noise"), 76),
        case("host that is no vault", "https://evil.example.org/secrets/a timeout=20".into(), 76),
        faulty("refused", json!({"reply": {"status": 403}}), forever(), End::Status(77)),
        faulty("garbage", json!({"garbage": 100}), forever(), End::Status(76)),
        faulty("broken off", json!("reset"), forever(), End::Status(69)),
        faulty("throttled, then good", json!({"throttled": {}}), json!(1), End::Status(0)),
    ];
    for (name, timeout, end) in [
        ("no answer in time", 2, End::Status(69)),
        ("ended", 60, End::Killed(Signal::SIGTERM)),
        ("killed", 60, End::Killed(Signal::SIGKILL)),
        ("crashed", 60, End::Killed(Signal::SIGABRT)),
    ] {
        let line = format!("{VAULT}/secrets/ade kek={KEK}/{OLDER},timeout={timeout}");
        let vault = json!({"service": "vault"});
        let late =
            json!({"match": vault, "times": "forever", "delay_ms": 60_000, "action": "pass"});
        cases.push(Case { name, line, faults: json!([late]), end });
    }
    cases
}

#[test]
#[ignore = "needs Azure's addresses and strace: make check-root"]
fn no_system_call_carries_a_secret_out() {
    let mut tokens = 0;
    for case in cases() {
        let name = case.name;
        let mut scenario = contoso();
        let secrets = scenario["vaults"][0]["secrets"].as_array_mut().unwrap();
        let wrong = KEY.replace('c', "d");
        for (name, value) in [
            ("wrong", json!({"wrap": {"key": "kek", "version": OLDER, "plain": wrong}})),
            ("disabled", json!({"wrap": {"key": "dead", "version": OLDER, "plain": KEY}})),
            ("noise", json!({"value": "no wrapped key at all"})),
        ] {
            secrets.push(json!({"name": name, "versions": [value]}));
        }
        let keys = scenario["vaults"][0]["keys"].as_array_mut().unwrap();
        keys.push(json!({"name": "dead", "versions": [{"version": OLDER, "enabled": false}]}));
        scenario["faults"] = case.faults.clone();
        let world = World::with(scenario);
        let image = world.volume("luks2", None);
        fs::write("/etc/key", KEY).unwrap();
        world.bektab(&[&format!("data1 {} {}", image.display(), case.line)]);
        let log = world.path("trace");
        let output = run(&world, &log, &case.end);

        let said = format!(
            "{name}: {}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        match case.end {
            End::Status(status) => assert_eq!(output.status.code(), Some(status), "{said}"),
            End::Killed(signal) => {
                assert_eq!(output.status.signal(), Some(signal as i32), "{said}")
            }
        }
        let issued = world.emulator.tokens();
        let mut known =
            vec![("passphrase", KEY.as_bytes()), ("wrong passphrase", wrong.as_bytes())];
        known.extend(issued.iter().map(|token| ("token", token.as_bytes())));
        let needles = Needles::new(&known);
        let trace = Trace::read(&log);
        // What the kernel brought is found, so what it was given would be, too.
        let brought = trace.brought(&needles);
        let from = |what: &str| brought.iter().any(|carried| carried.what.starts_with(what));
        assert_eq!(from("token"), !issued.is_empty(), "{name}: {brought:?}");
        assert!(from("passphrase") || !name.ends_with("from a file"), "{brought:?}");
        tokens += issued.len();
        assert_eq!(trace.carried(&needles).into_iter().collect::<Vec<_>>(), [], "{name}");
        assert_eq!(needles.find(said.as_bytes()), None, "{name}");
    }
    assert!(tokens > 10, "{tokens}");
}

/// Runs `rotate --dry-run` under strace, which ends as the program does.
fn run(world: &World, log: &Path, end: &End) -> Output {
    let child = strace(log, env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["rotate", "data1", "--dry-run", "-v", "--ca"])
        .arg(world.path("ca.pem"))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let End::Killed(signal) = end {
        while !world.emulator.requests().iter().any(|request| request.path.starts_with("/secrets"))
        {
            thread::yield_now();
        }
        let tracer = child.id();
        let traced = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap();
        let program = traced.split_whitespace().next().unwrap().parse().unwrap();
        kill(Pid::from_raw(program), *signal).unwrap();
    }
    child.wait_with_output().unwrap()
}
