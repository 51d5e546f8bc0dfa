//! What `recover` is about to do, in words.

use crate::azure::auth::Auth;
use crate::cli::args::key::{Input, KeyArg};
use crate::cli::args::recover::RecoverArgs;
use crate::recovery::target::Target;
use crate::report::recovery::Plan;

/// The plan of `args` for what was found on the disk.
pub fn of(args: &RecoverArgs, target: &Target) -> Plan {
    let mut sources: Vec<String> = args.keys.iter().map(|key| source(key, args)).collect();
    if sources.is_empty() {
        sources.push("the key disks attached here, or a LUKS2 token".to_owned());
    }
    Plan {
        disk: target.how.clone(),
        sources,
        sign_in: may_ask_azure(args).then(|| sign_in(args.azure.auth.as_ref())),
        read_write: args.read_write,
        dry_run: args.dry_run,
        save_key: args.save_key.clone(),
    }
}

fn source(key: &KeyArg, args: &RecoverArgs) -> String {
    match key {
        KeyArg::KeyFile(from) => format!("{}, byte for byte", input(from)),
        KeyArg::Unwrapped(from) => format!("the answer of unwrapKey in {}", input(from)),
        KeyArg::Wrapped(from) => format!("the wrapped key in {}", input(from)),
        KeyArg::BackupJson(from) => format!("Azure Backup's file in {}", input(from)),
        KeyArg::KeyDisk(disk) => format!("the key disk {}", disk.display()),
        KeyArg::Token => "the LUKS2 token".to_owned(),
        KeyArg::Secret(id) => format!("the secret {id}"),
        KeyArg::Vault(vault) => match &args.machine_name {
            Some(machine) => format!("the secrets of {machine} in {vault}"),
            None => format!("the secrets in {vault} that may fit"),
        },
        KeyArg::Prompt => "whoever sits at the terminal".to_owned(),
    }
}

fn input(from: &Input) -> String {
    match from {
        Input::File(path) => format!("file {}", path.display()),
        Input::Stdin => "standard input".to_owned(),
    }
}

/// Whether a key source may ask Key Vault. Where none was named, a token in the header may.
fn may_ask_azure(args: &RecoverArgs) -> bool {
    args.keys.is_empty() || args.keys.iter().any(KeyArg::may_be_wrapped)
}

fn sign_in(auth: Option<&Auth>) -> String {
    match auth {
        Some(auth) => auth.way().to_string(),
        None => "the first way to sign in that works (--auth names one)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::args::{Action, Command};

    fn args(words: &str) -> RecoverArgs {
        let words = format!("recover /dev/sdc {words}");
        let command = Command::parse(words.split_whitespace().map(OsString::from)).unwrap();
        let Action::Recover(args) = command.action else { panic!("{words}") };
        *args
    }

    #[test]
    fn azure_is_in_the_plan_wherever_it_may_be_asked() {
        for words in ["", "--token", "--wrapped a", "--key-disk a", "--backup-json a"] {
            assert!(may_ask_azure(&args(words)), "{words}");
        }
        for words in ["--key-file a", "--unwrapped a", "--prompt"] {
            assert!(!may_ask_azure(&args(words)), "{words}");
        }
    }
}
