//! The commands of docs/azure.md, "The same by hand", taken from the page and run as they stand there:
//! curl, sed, cryptsetup and mount, and of bek-unlock only what lists and decodes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::bitlk_images::Image;
use crate::world::{KEY, Luks, VAULT, World, tool};

const PAGE: &str = include_str!("../../docs/azure.md");
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const KEK: &str = "0123456789abcdef0123456789abcdef";

/// All steps up to the key.
const TO_THE_KEY: [&str; 8] =
    ["place", "token", "header", "list", "names", "secret", "unwrap", "decode"];

/// The code below `<!-- recipe: NAME -->`, without its indent.
fn step(name: &str) -> String {
    let marker = format!("<!-- recipe: {name} -->\n\n");
    let (_, rest) = PAGE.split_once(&marker).unwrap_or_else(|| panic!("no step {name}"));
    let code = rest.lines().map_while(|line| line.strip_prefix("    "));
    let code: String = code.map(|line| format!("{line}\n")).collect();
    assert!(!code.is_empty(), "step {name} is empty");
    code
}

/// Everything up to the key, then `steps`. What is no step's name is a command of the case itself;
/// the first of each pair, which has to be on the page, becomes the second.
fn script(steps: &[&str], instead: &[(&str, &str)]) -> String {
    let steps = TO_THE_KEY.iter().chain(steps);
    let code = |words: &&str| if words.contains(' ') { format!("{words}\n") } else { step(words) };
    let mut script: String = steps.map(code).collect();
    for (there, here) in instead {
        assert!(script.contains(there), "{there:?} is not in\n{script}");
        script = script.replace(there, here);
    }
    script
}

/// A volume that Windows made, with a .BEK file.
fn windows() -> Image {
    Image::named("bitlk-aes-xts-128-startup-key")
}

/// What is in the page's vault, and the key of Windows.
fn scenario(bek: &Path) -> Value {
    let tags = |file: &str| {
        json!({"DiskEncryptionKeyFileName": file, "MachineName": "web01",
               "DiskEncryptionKeyEncryptionAlgorithm": "RSA-OAEP",
               "DiskEncryptionKeyEncryptionKeyURL": format!("{VAULT}/keys/kek/{KEK}")})
    };
    let secret = |name: &str, file: &str, wrap: Value| {
        json!({"name": name, "versions": [
            {"wrap": wrap, "content_type": "Wrapped BEK", "tags": tags(file)}]})
    };
    json!({
        "imds": {"identities": [{"name": "vm"}]},
        "vaults": [{
            "host": "contoso-kv.vault.azure.net",
            "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": ["unwrapKey"]}],
            "keys": [{"name": "kek", "versions": [{"version": KEK}]}],
            "secrets": [
                secret("bek-data1", "LinuxPassPhraseFileName_1_0",
                       json!({"key": "kek", "plain": KEY})),
                secret("bek-windows", "6F1C0D52-70C8-4B1F-9D7E-2B1B7F0C4A11.BEK",
                       json!({"key": "kek", "plain_file": bek})),
            ],
        }],
    })
}

/// Azure, whose authority the whole machine trusts for this case.
fn world() -> World {
    let bek = NamedTempFile::new().unwrap();
    fs::write(&bek, windows().bek().unwrap()).unwrap();
    let world = World::with_azure(scenario(bek.path()));
    let system = fs::read(BUNDLE).unwrap_or_default();
    let kept = world.file("bundle.pem", &system);
    world.undo(&["cp", &kept, BUNDLE]);
    let ca = fs::read(world.path("ca.pem")).unwrap();
    fs::write(BUNDLE, [&system[..], &ca[..]].concat()).unwrap();
    world
}

/// Runs a script as the page says: a shell, and the programs by their names.
fn shell(world: &World, script: &str) -> Output {
    let file = world.file("recipe.sh", script.as_bytes());
    let program = Path::new(env!("CARGO_BIN_EXE_bek-unlock")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-eu", &file])
        .env_clear()
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display()))
        .output()
        .unwrap();
    if !output.status.success() {
        // What a case left open would make every later one fail, too.
        for words in [&["umount", "/mnt"][..], &["cryptsetup", "close", "rescue"]] {
            let _ = Command::new(words[0]).args(&words[1..]).output();
        }
        panic!("{output:?}\n{script}");
    }
    for shown in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(shown).contains(&KEY[..40]), "the key was printed");
    }
    output
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_recipe_opens_a_data_disk() {
    let world = world();
    let volume = world.luks("v", &Luks::default());
    let disk = format!("DISK={}\n", volume.device);
    let steps = ["open", "mount", "cat /mnt/hello.txt", "close"];
    let output = shell(&world, &script(&steps, &[("DISK=/dev/sdc\n", &disk)]));
    assert!(stdout(&output).ends_with("hello from v\n"), "{output:?}");
    assert!(stdout(&output).contains("/secrets/bek-data1"), "it was not listed: {output:?}");
    let asked = world.requests();
    assert!(asked.iter().any(|line| line == &format!("POST /keys/kek/{KEK}/unwrapkey 200")));
    assert_eq!(tool(&["blockdev", "--getro", &volume.device], b"").trim(), "0");
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_recipe_opens_an_os_disk_with_the_header_on_boot() {
    let world = world();
    let volume = world.luks("v", &Luks { detached: true, ..Luks::default() });
    let content = world.path("boot/luks");
    fs::create_dir_all(&content).unwrap();
    fs::copy(&volume.header, content.join("osluksheader")).unwrap();
    let tree = world.path("boot").display().to_string();
    // The latter is what ADE makes on Ubuntu.
    for kind in ["ext4", "ext2"] {
        let image = world.path(&format!("{kind}.img"));
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        tool(&["mke2fs", "-q", "-F", "-t", kind, "-d", &tree, image.to_str().unwrap()], b"");
        let boot = world.attach_loop(&image, &[]);
        let before = fs::read(&image).unwrap();
        let names = format!("BOOT={boot} DISK={}\n", volume.device);
        let steps = ["open-os", "mount", "cat /mnt/hello.txt", "close"];
        let instead = [("BOOT=/dev/sdc2 DISK=/dev/sdc4\n", names.as_str())];
        let output = shell(&world, &script(&steps, &instead));
        assert!(stdout(&output).contains("TYPE=\"ext4\""), "blkid knew nothing: {output:?}");
        assert!(stdout(&output).ends_with("hello from v\n"), "{output:?}");
        assert!(fs::read(&image).unwrap() == before, "/boot was written to");
        world.nothing_is_left();
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_recipe_opens_a_disk_of_windows() {
    let (world, image) = (world(), windows());
    let device = world.attach_loop(&image.path(), &[]);
    let disk = format!("DISK={device}\n");
    let instead = [("/secrets/bek-data1\n", "/secrets/bek-windows\n"), ("DISK=/dev/sdc2\n", &disk)];
    // Not every kernel that the tests run on has ntfs3, so it is not mounted.
    let found = "blkid -p /dev/mapper/rescue";
    let steps = ["open-windows", found, "cryptsetup close rescue", "rm -r \"$WORK\""];
    let output = shell(&world, &script(&steps, &instead));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("BitLocker key file"), "{said}");
    let uuid = format!("UUID=\"{}\"", image.field("UUID").unwrap());
    assert!(stdout(&output).contains(&uuid), "{output:?}");
    tool(&["blockdev", "--setrw", &device], b"");
    world.nothing_is_left();
}
