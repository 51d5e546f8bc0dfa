//! What a case works in: an image that ADE's key opens, the emulator, and the program.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use azure_emulator::{Emulator, Options, Scenario};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A passphrase as ADE makes them.
pub const KEY: &str = "c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYg==";
pub const VAULT: &str = "https://contoso-kv.vault.azure.net";
pub const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek";
/// The KEK's versions, from the older to the newer.
pub const OLDER: &str = "0123456789abcdef0123456789abcdef";
pub const NEWER: &str = "89abcdef0123456789abcdef01234567";

/// Of the secret that ADE made.
pub const ADE_VERSION: &str = "00000000000000000000000000000001";

const NOTES: &str = "/var/lib/bek-unlock";

pub struct World {
    pub directory: TempDir,
    pub emulator: Emulator,
}

/// What one run of the program said.
#[derive(Debug)]
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A vault with a KEK in two versions and ADE's secret for data disk 1:0.
pub fn contoso() -> Value {
    json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1"}], "vm": {"name": "vm"}},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "permissions": [{"identity": "vm", "secrets": ["get", "list", "set"],
                             "keys": ["wrapKey", "unwrapKey"]}],
            "keys": [{"name": "kek", "versions": [{"version": OLDER}, {"version": NEWER}]},
                     {"name": "off", "versions": [{"enabled": false}]}, {"name": "other", "versions": [{"version": OLDER}]}],
            "secrets": [
                {"name": "ade", "versions": [{
                    "version": ADE_VERSION,
                    "wrap": {"key": "kek", "version": OLDER, "plain": KEY},
                    "content_type": "Wrapped BEK",
                    "tags": {
                        "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}:443/keys/KEK/{OLDER}/"),
                        "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
                        "DiskEncryptionKeyFileName": "LinuxPassPhraseFileName_1_0",
                        "MachineName": "root-ring", "VolumeLabel": "kept"}}]},
                {"name": "mistagged", "versions": [{
                    "wrap": {"key": "kek", "version": OLDER, "plain": KEY},
                    "content_type": "Wrapped BEK",
                    "tags": {
                        "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}/keys/other/{OLDER}"),
                        "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}}]},
                {"name": "plain", "versions": [{"base64_of": KEY, "content_type": "BEK",
                    "tags": {"DiskEncryptionKeyFileName": "LinuxPassPhraseFileName_1_0"}}]}]
        }]
    })
}

impl World {
    pub fn new() -> Self {
        Self::with(contoso())
    }

    pub fn with(scenario: Value) -> Self {
        for left in ["/etc/bektab", "/etc/crypttab", "/etc/w", "/etc/w.wrapped"] {
            let _ = fs::remove_file(left);
        }
        for left in [NOTES, "/etc/bek-unlock"] {
            let _ = fs::remove_dir_all(left);
        }
        let options = Options {
            imds: "169.254.169.254:80".parse().unwrap(),
            vault: "169.254.169.253:443".parse().unwrap(),
            ..Options::default()
        };
        let emulator = Emulator::start(Scenario::from_value(scenario).unwrap(), options).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), emulator.ca_pem()).unwrap();
        Self { directory, emulator }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An image that `KEY` opens; with `header` in a file of its own.
    pub fn volume(&self, kind: &str, header: Option<&Path>) -> PathBuf {
        let image = self.path("disk.img");
        File::create(&image).unwrap().set_len(24 << 20).unwrap();
        let cost = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let mut words = vec!["luksFormat", "--batch-mode", "--type", kind];
        words.extend(cost);
        if let Some(header) = header {
            words.extend(["--header", header.to_str().unwrap()]);
        }
        words.extend(["--key-file", "-", image.to_str().unwrap()]);
        let made = cryptsetup(&words, KEY.as_bytes());
        assert!(made.status.success(), "{made:?}");
        image
    }

    /// Whether `key` opens the image, by cryptsetup's own account.
    pub fn opens(&self, image: &Path, key: &[u8]) -> bool {
        let image = image.to_str().unwrap();
        cryptsetup(&["open", "--test-passphrase", "--key-file", "-", image], key).status.success()
    }

    /// The numbers of the keyslots in use, and the LUKS2 metadata.
    pub fn keyslots(&self, image: &Path) -> (Vec<u32>, Value) {
        let words = ["luksDump", "--dump-json-metadata", image.to_str().unwrap()];
        let json: Value = serde_json::from_slice(&cryptsetup(&words, b"").stdout).unwrap();
        let slots = json["keyslots"].as_object().unwrap().keys();
        let mut slots: Vec<u32> = slots.map(|slot| slot.parse().unwrap()).collect();
        slots.sort_unstable();
        (slots, json)
    }

    /// Runs the program with these words, its standard input and, where it may ask Azure, `--ca`.
    pub fn run(&self, words: &[&str], input: &[u8]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
        command.args(words);
        if !matches!(words.first(), Some(&"decode" | &"token")) {
            command.arg("--ca").arg(self.path("ca.pem"));
        }
        self.ran(command, input)
    }

    pub fn ran(&self, mut command: Command, input: &[u8]) -> Run {
        let output = with_input(command.env_clear().env("PATH", "/usr/sbin:/usr/bin"), input);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let run = Run {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!format!("{run:?}").contains(&KEY[..40]), "the key was printed");
        run
    }

    /// /etc/bektab with the option that trusts the emulator on each line.
    pub fn bektab(&self, lines: &[&str]) {
        let ca = format!("ca={}", self.path("ca.pem").display());
        let lines = lines.iter().map(|line| format!("{line},{ca}\n"));
        fs::write("/etc/bektab", lines.collect::<String>()).unwrap();
    }

    /// Whether the volume `data1` opens by its line: the sources are asked and nothing is changed.
    pub fn opens_by_line(&self) -> Run {
        self.run(&["rotate", "data1", "--dry-run"], b"")
    }

    /// What the emulator was asked since the last time, as `METHOD path status`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.emulator.requests();
        requests
            .into_iter()
            .map(|request| {
                let status = request.status.map_or(0, |status| status);
                format!("{} {} {status}", request.method, request.path)
            })
            .collect()
    }

    /// Asserts that no interrupted run is noted.
    #[track_caller]
    pub fn nothing_is_under_way(&self) {
        let left = fs::read_dir(NOTES).map(|notes| notes.count()).unwrap_or_default();
        assert_eq!(left, 0);
    }
}

impl Run {
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:#?}");
        self
    }

    /// Asserts one error block with this status and these words.
    #[track_caller]
    pub fn refuses(self, status: i32, words: &str) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        assert_eq!(self.stderr.matches("bek-unlock: error: ").count(), 1, "{self:#?}");
        self.says(words)
    }

    /// Asserts these words on standard error, wherever its lines are broken.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let flat = self.stderr.split_whitespace().filter(|word| *word != "bek-unlock:");
        let flat = flat.collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words:?} is missing in {self:#?}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs stock cryptsetup.
pub fn cryptsetup(words: &[&str], input: &[u8]) -> Output {
    with_input(
        Command::new("cryptsetup").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(words),
        input,
    )
}

pub fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}
