//! `bek-unlock decode` through pipes: the key comes out byte for byte, and what is no key ends with
//! its exit status, its message, an empty standard output and nothing of the input in a message.
//!
//! Needs no root and no network. All keys are made up here.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use fastrand::Rng;
use serde_json::json;

#[path = "decode/bek.rs"]
mod bek;
#[path = "decode/refusals.rs"]
mod refusals;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123";

fn decode() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
    command.arg("decode").env_clear();
    command
}

/// Runs the program on `input`.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses before it read everything closes the pipe; the status tells.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// A passphrase as ADE makes it.
fn ade() -> String {
    BASE64_STANDARD.encode(random(127, 127))
}

/// What unwrapKey answers.
fn value() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(ade())
}

/// No eight bytes in a row of `secret` are in `text`.
fn assert_hidden(secret: &[u8], text: &[u8], name: &str) {
    for window in secret.windows(8) {
        let found = text.windows(8).any(|other| other == window);
        assert!(!found, "{name}: {}", String::from_utf8_lossy(text));
    }
}

/// What in an input may be a key: words of twelve and more characters, but for the vault's URLs.
fn words(input: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(input).replace(KEK, "").replace("https://contoso-kv.", "");
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    let words = text.split(|c| !is_base64(c)).filter(|word| (12..4096).contains(&word.len()));
    words.map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn the_key_alone_comes_out() {
    let password = "000011-000022-111111-222222-333333-444444-555555-720885";
    let own = "correct horse battery staple \u{e9}\n";
    for (name, input, key) in [
        ("the answer's value", value().into_bytes(), ade().into_bytes()),
        ("with its padding", format!("{}==\n", value()).into(), ade().into()),
        ("the answer", json!({"kid": KEK, "value": value()}).to_string().into(), ade().into()),
        ("the passphrase itself", ade().into(), ade().into()),
        ("a .BEK file", bek::file(), bek::file()),
        ("a .BEK file, unwrapped", BASE64_URL_SAFE_NO_PAD.encode(bek::file()).into(), bek::file()),
        ("a recovery password", password.replace('-', " ").into(), password.into()),
        ("a passphrase of one's own", BASE64_STANDARD.encode(own).into(), own.into()),
        ("a binary key", BASE64_STANDARD.encode(random(1, 64)).into(), random(1, 64)),
    ] {
        for arguments in [&[][..], &["-v"]] {
            let output = run(decode().args(arguments), &input);
            assert!(output.status.success(), "{name}: {output:?}");
            assert!(output.stdout == key, "{name}");
            for word in words(&input) {
                assert_hidden(&word, &output.stderr, name);
            }
            assert_hidden(&key, &output.stderr, name);
            assert_eq!(output.stderr.iter().filter(|byte| **byte == 0x1b).count(), 0, "{name}");
        }
    }
}

#[test]
fn standard_error_says_what_it_was_and_how_much_was_taken_off() {
    let output = run(&mut decode(), json!({"kid": KEK, "value": value()}).to_string().as_bytes());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "bek-unlock: standard input: answer of Key Vault (kek/0123), 2 layers removed:\n\
         bek-unlock:          JSON (value), base64 without 2 of its =\n\
         bek-unlock: ADE passphrase of 172 bytes\n"
    );
}

#[test]
fn everything_that_is_no_key_is_refused_for_its_reason() {
    let table = refusals::table();
    assert!(table.len() >= 150, "{}", table.len());
    let mut wrong = Vec::new();
    for (name, input, cause) in table {
        let output = run(&mut decode(), &input);
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        // The console breaks long lines between words.
        let whole = said.replace("\nbek-unlock:       ", "");
        let right = output.status.code() == Some(76)
            && output.stdout.is_empty()
            && whole.starts_with("bek-unlock: error: cannot decode\n")
            && whole.contains(&format!("\nbek-unlock: cause: standard input {cause}\n"))
            && whole.contains("\nbek-unlock: hint: ")
            && said.is_ascii();
        if !right {
            wrong.push(format!("{name}: {:?}, expected {cause:?}\n{said}", output.status.code()));
        }
        // What an error answer says is shown.
        if !cause.starts_with("is an error answer") {
            for word in words(&input) {
                assert_hidden(&word, &output.stderr, name);
            }
        }
        assert_hidden(ade().as_bytes(), &output.stderr, name);
        assert_hidden(value().as_bytes(), &output.stderr, name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Half a key is none: whoever reads the output must not take it for one.
#[test]
fn an_output_that_takes_nothing_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = decode();
    let command = command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(value().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cause: standard output does not take the key: No space left"), "{said}");
}

#[test]
fn a_file_that_others_can_read_is_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    for (mode, warned) in [(0o600, false), (0o644, true), (0o640, true)] {
        let file = File::create(&path).unwrap();
        file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
        let mut child =
            decode().stdin(Stdio::piped()).stdout(file).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(fs::read(&path).unwrap(), ade().as_bytes());
        let said = String::from_utf8(output.stderr).unwrap();
        let warning = format!("warning: others can read the file with the key (mode {mode:04o})");
        assert_eq!(said.contains(&warning), warned, "{said}");
    }
}

/// script(1) of util-linux gives the program a terminal of its own.
#[test]
fn a_terminal_gets_no_key_and_gives_none() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input");
    let marker = directory.path().join("read");
    fs::write(&input, value()).unwrap();
    let program = env!("CARGO_BIN_EXE_bek-unlock");
    let at_terminal = |redirected: &str| {
        let line = format!("'{program}' decode {redirected}");
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().replace('\r', ""))
    };
    let (status, said) = at_terminal(&format!("<'{}'", input.display()));
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("the key is not shown on a terminal; send it on: | cryptsetup"),
        "{said}"
    );
    assert_hidden(ade().as_bytes(), said.as_bytes(), "terminal");
    let (status, said) = at_terminal(&format!(">'{}'", marker.display()));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("standard input is a terminal, which shows and cuts"), "{said}");
    assert_eq!(fs::read(&marker).unwrap(), b"");
}

#[test]
fn arguments_are_refused_and_none_of_them_is_read() {
    for arguments in [&["key.json"][..], &["--json"], &["-"]] {
        let output = run(decode().args(arguments), value().as_bytes());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_directory_is_no_input() {
    let mut command = decode();
    let output = command.stdin(File::open("/").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(76));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cause: standard input cannot be read: Is a directory"), "{said}");
}
