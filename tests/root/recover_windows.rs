//! Windows disks of ADE: cryptsetup's BitLocker images, whose .BEK files the emulator's KEK has
//! wrapped as Azure wraps them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use azure_emulator::Algorithm;
use serde_json::{Value, json};

use crate::azure::contoso;
use crate::bitlk_images::Image;
use crate::recover::{kek, recover, recover_asking, wrapped};
use crate::world::{VAULT, World, tool};

fn sha256(file: impl AsRef<Path>) -> String {
    let line = tool(&["sha256sum", file.as_ref().to_str().unwrap()], b"");
    line.split(' ').next().unwrap().to_owned()
}

/// Copies a file to a place in another one, but for its holes.
fn copy(from: &Path, to: &Path, mut at: u64) {
    let to = File::options().write(true).open(to).unwrap();
    let mut from = File::open(from).unwrap();
    let mut block = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut block).unwrap();
        let bytes = &block[..read];
        if read == 0 {
            return;
        }
        if bytes.iter().any(|byte| *byte != 0) {
            to.write_all_at(bytes, at).unwrap();
        }
        at += read as u64;
    }
}

/// The name that Windows gave the .BEK file.
fn bek_name(image: &Image) -> String {
    format!("{}.BEK", image.field("SK_VMK_GUID").unwrap().to_uppercase())
}

/// A vault with the wrapped .BEK of `image` beside a Linux machine's secrets.
fn vault(image: &Image) -> Value {
    let mut scenario = contoso();
    let tags = json!({"DiskEncryptionKeyFileName": bek_name(image), "MachineName": "WIN-1",
        "DiskEncryptionKeyEncryptionKeyURL": kek(), "VolumeLetter": "C:\\", "VolumeLabel": "",
        "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP"});
    let value = wrapped(Algorithm::RsaOaep, &image.bek().unwrap());
    let secret = json!({"name": "6F1C0D52", "versions": [
        {"value": value, "content_type": "Wrapped BEK", "tags": tags}]});
    scenario["vaults"][0]["secrets"].as_array_mut().unwrap().push(secret);
    scenario
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_windows_disk_opens_with_its_secret_and_its_bek_file_can_be_saved() {
    let image = Image::named("bitlk-aes-xts-128-startup-key");
    let world = World::with_azure(vault(&image));
    let before = sha256(image.path());
    let folder = world.path("keys");
    fs::create_dir(&folder).unwrap();
    let folder = folder.display().to_string();
    let arguments = ["--vault", VAULT, "--save-key", &folder, "--json"];
    let run = recover_asking(&world, image.path().to_str().unwrap(), &arguments);
    assert_eq!(run.status, Some(0), "{run:#?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["type"], &report["content"]), (&json!("BITLK"), &json!("ntfs")));
    assert_eq!((&report["source"], &report["read_only"]), (&json!("key-vault"), &json!(true)));
    assert!(report["next"].to_string().contains("mount -t ntfs3 -o ro"), "{report}");
    assert_eq!(Some(&*sha256("/dev/mapper/data1")), image.field("SHA256SUM"));
    let saved = Path::new(&folder).join(bek_name(&image));
    assert_eq!(report["saved_key"], json!(saved));
    assert!(fs::read(&saved).unwrap() == image.bek().unwrap());
    assert_eq!(fs::metadata(&saved).unwrap().permissions().mode() & 0o7777, 0o600);
    // Only the secret of a Windows disk was read, and unwrapped.
    let asked = world.requests();
    let read = asked.iter().filter(|line| line.starts_with("GET /secrets/")).count();
    assert_eq!(read, 1, "{asked:#?}");
    world.run(&["detach", "data1"]).says("data1 closed");
    world.nothing_is_left();
    // What was saved opens it without anybody.
    let run =
        recover(&world, image.path().to_str().unwrap(), &["--key-file", saved.to_str().unwrap()]);
    assert_eq!(run.status, Some(0), "{run:#?}");
    world.run(&["detach", "data1"]).says("data1 closed");
    assert_eq!(sha256(image.path()), before, "it was written to");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_bitlocker_partition_of_a_disk_is_found() {
    let image = Image::named("bitlk-aes-xts-128-startup-key-win11");
    let world = World::with_azure(contoso());
    let disk = world.path("windows.img");
    let size = fs::metadata(image.path()).unwrap().len();
    File::create(&disk).unwrap().set_len(size + (16 << 20)).unwrap();
    let disk = disk.display().to_string();
    // As Windows lays out a disk: EFI, its reserved partition, and C:.
    let table = format!(
        "label: gpt\nsize=4MiB,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n\
         size=1MiB,type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\n\
         size={}KiB,type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n",
        size >> 10
    );
    tool(&["sfdisk", "--quiet", &disk], table.as_bytes());
    copy(&image.path(), Path::new(&disk), 6 << 20);
    let value = wrapped(Algorithm::RsaOaep256, &image.bek().unwrap());
    let file = world.file("wrapped", value.as_bytes());
    let kek = kek();
    let with = ["--wrapped", &file, "--kek", &kek, "--kek-algorithm", "RSA-OAEP-256"];
    let run = recover_asking(&world, &disk, &with);
    assert_eq!(run.status, Some(0), "{run:#?}");
    for words in ["disk: BitLocker on partition 3 of ", "content: ntfs", "key: file "] {
        assert!(run.stdout.contains(words), "{words:?} is missing in {run:#?}");
    }
    world.run(&["detach", "data1"]).says("data1 closed");
    // A key disk of Windows: a .BEK file under its own name.
    let key_disk = world.key_disk(&[
        (&bek_name(&image), &image.bek().unwrap()),
        ("LinuxPassPhraseFileName", b"a Linux disk's"),
    ]);
    let run = recover(&world, &disk, &["--key-disk", &key_disk]);
    assert_eq!(run.status, Some(0), "{run:#?}");
    world.run(&["detach", "data1"]).says("data1 closed");
    world.nothing_is_left();
}

/// Images whose content other cases look at.
const LOOKED_AT: [&str; 4] = [
    "bitlk-aes-cbc-elephant-128",
    "bitlk-aes-xts-128-startup-key",
    "bitlk-aes-xts-128-startup-key-win11",
    "bitlk-togo-aes-cbc-128",
];

/// Every other image whose authors say what is inside. Two at a time: the rounds of SHA-256 take
/// as long as all other cases together.
#[test]
#[ignore = "needs root: make check-root"]
fn what_is_inside_is_what_its_authors_say() {
    let world = World::new();
    let looked_at = |image: &Image| LOOKED_AT.contains(&image.name.as_str());
    let images: Vec<Image> = Image::all()
        .into_iter()
        .filter(|image| image.field("SHA256SUM").is_some() && !looked_at(image))
        // Windows suspended one: it has a key in the clear, for libcryptsetup 2.8.2 and newer.
        .filter(|image| password(image).is_some())
        .collect();
    assert!(images.len() >= 14, "{} images", images.len());
    let (next, folder) = (AtomicUsize::new(0), world.path(""));
    thread::scope(|scope| {
        for name in ["data1", "data2"] {
            let (images, next, folder) = (&images, &next, &folder);
            scope.spawn(move || {
                while let Some(image) = images.get(next.fetch_add(1, Ordering::SeqCst)) {
                    holds_what_its_authors_say(image, name, folder);
                }
            });
        }
    });
    world.nothing_is_left();
}

/// What somebody can type: passphrases with other letters than ASCII's open from libcryptsetup 2.8.1
/// on.
fn password(image: &Image) -> Option<&str> {
    image.field("PW").filter(|word| word.is_ascii()).or(image.field("RP"))
}

fn holds_what_its_authors_say(image: &Image, name: &str, folder: &Path) {
    let key = folder.join(name);
    fs::write(&key, password(image).unwrap()).unwrap();
    let recovered = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["recover", image.path().to_str().unwrap(), "--name", name, "--timeout", "300"])
        .args(["--key-file", key.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(recovered.status.success(), "{}: {recovered:?}", image.name);
    let mapped = format!("/dev/mapper/{name}");
    assert_eq!(Some(&*sha256(&mapped)), image.field("SHA256SUM"), "{}", image.name);
    tool(&[env!("CARGO_BIN_EXE_bek-unlock"), "detach", name], b"");
}

/// Read from a sheet of paper: blanks where Windows prints hyphens.
#[test]
#[ignore = "needs root: make check-root"]
fn a_recovery_password_may_be_written_as_people_write_it() {
    let image = Image::named("bitlk-aes-cbc-elephant-128");
    let world = World::new();
    let written = image.field("RP").unwrap().replace('-', " ");
    let file = world.file("paper", format!("{written}\n").as_bytes());
    let path = image.path();
    let fixed = ["recover", path.to_str().unwrap(), "--name", "data1"];
    let run = world.run(&[&fixed[..], &["--timeout", "120", "--key-file", &file]].concat());
    assert_eq!(run.status, Some(0), "{run:#?}");
    assert!(run.stdout.contains("/paper, as BitLocker writes it"), "{run:#?}");
    world.run(&["detach", "data1"]).says("data1 closed");
    // A mistyped group is found before the disk is tried.
    let wrong = world.file("wrong", written.replacen(char::is_numeric, "9", 1).as_bytes());
    let run = world.run(&[&fixed[..], &["--unwrapped", &wrong]].concat());
    run.refuses(76, &["group 1 of 8 is mistyped"]);
    world.nothing_is_left();
}
