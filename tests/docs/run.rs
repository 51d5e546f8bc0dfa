//! How each of our command lines in the documents is tried: here, in the rings that have an Azure
//! or a device-mapper, or not at all, and why.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::blocks::{all_commands, ours};
use super::threats::tests;
use super::{read, same};

/// Who runs a command line as it stands in the documents.
enum How {
    /// This file: in an /etc of its own.
    Here,
    /// tests/rekey/documented.rs: before the Azure emulator, on an image in the place of the disk.
    Emulated,
    /// tests/root/recipe.rs.
    Recipe,
    /// It opens a mapping: a test of the root ring does the same with its own devices. Its name.
    Mapped(&'static str),
    /// The program's parser has to do. Why.
    Parsed(&'static str),
}

const LINES: &[(&str, How)] = &[
    ("adopt", How::Here),
    ("adopt --dry-run", How::Here),
    ("attach -v data1", How::Mapped("an_adopted_volume_opens_and_the_way_back_is_what_is_printed")),
    ("attach -v osencrypt", How::Mapped("detached_headers_of_both_versions_open")),
    (
        "attach archive UUID=5f1e8a52-0b7c-4c1e-9d35-1f2f6f6b8a10 \
         https://contoso-kv.vault.azure.net/secrets/bek-archive readonly",
        How::Mapped("a_wrapped_secret_takes_three_requests_on_two_connections"),
    ),
    (
        "attach data1 /dev/disk/azure/scsi1/lun0",
        How::Mapped("a_token_opens_its_volume_with_two_requests_and_without_waiting"),
    ),
    (
        "attach data1 /dev/disk/azure/scsi1/lun0 LinuxPassPhraseFileName_1_0",
        How::Mapped("the_name_asked_for_is_tried_first_and_the_others_after_it"),
    ),
    ("attach osencrypt DEVICE KEY OPTIONS", How::Parsed("words in the place of fields")),
    (
        "attach rescue /dev/sdc2 $PWD/disk.BEK read-only",
        How::Mapped("a_bek_file_opens_what_windows_11_made_on_a_disk_that_is_read_only"),
    ),
    ("attach x DEVICE KEY luks", How::Parsed("words in the place of fields")),
    ("check", How::Mapped("everything_on_the_way_is_named")),
    ("check data1", How::Mapped("a_person_reads_plain_lines")),
    ("decode", How::Recipe),
    (
        "enroll /dev/disk/azure/scsi1/lun0 --name data1 --write --auth az \
         --kek https://VAULT.vault.azure.net/keys/KEK --to-token \
         --to-vault https://VAULT.vault.azure.net",
        How::Emulated,
    ),
    (
        "enroll /dev/disk/azure/scsi1/lun0 --name data1 --write \
         --kek https://contoso-kv.vault.azure.net/keys/kek \
         --to-vault https://contoso-kv.vault.azure.net",
        How::Emulated,
    ),
    (
        "enroll /dev/sdd --format --name scratch --write \
         --kek https://contoso-kv.vault.azure.net/keys/kek --to-token",
        How::Emulated,
    ),
    ("initramfs plan", How::Here),
    (
        "recover /dev/sdc --backup-json keys.json \
         --kek https://fabrikam-kv.vault.azure.net/keys/kek/89abcdef",
        How::Emulated,
    ),
    (
        "recover /dev/sdc --key-disk bek.img --save-key /root",
        How::Mapped("a_windows_disk_opens_with_its_secret_and_its_bek_file_can_be_saved"),
    ),
    (
        "recover /dev/sdc --machine-name web01 --dry-run \
         --vault https://contoso-kv.vault.azure.net",
        How::Emulated,
    ),
    (
        "recover /dev/sdc --machine-name web01 --vault https://contoso-kv.vault.azure.net",
        How::Emulated,
    ),
    ("recover /dev/sdc --unwrapped answer.json", How::Emulated),
    (
        "recover /dev/sdc --vault https://contoso-kv.vault.azure.net --machine-name web01",
        How::Emulated,
    ),
    ("recover /dev/sdc --wrapped - --auth managed-identity", How::Emulated),
    ("recover /dev/sdc4 --header ./osluksheader --key-file LinuxPassPhraseFileName", How::Emulated),
    (
        "recover /srv/web01.vhd --auth device-code \
         --secret https://contoso-kv.vault.azure.net/secrets/6f1c0d52",
        How::Parsed("a person has to enter the code"),
    ),
    ("rotate --all --keep-passphrase", How::Emulated),
    ("secrets --vault $VAULT --auth token:token --json", How::Recipe),
    ("secrets --vault https://contoso-kv.vault.azure.net", How::Emulated),
    ("secrets --vault https://contoso-kv.vault.azure.net --machine-name web01", How::Emulated),
    ("status", How::Here),
    ("status --last-boot", How::Here),
    ("status data1", How::Here),
    ("token assign /dev/disk/azure/scsi1/lun0 --key-slot 0", How::Emulated),
    ("token import /dev/sdc data1.token --key-slot 1", How::Emulated),
    ("token show /dev/disk/azure/scsi1/lun0", How::Emulated),
];

/// A line as one of words.
fn line(words: &[String]) -> String {
    words.join(" ")
}

#[test]
fn every_command_line_of_ours_is_tried_somewhere() {
    let all = all_commands();
    let written: BTreeSet<String> =
        all.iter().filter_map(|(_, words)| ours(words)).map(line).collect();
    let listed: BTreeSet<String> = LINES.iter().map(|(line, _)| (*line).to_owned()).collect();
    same(&written, &listed, "command lines of the documents, and how each is tried");
    let emulated = read("tests/rekey/documented.rs").replace("\\\n", " ");
    let emulated = emulated.split_whitespace().collect::<Vec<_>>().join(" ");
    let tests = tests();
    for (line, how) in LINES {
        match how {
            How::Here => assert!(HERE.iter().any(|(here, ..)| here == line), "{line}"),
            How::Emulated => {
                assert!(emulated.contains(&format!("\"{line}\"")), "nothing emulates: {line}");
            }
            How::Recipe => {}
            How::Mapped(test) => assert!(tests.contains(*test), "{line}: no test {test}"),
            How::Parsed(why) => assert!(!why.is_empty()),
        }
    }
}

/// A line, the files it finds below /etc, and what it says on standard output.
type Here = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const HERE: &[Here] = &[
    ("adopt", &[("crypttab", ADE)], "data1 moves to /etc/bektab"),
    ("adopt --dry-run", &[("crypttab", ADE)], "data1 moves to /etc/bektab"),
    ("initramfs plan", &[("bektab", OS_DISK)], "volume\tosencrypt\n"),
    ("status", &[("bektab", OS_DISK)], "osencrypt"),
    ("status --last-boot", &[], "no volume was opened in this boot"),
    ("status data1", &[("bektab", "data1 UUID=5f1e8a52-0b7c-4c1e-9d35-1f2f6f6b8a10\n")], "data1"),
];
const ADE: &str = "data1 /dev/sdc /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail\n";
const OS_DISK: &str = "osencrypt PARTUUID=0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f \
                       LinuxPassPhraseFileName discard,x-initrd.attach\n";

/// Runs a line with `etc` in the place of /etc, and an empty /run; `None` where no mount namespace is to be had.
fn run(line: &str, etc: &Path) -> Option<Output> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc"]);
    // What runs on this machine left in /run is not this one's.
    let script = r#"mount --bind "$0" /etc && mount -t tmpfs run /run || exit 111; exec "$@""#;
    let program = env!("CARGO_BIN_EXE_bek-unlock");
    command.arg(script).arg(etc).arg(program).args(line.split(' '));
    let output = command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    let output = output.ok()?;
    let none = output.status.code() == Some(111) || output.stderr.starts_with(b"unshare:");
    (!none).then_some(output)
}

#[test]
fn what_needs_neither_azure_nor_a_disk_runs() {
    for (line, files, words) in HERE {
        let etc = TempDir::new().unwrap();
        for (name, text) in *files {
            fs::write(etc.path().join(name), text).unwrap();
        }
        let Some(output) = run(line, etc.path()) else {
            eprintln!("left out: {line}, no mount namespace here");
            continue;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(said.contains(words), "{line}: {said}");
        let moved = fs::read_to_string(etc.path().join("bektab")).unwrap_or_default();
        match *line {
            "adopt" => assert!(moved.contains("data1 /dev/sdc LinuxPassPhraseFileName_1_0")),
            "adopt --dry-run" => assert_eq!(moved, "", "--dry-run has written"),
            _ => {}
        }
    }
}

/// What docs/troubleshooting.md and the catalog send people to `status` for.
#[test]
fn status_warns_of_a_line_that_does_not_parse() {
    let etc = TempDir::new().unwrap();
    fs::write(etc.path().join("bektab"), "data1 /dev/sdc - nofial\ndata2 /dev/sdd\n").unwrap();
    let Some(output) = run("status", etc.path()) else { return };
    assert!(String::from_utf8_lossy(&output.stdout).contains("data2"), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "bek-unlock: warning: /etc/bektab:1:18: unknown option \"nofial\"\n");
}

/// `--help` of the built program, and of each command: what the tests of the help have read.
#[test]
fn the_program_prints_its_help() {
    for words in [&["--help"][..], &["attach", "-h"], &["token", "--help"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_bek-unlock")).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), bek_unlock::cli::args::HELP);
    }
}
