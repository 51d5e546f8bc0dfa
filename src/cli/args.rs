//! The command line: words to a [`Command`], and the help that explains them.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::error::{Error, Goal, Kind};
use crate::initramfs::Tool;
use crate::volume::VolumeName;

/// `--help`. Kept within 79 columns; the manual says more.
pub const HELP: &str = "\
Usage: bek-unlock COMMAND [OPTIONS]

Opens dm-crypt volumes of Azure VMs, with the key from the key disk or from Key
Vault.

Commands:
  attach NAME [DEVICE [KEY [OPTIONS]]]
                   open a volume: the line NAME of /etc/bektab, or the fields
                   given here
  decode           the key in an answer of unwrapKey: standard input to
                   standard output; asks nobody
  detach NAME      close it
  initramfs plan [--tool TOOL] [--root DIR] [--kernel RELEASE]
      [--crypttab FILE]
                   what an image needs to open the root disk, for the TOOL that
                   builds it: dracut or initramfs-tools; FILE is the crypttab
                   inside the image
  initramfs names|network
                   what an image's scripts attach, and whether it can need Key
                   Vault
  keyscript        write the key of the volume in CRYPTTAB_* to a pipe, for
                   cryptsetup-initramfs
  status [NAME...] what is open, from which key source, since when

Options:
  --json           print the result as JSON
  -v, --verbose    say more on standard error
  -h, --help       show this help
  --version        show the version

Exit status: 0 done or already open, 1 usage or configuration, 2 no key fits,
4 something named is missing or unusable, 5 name in use, 69 unreachable in
time, 76 an answer could not be trusted, 77 refused by Azure.

See bek-unlock(8), bektab(5), bek-unlock-messages(7).
";

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
    /// Open a volume.
    Attach {
        /// Which one.
        name: VolumeName,
        /// Device, key and options, where they are given instead of a bektab line.
        fields: Vec<String>,
    },
    /// Find the key in what was pasted.
    Decode,
    /// Close a volume.
    Detach {
        /// Which one.
        name: VolumeName,
    },
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
    /// Hand a key to cryptsetup-initramfs.
    Keyscript,
    /// Say what is open.
    Status {
        /// Which ones; all when empty.
        names: Vec<VolumeName>,
    },
    /// Print the version.
    Version,
}

impl Command {
    /// Parses the arguments after the program's name.
    ///
    /// Errors: `Usage`, with what is wrong instead of the whole help.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        Self::words(lexopt::Parser::from_args(arguments))
            .map_err(|text| Error::new(Goal::Run, Kind::Usage(text)))
    }

    fn words(mut parser: lexopt::Parser) -> Result<Self, String> {
        let (mut json, mut verbose) = (false, false);
        let (mut crypttab, mut kernel, mut root, mut tool) = (None, None, None, None);
        let mut words = Vec::new();
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Short('h') | Long("help") => return Ok(Self::only(Action::Help)),
                Long("version") => return Ok(Self::only(Action::Version)),
                Long("json") => json = true,
                Short('v') | Long("verbose") => verbose = true,
                Long("crypttab") => crypttab = Some(PathBuf::from(text(parser.value())?)),
                Long("kernel") => kernel = Some(text(parser.value())?),
                Long("root") => root = Some(PathBuf::from(text(parser.value())?)),
                Long("tool") => tool = Some(tool_named(&text(parser.value())?)?),
                Value(word) => {
                    words.push(word.into_string().map_err(|_| "an argument is not UTF-8")?);
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        let mut words = words.into_iter();
        let command = words.next().ok_or("no command given")?;
        let rest: Vec<String> = words.collect();
        let is_plan = command == "initramfs" && rest == ["plan"];
        let has_plan_s = crypttab.is_some() || kernel.is_some() || root.is_some() || tool.is_some();
        if !is_plan && has_plan_s {
            return Err("--crypttab, --kernel, --root and --tool are for initramfs plan".to_owned());
        }
        let action = match (command.as_str(), rest.as_slice()) {
            ("attach", [name, fields @ ..]) if fields.len() <= 3 => {
                Action::Attach { name: volume(name)?, fields: fields.to_vec() }
            }
            ("attach", _) => return Err("attach takes NAME [DEVICE [KEY [OPTIONS]]]".to_owned()),
            ("decode", []) if json => {
                return Err("decode has no --json: the key alone is its result".to_owned());
            }
            ("decode", []) => Action::Decode,
            ("decode", _) => {
                return Err("decode takes no argument, it reads standard input".to_owned());
            }
            ("detach", [name]) => Action::Detach { name: volume(name)? },
            ("detach", _) => return Err("detach takes one NAME".to_owned()),
            ("initramfs", [word]) if word == "names" => Action::InitramfsNames,
            ("initramfs", [word]) if word == "network" => Action::InitramfsNetwork,
            ("initramfs", _) if is_plan => Action::InitramfsPlan {
                crypttab,
                kernel,
                root: root.unwrap_or_else(|| PathBuf::from("/")),
                tool: tool.unwrap_or(Tool::Dracut),
            },
            ("initramfs", _) => return Err("initramfs takes plan, names or network".to_owned()),
            // Its standard output is the key, and nothing else.
            ("keyscript", []) if !json => Action::Keyscript,
            ("keyscript", _) => return Err("keyscript takes no arguments".to_owned()),
            ("status", names) => {
                Action::Status { names: names.iter().map(|n| volume(n)).collect::<Result<_, _>>()? }
            }
            (word, _) => return Err(format!("there is no command {word:?}")),
        };
        Ok(Self { action, json, verbose })
    }

    fn only(action: Action) -> Self {
        Self { action, json: false, verbose: false }
    }
}

fn text(value: Result<OsString, lexopt::Error>) -> Result<String, String> {
    let value = value.map_err(|error| error.to_string())?;
    value.into_string().map_err(|_| "an argument is not UTF-8".to_owned())
}

fn tool_named(name: &str) -> Result<Tool, String> {
    Tool::parse(name).ok_or_else(|| format!("--tool is dracut or initramfs-tools, not {name:?}"))
}

fn volume(name: &str) -> Result<VolumeName, String> {
    VolumeName::parse(name).map_err(|problem| problem.to_string())
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
        assert_eq!(parse("status").unwrap().action, Action::Status { names: vec![] });
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
            ("attach", "attach takes NAME [DEVICE [KEY [OPTIONS]]]"),
            ("attach a b c d e", "attach takes NAME [DEVICE [KEY [OPTIONS]]]"),
            ("attach a/b", "'/' is not allowed in a volume name"),
            ("detach", "detach takes one NAME"),
            ("decode key.json", "decode takes no argument, it reads standard input"),
            ("decode --json", "decode has no --json: the key alone is its result"),
            ("keyscript data1", "keyscript takes no arguments"),
            ("keyscript --json", "keyscript takes no arguments"),
            (
                "status --crypttab /etc/crypttab",
                "--crypttab, --kernel, --root and --tool are for initramfs plan",
            ),
            ("status --bogus", "invalid option '--bogus'"),
        ] {
            assert_eq!(parse(words).unwrap_err(), message, "{words}");
        }
    }

    #[test]
    fn help_fits_the_console() {
        assert!(HELP.lines().all(|line| line.len() <= 79 && line.is_ascii()));
    }
}
