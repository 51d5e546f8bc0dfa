//! A key of its own for a volume: where it goes, and that the old one stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::world::{KEK, KEY, NEWER, OLDER, VAULT, World};

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_disk_of_ade_gets_a_key_in_all_three_places() {
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let words = [
        "enroll",
        device,
        "--kek",
        KEK,
        "--to-vault",
        VAULT,
        "--secret-name",
        "bek-data1",
        "--to-token",
        "--to-file",
        "/etc/bek-unlock/data1.wrapped",
        "--name",
        "data1",
        "--write",
        "--key-file",
        "-",
        "--json",
    ];
    let run = world.run(&words, KEY.as_bytes()).good();
    let result = run.json();
    assert_eq!(result["keyslot"], 1);
    // The newest version did it, and is named.
    assert_eq!(result["kek"], format!("{KEK}/{NEWER}"));
    assert_eq!((&result["line_written"], &result["resumed"]), (&json!(true), &json!(false)));
    assert_eq!(
        world.requests(),
        [
            "GET /metadata/versions 200",
            "GET /metadata/identity/oauth2/token 200",
            "GET /secrets/bek-data1 404",
            "POST /keys/kek/wrapkey 200",
            &format!("POST /keys/kek/{NEWER}/unwrapkey 200"),
            "GET /secrets/bek-data1 404",
            "PUT /secrets/bek-data1 200",
            "GET /secrets/bek-data1 200",
            &format!("POST /keys/kek/{NEWER}/unwrapkey 200"),
            &format!("POST /keys/kek/{NEWER}/unwrapkey 200"),
            &format!("POST /keys/kek/{NEWER}/unwrapkey 200"),
            // As the next boot has it: the token, by itself.
            "GET /metadata/identity/oauth2/token 200",
            &format!("POST /keys/kek/{NEWER}/unwrapkey 200"),
        ]
    );
    // What opened it before opens it still.
    assert!(world.opens(&image, KEY.as_bytes()));
    let (slots, metadata) = world.keyslots(&image);
    assert_eq!(slots, [0, 1]);
    let token = &metadata["tokens"]["0"];
    assert_eq!((&token["type"], &token["keyslots"]), (&json!("bek-unlock"), &json!(["1"])));
    let file = fs::metadata("/etc/bek-unlock/data1.wrapped").unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);
    let line = fs::read_to_string("/etc/bektab").unwrap();
    let ca = world.path("ca.pem");
    assert_eq!(
        line,
        format!("data1 {device} - _netdev,nofail,ca={},vault={VAULT}\n", ca.display())
    );
    world.nothing_is_under_way();
    // Its line says the rest: the header, where it is apart, and where the device is.
    let relative = world.run(&["enroll", "no/such", "--kek", KEK, "--to-token"], b"");
    relative.refuses(4, "no/such is not there");
    let other = ["enroll", "/dev/null", "--kek", KEK, "--to-token", "--name", "data1"];
    world.run(&other, b"").refuses(4, "data1 in /etc/bektab is another device");
    let twice = ["enroll", device, "--kek", KEK, "--to-token", "--name", "data2", "--write"];
    world.run(&twice, b"").refuses(4, "/etc/bektab has it as data1: give --name data1");
    let again = world.run(&words, KEY.as_bytes());
    again.refuses(4, "/etc/bek-unlock/data1.wrapped is there already: rotate renews keys");
    let words = ["enroll", device, "--kek", KEK, "--to-token", "--key-file", "-"];
    let again = world.run(&words, KEY.as_bytes());
    again.refuses(4, "token 0 in its header has a key already: renew it with bek-unlock rotate");
    let words = ["enroll", device, "--kek", KEK, "--to-vault", VAULT, "--secret-name", "ade"];
    world.run(&words, b"").refuses(4, "secrets/ade is there already: rotate renews keys");
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn luks1_and_headers_apart_get_a_secret_or_a_file() {
    let world = World::new();
    let image = world.volume("luks1", None);
    let device = image.to_str().unwrap();
    let kek = format!("{KEK}/{OLDER}");
    let words = [
        "enroll",
        device,
        "--kek",
        &kek,
        "--to-vault",
        VAULT,
        "--name",
        "data1",
        "--key-file",
        "-",
    ];
    let run = world.run(&[&words[..], &["--write"]].concat(), KEY.as_bytes()).good();
    assert_eq!(run.stdout, "");
    let line = fs::read_to_string("/etc/bektab").unwrap();
    assert!(line.contains(&format!("{VAULT}/secrets/")), "{line}");
    world.opens_by_line().good();

    // The next one takes its place.
    fs::remove_file("/etc/bektab").unwrap();
    let header = world.path("header");
    let image = world.volume("luks2", Some(&header));
    let (device, header) = (image.to_str().unwrap(), header.to_str().unwrap());
    let words = [
        "enroll",
        device,
        "--header",
        header,
        "--kek",
        &kek,
        "--to-file",
        "/etc/w",
        "--name",
        "os",
        "--key-file",
        "-",
    ];
    let run = world.run(&words, KEY.as_bytes()).good();
    let expected = format!(
        "os {device} /etc/w nofail,ca={},header={header},kek={kek},kek-algorithm=RSA-OAEP\n",
        world.path("ca.pem").display()
    );
    assert_eq!(run.stdout, expected);
    assert!(fs::read(&image).unwrap().iter().all(|byte| *byte == 0), "the data was written to");
    world.nothing_is_under_way();
}

#[test]
#[ignore = "needs Azure's addresses: make check-root"]
fn a_new_volume_is_formatted_when_somebody_said_so() {
    let world = World::new();
    let image = world.path("new.img");
    let device = image.to_str().unwrap();
    fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
    let mut ext4 = std::process::Command::new("/usr/sbin/mke2fs");
    assert!(ext4.args(["-q", "-t", "ext4", device]).status().unwrap().success());
    let before = fs::read(&image).unwrap();
    let words = ["enroll", device, "--format", "--kek", KEK, "--to-token", "--name", "data1"];
    let words = [&words[..], &["--write"]].concat();
    let refused = world.run(&words, b"");
    let refused = refused.refuses(1, "has 24 MiB and ext4 on it; all of it will be lost");
    assert!(refused.stderr.contains("--yes"), "{refused:#?}");
    let dry = world.run(&[&words[..], &["--dry-run", "--json"]].concat(), b"").good().json();
    assert_eq!(dry["result"], "can-be-formatted");
    // Whatever can be refused is refused while the old content is there.
    let vault = ["--to-vault", VAULT, "--secret-name", "ade", "--yes"];
    let taken = world.run(&[&words[..], &vault].concat(), b"");
    taken.refuses(4, "secrets/ade is there already: rotate renews keys");
    let off = format!("{VAULT}/keys/off");
    let no_kek = ["enroll", device, "--format", "--yes", "--kek", &off, "--to-token"];
    world.run(&no_kek, b"").refuses(77, "KeyDisabled");
    assert!(fs::read(&image).unwrap() == before, "it was written to");
    world.run(&[&words[..], &["--yes"]].concat(), b"").good();
    let (slots, metadata) = world.keyslots(&image);
    assert_eq!(slots, [0]);
    assert_eq!(metadata["segments"]["0"]["encryption"], "aes-xts-plain64");
    assert_eq!(metadata["tokens"]["0"]["keyslots"], json!(["0"]));
    world.opens_by_line().good();
    world.nothing_is_under_way();
}
