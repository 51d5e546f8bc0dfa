//! Neither passphrase nor token stays anywhere but in memory: searched for, not asserted.
//!
//! Memory is searched in tests/root/cores.rs, and what goes to Key Vault in tests/rekey/secrecy.rs.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::needles::Needles;
use crate::places;
use crate::trace::{Trace, strace};
use crate::world::{KEY, Luks, VAULT, World, tool};

const OTHER: &str = "another passphrase that is long enough to be searched for";

/// A vault with a key that fits, one that does not, and these faults.
pub fn contoso(faults: &Value) -> Value {
    let secret = |name: &str, value: &str| json!({"name": name, "versions": [{"base64_of": value, "content_type": "BEK"}]});
    json!({
        "imds": {"identities": [{"name": "vm", "client_id": "c1", "object_id": "o1"}]},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "secrets": [secret("plain", KEY), secret("other", OTHER)],
        }],
        "faults": faults,
    })
}

/// Passphrases and all tokens that `world` has given out.
pub fn needles(world: &World) -> Needles {
    let tokens = world.emulator.as_ref().unwrap().tokens();
    let mut known = vec![("passphrase", KEY.as_bytes()), ("other", OTHER.as_bytes())];
    known.extend(tokens.iter().map(|token| ("token", token.as_bytes())));
    Needles::new(&known)
}

/// Every place outside of the program that holds a secret.
fn places(needles: &Needles) -> Vec<String> {
    // This test has both compiled in, and a checkout below /tmp is large.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = places::in_processes(needles);
    for directory in ["/run", "/tmp", "/var", "/etc", "/root", "/dev/shm"] {
        found.extend(places::in_files(needles, Path::new(directory), checkout));
    }
    let kernel = needles.find(tool(&["dmesg"], b"").as_bytes()).map(str::to_owned);
    found.extend(kernel.map(|what| format!("the kernel's log: {what}")));
    found
}

#[test]
#[ignore = "needs root: make check-root"]
fn neither_success_nor_failure_leaves_a_secret_behind() {
    let fault = |action: Value| json!([{"match": {"service": "vault"}, "times": "forever", "action": action}]);
    let refused =
        json!({"reply": {"status": 403, "body": "{\"error\": {\"code\": \"Forbidden\"}}"}});
    let none = json!([]);
    for (name, secret, faults, timeout, status) in [
        ("success", "plain", none.clone(), 20, 0),
        ("wrong key", "other", none, 20, 2),
        ("refused", "plain", fault(refused), 20, 77),
        ("broken off", "plain", fault(json!("reset")), 2, 69),
    ] {
        let world = World::with_azure(contoso(&faults));
        let volume = world.luks("v", &Luks::default());
        let url = format!("{VAULT}/secrets/{secret}");
        let options = format!("timeout={timeout},{}", world.ca());
        let run = world.run(&["attach", "-v", "data1", &volume.device, &url, &options]);
        assert_eq!(run.status, Some(status), "{name}: {run:#?}");
        let needles = needles(&world);
        // The report has it, and is one of the places.
        let report = fs::read_to_string("/run/bek-unlock/report.json").unwrap();
        assert!(report.contains("\"data1\"") && report.contains("\"token\""), "{report}");
        assert_eq!(places(&needles), [""; 0], "{name}");
        assert_eq!(
            needles.find(format!("{}{}", run.stdout, run.stderr).as_bytes()),
            None,
            "{name}"
        );
        if status == 0 {
            assert_eq!(world.read_and_close(), "hello from v\n");
        }
        world.nothing_is_left();
    }
}

/// A search that finds nothing where there is something proves nothing.
#[test]
#[ignore = "needs root: make check-root"]
fn the_search_finds_what_is_planted() {
    let world = World::with_azure(contoso(&json!([])));
    let planted = world.path("planted").display().to_string();
    fs::write(&planted, format!("...{OTHER}")).unwrap();
    let found = places(&needles(&world));
    assert_eq!(found, [format!("{planted}: other (as it is)")]);
    fs::remove_file(planted).unwrap();
    // A shell keeps the text in a variable of its own.
    let shell = ["-c", "read -r kept; echo ready; read -r end; echo \"$kept\" >/dev/null"];
    let mut holder = crate::cores::Holder::new("sh", &shell, OTHER);
    let found = places(&needles(&world));
    assert!(found.iter().any(|place| place.contains("/mem, ")), "{found:?}");
    holder.end();
}

/// The passphrase stays in the process, where a key is derived from it; the volume key goes to the
/// kernel's keyring or into the table of the mapping, and nowhere else.
#[test]
#[ignore = "needs root and strace: make check-root"]
fn no_call_but_those_of_keyring_and_mapping_carries_a_key() {
    for (kind, call) in [("luks2", "add_key"), ("luks1", "ioctl /dev/mapper/control")] {
        let world = World::new();
        let volume = world.luks("v", &Luks { kind, ..Luks::default() });
        let volume_key = world.path("volume-key").display().to_string();
        let dump =
            ["cryptsetup", "luksDump", "--batch-mode", "--dump-volume-key", "--key-file", "-"];
        let to = ["--volume-key-file", &volume_key, &volume.device];
        tool(&[&dump[..], &to].concat(), KEY.as_bytes());
        let log = world.path("trace");
        let key = world.file("key", KEY.as_bytes());
        let status = strace(&log, env!("CARGO_BIN_EXE_bek-unlock"))
            .args(["attach", "data1", &volume.device, &key, "timeout=60"])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let trace = Trace::read(&log);
        let passphrase = Needles::new(&[("passphrase", KEY.as_bytes())]);
        assert!(!trace.brought(&passphrase).is_empty());
        assert_eq!(trace.carried(&passphrase).into_iter().collect::<Vec<_>>(), [], "{kind}");
        let carried = trace.carried(&Needles::new(&[("key", &fs::read(volume_key).unwrap())]));
        assert!(!carried.is_empty(), "{kind}: the volume key went nowhere");
        for carried in carried {
            assert!(carried.call.starts_with(call), "{kind}: {carried:?}");
        }
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
}
