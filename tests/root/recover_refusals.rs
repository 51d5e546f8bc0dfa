//! Damaged, truncated and mismatched: what `recover` is given and must not open. Each row has its
//! exit status and its words, and leaves nothing mapped, mounted or read-only.
//!
//! What else people paste that is no key is in tests/decode/refusals.rs; the same code reads it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use azure_emulator::{Algorithm, Change, Named};
use serde_json::{Value, json};

use crate::azure::{contoso, secret};
use crate::recover::{VERSION, kek, wrapped};
use crate::world::{KEY, Luks, VAULT, World, tool};

const HOST: &str = "contoso-kv.vault.azure.net";

/// A disk, and how often it was tried.
struct Trial<'a> {
    world: &'a World,
    disk: String,
    rows: usize,
}

impl<'a> Trial<'a> {
    fn new(world: &'a World) -> Self {
        let disk = world.luks("v", &Luks { filesystem: false, ..Luks::default() }).device;
        Self { world, disk, rows: 0 }
    }

    /// `flag` with a file that holds `content`.
    #[track_caller]
    fn file(&mut self, flag: &str, content: impl AsRef<[u8]>, status: i32, words: &str) {
        let file = self.world.file("given", content.as_ref());
        self.flags(&[flag, &file], status, words);
    }

    #[track_caller]
    fn flags(&mut self, flags: &[&str], status: i32, words: &str) {
        let disk = self.disk.clone();
        self.on(&disk, flags, status, words);
    }

    #[track_caller]
    fn on(&mut self, disk: &str, flags: &[&str], status: i32, words: &str) {
        let fixed = ["recover", disk, "--name", "data1", "--timeout", "5"];
        let ca = self.world.path("ca.pem").display().to_string();
        let azure = ["--auth", "managed-identity", "--ca", &ca];
        let azure = if self.world.emulator.is_some() { &azure[..] } else { &[] };
        let run = self.world.run(&[&fixed[..], flags, azure].concat());
        assert_eq!(run.stdout, "", "{run:#?}");
        run.refuses(status, &["cannot recover", words]);
        self.world.nothing_is_left();
        if disk.starts_with("/dev/loop") {
            assert_eq!(tool(&["blockdev", "--getro", disk], b"").trim(), "0", "not given back");
        }
        self.rows += 1;
    }
}

fn base64(bytes: &[u8]) -> String {
    tool_base64(bytes, '+', '/')
}

/// RFC 4648, section 4, with these two letters for 62 and 63.
fn tool_base64(bytes: &[u8], plus: char, slash: char) -> String {
    use base64::Engine;
    let text = base64::prelude::BASE64_STANDARD.encode(bytes);
    text.replace('+', &plus.to_string()).replace('/', &slash.to_string())
}

#[test]
#[ignore = "needs root: make check-root"]
fn material_that_holds_no_key() {
    let world = World::new();
    let mut trial = Trial::new(&world);
    let value = base64(KEY.as_bytes()).trim_end_matches('=').to_owned();
    let blob = wrapped(Algorithm::RsaOaep, KEY.as_bytes());
    for (content, words) in [
        (String::new(), "is empty"),
        ("\n \n".to_owned(), "is empty"),
        (value[..229].to_owned(), "229 characters of base64, a length that cannot be"),
        (format!("{value}==="), "more than two = at its end"),
        (format!("{value}===="), "more than two = at its end"),
        (format!("{}=={}", &value[..6], &value[6..]), "goes on behind its ="),
        (format!("+{value}-A"), "mixes both alphabets"),
        (format!("{}R", &value[..229]), "last character cannot be right"),
        (format!("{value}."), "is no base64: see character 231"),
        (base64(&KEY.as_bytes()[..171]), "lacks its last character"),
        (base64(base64(KEY.as_bytes()).as_bytes()), "two layers of base64"),
        (blob.clone(), "is still wrapped (256 bytes)"),
        (json!({"value": blob}).to_string(), "is still wrapped (256 bytes)"),
        (format!("{{\"value\":\"{value}"), "ends"),
        (format!("{{\"value\":\"{value}\",\"value\":\"x\"}}"), "twice"),
        (json!([{"value": value}]).to_string(), "is a JSON list"),
        (json!({"value": 5}).to_string(), "is no text"),
        (json!({"name": value}).to_string(), "without a value"),
        (json!({"error": {"code": "Forbidden", "message": "no"}}).to_string(), "Forbidden"),
        (json!({"access_token": value}).to_string(), "access token"),
        (json!({"KeyVaultSecretBackupData": value}).to_string(), "has no SecretData"),
        ("<html>".to_owned(), "web page"),
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), "HTTP"),
        ("-----BEGIN PRIVATE KEY-----".to_owned(), "PEM"),
        ("000011-000022-111111-222222-333333-444444-555555-720886".to_owned(), "group 8 of 8"),
    ] {
        trial.file("--unwrapped", content, 76, words);
    }
    trial.file("--unwrapped", vec![b'A'; (1 << 20) + 1], 76, "has more than 1024 KiB");
    let utf16: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    trial.file("--unwrapped", utf16, 76, "is text in UTF-16");
    trial.file("--key-file", b"", 76, "is empty");
    trial.file("--key-file", b"wrong", 2, "does not fit the keyslot");
    trial.file("--key-file", base64(KEY.as_bytes()), 2, "does not fit the keyslot");
    trial.file("--unwrapped", base64(&[7; 127]), 2, "does not fit the keyslot");
    let other = json!({"a": {"SecretData": base64(base64(&[7; 127]).as_bytes())},
        "b": {"SecretData": base64(base64(&[8; 127]).as_bytes())}});
    trial.file("--backup-json", other.to_string(), 2, "none of the 2 keys");
    for flag in ["--key-file", "--unwrapped", "--wrapped", "--backup-json"] {
        trial.flags(&[flag, "/nonexistent/key"], 4, "/nonexistent/key does not exist");
        trial.flags(&[flag, "/"], 4, "not a regular file");
    }
    trial.file("--wrapped", &blob, 76, "nothing in it names its KEK");
    assert_eq!(trial.rows, 41);
}

/// Every way to write the padding that an encoder or a person has, in both alphabets.
#[test]
#[ignore = "needs root: make check-root"]
fn every_padding_of_the_right_key_fits() {
    let world = World::new();
    let key = [0xfb, 0xef, 0xff, 0x00, 0x01, 0x3e, 0x3f].repeat(7);
    let luks = Luks { filesystem: false, key: &key, ..Luks::default() };
    let disk = world.luks("v", &luks).device;
    for (plus, slash) in [('+', '/'), ('-', '_')] {
        let text = tool_base64(&key, plus, slash);
        let bare = text.trim_end_matches('=');
        for text in [bare.to_owned(), format!("{bare}="), format!("{bare}=="), format!("{text}\n")]
        {
            let file = world.file("given", text.as_bytes());
            let run = world.run(&["recover", &disk, "--unwrapped", &file, "--dry-run"]);
            assert_eq!(run.status, Some(0), "{text}: {run:#?}");
        }
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn wrapped_keys_that_azure_does_not_unwrap() {
    let mut scenario = contoso();
    let other = "fedcba9876543210fedcba9876543210";
    scenario["vaults"][0]["keys"] = json!([{"name": "kek", "versions": [
        {"version": VERSION, "created": 1}, {"version": other, "created": 2}]}]);
    let world = World::with_azure(scenario);
    let mut trial = Trial::new(&world);
    let blob = wrapped(Algorithm::RsaOaep, KEY.as_bytes());
    let tagged = |value: &str, tags: Value| {
        json!({"value": value, "contentType": "Wrapped BEK", "tags": tags}).to_string()
    };
    let tag = |url: &str| json!({"DiskEncryptionKeyEncryptionKeyURL": url});
    let file = |content: &str| world.file("wrapped", content.as_bytes());
    trial.file(
        "--wrapped",
        tagged(&blob, tag("https://kv.evil.example/keys/kek/01")),
        76,
        "no Key Vault host; no token was sent",
    );
    trial.file(
        "--wrapped",
        tagged(&blob, tag(&format!("{VAULT}/keys/kek"))),
        76,
        "names no KEK in one version",
    );
    trial.file("--wrapped", tagged(&blob[..300], tag(&kek())), 76, "are no wrapped key");
    trial.file("--wrapped", tagged(&blob, tag(&format!("{VAULT}/keys/kek/{other}"))), 76, "OAEP");
    let gone = format!("{VAULT}/keys/kek/{}", "0".repeat(32));
    trial.file("--wrapped", tagged(&blob, tag(&gone)), 4, "KeyNotFound");
    let odd = json!({"DiskEncryptionKeyEncryptionKeyURL": kek(),
        "DiskEncryptionKeyEncryptionAlgorithm": "ROT13"});
    trial.file("--wrapped", tagged(&blob, odd), 76, "ROT13");
    let wrapped = file(&blob);
    let kek = kek();
    let with = ["--wrapped", &wrapped, "--kek", &kek];
    let oaep256 = [&with[..], &["--kek-algorithm", "RSA-OAEP-256"]].concat();
    trial.flags(&oaep256, 76, "OAEP");
    let a256kw = [&with[..], &["--kek-algorithm", "A256KW"]].concat();
    trial.flags(&a256kw, 76, "Managed HSM only");
    let emulator = world.emulator.as_ref().unwrap();
    let named = || Named { vault: HOST.into(), name: "kek".into(), version: None };
    emulator.change(Change::DisableKey(named())).unwrap();
    trial.flags(&with, 77, "KeyDisabled");
    emulator.change(Change::EnableKey(named())).unwrap();
    let nobody = json!([{"identity": "vm", "secrets": ["get"], "keys": []}]);
    let denied = json!({"set_permissions": {"vault": HOST, "permissions": nobody}});
    emulator.change(serde_json::from_value(denied).unwrap()).unwrap();
    trial.flags(&with, 77, "no permission keys/unwrapKey");
    trial.flags(&["--vault", VAULT], 77, "no permission secrets/list");
    emulator.change(Change::RemoveIdentities(true)).unwrap();
    trial.flags(&with, 77, "no usable managed identity");
    assert_eq!(trial.rows, 12);
}

#[test]
#[ignore = "needs root: make check-root"]
fn secrets_that_are_not_this_disk_s() {
    let other = base64(&[7; 127]);
    let mut scenario = contoso();
    let named = |name: &str, file: &str, machine: &str, plain: &str| {
        json!({"name": name, "versions": [{"base64_of": plain, "content_type": "BEK",
            "tags": {"DiskEncryptionKeyFileName": file, "MachineName": machine}}]})
    };
    let mut off = named("off", "LinuxPassPhraseFileName", "gone", KEY);
    off["versions"][0]["enabled"] = json!(false);
    let many = (0..33).map(|n| named(&format!("m{n}"), "LinuxPassPhraseFileName_1_0", "many", KEY));
    let mut secrets: Vec<Value> = many.collect();
    secrets.extend([
        named("wrong", "LinuxPassPhraseFileName_1_0", "other", &other),
        named("win", "6F1C0D52-0000-4000-8000-000000000001.BEK", "win", KEY),
        off,
    ]);
    scenario["vaults"][0]["secrets"] = json!(secrets);
    let world = World::with_azure(scenario);
    let mut trial = Trial::new(&world);
    let vault = |machine| ["--vault", VAULT, "--machine-name", machine];
    trial.flags(&["--vault", VAULT], 4, "34 secrets may be those of a Linux disk");
    trial.flags(&vault("nobody"), 4, "has tags for a Linux disk of nobody");
    trial.flags(&vault("win"), 4, "has tags for a Linux disk of win");
    trial.flags(&vault("other"), 2, "does not fit the keyslot");
    trial.flags(&vault("gone"), 4, "is disabled");
    trial.flags(&["--secret", &secret("wrong")], 2, "does not fit the keyslot");
    trial.flags(&["--secret", &secret("none")], 4, "SecretNotFound");
    trial.flags(&["--secret", &secret("off")], 4, "is disabled");
    assert_eq!(trial.rows, 8);
}

#[test]
#[ignore = "needs root: make check-root"]
fn tokens_that_hold_no_key() {
    let world = World::with_azure(contoso());
    let mut trial = Trial::new(&world);
    trial.flags(&["--token"], 4, "has no LUKS2 token of type bek-unlock or Azure_Disk_Encryption");
    let blob = wrapped(Algorithm::RsaOaep256, KEY.as_bytes());
    let token = |more: Value| {
        let mut token = json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
            "KeyEncryptionKeyURL": kek(), "PassphraseName": "LUKSPasswordProtector",
            "Passphrase": blob});
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token.to_string()
    };
    for (more, status, words) in [
        (json!({"version": "2.0"}), 76, "unknown version \"2.0\""),
        (json!({"Passphrase": null}), 4, "has no LUKS2 token"),
        (json!({"Passphrase": &blob[..340]}), 76, "no wrapped key"),
        (json!({"Passphrase": "%%%"}), 76, "is no base64"),
        (json!({"KeyEncryptionKeyURL": "https://kv.evil.example/keys/kek/01"}), 76, "no Key Vault"),
        (json!({"KeyEncryptionKeyURL": ""}), 76, "names"),
        (json!({"PassphraseName": "Plain", "Passphrase": "wrong wrong wrong"}), 2, "does not fit"),
        (json!({"Passphrase": wrapped(Algorithm::RsaOaep, KEY.as_bytes())}), 76, "OAEP"),
    ] {
        let import = ["cryptsetup", "token", "import", "--token-id", "5", &trial.disk];
        tool(&import, token(more).as_bytes());
        trial.flags(&["--token"], status, words);
        tool(&["cryptsetup", "token", "remove", "--token-id", "5", &trial.disk], b"");
    }
    let luks1 = Luks { kind: "luks1", filesystem: false, ..Luks::default() };
    let luks1 = world.luks("one", &luks1).device;
    trial.on(
        &luks1,
        &["--token"],
        4,
        "has no LUKS2 token of type bek-unlock or Azure_Disk_Encryption",
    );
    assert_eq!(trial.rows, 10);
}

#[test]
#[ignore = "needs root: make check-root"]
fn disks_and_headers_that_are_damaged() {
    let world = World::new();
    let key = world.file("key", KEY.as_bytes());
    let with_key = ["--key-file", key.as_str()];
    let mut trial = Trial::new(&world);
    let luks2 = fs::read(world.path("v.img")).unwrap();
    let luks1 = Luks { kind: "luks1", filesystem: false, ..Luks::default() };
    world.luks("one", &luks1);
    let luks1 = fs::read(world.path("one.img")).unwrap();
    let damaged = |bytes: &[u8], places: &[usize]| {
        let mut bytes = bytes.to_vec();
        places.iter().for_each(|at| bytes[*at] ^= 0xff);
        bytes
    };
    let second = 16 << 10;
    for (name, bytes, words) in [
        ("both copies damaged", damaged(&luks2, &[5000, second + 5000]), "no usable header"),
        ("cut behind the first copy", luks2[..second].to_vec(), "no usable header"),
        ("cut before the keyslots", luks2[..64 << 10].to_vec(), "no usable header"),
        ("a mark and nothing else", luks2[..8].to_vec(), "nothing known"),
        ("the mark damaged in both", damaged(&luks2, &[0, second]), "nothing known"),
        ("LUKS1, the cipher damaged", damaged(&luks1, &[8]), "no usable header"),
        ("LUKS1, cut in the header", luks1[..300].to_vec(), "nothing known"),
        ("LUKS1, cut before the keyslots", luks1[..4096].to_vec(), "no usable header"),
        ("nothing at all", Vec::new(), "nothing known"),
        ("zeros", vec![0; 1 << 20], "nothing known"),
        ("QEMU's format", [b"QFI\xfb\0\0\0\x03".to_vec(), vec![0; 1 << 20]].concat(), "image"),
        ("Hyper-V's format", [b"vhdxfile".to_vec(), vec![0; 1 << 20]].concat(), "image"),
    ] {
        let image = world.path("damaged.img");
        fs::write(&image, &bytes).unwrap();
        eprintln!("{name}");
        trial.on(image.to_str().unwrap(), &with_key, 4, words);
        assert!(fs::read(&image).unwrap() == bytes, "{name}");
    }
    // Headers apart: not one, another disk's, of a disk that has its own.
    let apart = world.luks("apart", &Luks { detached: true, ..Luks::default() });
    let text = world.file("text", b"no header");
    let header = |file: &str| ["--header".to_owned(), file.to_owned()];
    for (file, status, words) in [
        (text.as_str(), 4, "it is not LUKS"),
        ("/", 4, "no such file or device"),
        ("/nonexistent", 4, "no such file"),
        (apart.header.as_str(), 4, "it opens but holds no file system"),
    ] {
        let noise = world.path("noise.img");
        File::create(&noise).unwrap().set_len(24 << 20).unwrap();
        File::options()
            .write(true)
            .open(&noise)
            .unwrap()
            .write_all_at(&[0xa5; 9999], 1 << 20)
            .unwrap();
        let [flag, file] = header(file);
        let flags = [&with_key[..], &[&flag, &file]].concat();
        trial.on(noise.to_str().unwrap(), &flags, status, words);
    }
    // Disks with keys that are none.
    let empty = world.key_disk(&[("LinuxPassPhraseFileName", b"")]);
    trial.flags(&["--key-disk", &empty], 4, "LinuxPassPhraseFileName has 0 bytes");
    let bare = world.key_disk(&[("README.txt", b"x")]);
    trial.flags(&["--key-disk", &bare], 4, "has no file LinuxPassPhraseFileName*");
    let other = world.key_disk(&[("LinuxPassPhraseFileName_1_0", b"another disk's")]);
    trial.flags(&["--key-disk", &other], 2, "does not fit the keyslot");
    assert_eq!(trial.rows, 19);
}
