//! `bek-unlock secrets` from its words to its output: every page, every way to sign in, and nothing
//! secret in what is printed.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use bek_unlock::azure::sign_in::environment::Environment;
use bek_unlock::azure::sign_in::ports::Ports;
use bek_unlock::cli::args::{Action, Command};
use bek_unlock::cli::{azure, secrets};
use bek_unlock::deadline::{Deadline, Pauses};
use bek_unlock::error::{Error, Kind};
use bek_unlock::{hint, report};

use crate::sign_in::*;
use crate::world::*;

/// 2025-06-01.
const NOW: u64 = 1_748_736_000;
const VAULT: &str = "https://contoso-kv.vault.azure.net";
/// In every value; a list has none.
const VALUE: &str = "VALUE SENTINEL";

/// A disk secret: name, machine, file, and what else is to be said about it.
fn disk(name: &str, machine: &str, file: &str, more: Value) -> Value {
    let mut version = json!({
        "value": VALUE, "created": 1_714_557_600,
        "tags": {"MachineName": machine, "DiskEncryptionKeyFileName": file},
    });
    for (field, value) in more.as_object().unwrap() {
        match (value.as_object(), version[field].as_object_mut()) {
            (Some(tags), Some(known)) => known.extend(tags.clone()),
            _ => version[field] = value.clone(),
        }
    }
    json!({"name": name, "versions": [version]})
}

/// `web-N` with a secret for each of five disks, 65 in all, and ten secrets of others: three pages.
fn many() -> Vec<Value> {
    let os = "LinuxPassPhraseFileName";
    let mut all: Vec<Value> = (0..10)
        .map(|n| json!({"name": format!("password-{n}"), "versions": [{"value": VALUE}]}))
        .collect();
    for number in 0..65 {
        let file = match number % 5 {
            0 => os.to_owned(),
            lun => format!("{os}_1_{}", lun - 1),
        };
        let machine = format!("web-{:02}", number / 5);
        all.push(disk(&format!("bek-{number}"), &machine, &file, json!({})));
    }
    all
}

/// A world in which everybody may list that vault, and do nothing else there.
fn world(secrets: Vec<Value>, entra: Value, faults: Value) -> World {
    let mut scenario = scenario(entra, faults);
    scenario["imds"] = imds();
    scenario["vaults"][0]["secrets"] = json!(secrets);
    scenario["vaults"][0]["permissions"] = json!([{"identity": "*", "secrets": ["list"]}]);
    World::of(scenario)
}

/// Runs the words behind `secrets --vault URL`, as that environment and those ports have it.
fn list_as(
    world: &World,
    given: &[&str],
    environment: Environment,
    ports: Ports,
) -> Result<String, Error> {
    let ca = world.ca.path().to_str().unwrap();
    let words = ["secrets", "--vault", VAULT, "--ca", ca].into_iter();
    let words = words.chain(given.iter().copied());
    let command = Command::parse(words.map(OsString::from))?;
    let Action::Secrets(args) = command.action else { panic!("{:?}", command.action) };
    let network = world.network(args.azure.ca.clone().unwrap());
    let mut client = azure::client_of(&args.azure, Box::new(network), environment, ports);
    let (clock, pauses) = (hurried(), Pauses::default());
    let deadline = Deadline::start(&clock, Some(Duration::from_secs(90))).pausing(&pauses);
    let output = secrets::list(&args, &mut client, &deadline, NOW, command.json);
    let said = match &output {
        Ok(text) => text.clone(),
        Err(error) => {
            format!("{} {}", report::lines(error).join("\n"), report::failure_json(error))
        }
    };
    for secret in [VALUE, "SENTINEL", "emulated.", "eyJ", CLIENT_SECRET] {
        assert!(!said.contains(secret), "{said}");
    }
    output
}

/// The same on a VM with its managed identity.
fn list(world: &World, words: &[&str]) -> Result<String, Error> {
    let words = [&["--auth", "managed-identity"], words].concat();
    let ports = ports(Path::new("/nonexistent"), None);
    list_as(world, &words, Environment::default(), ports)
}

fn rows(output: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(output).unwrap().as_array().unwrap().clone()
}

#[test]
fn every_page_is_listed_and_nothing_else_is_asked() {
    let world = world(many(), json!({}), json!([]));
    let found = rows(&list(&world, &["--json"]).unwrap());
    assert_eq!(found.len(), 65);
    let name = |row: &Value| row["machine_name"].as_str().unwrap().to_owned();
    assert!(found.iter().map(name).is_sorted());
    let first: Vec<&str> = found[..5].iter().map(|row| row["slot"].as_str().unwrap()).collect();
    let disks = ["OS disk", "data disk 1:0", "data disk 1:1", "data disk 1:2", "data disk 1:3"];
    assert_eq!(first, disks);
    let lines = world.lines();
    let pages = lines.iter().filter(|line| *line == "GET /secrets -> 200").count();
    assert_eq!((pages, lines.len()), (3, 4), "{lines:?}");
    let table = list(&world, &[]).unwrap();
    assert_eq!(table.lines().count(), 66);
    assert!(table.lines().all(|line| line.len() <= 79 && line.is_ascii()), "{table}");
}

#[test]
fn filters_narrow_it_and_what_they_exclude_is_named() {
    let world = world(many(), json!({}), json!([]));
    let found = rows(&list(&world, &["--json", "--machine-name", "WEB-03"]).unwrap());
    assert_eq!(found.len(), 5);
    let file = ["--json", "--file", "linuxpassphrasefilename_1_2"];
    assert_eq!(rows(&list(&world, &file).unwrap()).len(), 13);
    let error = list(&world, &["--machine-name", "web-99"]).unwrap_err();
    assert_eq!(error.kind.exit_status(), 4);
    assert_eq!(
        report::lines(&error),
        [
            "error: cannot list the disk secrets",
            "cause: key vault contoso-kv: none of 75 secrets has tags for machine web-99; \
             machines there: web-00, web-01, web-02, web-03, web-04, web-05, web-06, web-07, \
             web-08, web-09, web-10, web-11 and 1 more",
            "hint: without --machine-name and --file all disk secrets are shown",
        ]
    );
}

#[test]
fn a_vault_without_disk_secrets_says_how_many_it_has() {
    let world = world(many().drain(..10).collect(), json!({}), json!([]));
    let error = list(&world, &["--json"]).unwrap_err();
    let said = "key vault contoso-kv: none of 10 secrets has tags for a disk";
    assert_eq!((error.kind.exit_status(), error.kind.to_string().as_str()), (4, said));
}

#[test]
fn states_are_shown_and_hostile_tags_harm_nobody() {
    let os = "LinuxPassPhraseFileName";
    let kek = format!("https://{HOST}:443/keys/KEK/{}", "0".repeat(32));
    let tag = "DiskEncryptionKeyEncryptionKeyURL";
    let world = world(
        vec![
            disk("a-wrapped", "a", os, json!({"tags": {tag: kek}, "content_type": "Wrapped BEK"})),
            disk("b-off", "b", os, json!({"enabled": false, "content_type": "BEK"})),
            disk("c-old", "c", os, json!({"exp": NOW - 1})),
            disk("d-early", "d", "X.BEK", json!({"nbf": NOW + 1})),
            disk(
                "e-evil",
                "e\u{1b}[2J\n\u{202e}",
                "e\u{202e}",
                json!({
                    "tags": {
                        tag: "https://evil.example/\u{1b}]0;x\u{7}",
                        "diskencryptionkeyencryptionalgorithm": "\u{9b}31m",
                    },
                    "content_type": "\u{1b}[31m",
                }),
            ),
            disk("f-path", "f", "../../etc/shadow", json!({})),
        ],
        json!({}),
        json!([]),
    );
    let found = rows(&list(&world, &["--json"]).unwrap());
    let column = |field: &str| found.iter().map(|row| row[field].clone()).collect::<Vec<_>>();
    let enabled = "enabled";
    assert_eq!(column("state"), [enabled, "disabled", "expired", "not valid yet", enabled]);
    assert_eq!(
        column("wrapped"),
        [json!(true), json!(false), json!(null), json!(null), json!(true)]
    );
    assert_eq!(column("slot"), ["OS disk", "OS disk", "OS disk", "Windows", "other"]);
    assert_eq!(column("kek_name")[0], "kek");
    let evil = &found[4];
    assert_eq!(evil["machine_name"], "e?[2J ?");
    assert_eq!(evil["file"], "e?");
    assert_eq!(evil["kek"], "https://evil.example/?]0;x?");
    assert_eq!((&evil["algorithm"], &evil["content_type"]), (&json!("?31m"), &json!("?[31m")));
    let table = list(&world, &[]).unwrap();
    assert!(table.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{table:?}");
    let lines: Vec<&str> = table.lines().collect();
    let old = lines.iter().position(|line| line.starts_with("c ")).unwrap();
    assert!(lines[old].contains("  expired  "), "{table}");
    assert_eq!(lines[old + 1], "    c-old");
}

#[test]
fn who_may_not_list_is_told_what_it_takes() {
    let mut denied = scenario(json!({}), json!([]));
    denied["imds"] = imds();
    denied["vaults"][0]["denied_as"] = json!("ForbiddenByRbac");
    let world = World::of(denied);
    let error = list(&world, &["--json"]).unwrap_err();
    assert_eq!((error.kind.name(), error.kind.exit_status()), ("vault-denied", 77));
    assert_eq!(
        hint::for_kind(&error.kind),
        [
            format!("give identity {OBJECT_ID} a role with secrets/list"),
            "such a role is Key Vault Reader, or Key Vault Secrets User".to_owned(),
            "a new role assignment can take ten minutes to work".to_owned(),
        ]
    );
}

#[test]
fn what_cannot_be_reached_or_trusted_has_its_status() {
    let busy = world(many(), json!({}), json!([fault("/secrets", 999, json!({"throttled": {}}))]));
    let error = list(&busy, &[]).unwrap_err();
    assert_eq!((error.kind.name(), error.kind.exit_status()), ("vault-unreachable", 69));
    let garbled = json!({"reply": {"status": 200, "body": "<html>"}});
    let odd = world(many(), json!({}), json!([fault("/secrets", 1, garbled)]));
    let error = list(&odd, &[]).unwrap_err();
    assert_eq!((error.kind.name(), error.kind.exit_status()), ("vault-untrusted", 76));
}

/// Ninety seconds are for each page, not for all of them.
#[test]
fn a_slow_vault_is_listed_to_its_end() {
    let slow = |times| fault("/secrets", times, json!({"throttled": {"retry_after": 40}}));
    let good = || fault("/secrets", 1, json!("pass"));
    let faults = json!([slow(1), good(), slow(1), good(), slow(1)]);
    let world = world(many(), json!({}), faults);
    assert_eq!(rows(&list(&world, &["--json"]).unwrap()).len(), 65);
    let stuck = crate::secrets::world(many(), json!({}), json!([slow(3)]));
    assert_eq!(list(&stuck, &[]).unwrap_err().kind.exit_status(), 69);
}

#[test]
fn every_way_to_sign_in_lists() {
    let person = json!({"person": {"pending": 100}});
    let world = world(many(), person, json!([]));
    let token = token(&world);
    let token_file = file(&token);
    let assertion = file(&federated(json!({})));
    let assertion = [("AZURE_FEDERATED_TOKEN_FILE", assertion.path().to_str().unwrap())];
    let secret = file(CLIENT_SECRET);
    let json = json!({"accessToken": token, "tokenType": "Bearer"});
    let az = installed(&format!("echo '{json}'"));
    let by_file = |word: &str, path: &Path| format!("{word}:{}", path.display());
    let none = Environment::default;
    let id = "client-id:11111111-1111-4111-8111-111111111111";
    for (words, environment) in [
        (vec!["--auth", "managed-identity", "--identity", id], none()),
        (vec!["--auth", "service-principal"], by_secret(CLIENT_SECRET)),
        (vec!["--auth", &by_file("service-principal", secret.path())], application()),
        (vec!["--auth", "workload-identity"], variables(&assertion)),
        (vec!["--auth", "az"], none()),
        (vec!["--auth", &by_file("token", token_file.path())], none()),
        // Whoever enters the code takes more than eight minutes.
        (vec!["--auth", "device-code"], none()),
        // Nothing is set, and this is a VM with an identity.
        (vec![], none()),
    ] {
        let words = [words, vec!["--machine-name", "web-00", "--json"]].concat();
        let ports = ports(az.path(), Some(Somebody::default()));
        let output = list_as(&world, &words, environment, ports).map(|output| rows(&output).len());
        assert_eq!(output, Ok(5), "{words:?}");
    }
}

#[test]
fn who_cannot_sign_in_reaches_no_vault() {
    let world = world(many(), json!({}), json!([]));
    let nowhere = || ports(Path::new("/nonexistent"), None);
    let az = list_as(&world, &["--auth", "az"], Environment::default(), nowhere()).unwrap_err();
    assert_eq!((az.kind.name(), az.kind.exit_status()), ("sign-in-unavailable", 4));
    let wrong = by_secret("wrong SENTINEL");
    let refused = list_as(&world, &["--auth", "service-principal"], wrong, nowhere()).unwrap_err();
    assert!(matches!(refused.kind, Kind::SignInRefused(_)) && refused.kind.exit_status() == 77);
    assert!(world.lines().iter().all(|line| !line.contains("/secrets")), "{:?}", world.lines());
}

/// The program itself, as far as it goes without a network.
#[test]
fn the_program_refuses_before_it_asks_anybody() {
    let run = |arguments: &[&str]| {
        let mut program = Process::new(env!("CARGO_BIN_EXE_bek-unlock"));
        let output = program.arg("secrets").args(arguments).env_clear().output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), out, String::from_utf8(output.stderr).unwrap())
    };
    let (status, out, said) = run(&[]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(said.contains("cause: secrets needs --vault URL"), "{said}");
    let (status, out, said) = run(&["--vault", "https://kv.evil.example", "--json"]);
    assert_eq!(status, Some(76), "{said}");
    let failure: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&failure["error"], &failure["result"]),
        (&json!("vault-untrusted"), &json!("failed"))
    );
    let (status, _, said) = run(&["--vault", VAULT, "--auth", "az"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("error: cannot list the disk secrets\n"), "{said}");
    assert!(said.contains("cause: cannot sign in by az: the Azure CLI is not installed"), "{said}");
    let (status, _, said) = run(&["--vault", VAULT, "--auth", "token:/nonexistent"]);
    assert_eq!(status, Some(4), "{said}");
}

/// script(1) of util-linux gives a process a terminal of its own.
#[test]
fn progress_is_for_terminals() {
    let test = std::env::current_exe().unwrap();
    let line = format!(
        "'{}' --exact secrets::every_page_is_listed_and_nothing_else_is_asked",
        test.display()
    );
    let run = |program: &str, arguments: &[&str]| {
        let mut process = Process::new(program);
        let process = process.args(arguments).env_remove("INVOCATION_ID").stdin(Stdio::null());
        let output = process.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        said
    };
    let said = run("script", &["--quiet", "--return", "--command", &line, "/dev/null"]);
    for count in ["25", "50", "75"] {
        let shown = format!("\rbek-unlock: {count} secrets looked at");
        assert!(said.contains(&shown), "{said:?}");
    }
    let gone = format!("\r{}\r", " ".repeat("bek-unlock: 75 secrets looked at".len()));
    assert!(said.contains(&gone), "{said:?}");
    assert!(!run("sh", &["-c", &line]).contains("looked at"));
}
