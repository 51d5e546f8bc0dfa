//! The boot report: what is in it after real unlocks, and what it survives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::azure::{contoso, secret};
use crate::world::{KEY, Luks, Volume, World};

const REPORT: &str = "/run/bek-unlock/report.json";

/// The runs of this name in the report, which others wrote to before.
fn runs(name: &str) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&fs::read(REPORT).unwrap()).unwrap();
    assert_eq!(report["version"], 1);
    report["volumes"][name].as_array().unwrap().clone()
}

fn step<'a>(run: &'a Value, word: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == word);
    found.unwrap_or_else(|| panic!("{word} is missing in {run:#}"))
}

fn words(run: &Value) -> Vec<&str> {
    run["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn none_yet() {
    let _ = fs::remove_file(REPORT);
}

/// /proc/uptime, in milliseconds.
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    (text.split(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0) as u64
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_time_with_the_key_disk_is_told() {
    none_yet();
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let disk = world.key_disk(&[("LinuxPassPhraseFileName", KEY.as_bytes())]);
    let before = uptime();
    world.attach(&volume, "-", "").says("data1 unlocked with the key disk");
    let after = uptime() + 10;
    let mode = fs::metadata(REPORT).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o644);
    let all = runs("data1");
    let [run] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!(run["result"], "unlocked");
    assert_eq!((&run["source"], &run["device"]), (&json!("key-disk"), &json!(volume.device)));
    assert_eq!(run["origin"], format!("key disk {disk}: LinuxPassPhraseFileName"));
    assert_eq!((&run["initramfs"], &run["exit_status"]), (&json!(false), &json!(0)));
    let expected =
        ["device", "header", "source", "key-disk", "read-key-disk", "memory", "keyslots"];
    assert_eq!(words(run), expected);
    // On the boot's clock, each inside of the run.
    let (start, end) = (run["start_ms"].as_u64().unwrap(), run["end_ms"].as_u64().unwrap());
    assert!(before <= start + 10 && start <= end && end <= after, "{before} {after} {run:#}");
    for step in run["steps"].as_array().unwrap() {
        let (at, ms) = (step["start_ms"].as_u64().unwrap(), step["ms"].as_u64().unwrap());
        assert!(start <= at && at + ms <= end, "{run:#}");
    }
    assert!(step(run, "keyslots")["ms"].as_u64().unwrap() > 0, "{run:#}");

    let shown = world.run(&["status", "--last-boot"]);
    assert_eq!(shown.status, Some(0), "{shown:#?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("data1 opened with the key disk in "), "{shown:#?}");
    assert!(lines[1].starts_with("    from ") && lines[1].contains(&volume.device), "{shown:#?}");
    assert!(shown.stdout.contains("  keys tried in the keyslots\n"), "{shown:#?}");
    assert_eq!(lines.len(), 2 + expected.len());
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_time_with_key_vault_is_told_request_by_request() {
    none_yet();
    let mut scenario = contoso();
    scenario["faults"] = json!([{"match": {"service": "vault"}, "times": 2,
        "action": {"throttled": {"retry_after": 0}}}]);
    let world = World::with_azure(scenario);
    let volume = world.luks("v", &Luks::default());
    let run = world.attach(&volume, &secret("wrapped"), &world.ca());
    run.says("data1 unlocked with Key Vault");
    let all = runs("data1");
    let run = &all[0];
    assert_eq!((all.len(), &run["source"]), (1, &json!("key-vault")));
    let expected =
        ["device", "header", "source", "token", "secret", "unwrap-key", "memory", "keyslots"];
    assert_eq!(words(run), expected);
    let token = step(run, "token");
    assert_eq!((&token["service"], &token["tries"]), (&json!("metadata service"), &json!(1)));
    let secret = step(run, "secret");
    assert_eq!((&secret["service"], &secret["tries"]), (&json!("contoso-kv"), &json!(3)));
    assert_eq!((&secret["problem"], &secret["source"]), (&json!("HTTP 429"), &json!("key-vault")));
    assert!(secret["retrying_ms"].as_u64() <= secret["ms"].as_u64(), "{run:#}");
    assert_eq!((&secret["offline_ms"], &secret["error"]), (&json!(0), &Value::Null));

    let shown = world.run(&["status", "--last-boot", "data1", "data2"]);
    assert!(shown.stdout.contains("contoso-kv: a secret: 3 tries, HTTP 429\n"), "{shown:#?}");
    assert!(shown.stdout.contains("data2 was not opened in this boot\n"), "{shown:#?}");
    let shown = world.run(&["status", "--last-boot", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown[0]["volume"], &shown[0]["steps"]), (&json!("data1"), &run["steps"]));
    assert_eq!(world.read_and_close(), "hello from v\n");
}

/// As with Restart=: what failed first stays in the report when a later run opens the volume.
#[test]
#[ignore = "needs root: make check-root"]
fn a_failure_stays_when_a_later_run_succeeds() {
    none_yet();
    let mut scenario = contoso();
    scenario["faults"] = json!([{"match": {"service": "imds"}, "times": "forever",
        "action": {"reply": {"status": 503, "headers": {}, "body": "busy"}}}]);
    let world = World::with_azure(scenario);
    let volume = world.luks("v", &Luks::default());
    let attach = |timeout: &str, key: &str| {
        let options = format!("{timeout},{}", world.ca());
        world.run(&["attach", "data1", &volume.device, key, &options])
    };
    let run = attach("timeout=8", &secret("plain"));
    // What was waited for is said while it is, and how much longer.
    let waiting = "bek-unlock: data1: waiting for the metadata service (attempt ";
    let said: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with(waiting)).collect();
    assert!(said.len() == 1 && said[0].ends_with(" s left"), "{run:#?}");
    run.refuses(69, &["metadata service 169.254.169.254: HTTP 503"]);
    let key = world.file("key", KEY.as_bytes());
    let run = attach("timeout=20", &key).says("data1 unlocked with a key file");
    assert!(!run.stderr.contains("waiting for"), "{run:#?}");

    let all = runs("data1");
    let [failed, opened] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!((&failed["result"], &failed["exit_status"]), (&json!("failed"), &json!(69)));
    assert_eq!(failed["error"], "metadata-unreachable");
    assert_eq!(failed["causes"][0]["error"], "metadata-unreachable");
    let token = step(failed, "token");
    assert_eq!(token["error"], "metadata-unreachable");
    assert!(token["tries"].as_u64().unwrap() > 2, "{failed:#}");
    assert!(token["retrying_ms"].as_u64().unwrap() > 3000, "{failed:#}");
    assert_eq!((&opened["result"], &opened["source"]), (&json!("unlocked"), &json!("file")));
    let shown = world.run(&["status", "--last-boot"]).stdout;
    assert!(shown.starts_with("data1 failed after "), "{shown}");
    assert!(shown.contains(": metadata-unreachable, status 69, "), "{shown}");
    assert!(shown.contains(" of it waiting for the metadata service\n"), "{shown}");
    assert!(shown.contains("\ndata1 opened with a key file in "), "{shown}");
    assert_eq!(shown.matches(", the slowest\n").count(), 1, "{shown}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

/// A line that does not parse, and a name without a line, fail before there is a step.
#[test]
#[ignore = "needs root: make check-root"]
fn a_mistake_in_the_configuration_is_told() {
    none_yet();
    let world = World::new();
    world.run(&["attach", "data1", "/dev/null", "-", "nofial"]).refuses(1, &["nofial"]);
    let run = &runs("data1")[0];
    assert_eq!((&run["error"], words(run).len()), (&json!("configuration"), 0));
    assert_eq!((&run["exit_status"], &run["device"]), (&json!(1), &Value::Null));
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_is_no_report_is_survived() {
    let world = World::new();
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    for damaged in ["{", "[1]", r#"{"version":7,"volumes":{}}"#] {
        fs::create_dir_all("/run/bek-unlock").unwrap();
        fs::write(REPORT, damaged).unwrap();
        let words = ["cannot read /run/bek-unlock/report.json"];
        world.run(&["status", "--last-boot"]).refuses(1, &words);
        world.attach(&volume, &key, "").says("data1 unlocked with a key file");
        assert_eq!(runs("data1").len(), 1, "{damaged}");
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
    // Not even a file.
    fs::remove_file(REPORT).unwrap();
    fs::create_dir(REPORT).unwrap();
    let run = world.attach(&volume, &key, "");
    fs::remove_dir(REPORT).unwrap();
    run.says("data1 unlocked with a key file");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn two_at_once_are_both_in_it() {
    none_yet();
    let world = World::new();
    let luks = Luks { filesystem: false, ..Luks::default() };
    let (one, two) = (world.luks("one", &luks), world.luks("two", &luks));
    let key = world.file("key", KEY.as_bytes());
    let start = |name: &str, volume: &Volume| -> Child {
        Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
            .args(["attach", name, &volume.device, &key, "timeout=60"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for round in 1..=4 {
        let children = [start("data1", &one), start("data2", &two)];
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        for name in ["data1", "data2"] {
            assert_eq!(runs(name).len(), round, "{name}");
            world.run(&["detach", name]).says(&format!("{name} closed"));
        }
    }
    world.nothing_is_left();
}
