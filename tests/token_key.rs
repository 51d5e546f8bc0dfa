//! `bek-unlock token-key`, which only the plugin in libcryptsetup runs: what it takes, refuses and
//! writes. A token that is not wrapped needs no network; the others are src/cli/token_key's tests.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use bek_unlock::key::frame;
use serde_json::json;

/// No output but the frame may hold it.
const KEY: &str = "a passphrase SENTINEL";

fn run(question: &str, input: &[u8], output: Stdio) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["token-key", question])
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Exit status, what is in the frame, and standard error.
fn answer(question: &str, input: &[u8]) -> (i32, Option<String>, String) {
    let output = run(question, input, Stdio::piped());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("SENTINEL"), "{said}");
    let framed = output.stdout.split_first_chunk().map(|(head, rest)| {
        assert_eq!(frame::length(*head), Some(rest.len()));
        String::from_utf8(rest.to_vec()).unwrap()
    });
    assert!(framed.is_some() || output.stdout.is_empty());
    (output.status.code().unwrap(), framed, said)
}

/// A token with its key in the clear.
fn plain() -> Vec<u8> {
    let token = json!({"type": "Azure_Disk_Encryption", "keyslots": ["0"], "version": "1.0",
        "PassphraseName": "by hand", "Passphrase": KEY});
    token.to_string().into_bytes()
}

fn ours(kek: &str) -> Vec<u8> {
    let token = json!({"type": "bek-unlock", "keyslots": ["0"], "version": "1", "kek": kek,
        "algorithm": "RSA-OAEP", "wrapped_key": "_".repeat(341) + "w"});
    token.to_string().into_bytes()
}

#[test]
fn a_key_is_written_in_a_frame() {
    let (status, framed, said) = answer("open", &plain());
    assert_eq!((status, framed.as_deref()), (0, Some(KEY)), "{said}");
}

#[test]
fn a_key_is_written_into_a_pipe_only() {
    let place = tempfile::NamedTempFile::new().unwrap();
    for question in ["open", "dump"] {
        let output = run(question, &plain(), File::create(place.path()).unwrap().into());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("a key is written into a pipe only"), "{said}");
        assert_eq!(place.as_file().metadata().unwrap().len(), 0);
    }
}

#[test]
fn what_is_no_token_is_refused_with_its_reason() {
    for input in ["", "{", "{}", "[]", KEY, "{\"value\":\"c2VjcmV0IHBhc3NwaHJhc2U\"}"] {
        for question in ["open", "dump", "validate"] {
            let (status, framed, said) = answer(question, input.as_bytes());
            assert_eq!((status, framed), (76, None), "{question} {input:?}: {said}");
            assert!(said.contains("\nbek-unlock: cause: the LUKS2 token"), "{said}");
        }
    }
}

#[test]
fn no_more_is_read_than_a_token_can_have() {
    let large = [plain(), vec![b' '; bek_unlock::recovery::LIMIT]].concat();
    for question in ["open", "dump", "validate"] {
        let (status, framed, said) = answer(question, &large);
        assert_eq!((status, framed), (76, None), "{said}");
        assert!(said.contains("1024 KiB"), "{said}");
    }
}

#[test]
fn a_token_is_judged_without_asking_anybody() {
    let kek = "https://contoso-kv.vault.azure.net/keys/kek/0123";
    let valid = answer("validate", &ours(kek));
    assert_eq!(valid, (0, None, String::new()));
    assert_eq!(answer("validate", &plain()), (0, None, String::new()));
    let (status, _, said) =
        answer("validate", &ours("https://contoso-kv.vault.azure.net/keys/kek"));
    assert_eq!(status, 76);
    assert!(
        said.contains("cause: the LUKS2 token: its \"kek\" is not what it should be"),
        "{said}"
    );
}

#[test]
fn a_token_is_shown_without_asking_anybody() {
    let (status, framed, _) =
        answer("dump", &ours("https://contoso-kv.vault.azure.net/keys/kek/0123"));
    let shown = "\tKEK:        https://contoso-kv.vault.azure.net/keys/kek/0123\n\
                 \tAlgorithm:  RSA-OAEP\n\tWrapped:    256 bytes\n";
    assert_eq!((status, framed.as_deref()), (0, Some(shown)));
    assert_eq!(answer("dump", &plain()).1.as_deref(), Some("\tKey:        not wrapped\n"));
}
