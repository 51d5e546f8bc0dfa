//! `bek-unlock token` on images that cryptsetup(8) made, checked with cryptsetup(8).
//!
//! Needs no root and no device-mapper: headers are changed in files, and nothing is mapped. What a
//! token is worth at boot is in tests/root/token.rs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/0123456789abcdef";
const KEY: &[u8] = b"sentinel passphrase";

struct Volume {
    directory: TempDir,
    image: PathBuf,
}

struct Run {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `program`; a tool of others has to succeed.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading; its status says whether that was right.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    let status = output.status.code();
    assert!(program != "cryptsetup" || status == Some(0), "{arguments:?}: {stderr}");
    Run { status, stdout, stderr }
}

impl Volume {
    /// An image with a header of this type and keyslot 0.
    fn new(kind: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let image = directory.path().join("disk.img");
        File::create(&image).unwrap().set_len(20 << 20).unwrap();
        let volume = Self { directory, image };
        let pbkdf = if kind == "luks2" { &["--pbkdf", "pbkdf2"][..] } else { &[] };
        let format = ["luksFormat", "--batch-mode", "--type", kind, "--key-file", "-"];
        let cheap = ["--pbkdf-force-iterations", "1000", volume.path()];
        run("cryptsetup", &[&format[..], pbkdf, &cheap].concat(), KEY);
        volume
    }

    fn path(&self) -> &str {
        self.image.to_str().unwrap()
    }

    /// A second passphrase, in keyslot 1.
    fn with_second_keyslot(self) -> Self {
        let other = self.file("other", b"another");
        let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let add = ["luksAddKey", "--key-file", "-", self.path(), &other];
        run("cryptsetup", &[&add[..], &cheap].concat(), KEY);
        self
    }

    /// The same with this token, put there by cryptsetup.
    fn with(self, number: u32, token: &Value) -> Self {
        let import = ["token", "import", "--token-id", &number.to_string(), self.path()];
        run("cryptsetup", &import, token.to_string().as_bytes());
        self
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// What cryptsetup has for this token.
    fn exported(&self, number: u32) -> Value {
        let export = ["token", "export", "--token-id", &number.to_string(), self.path()];
        serde_json::from_str(&run("cryptsetup", &export, b"").stdout).unwrap()
    }

    /// The numbers of all tokens in it.
    fn tokens(&self) -> Vec<String> {
        let dump = ["luksDump", "--dump-json-metadata", self.path()];
        let metadata: Value = serde_json::from_str(&run("cryptsetup", &dump, b"").stdout).unwrap();
        metadata["tokens"].as_object().unwrap().keys().cloned().collect()
    }

    /// `bek-unlock token WORD IMAGE MORE`.
    fn token(&self, word: &str, more: &[&str], input: &[u8]) -> Run {
        let program = env!("CARGO_BIN_EXE_bek-unlock");
        let run = run(program, &[&["token", word, self.path()], more].concat(), input);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("sentinel"), "{}", run.stderr);
        run
    }

    #[track_caller]
    fn succeeds(&self, word: &str, more: &[&str], input: &[u8]) -> String {
        let run = self.token(word, more, input);
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        run.stdout
    }

    /// Asserts that it is refused in these words, and not a byte of the image changed.
    #[track_caller]
    fn refuses(&self, word: &str, more: &[&str], input: &[u8], status: i32, words: &str) {
        let before = fs::read(&self.image).unwrap();
        let run = self.token(word, more, input);
        // Long causes are broken into lines.
        let said = run.stderr.replace("\nbek-unlock:        ", " ");
        assert_eq!(run.status, Some(status), "{said}");
        assert!(said.contains(words) && said.contains("hint: "), "{words:?} is not in {said}");
        assert!(said.contains("bek-unlock: error: cannot "), "{said}");
        assert!(fs::read(&self.image).unwrap() == before, "{word} {more:?} changed it");
    }
}

fn ours(byte: u8) -> Value {
    json!({"type": "bek-unlock", "keyslots": ["0"], "version": "1", "kek": KEK,
        "algorithm": "RSA-OAEP", "wrapped_key": BASE64_URL_SAFE_NO_PAD.encode([byte; 256]),
        "identity": "client-id:6f1c0d52-0000-4000-8000-000000000001"})
}

/// As ADE makes it: for no keyslot.
fn ades() -> Value {
    json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
        "KekVaultResourceId": "", "KeyEncryptionKeyURL": KEK, "KeyVaultResourceId": "",
        "KeyVaultURL": "https://contoso-kv.vault.azure.net/", "AttestationURL": null,
        "PassphraseName": "LUKSPasswordProtector", "Passphrase": BASE64_STANDARD.encode([9; 256])})
}

#[test]
fn tokens_are_shown_without_what_is_in_them() {
    let plain = json!({"type": "Azure_Disk_Encryption_BackUp", "keyslots": [], "version": "1.0",
        "PassphraseName": "Temporary", "Passphrase": "sentinel passphrase of somebody"});
    let clevis = json!({"type": "clevis", "keyslots": [], "jwe": {}});
    let mut odd = ours(3);
    odd["version"] = json!("2");
    let volume = Volume::new("luks2");
    let volume = volume.with(0, &clevis).with(1, &ours(1)).with(5, &ades()).with(6, &plain);
    let volume = volume.with(7, &odd);
    let before = fs::read(&volume.image).unwrap();
    let lines = [
        "token 1: bek-unlock, version 1",
        "    holds      a wrapped key of 256 bytes",
        "    KEK        kek/0123456789abcdef",
        "    vault      contoso-kv.vault.azure.net",
        "    algorithm  RSA-OAEP",
        "    identity   client-id:6f1c0d52-0000-4000-8000-000000000001",
        "    keyslots   0",
        "token 5: Azure_Disk_Encryption, version 1.0",
        "    holds      a wrapped key of 256 bytes",
        "    KEK        kek/0123456789abcdef",
        "    vault      contoso-kv.vault.azure.net",
        "    algorithm  RSA-OAEP-256",
        "    keyslots   unassigned: cryptsetup will not use it",
        "token 6: Azure_Disk_Encryption_BackUp, version 1.0",
        "    holds      a passphrase in the clear",
        "    keyslots   unassigned: cryptsetup will not use it",
        "token 7: bek-unlock, version 2",
        "    holds      nothing usable: it is no usable LUKS2 token: it has version \"2\", and \
         this program knows \"1\"",
        "    keyslots   0",
        "",
    ];
    assert_eq!(volume.succeeds("show", &[], b""), lines.join("\n"));
    let shown: Value = serde_json::from_str(&volume.succeeds("show", &["--json"], b"")).unwrap();
    let expected = json!({"token": 1, "type": "bek-unlock", "version": "1", "wrapped": true,
        "problem": null, "kek": KEK, "kek_name": "kek", "kek_version": "0123456789abcdef",
        "algorithm": "RSA-OAEP", "identity": ours(1)["identity"], "keyslots": [0]});
    assert_eq!(shown[0], expected);
    let field = |name: &str| -> Vec<&Value> {
        shown.as_array().unwrap().iter().map(|token| &token[name]).collect()
    };
    assert_eq!(field("token"), [1, 5, 6, 7]);
    assert_eq!(field("wrapped"), [&json!(true), &json!(true), &json!(false), &json!(null)]);
    assert!(shown[3]["problem"].as_str().unwrap().contains("version \"2\""));
    assert!(fs::read(&volume.image).unwrap() == before);
}

#[test]
fn headers_without_tokens_say_so() {
    let volume = Volume::new("luks2");
    let none = "no token of bek-unlock or Azure Disk Encryption\n";
    assert_eq!(volume.succeeds("show", &[], b""), none);
    assert_eq!(volume.succeeds("show", &["--json"], b""), "[]\n");
    volume.refuses("remove", &[], b"", 4, "has no LUKS2 token of type bek-unlock or Azure_Disk");
    let luks1 = Volume::new("luks1");
    for word in ["show", "assign", "remove"] {
        luks1.refuses(word, &[], b"", 4, "disk.img is LUKS1, which has no tokens");
    }
}

#[test]
fn ades_token_is_assigned_so_that_cryptsetup_takes_it() {
    let volume = Volume::new("luks2").with(5, &ades());
    let said = volume.succeeds("assign", &[], b"");
    assert!(said.contains("assigned in ") && said.contains("keyslots   0\n"), "{said}");
    // Everything else in it is as ADE wrote it.
    let mut expected = ades();
    expected["keyslots"] = json!(["0"]);
    assert_eq!(volume.exported(5), expected);
    let dump = run("cryptsetup", &["luksDump", volume.path()], b"").stdout;
    assert!(dump.contains("5: Azure_Disk_Encryption\n\tKeyslot:    0"), "{dump}");
    let again = volume.succeeds("assign", &["--json"], b"");
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["result"], &again["token"]), (&json!("unchanged"), &json!(5)));
    assert_eq!(again["device"], json!(volume.path()));
}

#[test]
fn what_has_to_be_chosen_is_not_guessed() {
    let volume = Volume::new("luks2").with_second_keyslot().with(5, &ades());
    volume.refuses("assign", &[], b"", 1, "there are keyslots 0, 1: choose with --key-slot");
    volume.refuses("assign", &["--key-slot", "4"], b"", 4, "has no keyslot 4, only 0, 1");
    volume.refuses("assign", &["--token", "6"], b"", 4, "has no such token 6");
    volume.refuses("remove", &[], b"", 1, "Azure Disk Encryption's: name it with --token 5");
    let volume = volume.with(0, &ours(1));
    let choose = "there are tokens 0, 5: choose with --token";
    volume.refuses("assign", &["--key-slot", "1"], b"", 1, choose);
    volume.refuses("remove", &[], b"", 1, choose);
    volume.succeeds("assign", &["--key-slot", "1", "--token", "5"], b"");
    assert_eq!(volume.exported(5)["keyslots"], json!(["1"]));
}

#[test]
fn a_token_that_cryptsetup_saved_is_put_back() {
    for token in [ours(1), ades()] {
        let volume = Volume::new("luks2").with(3, &token);
        let saved = volume.file("saved.json", volume.exported(3).to_string().as_bytes());
        let said = volume.succeeds("remove", &["--token", "3"], b"");
        assert!(said.starts_with("removed from ") && said.contains("token 3: "), "{said}");
        assert_eq!(volume.tokens(), [""; 0]);
        let said = volume.succeeds("import", &[&saved, "--json"], b"");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&said["result"], &said["token"]), (&json!("imported"), &json!(0)));
        assert_eq!(volume.exported(0), token);
        volume.refuses("import", &[&saved], b"", 4, "has the key that token 0 has already");
        volume.succeeds("remove", &["--token", "0"], b"");
        volume.succeeds("import", &["-", "--key-slot", "0"], token.to_string().as_bytes());
        assert_eq!(volume.exported(0)["keyslots"], json!(["0"]));
    }
}

#[test]
fn nothing_else_is_put_into_a_header() {
    let volume = Volume::new("luks2");
    let with = |token: Value, name: &str, value: Value| {
        let mut token = token;
        token[name] = value;
        token.to_string()
    };
    let mut plain = ades();
    plain["PassphraseName"] = json!("Temporary");
    for (text, status, words) in [
        ("sentinel".to_owned(), 76, "standard input is "),
        (with(ours(1), "version", json!("2")), 76, "it has version \"2\""),
        (with(ours(1), "kek", json!("https://sentinel/keys/k/1")), 76, "its \"kek\" is not"),
        (with(ours(1), "sentinel", json!("x")), 76, "it is not the JSON of a token"),
        (with(ours(1), "keyslots", json!(["0", "7"])), 4, "has no keyslot 7, only 0"),
        (with(ades(), "version", json!("2.0")), 76, "in the unknown version \"2.0\""),
        (with(plain, "Passphrase", json!("sentinel of mine")), 76, "a passphrase in the clear"),
    ] {
        volume.refuses("import", &["-"], text.as_bytes(), status, words);
    }
    let words = "nonexistent.json does not exist";
    volume.refuses("import", &["/nonexistent.json"], b"", 4, words);
}

#[test]
fn a_header_that_is_apart_is_meant_with_its_flag() {
    let volume = Volume::new("luks2").with(5, &ades());
    let data = volume.file("data.img", &[0; 1 << 20]);
    let program = env!("CARGO_BIN_EXE_bek-unlock");
    let token = |word: &str| run(program, &["token", word, &data, "--header", volume.path()], b"");
    assert!(token("show").stdout.contains("token 5: Azure_Disk_Encryption"));
    let assigned = token("assign");
    assert_eq!(assigned.status, Some(0), "{}", assigned.stderr);
    assert_eq!(volume.exported(5)["keyslots"], json!(["0"]));
    assert!(fs::read(&data).unwrap().iter().all(|byte| *byte == 0));
    // Without it there is nothing.
    let refused = run(program, &["token", "show", &data], b"");
    assert_eq!(refused.status, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("data.img: it is not"), "{}", refused.stderr);
}

#[test]
fn headers_on_their_way_and_what_is_no_header_are_left_alone() {
    let volume = Volume::new("luks2").with(1, &ours(1));
    let encrypt = ["reencrypt", "--init-only", "--batch-mode", "--key-file", "-", volume.path()];
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    run("cryptsetup", &[&encrypt[..], &cheap].concat(), KEY);
    volume.refuses("assign", &[], b"", 4, "its reencryption has to end first");
    volume.succeeds("show", &[], b"");
    let mut bitlocker = vec![0; 1 << 20];
    bitlocker[..11].copy_from_slice(b"\xeb\x52\x90-FVE-FS-");
    for (bytes, words) in [(vec![0; 1 << 20], "not LUKS, or damaged"), (bitlocker, "BitLocker")] {
        fs::write(&volume.image, bytes).unwrap();
        for word in ["show", "assign"] {
            volume.refuses(word, &[], b"", 4, words);
        }
    }
    fs::remove_file(&volume.image).unwrap();
    let run = volume.token("show", &["--json"], b"");
    assert_eq!(run.status, Some(4));
    let failure: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&failure["result"], &failure["error"]),
        (&json!("failed"), &json!("volume-missing"))
    );
}
