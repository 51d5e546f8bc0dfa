//! The command line: words to a [`Command`].
//!
//! What is common to all commands is in args/words.rs, the flags of each in a file of its own. The
//! command comes before its flags, because only it says which of them take a value.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Goal};
use crate::initramfs::Tool;
use crate::volume::VolumeName;

use check::CheckArgs;
use enroll::EnrollArgs;
use recover::RecoverArgs;
use rotate::RotateArgs;
use secrets::SecretsArgs;
use token::TokenArgs;
use token_key::TokenKey;
use words::{Stop, Word, Words};

pub use help::HELP;

pub mod adopt;
pub mod azure;
pub mod check;
pub mod enroll;
mod help;
pub mod key;
mod plan;
pub mod recover;
pub mod rotate;
pub mod secrets;
mod status;
pub mod token;
pub mod token_key;
mod words;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// The work itself.
    pub action: Action,
    /// `--json`.
    pub json: bool,
    /// `--verbose`.
    pub verbose: bool,
}

/// The work itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Take over the lines of Azure Disk Encryption.
    Adopt {
        /// Only show what would be done.
        dry_run: bool,
    },
    /// Open a volume.
    Attach {
        /// Which one.
        name: VolumeName,
        /// Device, key and options, where they are given instead of a bektab line.
        fields: Vec<String>,
    },
    /// Say whether the next boot opens the volumes.
    Check(CheckArgs),
    /// Find the key in what was pasted.
    Decode,
    /// Close a volume.
    Detach {
        /// Which one.
        name: VolumeName,
    },
    /// Give a volume a key of its own.
    Enroll(Box<EnrollArgs>),
    /// Print the help.
    Help,
    /// Say what an initramfs-tools image opens.
    InitramfsNames,
    /// Say whether that can need the network.
    InitramfsNetwork,
    /// Say what an image needs.
    InitramfsPlan {
        /// The crypttab that cryptsetup-initramfs has put into the image.
        crypttab: Option<PathBuf>,
        /// Release of the kernel that the image is for.
        kernel: Option<String>,
        /// The system that the image is for.
        root: PathBuf,
        /// What builds the image.
        tool: Tool,
    },
    /// Answer systemd-cryptsetup's questions for a key.
    KeyService {
        /// Of which volume.
        name: VolumeName,
    },
    /// Hand a key to cryptsetup-initramfs.
    Keyscript,
    /// Talk to the network for another run.
    Network,
    /// Open a disk of another machine.
    Recover(Box<RecoverArgs>),
    /// Give volumes new keys.
    Rotate(Box<RotateArgs>),
    /// List the disk secrets of a vault.
    Secrets(SecretsArgs),
    /// Say what is open.
    Status {
        /// Which ones; all when empty.
        names: Vec<VolumeName>,
        /// Say where the time went instead.
        last_boot: bool,
    },
    /// Show or change the tokens in a LUKS2 header.
    Token(TokenArgs),
    /// Answer the plugin in libcryptsetup.
    TokenKey(TokenKey),
    /// Print the version.
    Version,
}

/// The flags that only some commands have, by command, each without its hyphens.
pub fn flags() -> &'static [(&'static str, &'static [&'static str])] {
    &words::FLAGS
}

impl Command {
    /// Parses the arguments after the program's name.
    ///
    /// Errors: `Usage`, with what is wrong instead of the whole help, and `Configuration` for a
    /// value that bektab(5) knows, too.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut words = Words::new(arguments);
        let action = match action(&mut words) {
            Ok(action) => action,
            Err(Stop::Help) => Action::Help,
            Err(Stop::Version) => Action::Version,
            Err(Stop::Wrong(kind)) => return Err(Error::new(Goal::Run, kind)),
        };
        Ok(Self { action, json: words.json, verbose: words.verbose })
    }
}

fn action(words: &mut Words) -> Result<Action, Stop> {
    let command = match words.next()? {
        None => return Err("no command given".into()),
        Some(Word::Argument(word)) => words::text(word)?,
        Some(Word::Flag(flag)) => return Err(words::unplaced(&flag)),
    };
    Ok(match command.as_str() {
        "adopt" => adopt::parse(words)?,
        "attach" => match words.arguments("attach")?.as_slice() {
            [name, fields @ ..] if fields.len() <= 3 => {
                Action::Attach { name: volume(name)?, fields: fields.to_vec() }
            }
            _ => return Err("attach takes NAME [DEVICE [KEY [OPTIONS]]]".into()),
        },
        "check" => check::parse(words)?,
        "decode" => match words.arguments("decode")?.as_slice() {
            [] if words.json => {
                return Err("decode has no --json: the key alone is its result".into());
            }
            [] => Action::Decode,
            _ => return Err("decode takes no argument, it reads standard input".into()),
        },
        "detach" => match words.arguments("detach")?.as_slice() {
            [name] => Action::Detach { name: volume(name)? },
            _ => return Err("detach takes one NAME".into()),
        },
        "enroll" => Action::Enroll(Box::new(enroll::parse(words, uuid)?)),
        "initramfs" => plan::parse(words)?,
        "key-service" => match words.arguments("key-service")?.as_slice() {
            // What it says is the journal's, and its answer is the key.
            [name] if !words.json => Action::KeyService { name: volume(name)? },
            _ => return Err("key-service takes one NAME".into()),
        },
        "keyscript" => match words.arguments("keyscript")?.as_slice() {
            // Its standard output is the key, and nothing else.
            [] if !words.json => Action::Keyscript,
            _ => return Err("keyscript takes no arguments".into()),
        },
        "network" => match words.arguments("network")?.as_slice() {
            // What it says goes over its socket.
            [] if !words.json => Action::Network,
            _ => return Err("network takes no arguments".into()),
        },
        "recover" => Action::Recover(Box::new(recover::parse(words)?)),
        "rotate" => Action::Rotate(Box::new(rotate::parse(words)?)),
        "secrets" => Action::Secrets(secrets::parse(words)?),
        "status" => status::parse(words)?,
        "token" => Action::Token(token::parse(words)?),
        "token-key" => Action::TokenKey(token_key::parse(words)?),
        word => return Err(format!("there is no command {word:?}").into()),
    })
}

fn volume(name: &str) -> Result<VolumeName, Stop> {
    VolumeName::parse(name).map_err(|problem| problem.to_string().into())
}

/// The name of a secret as ADE gives it, a UUID of version 4: where it is one of many, and nobody
/// thinks of another name.
fn uuid() -> String {
    let [a, b, c, d] = [fastrand::u32(..), fastrand::u32(..), fastrand::u32(..), fastrand::u32(..)];
    let (b, c) = (b & 0xffff_0fff | 0x4000, c & 0x3fff_ffff | 0x8000_0000);
    format!("{a:08x}-{:04x}-{:04x}-{:04x}-{:04x}{d:08x}", b >> 16, b & 0xffff, c >> 16, c & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Command, String> {
        Command::parse(words.split_whitespace().map(OsString::from)).map_err(|e| e.kind.to_string())
    }

    fn name(name: &str) -> VolumeName {
        VolumeName::parse(name).unwrap()
    }

    #[test]
    fn commands_and_flags_in_any_order() {
        let command = parse("--json attach -v data1").unwrap();
        assert_eq!(command.action, Action::Attach { name: name("data1"), fields: vec![] });
        assert!(command.json && command.verbose);
        let fields = vec!["/dev/sdb".to_owned(), "-".to_owned(), "nofail".to_owned()];
        let command = parse("attach data1 /dev/sdb - nofail").unwrap();
        assert_eq!(command.action, Action::Attach { name: name("data1"), fields });
        assert_eq!(parse("detach a").unwrap().action, Action::Detach { name: name("a") });
        assert_eq!(parse("decode").unwrap().action, Action::Decode);
        assert_eq!(parse("adopt").unwrap().action, Action::Adopt { dry_run: false });
        assert_eq!(parse("adopt --dry-run").unwrap().action, Action::Adopt { dry_run: true });
        let status = |names, last_boot| Action::Status { names, last_boot };
        assert_eq!(parse("status").unwrap().action, status(vec![], false));
        let names = vec![name("a"), name("b")];
        assert_eq!(parse("status a --last-boot b").unwrap().action, status(names, true));
    }

    #[test]
    fn help_wins_over_everything_after_it() {
        assert_eq!(parse("attach --help").unwrap().action, Action::Help);
        assert_eq!(parse("--version").unwrap().action, Action::Version);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, message) in [
            ("", "no command given"),
            ("open data1", "there is no command \"open\""),
            ("adopt data1", "adopt takes no argument, it reads the files"),
            ("adopt --vault x", "--vault is for enroll, recover and secrets, not for adopt"),
            ("attach", "attach takes NAME [DEVICE [KEY [OPTIONS]]]"),
            ("attach a b c d e", "attach takes NAME [DEVICE [KEY [OPTIONS]]]"),
            ("attach a/b", "'/' is not allowed in a volume name"),
            ("detach", "detach takes one NAME"),
            ("decode key.json", "decode takes no argument, it reads standard input"),
            ("decode --json", "decode has no --json: the key alone is its result"),
            ("network data1", "network takes no arguments"),
            ("key-service", "key-service takes one NAME"),
            ("key-service a --json", "key-service takes one NAME"),
            ("keyscript data1", "keyscript takes no arguments"),
            ("keyscript --json", "keyscript takes no arguments"),
            ("status --crypttab /etc/crypttab", "--crypttab is for initramfs plan, not for status"),
            (
                "initramfs names --root /srv",
                "--root is for initramfs plan, not for initramfs names",
            ),
            ("initramfs plan --tool make", "--tool is dracut or initramfs-tools, not \"make\""),
            ("initramfs plan --root / --root /srv", "--root is given twice"),
            ("initramfs plan --root=", "--root needs a value"),
            ("initramfs plan --root", "missing argument for option '--root'"),
            ("initramfs plan names", "initramfs takes plan, names or network"),
            ("attach data1 --name other", "--name is for enroll and recover, not for attach"),
            ("decode --vault x", "--vault is for enroll, recover and secrets, not for decode"),
            ("--vault x secrets", "--vault comes after its command"),
            ("--bogus secrets", "invalid option '--bogus'"),
            ("attach data1 --last-boot", "--last-boot is for status, not for attach"),
            ("status --bogus", "invalid option '--bogus'"),
            ("status -x", "invalid option '-x'"),
            ("status --json=1", "unexpected argument for option '--json': \"1\""),
        ] {
            assert_eq!(parse(words).unwrap_err(), message, "{words}");
        }
    }
}
