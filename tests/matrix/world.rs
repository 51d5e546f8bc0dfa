//! A worker's world: namespaces of its own, so that several cases have Azure's addresses at once.
//!
//! Its directory is below /mnt and named by its number, because /tmp, /run, /var/tmp and /dev/shm
//! are emptied: what is found there after a run is the program's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azure_emulator::{
    Algorithm, Change, Emulator, LoggedRequest, Options, Scenario, Service, wrap,
};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::case::{VAULT, VERSION};

/// A passphrase as ADE makes them: base64 text, 172 bytes, no newline.
pub const KEY: &str = "c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYg==";
/// How the emulator's tokens begin.
pub const TOKEN: &str = "emulated.";
/// The directories that a program might leave something in.
pub const PUBLIC: [&str; 4] = ["/tmp", "/run", "/var/tmp", "/dev/shm"];
/// The addresses of the metadata service and the vaults.
pub const IMDS: &str = "169.254.169.254";
pub const VAULTS: &str = "169.254.169.253";

pub struct World {
    /// `/mnt/NAME`, by the name of the volume.
    pub directory: PathBuf,
    /// The name of the volume, which no other worker uses.
    pub volume: String,
    pub emulator: Emulator,
}

impl World {
    /// Leaves the namespaces of the process with the calling thread, and makes this world there.
    pub fn enter(number: usize, prepared: &Path) -> Self {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        tool(&["ip", "link", "set", "lo", "up"]);
        for address in [IMDS, VAULTS] {
            plug(address);
        }
        // Processes and mappings are everybody's: another run of this suite is told from this one.
        let volume = format!("matrix-{}-{number}", std::process::id());
        let directory = Path::new("/mnt").join(&volume);
        tool(&["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        for name in ["images", "keys", "case"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        let program = directory.join("bek-unlock");
        fs::write(&program, "").unwrap();
        bind(Path::new(env!("CARGO_BIN_EXE_bek-unlock")), &program);
        bind(prepared, &directory.join("images"));
        let hosts = directory.join("hosts");
        fs::write(&hosts, names()).unwrap();
        bind(&hosts, Path::new("/etc/hosts"));
        // The last one so that no disk of this machine is looked at, which also takes root.
        for path in PUBLIC.into_iter().chain(["/sys/class/block"]) {
            tool(&["mount", "-t", "tmpfs", "tmpfs", path]);
        }
        let pem = include_str!("../emulator/keys/TEST-ONLY-rsa2048-1.pem");
        fs::write(directory.join("kek.pem"), pem).unwrap();
        let options = Options {
            imds: format!("{IMDS}:80").parse().unwrap(),
            vault: format!("{VAULTS}:443").parse().unwrap(),
            ..Options::default()
        };
        let emulator = Emulator::start(scenario(&directory), options).unwrap();
        fs::write(directory.join("ca.pem"), emulator.ca_pem()).unwrap();
        let world = Self { directory, volume, emulator };
        world.write_keys();
        world
    }

    fn write_keys(&self) {
        let kek = format!("{VAULT}/keys/kek/{VERSION}");
        let wrapped = |plain: &[u8]| {
            wrap(&scenario(&self.directory), None, &kek, Algorithm::RsaOaep, plain).unwrap()
        };
        let noise: Vec<u8> = (0..256_u32).map(|n| (n * 7 + 13) as u8).collect();
        let of_key = wrapped(KEY.as_bytes());
        for (name, bytes) in [
            ("right", KEY.as_bytes().to_vec()),
            ("newline", format!("{KEY}\n").into_bytes()),
            ("half", KEY.as_bytes()[..86].to_vec()),
            ("garbage", noise.clone()),
            ("large", vec![b'k'; 70_000]),
            ("other", b"the key of another volume".to_vec()),
            ("empty", Vec::new()),
            ("wrapped", of_key.clone().into_bytes()),
            ("half-wrapped", of_key.as_bytes()[..171].to_vec()),
            ("garbage-wrapped", noise),
            ("other-wrapped", wrapped(b"the key of another volume").into_bytes()),
        ] {
            write_private(&self.directory.join("keys").join(name), &bytes);
        }
        fs::create_dir(self.directory.join("keys/directory")).unwrap();
        tool(&["mkfifo", self.directory.join("keys/fifo").to_str().unwrap()]);
        std::os::unix::fs::symlink("loop", self.directory.join("keys/loop")).unwrap();
    }

    /// `{dir}` in the words of a case.
    pub fn expand(&self, text: &str) -> String {
        text.replace("{dir}", self.directory.to_str().unwrap())
    }

    pub fn change(&self, change: &Value) {
        for change in Change::parse(change.to_string().as_bytes()).unwrap() {
            self.emulator.change(change).unwrap();
        }
    }

    /// The requests from the `since`-th on.
    pub fn requests(&self, since: usize) -> Vec<LoggedRequest> {
        self.emulator.requests().split_off(since)
    }
}

/// As `METHOD path status`, for people.
pub fn shown(requests: &[LoggedRequest]) -> Vec<String> {
    let one = |request: &LoggedRequest| {
        let service = if request.service == Service::Imds { "imds" } else { "vault" };
        let status = request.status.unwrap_or_default();
        format!("{service} {} {} {status}", request.method, request.path)
    };
    requests.iter().map(one).collect()
}

pub fn plug(address: &str) {
    tool(&["ip", "address", "add", &format!("{address}/32"), "dev", "lo"]);
}

pub fn unplug(address: &str) {
    tool(&["ip", "address", "del", &format!("{address}/32"), "dev", "lo"]);
}

pub fn bind(from: &Path, to: &Path) {
    tool(&["mount", "--bind", from.to_str().unwrap(), to.to_str().unwrap()]);
}

pub fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs a stock tool, which has to succeed.
#[track_caller]
pub fn tool(words: &[&str]) {
    with_input(words, b"");
}

#[track_caller]
pub fn with_input(words: &[&str], input: &[u8]) {
    use std::io::Write;
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
}

/// Vaults that differ in what a change cannot change, each with the same secret.
const ODD: [&str; 9] =
    ["absent", "endless", "elsewhere", "empty", "paged", "padded", "standard", "spaced", "twopad"];

fn names() -> String {
    let odd = ODD.map(|name| format!("{VAULTS} {name}-kv.vault.azure.net\n")).concat();
    format!("127.0.0.1 localhost\n{VAULTS} contoso-kv.vault.azure.net\n{odd}")
}

/// A vault with a KEK and secrets, most of which something is wrong with.
fn scenario(directory: &Path) -> Scenario {
    let kek = format!("{VAULT}/keys/kek/{VERSION}");
    let tags = |file: &str, machine: &str| {
        json!({"DiskEncryptionKeyEncryptionKeyURL": kek,
            "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
            "DiskEncryptionKeyFileName": file, "MachineName": machine})
    };
    let right = json!({"wrap": {"key": "kek", "version": VERSION, "plain": KEY},
        "version": "fedcba9876543210fedcba9876543210", "content_type": "Wrapped BEK",
        "tags": tags("LinuxPassPhraseFileName", "web-1")});
    let with = |field: &str, value: Value| {
        let mut version = right.clone();
        version[field] = value;
        // Found by its URL only.
        version["tags"]["DiskEncryptionKeyFileName"] = json!("LinuxPassPhraseFileName_9_9");
        json!([version])
    };
    let kek_tag = |url: &str| {
        with(
            "tags",
            json!({"DiskEncryptionKeyEncryptionKeyURL": url,
            "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"}),
        )
    };
    let plain = |value: Value| json!([{"value": value, "content_type": "BEK"}]);
    let other = json!({"key": "kek", "version": VERSION, "plain": "the key of another volume"});
    let secrets = json!([
        {"name": "wrapped", "versions": [right]},
        {"name": "plain", "versions": [{"base64_of": KEY, "content_type": "BEK"}]},
        {"name": "other", "versions": with("wrap", other)},
        {"name": "disabled", "versions": with("enabled", json!(false))},
        {"name": "expired", "versions": with("exp", json!(1_600_000_000))},
        {"name": "early", "versions": with("nbf", json!(4_000_000_000_u64))},
        {"name": "foreign-kek", "versions": kek_tag("https://kek.example/keys/kek/0123456789abcdef0123456789abcdef")},
        {"name": "absent-kek", "versions": kek_tag(&format!("{VAULT}/keys/gone/{VERSION}"))},
        {"name": "odd-kek", "versions": kek_tag("not a URL")},
        {"name": "disabled-kek", "versions": kek_tag(&format!("{VAULT}/keys/off/{VERSION}"))},
        {"name": "wrong-kek", "versions": kek_tag(&format!("{VAULT}/keys/second/{VERSION}"))},
        {"name": "unbased", "versions": plain(json!("this is no base64!"))},
        {"name": "half-plain", "versions": plain(json!("YzFHcFpi"))},
        {"name": "empty-plain", "versions": plain(json!(""))},
        {"name": "half-wrapped", "versions": [{"value": "-__-AQ", "content_type": "Wrapped BEK", "tags": tags("x", "y")}]},
        {"name": "odd-algorithm", "versions": with("tags", json!({"DiskEncryptionKeyEncryptionKeyURL": kek,
            "DiskEncryptionKeyEncryptionAlgorithm": "ROT13"}))}
    ]);
    let keys = json!([{"name": "kek", "versions": [{"version": VERSION}]},
        {"name": "off", "versions": [{"version": VERSION, "enabled": false}]},
        {"name": "second", "versions": [{"version": VERSION}]}]);
    let mut vaults = vec![json!({"host": "contoso-kv.vault.azure.net",
        "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": ["unwrapKey"]}],
        "keys": keys, "secrets": secrets})];
    // A further key would be generated, which takes seconds.
    let pem = directory.join("kek.pem");
    let kek = json!({"version": VERSION, "pem_file": pem});
    for name in ODD.iter().filter(|name| **name != "absent") {
        let host = format!("{name}-kv.vault.azure.net");
        let mut own = right.clone();
        own["tags"]["DiskEncryptionKeyEncryptionKeyURL"] =
            json!(format!("https://{host}/keys/kek/{VERSION}"));
        let mut vault = json!({"host": host, "keys": [{"name": "kek", "versions": [kek]}],
            "secrets": [{"name": "wrapped", "versions": [own]}]});
        match *name {
            "endless" => vault["paging"] = json!({"endless": true}),
            "elsewhere" => vault["paging"] = json!({"pages": [0], "next_link_host": "kek.example"}),
            "empty" => vault["secrets"] = json!([]),
            "paged" => vault["paging"] = json!({"pages": [0, 0, 1]}),
            "padded" => vault["answer"] = json!({"padding": "correct"}),
            "standard" => vault["answer"] = json!({"alphabet": "standard", "padding": "correct"}),
            "spaced" => vault["answer"] = json!({"white_space": true}),
            _ => vault["answer"] = json!({"padding": "two"}),
        }
        vaults.push(vault);
    }
    let identity = json!({"name": "vm", "client_id": "6f1c0d52-0000-4000-8000-000000000001",
        "object_id": "6f1c0d52-0000-4000-8000-000000000002"});
    let scenario =
        json!({"imds": {"identities": [identity], "vm": {"name": "web-1"}}, "vaults": vaults});
    Scenario::from_value(scenario).unwrap()
}
