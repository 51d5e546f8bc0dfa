//! Disks of other machines: found, unwrapped, opened read-only, and not a byte of them changed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azure_emulator::{Algorithm, Scenario, wrap};
use serde_json::{Value, json};

use crate::azure::{contoso, secret};
use crate::world::{KEY, Luks, Run, VAULT, World, tool};

pub const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// The KEK of [`contoso`].
pub fn kek() -> String {
    format!("{VAULT}/keys/kek/{VERSION}")
}

/// `plain` as the KEK wraps it, in base64url.
pub fn wrapped(algorithm: Algorithm, plain: &[u8]) -> String {
    let scenario = Scenario::from_value(contoso()).unwrap();
    wrap(&scenario, None, &kek(), algorithm, plain).unwrap()
}

/// The image of an OS disk as ADE leaves it: /boot with the header on it, and the system without
/// a signature.
fn os_disk(world: &World) -> PathBuf {
    let volume = world.luks("root", &Luks { detached: true, ..Luks::default() });
    let (image, boot, tree) = (world.path("os.img"), world.path("boot.img"), world.path("tree"));
    fs::create_dir_all(tree.join("luks")).unwrap();
    fs::copy(&volume.header, tree.join("luks/osluksheader")).unwrap();
    File::create(&boot).unwrap().set_len(48 << 20).unwrap();
    let ext4 = ["mke2fs", "-q", "-t", "ext4", "-d", tree.to_str().unwrap(), boot.to_str().unwrap()];
    tool(&ext4, b"");
    let disk = File::create(&image).unwrap();
    disk.set_len(80 << 20).unwrap();
    let table = b"label: gpt\nsize=48MiB,name=\"boot\"\nsize=24MiB,name=\"root\"\n";
    tool(&["sfdisk", "--quiet", image.to_str().unwrap()], table);
    disk.write_all_at(&fs::read(&boot).unwrap(), 1 << 20).unwrap();
    disk.write_all_at(&fs::read(world.path("root.img")).unwrap(), 49 << 20).unwrap();
    image
}

/// Recovers `disk` as `data1`, with these further arguments.
pub fn recover(world: &World, disk: &str, arguments: &[&str]) -> Run {
    let fixed = ["recover", disk, "--name", "data1", "--timeout", "20"];
    world.run(&[&fixed[..], arguments].concat())
}

/// The same with a sign-in to the emulator.
pub fn recover_asking(world: &World, disk: &str, arguments: &[&str]) -> Run {
    let ca = world.path("ca.pem").display().to_string();
    let azure = ["--auth", "managed-identity", "--ca", &ca];
    recover(world, disk, &[arguments, &azure[..]].concat())
}

fn is_read_only(device: &str) -> bool {
    tool(&["blockdev", "--getro", device], b"").trim() == "1"
}

#[track_caller]
fn is_open_read_only(run: &Run) {
    assert_eq!(run.status, Some(0), "{run:#?}");
    let open = "/dev/mapper/data1 is open read-only";
    assert!(run.stdout.starts_with(open), "{run:#?}");
    assert!(is_read_only("/dev/mapper/data1"));
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_os_disk_opens_with_the_header_of_its_own_boot_partition() {
    let world = World::with_azure(contoso());
    let image = os_disk(&world);
    let before = fs::read(&image).unwrap();
    let image = image.display().to_string();
    let run = recover_asking(&world, &image, &["--secret", &secret("wrapped")]);
    is_open_read_only(&run);
    for words in ["partition 2 of ", "/luks/osluksheader on partition 1 of ", "content: ext4"] {
        assert!(run.stdout.contains(words), "{words:?} is missing in {run:#?}");
    }
    assert!(run.stderr.contains("plan: open it read-only as /dev/mapper/data1"), "{run:#?}");
    assert_eq!(world.read_and_close(), "hello from root\n");
    assert!(fs::read(&image).unwrap() == before);
    let loops = tool(&["losetup", "--noheadings", "--output", "NAME", "-j", &image], b"");
    assert_eq!(loops.trim(), "", "no loop device is left");
    // The same on a disk whose partitions the kernel knows, by the disk and by the partition.
    let disk = world.attach_loop(Path::new(&image), &["--partscan"]);
    let (boot, root) = (format!("{disk}p1"), format!("{disk}p2"));
    for named in [&disk, &root] {
        let run = recover_asking(&world, named, &["--vault", VAULT]);
        is_open_read_only(&run);
        assert!(is_read_only(&root) && is_read_only(&boot));
        assert_eq!(world.read_and_close(), "hello from root\n");
        for device in [&disk, &boot, &root] {
            tool(&["blockdev", "--setrw", device], b"");
        }
    }
    assert!(fs::read(&image).unwrap() == before);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_data_disk_opens_with_what_was_pasted() {
    let world = World::with_azure(contoso());
    let volume = world.luks("data", &Luks::default());
    let before = fs::read(world.path("data.img")).unwrap();
    let value = wrapped(Algorithm::RsaOaep, KEY.as_bytes());
    let encoded = world.emulator.as_ref().unwrap();
    let encoded = encoded.secret_value("contoso-kv.vault.azure.net", "plain").unwrap();
    let answer = json!({"kid": kek(), "value": encoded.trim_end_matches('=')}).to_string();
    let tagged = json!({"value": value, "contentType": "Wrapped BEK",
        "tags": {"DiskEncryptionKeyEncryptionKeyURL": kek()}});
    let backup = json!({"OsDiskKeyAndSecretDetails": {"KeyUrl": kek(), "SecretData": value}});
    for (flag, content, more, layers) in [
        ("--unwrapped", answer, vec![], "answer of Key Vault (kek/"),
        ("--wrapped", tagged.to_string(), vec![], "secret of Key Vault, 2 layers removed"),
        ("--wrapped", format!("{value}\n"), vec!["--kek".to_owned(), kek()], "text, 1 layer"),
        ("--backup-json", backup.to_string(), vec![], "Azure Backup's file (OsDisk"),
        ("--key-file", KEY.to_owned(), vec![], "/given"),
    ] {
        let file = world.file("given", content.as_bytes());
        let mut arguments = vec![flag, file.as_str()];
        arguments.extend(more.iter().map(String::as_str));
        let run = recover_asking(&world, &volume.device, &arguments);
        is_open_read_only(&run);
        assert!(run.stdout.contains(layers), "{layers:?} is missing in {run:#?}");
        assert_eq!(world.read_and_close(), "hello from data\n", "{flag}");
    }
    assert!(fs::read(world.path("data.img")).unwrap() == before);
    let asked = world.requests().iter().filter(|line| line.contains("/unwrapkey ")).count();
    assert_eq!(asked, 3, "only what is wrapped is asked for");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_token_of_a_confidential_vm_opens_its_disk() {
    let world = World::with_azure(contoso());
    let volume = world.luks("cvm", &Luks::default());
    // Standard base64, as AzureAttestSKR prints it.
    let value = wrapped(Algorithm::RsaOaep256, KEY.as_bytes()).replace('-', "+").replace('_', "/");
    let token = json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
        "KekVaultResourceId": "", "KeyEncryptionKeyURL": kek(), "KeyVaultResourceId": "",
        "KeyVaultURL": format!("{VAULT}/"), "AttestationURL": null,
        "PassphraseName": "LUKSPasswordProtector", "Passphrase": format!("{value}==")});
    let import = ["cryptsetup", "token", "import", "--token-id", "5", &volume.device];
    tool(&import, token.to_string().as_bytes());
    let before = fs::read(world.path("cvm.img")).unwrap();
    for arguments in [&["--token"][..], &[]] {
        let run = recover_asking(&world, &volume.device, arguments);
        is_open_read_only(&run);
        assert!(run.stdout.contains("LUKS2 token (token 5)"), "{run:#?}");
        assert_eq!(world.read_and_close(), "hello from cvm\n");
    }
    let asked = world.requests();
    assert!(asked.iter().any(|line| line.contains("/unwrapkey 200")), "{asked:?}");
    assert!(fs::read(world.path("cvm.img")).unwrap() == before);
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_image_of_a_key_disk_is_enough() {
    let world = World::new();
    let volume = world.luks("data", &Luks::default());
    let partition = world.key_disk(&[("LinuxPassPhraseFileName_1_7", KEY.as_bytes())]);
    let disk = partition.strip_suffix("p1").unwrap().to_owned();
    let image = world.path("copy.img");
    fs::write(&image, fs::read(&disk).unwrap()).unwrap();
    for named in [image.display().to_string(), disk, partition] {
        is_open_read_only(&recover(&world, &volume.device, &["--key-disk", &named]));
        assert_eq!(world.read_and_close(), "hello from data\n");
        tool(&["blockdev", "--setrw", &volume.device], b"");
    }
    // And those that are attached need not be named.
    is_open_read_only(&recover(&world, &volume.device, &[]));
    assert_eq!(world.read_and_close(), "hello from data\n");
    let text = world.file("text", b"no disk at all");
    let run = recover(&world, &volume.device, &["--key-disk", &text]);
    run.refuses(4, &["cannot read key disk", "there is no such file system on it"]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_trial_opens_nothing_and_asks_all_the_same() {
    let world = World::with_azure(contoso());
    let volume = world.luks("data", &Luks::default());
    let save = world.path("saved").display().to_string();
    let arguments = ["--secret", &secret("wrapped"), "--dry-run", "--save-key", &save];
    let run = recover_asking(&world, &volume.device, &arguments);
    assert_eq!(run.status, Some(0), "{run:#?}");
    assert!(run.stdout.starts_with("the key fits, nothing was opened"), "{run:#?}");
    assert!(!Path::new(&save).exists());
    world.nothing_is_left();
    assert!(!is_read_only(&volume.device), "it was given back");
    let wrong = world.file("wrong", b"wrong");
    let run = recover(&world, &volume.device, &["--key-file", &wrong, "--dry-run"]);
    run.refuses(2, &["does not fit the keyslot", "bek-unlock secrets --vault URL"]);
    world.nothing_is_left();
    assert!(!is_read_only(&volume.device));
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_saved_key_is_the_key_and_for_its_owner_alone() {
    let world = World::new();
    let volume = world.luks("data", &Luks::default());
    let key = world.file("key", format!("{KEY}\n").as_bytes());
    let save = world.path("saved");
    let arguments = ["--key-file", &key, "--save-key", save.to_str().unwrap()];
    let run = recover(&world, &volume.device, &arguments);
    is_open_read_only(&run.says("whoever reads it opens the disk"));
    assert_eq!(fs::read(&save).unwrap(), KEY.as_bytes(), "without the newline that did not fit");
    assert_eq!(fs::metadata(&save).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(world.read_and_close(), "hello from data\n");
    let run = recover(&world, &volume.device, &arguments);
    run.refuses(1, &["cannot save the key in", "there is such a file already"]);
    fs::remove_file(&save).unwrap();
    let wrong = world.file("wrong", b"wrong");
    let arguments = ["--key-file", &wrong, "--save-key", save.to_str().unwrap()];
    recover(&world, &volume.device, &arguments).refuses(2, &[]);
    assert!(!save.exists(), "nothing is saved of a key that does not fit");
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn writing_has_to_be_asked_for() {
    let world = World::new();
    let volume = world.luks("data", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let run = recover(&world, &volume.device, &["--key-file", &key, "--read-write"]);
    assert!(run.stdout.starts_with("/dev/mapper/data1 is open for writing"), "{run:#?}");
    assert!(!is_read_only("/dev/mapper/data1") && !is_read_only(&volume.device));
    assert_eq!(world.read_and_close(), "hello from data\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn without_a_name_it_gets_one_that_is_free_and_status_and_detach_know_it() {
    let world = World::new();
    let volume = world.luks("data", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let base = volume.device.trim_start_matches("/dev/");
    let run = world.run(&["recover", &volume.device, "--key-file", &key, "--json"]);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    let name = format!("{base}-recovered");
    world.undo(&["dmsetup", "remove", "--force", &name]);
    assert_eq!((&value["result"], &value["volume"]), (&json!("recovered"), &json!(name)));
    assert_eq!((&value["content"], &value["read_only"]), (&json!("ext4"), &json!(true)));
    let next = value["next"].to_string();
    for words in ["mount -o ro,noload", "bek-unlock detach", "blockdev --setrw"] {
        assert!(next.contains(words), "{words:?} is missing in {next}");
    }
    let status = world.run(&["status", "--json", &name]).stdout;
    assert!(status.contains("\"read_only\":true"), "{status}");
    world.run(&["detach", &name]).says("closed");
    assert!(!Path::new("/dev/mapper").join(&name).exists());
}

/// A disk that this machine works with, a disk that is none, several that may be meant.
#[test]
#[ignore = "needs root: make check-root"]
fn what_cannot_be_recovered_is_left_as_it_was() {
    let world = World::new();
    let key = world.file("key", KEY.as_bytes());
    let volume = world.luks("data", &Luks::default());
    let refuses = |disk: &str, more: &[&str], status, words: &[&str]| {
        recover(&world, disk, &[&["--key-file", &key], more].concat()).refuses(status, words);
        world.nothing_is_left();
    };
    // In use: mapped for writing by somebody else.
    let open = ["cryptsetup", "open", "--key-file", &key, &volume.device, "data2"];
    tool(&open, b"");
    recover(&world, &volume.device, &["--key-file", &key]).refuses(5, &["device data2"]);
    assert!(!is_read_only(&volume.device));
    tool(&["cryptsetup", "close", "data2"], b"");
    // Another header, another disk's key, the right header on the wrong partition.
    let detached = world.luks("other", &Luks { detached: true, ..Luks::default() });
    refuses(&volume.device, &["--header", "/nonexistent"], 4, &["does --header name"]);
    let plain = world.path("plain.img");
    File::create(&plain).unwrap().set_len(24 << 20).unwrap();
    let plain = plain.display().to_string();
    refuses(&plain, &[], 4, &["holds nothing known"]);
    let words = ["it opens but holds no file system", "another --header"];
    refuses(&plain, &["--header", &detached.header], 4, &words);
    tool(&["mke2fs", "-q", "-t", "ext4", &plain], b"");
    refuses(&plain, &[], 4, &["is not encrypted; it holds ext4"]);
    refuses("/nonexistent", &[], 4, &["/nonexistent is not there"]);
    refuses("/dev/null", &[], 4, &["neither a disk nor an image of one"]);
    // Two volumes on one disk: somebody has to say which.
    let two = world.path("two.img");
    let disk = File::create(&two).unwrap();
    disk.set_len(64 << 20).unwrap();
    let two = two.display().to_string();
    tool(&["sfdisk", "--quiet", &two], b"label: gpt\nsize=24MiB\nsize=24MiB\n");
    let bytes = fs::read(world.path("data.img")).unwrap();
    for start in [1, 25] {
        disk.write_all_at(&bytes, start << 20).unwrap();
    }
    refuses(&two, &[], 4, &["several partitions that may be meant", "LUKS, encrypted"]);
}

/// A header that libcryptsetup would mend is left as it is.
#[test]
#[ignore = "needs root: make check-root"]
fn a_damaged_copy_of_a_header_is_not_repaired() {
    let world = World::new();
    let volume = world.luks("data", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    let image = world.path("data.img");
    let disk = File::options().write(true).open(&volume.device).unwrap();
    disk.write_all_at(&[0xff; 512], (16 << 10) + 4096).unwrap();
    disk.sync_all().unwrap();
    let before = fs::read(&image).unwrap();
    is_open_read_only(&recover(&world, &volume.device, &["--key-file", &key]));
    assert_eq!(world.read_and_close(), "hello from data\n");
    assert!(fs::read(&image).unwrap() == before);
    // Where writing is allowed, libcryptsetup mends it: the difference is the flag's.
    tool(&["blockdev", "--setrw", &volume.device], b"");
    let run = recover(&world, &volume.device, &["--key-file", &key, "--read-write"]);
    assert_eq!(run.status, Some(0), "{run:#?}");
    assert_eq!(world.read_and_close(), "hello from data\n");
    assert!(fs::read(&image).unwrap() != before);
}

/// Asked to end while it waits for somebody's key, it gives the disk back.
#[test]
#[ignore = "needs root: make check-root"]
fn a_disk_is_given_back_also_after_an_interrupt() {
    let world = World::new();
    let volume = world.luks("data", &Luks { filesystem: false, ..Luks::default() });
    let pipe = world.path("pipe").display().to_string();
    tool(&["mkfifo", &pipe], b"");
    for signal in ["INT", "TERM", "HUP"] {
        let arguments = ["recover", &volume.device, "--name", "data1", "--unwrapped", &pipe];
        let mut waiting = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The plan has been said: the flag is set, and nobody writes into the pipe.
        let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
        while !said.next().unwrap().unwrap().contains("open it read-only as") {}
        assert!(is_read_only(&volume.device));
        tool(&["kill", &format!("-{signal}"), &waiting.id().to_string()], b"");
        let status = waiting.wait().unwrap();
        assert!(status.signal().is_some(), "{signal}: {status}");
        assert!(!is_read_only(&volume.device), "{signal}");
    }
    world.nothing_is_left();
}
