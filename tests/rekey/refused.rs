//! What enroll and rotate refuse: the words, and that the header is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::rotate::enroll;
use crate::world::{KEK, KEY, VAULT, World, contoso, cryptsetup};

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn enroll_refuses_and_changes_nothing() {
    let world = World::new();
    let luks1 = world.volume("luks1", None);
    fs::rename(&luks1, world.path("luks1.img")).unwrap();
    fs::write(world.path("noise.img"), vec![7; 1 << 20]).unwrap();
    let good = world.volume("luks2", None);
    let [good, luks1, noise] = [good, world.path("luks1.img"), world.path("noise.img")]
        .map(|path| path.to_str().unwrap().to_owned());
    let off = format!("{VAULT}/keys/off");
    let gone = format!("{VAULT}/keys/gone");
    let right = KEY.as_bytes();
    for (words, input, status, text) in [
        (vec![good.as_str(), "--kek", KEK, "--to-token"], &b"wrong"[..], 2, "does not fit"),
        (vec![&good, "--kek", &off, "--to-token"], right, 77, "KeyDisabled"),
        (vec![&good, "--kek", &gone, "--to-token"], right, 4, "KeyNotFound (gone)"),
        (
            vec![&good, "--kek", KEK, "--to-token", "--kek-algorithm", "A256KW"],
            right,
            76,
            "A256KW works with keys of a Managed HSM only",
        ),
        (vec![&luks1, "--kek", KEK, "--to-token"], right, 4, "it is LUKS1, which has no tokens"),
        (vec![&noise, "--kek", KEK, "--to-token"], right, 4, "it is not LUKS, or damaged"),
        (vec!["/nonexistent", "--kek", KEK, "--to-token"], right, 4, "is not there"),
        (
            vec![&good, "--kek", "https://evil.example.org/keys/kek", "--to-token"],
            right,
            76,
            "no Key Vault host; no token was sent",
        ),
        (
            vec![&good, "--kek", KEK, "--to-file", "/proc/no/such/file"],
            right,
            4,
            "cannot write /proc/no/such/file",
        ),
    ] {
        let device = words[0].to_owned();
        let before = fs::read(&device).ok();
        let words = [&["enroll"][..], &words, &["--key-file", "-"]].concat();
        world.run(&words, input).refuses(status, text);
        if !text.starts_with("cannot write") {
            assert!(fs::read(&device).ok() == before, "{words:?} wrote to it");
            world.nothing_is_under_way();
        }
    }
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_vault_that_takes_no_secret_leaves_what_can_be_finished() {
    let mut scenario = contoso();
    scenario["vaults"][0]["permissions"] =
        json!([{"identity": "vm", "secrets": ["get"], "keys": ["wrapKey", "unwrapKey"]}]);
    let world = World::with(scenario);
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let words = ["enroll", device, "--kek", KEK, "--to-vault", VAULT, "--key-file", "-"];
    world.run(&words, KEY.as_bytes()).refuses(77, "secrets/set");
    assert!(world.opens(&image, KEY.as_bytes()));
    // Once it may, the very same key is put there.
    let allow = json!({"set_permissions": {"vault": "contoso-kv.vault.azure.net", "permissions":
        [{"identity": "vm", "secrets": ["get", "set"], "keys": ["wrapKey", "unwrapKey"]}]}});
    for change in azure_emulator::Change::parse(allow.to_string().as_bytes()).unwrap() {
        world.emulator.change(change).unwrap();
    }
    world.run(&words, b"").good().says("an earlier run was interrupted; finishing it");
    assert_eq!(world.keyslots(&image).0, [0, 1]);
    world.nothing_is_under_way();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn rotate_refuses_what_it_cannot_renew() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let key = world.path("plain.key");
    fs::write(&key, KEY).unwrap();
    let before = fs::read(&image).unwrap();
    world.run(&["rotate", "nobody"], b"").refuses(1, "no line for nobody");
    world.bektab(&[&format!("data1 {device} {} timeout=20", key.display())]);
    world.run(&["rotate", "data1"], b"").refuses(4, "is not wrapped: enroll it first");
    world.bektab(&[&format!("data1 {device} {VAULT}/secrets/plain timeout=20")]);
    world.run(&["rotate", "data1"], b"").refuses(4, "its key is not wrapped now: name a KEK");
    assert!(fs::read(&image).unwrap() == before);
    world.run(&["rotate", "data1", "--kek", KEK], b"").good();
    world.opens_by_line().good();
}

/// Two runs at once would take each other's keyslots.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn one_run_at_a_time() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let before = fs::read(&image).unwrap();
    let mut command = Command::new("flock");
    command.args(["/var/lib/bek-unlock", env!("CARGO_BIN_EXE_bek-unlock"), "rotate", "data1"]);
    world.ran(command, b"").refuses(5, "in use by another enroll or rotate");
    assert!(fs::read(&image).unwrap() == before);
}

/// A note that cannot be finished says how to be rid of it.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn an_interrupted_run_that_cannot_go_on_can_be_given_up() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let words = ["enroll", device, "--kek", KEK, "--to-file", "/proc/no/file", "--key-file", "-"];
    world.run(&words, KEY.as_bytes()).refuses(4, "cannot write /proc/no/file");
    let run = world.run(&words, b"").refuses(4, "cannot write /proc/no/file");
    run.says("which keyslots still open").says("to give up the earlier run remove /var/lib");
    for note in fs::read_dir("/var/lib/bek-unlock").unwrap() {
        fs::remove_file(note.unwrap().path()).unwrap();
    }
    let words = ["enroll", device, "--kek", KEK, "--to-token", "--key-file", "-"];
    world.run(&words, KEY.as_bytes()).good();
    assert_eq!(world.keyslots(&image).0, [0, 1, 2]);
}

/// With the plugin installed cryptsetup would not import it; an older one does.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_token_of_another_version_is_not_half_understood() {
    let world = World::new();
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let device = image.to_str().unwrap();
    let token = world.keyslots(&image).1["tokens"]["0"].to_string();
    let newer = token.replace("\"version\":\"1\"", "\"version\":\"2\"");
    assert!(newer != token);
    let removed = cryptsetup(&["token", "remove", "--token-id", "0", device], b"");
    assert!(removed.status.success(), "{removed:?}");
    let made = cryptsetup(&["token", "import", "--token-id", "0", device], newer.as_bytes());
    assert!(made.status.success(), "{made:?}");
    world.run(&["rotate", "data1"], b"").refuses(76, "it has version \"2\"");
}

/// The new passphrase goes to wrapKey and to the header, and nowhere else.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn nothing_that_is_left_behind_holds_a_key() {
    let world = World::new();
    let began = SystemTime::now() - Duration::from_secs(2);
    let image = world.volume("luks2", None);
    enroll(&world, &image, &["--to-token"]);
    let run = world.run(&["rotate", "data1", "-v"], b"").good();
    assert!(!holds_passphrase(&run.stderr) && !holds_passphrase(&run.stdout));
    // A run that was stopped leaves its note, and a file for the wrapped key.
    let other = world.path("other.img");
    fs::rename(&image, &other).unwrap();
    let image = world.volume("luks2", None);
    let kek = ["--kek", KEK, "--key-file", "-", "--to-file", "/etc/w.wrapped", "--write"];
    let words = [&["enroll", image.to_str().unwrap(), "--name", "data2"][..], &kek].concat();
    fs::write("/etc/bektab", "data2 is no line, broken\n").unwrap();
    world.run(&words, KEY.as_bytes()).refuses(1, "/etc/bektab");
    fs::remove_file("/etc/bektab").unwrap();
    let words = [&words[..words.len() - 1], &["--to-token", "--timeout", "1min"]].concat();
    world.run(&words, KEY.as_bytes()).good();
    let stopped = ["enroll", other.to_str().unwrap(), "--kek", KEK, "--to-file", "/proc/no/w"];
    let stopped = [&stopped[..], &["--key-file", "-"]].concat();
    world.run(&stopped, KEY.as_bytes()).refuses(4, "cannot write /proc/no/w");

    let new = |file: &PathBuf| {
        let changed = fs::metadata(file).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|time| time >= began)
    };
    // The search finds what is there.
    fs::write("/etc/planted", KEY).unwrap();
    let found: Vec<PathBuf> = files(Path::new("/etc"))
        .into_iter()
        .chain(files(Path::new("/var/lib")))
        .filter(new)
        .collect();
    for name in ["/etc/planted", "/etc/w.wrapped", "/var/lib/bek-unlock/rekey-"] {
        let is_there = |file: &PathBuf| file.to_str().unwrap().starts_with(name);
        assert!(found.iter().any(is_there), "{name}: {found:?}");
    }
    let text = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let holding: Vec<PathBuf> =
        found.into_iter().filter(|file| holds_passphrase(&text(file))).collect();
    fs::remove_file("/etc/planted").unwrap();
    assert_eq!(holding, [PathBuf::from("/etc/planted")]);
}

/// 172 characters of base64 that end as ADE's passphrases do.
fn holds_passphrase(text: &str) -> bool {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
    words.any(|word| word.len() == 172 && word.ends_with("=="))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}
