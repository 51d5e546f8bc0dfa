//! The plugin in libcryptsetup: stock cryptsetup opens a volume with nothing but the token in its
//! header, for as long as Azure allows it.

use std::fs;
use std::path::Path;
use std::process::Command;

use azure_emulator::{Algorithm, Change, Named};
use serde_json::{Value, json};

use crate::azure::contoso;
use crate::recover::{VERSION, kek, wrapped};
use crate::world::{KEY, Luks, Run, Volume, World, tool};

/// The only authorities that the plugin trusts: it takes no options.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Azure, trusted by the whole system until the case ends.
fn trusted() -> World {
    let world = World::with_azure(contoso());
    let bundle = fs::read(BUNDLE).unwrap_or_default();
    let backup = world.file("bundle", &bundle);
    world.undo(&["cp", &backup, BUNDLE]);
    let ours = fs::read(world.path("ca.pem")).unwrap();
    fs::write(BUNDLE, [bundle, ours].concat()).unwrap();
    world
}

/// ADE's token, with keyslot 0 assigned, as libcryptsetup wants it.
fn token(key: &[u8]) -> Value {
    json!({"type": "Azure_Disk_Encryption", "keyslots": ["0"], "version": "1.0",
        "KeyEncryptionKeyURL": kek(), "PassphraseName": "LUKSPasswordProtector",
        "Passphrase": wrapped(Algorithm::RsaOaep256, key)})
}

fn put(volume: &Volume, token: &Value) {
    let import = ["cryptsetup", "token", "import", &volume.device];
    tool(&import, token.to_string().as_bytes());
}

/// `cryptsetup open --token-only`, as `data1`.
fn open(volume: &Volume) -> Run {
    run("cryptsetup", &["open", "--token-only", &volume.device, "data1"])
}

fn run(program: &str, words: &[&str]) -> Run {
    let output = Command::new(program).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stdout.contains(&KEY[..40]) && !stderr.contains(&KEY[..40]), "the key was printed");
    Run { status: output.status.code(), stdout, stderr }
}

#[test]
#[ignore = "needs root: make check-root"]
fn cryptsetup_opens_a_volume_by_its_token_alone() {
    let world = trusted();
    let volume = world.luks("v", &Luks::default());
    put(&volume, &token(KEY.as_bytes()));
    let says = format!("{}: key from the LUKS2 token handed over", volume.device);
    open(&volume).says(&says);
    assert_eq!(world.read_and_close(), "hello from v\n");
    let unwrap = format!("POST /keys/kek/{VERSION}/unwrapkey 200");
    assert_eq!(world.requests(), ["GET /metadata/identity/oauth2/token 200".to_owned(), unwrap]);
    let shown = tool(&["cryptsetup", "luksDump", &volume.device], b"");
    assert!(
        shown.contains(&format!("\tKEK:        {}\n\tAlgorithm:  RSA-OAEP-256\n", kek())),
        "{shown}"
    );
}

/// Nothing on the disk is touched by either.
#[test]
#[ignore = "needs root: make check-root"]
fn a_disabled_kek_keeps_it_closed_and_an_enabled_one_heals() {
    let world = trusted();
    let volume = world.luks("v", &Luks::default());
    put(&volume, &token(KEY.as_bytes()));
    let (vault, name) = ("contoso-kv.vault.azure.net", "kek");
    let named = || Named { vault: vault.into(), name: name.into(), version: None };
    let change = |change| world.emulator.as_ref().unwrap().change(change).unwrap();
    change(Change::DisableKey(named()));
    // cryptsetup knows no status for it.
    open(&volume).refuses(1, &["cannot unlock", "contoso-kv"]);
    world.nothing_is_left();
    change(Change::EnableKey(named()));
    open(&volume).says("handed over");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_token_with_another_key_is_passed_over_for_the_next() {
    let world = trusted();
    let volume = world.luks("v", &Luks::default());
    put(&volume, &token(b"the key of another disk"));
    assert_eq!(open(&volume).status, Some(2));
    put(&volume, &token(KEY.as_bytes()));
    open(&volume).says("handed over");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

/// As systemd's own generator has it called for a line of crypttab without a key file.
#[test]
#[ignore = "needs root: make check-root"]
fn systemd_cryptsetup_opens_it_without_a_key_file() {
    let places = ["/usr/lib/systemd/systemd-cryptsetup", "/usr/bin/systemd-cryptsetup"];
    let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
        eprintln!("left out, there is no systemd-cryptsetup");
        return;
    };
    let world = trusted();
    let volume = world.luks("v", &Luks::default());
    put(&volume, &token(KEY.as_bytes()));
    run(program, &["attach", "data1", &volume.device, "-", "luks,headless"]).says("handed over");
    assert_eq!(world.read_and_close(), "hello from v\n");
}
