//! The command lines of the manual and of docs/azure.md that ask Azure or change a header, as they
//! stand there, before the emulator.
//!
//! What is put in the place of a word is said with each: an image for the disk. Behind the line
//! come `--ca`, for the emulator's authority, and what takes the place of what a namespace has not:
//! a key file instead of the key disk, `--dry-run` instead of a mapping. That every line of the documents is here or
//! somewhere else, tests/docs/run.rs holds.

use std::fs;
use std::path::Path;

use azure_emulator::{Algorithm, Scenario, wrap};
use serde_json::{Value, json};

use crate::world::{KEY, NEWER, OLDER, Run, VAULT, World, contoso, cryptsetup};

const MACHINE: &str = "web01";

/// The vault of the pages: a wrapped secret of the machine's OS disk, and one of its data disk.
fn vaults() -> Value {
    let mut scenario = contoso();
    let tags = json!({
        "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}/keys/kek/{OLDER}"),
        "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
        "DiskEncryptionKeyFileName": "LinuxPassPhraseFileName_1_0",
        "MachineName": MACHINE});
    let secret = json!({"name": "bek-data1", "versions": [{
        "wrap": {"key": "kek", "version": OLDER, "plain": KEY},
        "content_type": "Wrapped BEK", "tags": tags}]});
    let vaults = scenario["vaults"].as_array_mut().unwrap();
    vaults[0]["secrets"].as_array_mut().unwrap().push(secret);
    // First: the emulator has a few keys of its own, and makes later ones anew each time.
    vaults.insert(
        0,
        json!({
        "host": "fabrikam-kv.vault.azure.net",
        "permissions": [{"identity": "vm", "keys": ["unwrapKey"]}],
        "keys": [{"name": "kek", "versions": [{"version": NEWER}]}]}),
    );
    scenario
}

fn world() -> World {
    World::with(vaults())
}

/// Runs `line` with what stands in `instead` put in the place of a word, and `more` behind it.
fn run(world: &World, line: &str, instead: &[(&str, &str)], more: &[&str], input: &[u8]) -> Run {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for (there, here) in instead {
        let mut replaced = 0;
        for word in words.iter_mut().filter(|word| word == there) {
            *word = (*here).to_owned();
            replaced += 1;
        }
        assert!(replaced > 0, "{there:?} is no word of {line}");
    }
    let words = words.iter().map(String::as_str).chain(more.iter().copied());
    world.run(&words.collect::<Vec<_>>(), input)
}

/// The key as this KEK wraps it, in base64url.
fn wrapped(kek: &str) -> String {
    let scenario = Scenario::from_value(vaults()).unwrap();
    wrap(&scenario, None, kek, Algorithm::RsaOaep, KEY.as_bytes()).unwrap()
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_enroll_and_rotate() {
    let world = world();
    let image = world.volume("luks2", None);
    let disk = ("/dev/disk/azure/scsi1/lun0", image.to_str().unwrap());
    let older = format!("{VAULT}/keys/kek/{OLDER}");
    let key = ["--key-file", "-", "--secret-name", "page"];
    run(
        &world,
        "enroll /dev/disk/azure/scsi1/lun0 --name data1 --write \
         --kek https://contoso-kv.vault.azure.net/keys/kek \
         --to-vault https://contoso-kv.vault.azure.net",
        // An older version, so that there is a newer one below.
        &[disk, ("https://contoso-kv.vault.azure.net/keys/kek", &older)],
        &key,
        KEY.as_bytes(),
    )
    .good();
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.starts_with("data1 "), "{line}");
    let before = world.keyslots(&image).0;
    run(&world, "rotate --all --keep-passphrase", &[], &[], b"").good();
    assert_eq!(world.keyslots(&image).0, before);
    world.opens_by_line().good();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_ways_out_of_ade() {
    let world = world();
    let image = world.volume("luks2", None);
    run(
        &world,
        "enroll /dev/disk/azure/scsi1/lun0 --name data1 --write --auth az \
         --kek https://VAULT.vault.azure.net/keys/KEK --to-token \
         --to-vault https://VAULT.vault.azure.net",
        &[
            ("/dev/disk/azure/scsi1/lun0", image.to_str().unwrap()),
            ("https://VAULT.vault.azure.net/keys/KEK", &format!("{VAULT}/keys/kek")),
            ("https://VAULT.vault.azure.net", VAULT),
            ("az", "managed-identity"),
        ],
        &["--key-file", "-"],
        KEY.as_bytes(),
    )
    .good();
    world.opens_by_line().good();
    assert_eq!(world.keyslots(&image).1["tokens"]["0"]["type"], "bek-unlock");
    // The old key goes: as the page has it, with the keyslot that it opens.
    let device = image.to_str().unwrap();
    let backup = world.path("data1.header");
    let file = ["--header-backup-file", backup.to_str().unwrap()];
    let saved = cryptsetup(&[&["luksHeaderBackup", device][..], &file].concat(), b"");
    assert!(saved.status.success(), "{saved:?}");
    let killed = cryptsetup(&["luksKillSlot", "--batch-mode", device, "0"], b"");
    assert!(killed.status.success(), "{killed:?}");
    assert_eq!(world.keyslots(&image).0, [1]);
    assert!(!world.opens(&image, KEY.as_bytes()) && world.opens(&backup, KEY.as_bytes()));
    world.opens_by_line().good();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_new_volume_and_its_token() {
    let world = world();
    let image = world.path("disk.img");
    fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
    let device = image.to_str().unwrap();
    let format = "enroll /dev/sdd --format --name scratch --write \
                  --kek https://contoso-kv.vault.azure.net/keys/kek --to-token";
    // Nobody is there to say YES.
    let asked = run(&world, format, &[("/dev/sdd", device)], &[], b"");
    assert_ne!(asked.status, Some(0), "{asked:#?}");
    run(&world, format, &[("/dev/sdd", device)], &["--yes"], b"").good();

    let disk = ("/dev/disk/azure/scsi1/lun0", device);
    let shown = run(&world, "token show /dev/disk/azure/scsi1/lun0", &[disk], &[], b"").good();
    assert!(shown.stdout.contains("bek-unlock"), "{shown:#?}");
    let assign = "token assign /dev/disk/azure/scsi1/lun0 --key-slot 0";
    run(&world, assign, &[disk], &[], b"").good();

    // As on the page: saved, then put back, for the keyslot that there is.
    let saved = cryptsetup(&["token", "export", "--token-id", "0", device], b"");
    assert!(saved.status.success(), "{saved:?}");
    let file = world.path("data1.token");
    fs::write(&file, &saved.stdout).unwrap();
    world.run(&["token", "remove", device], b"").good();
    let import = "token import /dev/sdc data1.token --key-slot 1";
    let instead = [("/dev/sdc", device), ("data1.token", file.to_str().unwrap()), ("1", "0")];
    run(&world, import, &instead, &[], b"").good();
    assert_eq!(world.keyslots(&image).1["tokens"]["0"]["keyslots"], json!(["0"]));
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_lists_of_secrets() {
    let world = world();
    let all = run(&world, "secrets --vault https://contoso-kv.vault.azure.net", &[], &[], b"");
    assert!(all.good().stdout.contains(MACHINE));
    let line = "secrets --vault https://contoso-kv.vault.azure.net --machine-name web01";
    let one = run(&world, line, &[], &[], b"").good();
    assert!(one.stdout.contains("bek-data1") && !one.stdout.contains("root-ring"), "{one:#?}");
}

/// What a line of `recover` finds, up to the mapping.
fn finds(world: &World, line: &str, instead: &[(&str, &str)], input: &[u8], words: &str) {
    let more: &[&str] = if line.contains("--dry-run") { &[] } else { &["--dry-run"] };
    let run = run(world, line, instead, more, input).good();
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(words), "{words:?} is missing in {run:#?}");
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_ways_to_recover() {
    let world = world();
    let image = world.volume("luks2", None);
    let disk = ("/dev/sdc", image.to_str().unwrap());
    for line in [
        "recover /dev/sdc --machine-name web01 --dry-run \
         --vault https://contoso-kv.vault.azure.net",
        "recover /dev/sdc --machine-name web01 --vault https://contoso-kv.vault.azure.net",
        "recover /dev/sdc --vault https://contoso-kv.vault.azure.net --machine-name web01",
    ] {
        finds(&world, line, &[disk], b"", "bek-data1");
    }
    let file = |name: &str, text: String| {
        let path = world.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let kek = format!("{VAULT}/keys/kek/{OLDER}");
    let secret = json!({"value": wrapped(&kek), "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": kek}});
    let secret = secret.to_string();
    let line = "recover /dev/sdc --wrapped - --auth managed-identity";
    finds(&world, line, &[disk], secret.as_bytes(), "secret of Key Vault");

    let plain = world.emulator.secret_value("contoso-kv.vault.azure.net", "plain").unwrap();
    let answer = json!({"kid": format!("{VAULT}/keys/kek/{OLDER}"), "value": plain});
    let answer = file("answer.json", answer.to_string());
    let line = "recover /dev/sdc --unwrapped answer.json";
    finds(&world, line, &[disk, ("answer.json", &answer)], b"", "answer of Key Vault");

    header_apart(&world, file("LinuxPassPhraseFileName", KEY.to_owned()));
}

fn header_apart(world: &World, key: String) {
    let header = world.path("osluksheader");
    let image = world.volume("luks2", Some(Path::new(&header)));
    let line = "recover /dev/sdc4 --header ./osluksheader --key-file LinuxPassPhraseFileName";
    let instead = [
        ("/dev/sdc4", image.to_str().unwrap()),
        ("./osluksheader", header.to_str().unwrap()),
        ("LinuxPassPhraseFileName", &key),
    ];
    finds(world, line, &instead, b"", &key);
}

/// The KEK was restored in another vault; the one that the file names is not asked.
#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn documented_recovery_from_azure_backup() {
    let world = world();
    let image = world.volume("luks2", None);
    let kek = format!("https://fabrikam-kv.vault.azure.net/keys/kek/{NEWER}");
    let value = wrapped(&kek);
    let keys = json!({"OsDiskKeyAndSecretDetails":
        {"KeyUrl": format!("{VAULT}/keys/lost/{OLDER}"), "SecretData": value}});
    let file = world.path("keys.json");
    fs::write(&file, keys.to_string()).unwrap();
    let line = "recover /dev/sdc --backup-json keys.json \
                --kek https://fabrikam-kv.vault.azure.net/keys/kek/89abcdef";
    let instead = [
        ("/dev/sdc", image.to_str().unwrap()),
        ("keys.json", file.to_str().unwrap()),
        // The page cuts it.
        ("https://fabrikam-kv.vault.azure.net/keys/kek/89abcdef", &kek),
    ];
    finds(&world, line, &instead, b"", "Azure Backup's file");
    assert!(!world.requests().iter().any(|line| line.contains("/keys/lost/")));
}
