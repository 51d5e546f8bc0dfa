//! The binary as other processes use it: serve, wrap, ca, check, connect.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::json;

use super::client::{HOST, identity, plain};

fn emulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azure-emulator"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = emulator(arguments).spawn().unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Ends the process with the test, also when an assertion fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(arguments: &[&str]) -> (Running, String) {
    let mut child = emulator(arguments).spawn().unwrap();
    let mut line = String::new();
    let stdout: ChildStdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (Running(child), line)
}

#[test]
fn serve_says_where_and_wrap_uses_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, state) = (folder.path().join("scenario.json"), folder.path().join("state"));
    let value = folder.path().join("wrapped");
    let key = format!("https://{HOST}/keys/kek");
    let body = json!({
        "imds": {"identities": [identity()]},
        "vaults": [{"host": HOST, "keys": [{"name": "kek", "versions": [{}]}],
                    "secrets": [{"name": "s", "versions": [{"value_file": "wrapped"}]}]}],
    });
    std::fs::write(&scenario, body.to_string()).unwrap();
    std::fs::write(&value, "").unwrap();
    let wrap = ["wrap", "--scenario", text(&scenario), "--state", text(&state), "--key", &key];
    let wrapped = run(&wrap, b"plain");
    assert!(wrapped.status.success(), "{}", String::from_utf8_lossy(&wrapped.stderr));
    assert_eq!(wrapped.stdout.len(), 342);

    let log = folder.path().join("log.jsonl");
    let (_running, line) = serve(&[
        "serve",
        "--scenario",
        text(&scenario),
        "--state",
        text(&state),
        "--log",
        text(&log),
        "--imds",
        "127.0.0.1:0",
        "--vault",
        "127.0.0.1:0",
        "--control",
        "127.0.0.1:0",
    ]);
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize, name: &str| words[index].strip_prefix(name).unwrap().to_owned();
    assert_eq!(words[0], "ready");
    let (imds, control) = (address(1, "imds="), address(3, "control="));
    let answer = plain(imds.parse().unwrap(), "GET", "/metadata/versions", "");
    assert_eq!(answer.status, 400);
    assert!(std::fs::read_to_string(&log).unwrap().contains("/metadata/versions"));
    assert_eq!(plain(control.parse().unwrap(), "GET", "/requests", "").status, 200);
    let ca = run(&["ca", "--state", text(&state)], b"");
    assert_eq!(ca.stdout, std::fs::read(state.join("ca.pem")).unwrap());
}

#[test]
fn check_names_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.json");
    std::fs::write(&scenario, "{\n \"vault\": []}").unwrap();
    let refused = run(&["check", "--scenario", text(&scenario)], b"");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    for part in [text(&scenario), "unknown field `vault`", "line 2"] {
        assert!(message.contains(part), "{message}");
    }
    std::fs::write(&scenario, "{}").unwrap();
    assert!(run(&["check", "--scenario", text(&scenario)], b"").status.success());
}

#[test]
fn wrong_usage_is_refused() {
    for arguments in [&["dance"][..], &["serve"], &["wrap"], &["ca"], &["check", "--what"], &[]] {
        let output = run(arguments, b"");
        assert!(!output.status.success() && !output.stderr.is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn connect_answers_after_the_input_has_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = String::new();
        socket.read_to_string(&mut request).unwrap();
        socket.write_all(request.to_uppercase().as_bytes()).unwrap();
    });
    let output = run(&["connect", &address], b"ask");
    assert_eq!((output.status.success(), output.stdout), (true, b"ASK".to_vec()));
    peer.join().unwrap();
}

#[test]
fn connect_ends_with_the_peer_even_if_input_stays_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut child = emulator(&["connect", &address]).spawn().unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    socket.write_all(b"no line break").unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut received = [0; 13];
    stdout.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"no line break");
    drop(socket);
    let input = child.stdin.take();
    assert!(child.wait().unwrap().success());
    drop(input);
}

#[test]
fn connect_to_nothing_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert!(!run(&["connect", &address], b"").status.success());
}
