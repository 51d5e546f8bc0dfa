use std::ffi::OsString;

use super::super::key::Input;
use super::super::{Action, Command};
use super::*;

const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek";

fn parsed(words: &str) -> Result<EnrollArgs, String> {
    let words = format!("enroll {words}");
    match Command::parse(words.split_whitespace().map(OsString::from)) {
        Ok(Command { action: Action::Enroll(args), .. }) => Ok(*args),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind.to_string()),
    }
}

#[test]
fn a_device_a_kek_and_a_place_are_enough() {
    let args = parsed(&format!("/dev/sdc --kek {KEK} --to-token")).unwrap();
    assert_eq!((args.device, args.to_token), (PathBuf::from("/dev/sdc"), true));
    assert_eq!((args.kek.to_string(), args.algorithm), (KEK.to_owned(), KekAlgorithm::RsaOaep));
    assert_eq!((args.to_secret, args.to_file, args.keys), (None, None, vec![]));
    assert!(!(args.format || args.write || args.dry_run || args.yes));
}

#[test]
fn all_places_may_be_named_and_a_secret_gets_a_name() {
    let words = format!(
        "/dev/sdc --kek {KEK}/0123 --kek-algorithm RSA-OAEP-256 --to-vault \
         https://contoso-kv.vault.azure.net --secret-name Bek-Data1 --to-token --to-file /etc/w \
         --name data1 --write --machine-name web01 --key-file - --timeout 2min"
    );
    let args = parsed(&words).unwrap();
    let id = args.to_secret.unwrap();
    assert_eq!(id.to_string(), "https://contoso-kv.vault.azure.net/secrets/bek-data1");
    assert_eq!(args.keys, [KeyArg::KeyFile(Input::Stdin)]);
    assert_eq!(args.kek.short(), "kek/0123");
    // As ADE has it: a UUID that nobody has to think of.
    let made = parsed(&format!("/dev/sdc --kek {KEK} --to-vault https://v.vault.azure.net"));
    assert_eq!(made.unwrap().to_secret.unwrap().name().as_str().len(), 36);
}

#[test]
fn what_is_wrong_is_said() {
    let good = format!("/dev/sdc --kek {KEK}");
    for (words, message) in [
        (String::new(), "enroll takes one DEVICE"),
        (format!("a b --kek {KEK}"), "enroll takes one DEVICE"),
        ("/dev/sdc --to-token".to_owned(), "enroll needs --kek URL, the key-encryption key"),
        (good.clone(), "say where the key goes: --to-vault URL, --to-token, --to-file FILE"),
        (format!("{good} --to-file w"), "--to-file takes an absolute path"),
        (format!("{good} --to-token --write"), "--write needs --name NAME, the volume's name"),
        (format!("{good} --to-token --yes"), "--yes answers the question of --format"),
        (
            format!("{good} --to-token --format --prompt"),
            "--format makes a new volume: it has no key yet and no header apart",
        ),
        (
            format!("{good} --to-token --secret-name x"),
            "--secret-name names the secret of --to-vault",
        ),
        (
            format!("{good} --to-vault https://v.vault.azure.net --secret-name a_b"),
            "--secret-name \"a_b\": 1 to 127 letters, digits and hyphens",
        ),
        (
            format!("{good} --to-token --machine-name web01"),
            "--machine-name and --file are tags of the secret of --to-vault",
        ),
        (
            format!("{good} --to-token --to-vault https://v.vault.azure.net --file k"),
            "--file does not go with --to-token: beside a token the secret is found by the tag for \
             the disk's slot",
        ),
        (
            format!("{good} --to-token --key-file - --auth token:-"),
            "--key-file - and --auth token:- cannot both read standard input",
        ),
        (format!("{good} --save-key f"), "--save-key is for recover, not for enroll"),
    ] {
        assert_eq!(parsed(&words).unwrap_err(), message, "{words}");
    }
}
