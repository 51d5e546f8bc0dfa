use std::ffi::OsString;
use std::time::Duration;

use super::super::key::Input;
use super::super::{Action, Command};
use super::*;
use crate::azure::auth::{Auth, TokenSource};
use crate::azure::id::{SecretId, VaultUrl};
use crate::volume::{DeviceSpec, Identity};

const UUID: &str = "0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f";

fn parsed(words: &str) -> Result<RecoverArgs, String> {
    let words = format!("recover {words}");
    match Command::parse(words.split_whitespace().map(OsString::from)) {
        Ok(Command { action: Action::Recover(args), .. }) => Ok(*args),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind.to_string()),
    }
}

#[test]
fn a_device_alone_has_the_defaults() {
    let args = parsed("/dev/sdc").unwrap();
    let expected = RecoverArgs {
        azure: AzureFlags::default(),
        device: "/dev/sdc".into(),
        dry_run: false,
        header: None,
        kek: None,
        kek_algorithm: None,
        keys: vec![],
        machine_name: None,
        name: None,
        read_write: false,
        save_key: None,
        timeout: Limit(Some(Duration::from_secs(90))),
    };
    assert_eq!(args, expected);
    assert_eq!(parsed("disk.img").unwrap().device, PathBuf::from("disk.img"));
}

#[test]
fn every_flag_reaches_its_field() {
    let args = parsed(&format!(
        "--name rescue --header /luks/h:/dev/sdc2 --read-write --save-key out.key --dry-run \
         --timeout 2min --kek https://v.vault.azure.net/keys/k/1 --kek-algorithm rsa1_5 \
         --vault https://v.vault.azure.net --machine-name web01 --auth managed-identity \
         --identity client-id:{UUID} --vault-suffix a.b --vault-suffix c.d --ca ca.pem image"
    ))
    .unwrap();
    let device = DeviceSpec::Path("/dev/sdc2".into());
    assert_eq!(args.header, Some(HeaderSpec::On { path: "/luks/h".into(), device }));
    assert_eq!(args.name.unwrap().as_str(), "rescue");
    assert!(args.read_write && args.dry_run);
    assert_eq!(args.save_key, Some("out.key".into()));
    assert_eq!(args.timeout, Limit(Some(Duration::from_secs(120))));
    assert_eq!(args.kek.unwrap().name().as_str(), "k");
    assert_eq!(args.kek_algorithm, Some(KekAlgorithm::Rsa15));
    assert_eq!(args.machine_name.as_deref(), Some("web01"));
    assert_eq!(args.azure.auth, Some(Auth::ManagedIdentity));
    assert_eq!(args.azure.identity, Some(Identity::Client(UUID.to_owned())));
    assert_eq!(args.azure.vault_suffixes.len(), 2);
    assert_eq!(args.azure.ca, Some("ca.pem".into()));
    assert_eq!(args.device, PathBuf::from("image"));
}

#[test]
fn keys_are_tried_in_one_order_whatever_the_words_are() {
    let file = |name: &str| Input::File(name.into());
    let args = parsed(
        "--prompt --vault https://v.vault.azure.net --secret https://v.vault.azure.net/secrets/s \
         --token --key-disk bek.img --backup-json b --wrapped w --unwrapped - /dev/sdc --key-file k",
    )
    .unwrap();
    let expected = [
        KeyArg::KeyFile(file("k")),
        KeyArg::Unwrapped(Input::Stdin),
        KeyArg::Wrapped(file("w")),
        KeyArg::BackupJson(file("b")),
        KeyArg::KeyDisk("bek.img".into()),
        KeyArg::Token,
        KeyArg::Secret(SecretId::parse("https://v.vault.azure.net/secrets/s").unwrap()),
        KeyArg::Vault(VaultUrl::parse("https://v.vault.azure.net").unwrap()),
        KeyArg::Prompt,
    ];
    assert_eq!(args.keys, expected);
    let flags: Vec<&str> = expected.iter().map(KeyArg::flag).collect();
    assert_eq!(flags, key::FLAGS);
}

#[test]
fn what_looks_like_a_flag_may_be_a_file_behind_one() {
    let args = parsed("--key-file ./- -- --odd.img").unwrap();
    assert_eq!(args.keys, [KeyArg::KeyFile(Input::File("./-".into()))]);
    assert_eq!(args.device, PathBuf::from("--odd.img"));
}

#[test]
fn standard_input_is_read_once() {
    for (words, message) in [
        ("--key-file - --wrapped - d", "--key-file - and --wrapped - cannot both read"),
        ("--backup-json - --auth token:- d", "--backup-json - and --auth token:- cannot both"),
        ("--unwrapped - --backup-json - --wrapped - d", "--unwrapped - and --wrapped - cannot"),
    ] {
        let refused = parsed(words).unwrap_err();
        assert!(refused.starts_with(message), "{words}: {refused}");
    }
    let args = parsed("--auth token:- --wrapped w d").unwrap();
    assert_eq!(args.azure.auth, Some(Auth::Token(TokenSource::Stdin)));
}

#[test]
fn a_kek_needs_something_wrapped() {
    let kek = "--kek https://v.vault.azure.net/keys/k/1";
    for good in ["", "--wrapped w", "--key-disk d", "--token", "--key-file k --backup-json b"] {
        assert!(parsed(&format!("{kek} {good} dev")).is_ok(), "{good}");
    }
    for bad in ["--key-file k", "--unwrapped u --prompt", "--prompt"] {
        let refused = parsed(&format!("{kek} {bad} dev")).unwrap_err();
        assert_eq!(refused, "--kek is for wrapped keys, and none of these keys can be", "{bad}");
    }
    let refused = parsed("--kek-algorithm RSA1_5 --prompt dev").unwrap_err();
    assert!(refused.starts_with("--kek-algorithm is for wrapped keys"), "{refused}");
}

#[test]
fn what_is_wrong_is_said() {
    for (words, message) in [
        ("", "recover takes one DEVICE"),
        ("a b", "recover takes one DEVICE"),
        ("a --machine-name m", "--machine-name chooses among the secrets of --vault"),
        ("a --token --token", "--token is given twice"),
        ("a --key-file k --key-file -", "--key-file is given twice"),
        ("a --dry-run --dry-run", "--dry-run is given twice"),
        ("a --timeout 1s --timeout 2s", "--timeout is given twice"),
        ("a --ca x --ca y", "--ca is given twice"),
        ("a --timeout soon", "command line: not a time; write 90, 90s or 2min"),
        ("a --name a/b", "command line: '/' is not allowed in a volume name"),
        ("a --save-key -", "--save-key writes a file, not standard output"),
        ("a --file x", "--file is for enroll and secrets, not for recover"),
        ("a --tool dracut", "--tool is for initramfs plan, not for recover"),
        ("a --bogus", "invalid option '--bogus'"),
        (
            "a --auth az --identity client-id:0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f",
            "--identity chooses a managed identity; --auth says az",
        ),
        ("a --key-file=", "--key-file needs a value"),
        ("a --token=x", "unexpected argument for option '--token': \"x\""),
    ] {
        assert_eq!(parsed(words).unwrap_err(), message, "{words}");
    }
}
