//! Neither passphrase nor token stays anywhere but in memory: searched for, not asserted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::world::{KEY, Luks, VAULT, World, tool};

/// The files below `directory` that hold `needle`, but for the checkout: this test has both
/// compiled in, and a checkout below /tmp is large.
fn holding(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if path.starts_with(env!("CARGO_MANIFEST_DIR")) {
            continue;
        }
        if kind.is_dir() {
            found.extend(holding(&path, needle));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
#[ignore = "needs root: make check-root"]
fn nothing_secret_is_written_and_no_core_is_dumped() {
    let world = World::with_azure(json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1", "object_id": "o1"}]},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "secrets": [{"name": "plain", "versions": [{"base64_of": KEY, "content_type": "BEK"}]}],
        }],
        // Time to look at the process while it holds a token and waits for the key.
        "faults": [{"match": {"service": "vault"}, "times": 1, "delay_ms": 3000, "action": "pass"}],
    }));
    let volume = world.luks("v", &Luks::default());
    let cores = world.path("cores");
    fs::create_dir(&cores).unwrap();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    fs::write("/proc/sys/kernel/core_pattern", format!("{}/core.%p", cores.display())).unwrap();

    let secret = format!("{VAULT}/secrets/plain");
    let options = format!("timeout=20,{}", world.ca());
    let child = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "-v", "data1", &volume.device, &secret, &options])
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while world.requests().is_empty() {
        std::thread::yield_now();
    }
    let process = format!("/proc/{}", child.id());
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("{process}/{file}")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&KEY[..20]));
    }
    // Rust handles SIGSEGV itself to tell stack overflows; this one dumps core just so.
    tool(&["kill", "-ABRT", &child.id().to_string()], b"");
    let output = child.wait_with_output().unwrap();
    fs::write("/proc/sys/kernel/core_pattern", pattern).unwrap();
    assert!(!output.status.success());
    assert_eq!(fs::read_dir(&cores).unwrap().count(), 0, "a core was dumped");
    world.nothing_is_left();

    // A whole run this time; then everything a run could have written to.
    let run = world.run(&["attach", "-v", "data1", &volume.device, &secret, &options]);
    run.says("data1 unlocked with Key Vault");
    let token = "Bearer ";
    for directory in ["/run", "/tmp", "/var"] {
        assert_eq!(holding(Path::new(directory), &KEY.as_bytes()[..40]), [""; 0]);
        assert_eq!(holding(Path::new(directory), token.as_bytes()), [""; 0]);
    }
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains(&KEY[..20]) && !log.contains(token), "{log}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}
