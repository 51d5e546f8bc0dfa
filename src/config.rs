//! Configuration files to [`Volume`]s.
//!
//! Three files say what is encrypted: our /etc/bektab, the lines Azure Disk Encryption wrote to
//! /etc/crypttab, and its older azure_crypt_mount. In an initramfs there are two: the kernel
//! command line, and the bektab that was made for the image. A line that does not parse opens
//! nothing and does not keep the others from opening; a name on such a line is an error wherever it
//! is asked for, because the next file's opinion of it is not what its owner meant.

#![forbid(unsafe_code)]

mod ade;
pub mod adopt;
mod arguments;
pub mod azure_crypt_mount;
pub mod bektab;
mod cmdline;
mod collect;
pub mod crypttab;
pub mod diagnostic;
pub mod edit;
mod fields;
mod file;
pub mod flag;
mod glue;
pub mod key_service;
pub mod keyscript;
pub mod line;
mod nearest;
mod option_table;
mod option_value;
mod options;
pub mod render;
mod timespan;
mod url;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use self::arguments::volume_from_arguments;
use self::line::Line;
use crate::error::Kind;
use crate::volume::{Volume, VolumeName};

/// Everything the configuration files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// The lines that parse, file by file in the order of [`Origin`], in file order.
    pub entries: Vec<Entry>,
    /// [`Kind::Configuration`] and [`Kind::ConfigurationUnreadable`], in the same order.
    pub problems: Vec<Kind>,
    /// `rd.bek=0` on the kernel command line: the initramfs opens nothing by itself. The entries
    /// are there all the same, for whoever attaches by hand.
    pub off: bool,
    /// The volumes of which the kernel command line says what cannot be obeyed, each with its
    /// problem: none of them is opened, whatever a file says of it.
    pub refused: BTreeMap<VolumeName, Kind>,
}

/// A line that parses.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it says.
    pub volume: Volume,
    /// The kind of file.
    pub origin: Origin,
    /// The file as the user knows it: `/etc/bektab`, whatever the root.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

/// The files, in the order in which a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The kernel command line, alone or on top of a line of bektab; in an initramfs only.
    CommandLine,
    /// /etc/bektab.
    Bektab,
    /// ADE's lines in /etc/crypttab.
    Crypttab,
    /// ADE's azure_crypt_mount, which it used before crypttab.
    AzureCryptMount,
}

impl Origin {
    const ALL: [Self; 4] = [Self::CommandLine, Self::Bektab, Self::Crypttab, Self::AzureCryptMount];

    /// The file, as the user knows it.
    pub fn path(self) -> &'static Path {
        Path::new(match self {
            Self::CommandLine => "/proc/cmdline",
            Self::Bektab => "/etc/bektab",
            Self::Crypttab => "/etc/crypttab",
            Self::AzureCryptMount => "/var/lib/azure_disk_encryption_config/azure_crypt_mount",
        })
    }
}

/// Whether the system below `root` is an initramfs: systemd's and dracut's have
/// /etc/initrd-release, initramfs-tools' has /conf/initramfs.conf.
pub fn in_initramfs(root: &Path) -> bool {
    ["/etc/initrd-release", "/conf/initramfs.conf"]
        .iter()
        .any(|path| file::exists(root, Path::new(path)))
}

/// Everything that is said below `root`; a missing file says nothing.
///
/// In an initramfs that is [`load_own`]: whatever it opens of ADE's lines stands in its bektab.
pub fn load(root: &Path) -> Configuration {
    let mut all = load_own(root);
    if in_initramfs(root) {
        return all;
    }
    for origin in [Origin::Crypttab, Origin::AzureCryptMount] {
        let mut one = load_one(root, origin);
        all.entries.append(&mut one.entries);
        all.problems.append(&mut one.problems);
    }
    all
}

/// Reads bektab, and in an initramfs the kernel command line, which has the last word.
///
/// The generator serves these alone; ADE's lines have systemd's own.
pub fn load_own(root: &Path) -> Configuration {
    let bektab = load_one(root, Origin::Bektab);
    if !in_initramfs(root) {
        return bektab;
    }
    match file::read(root, Origin::CommandLine.path()) {
        Ok(Some(content)) => cmdline::onto(bektab, &content),
        Ok(None) => bektab,
        Err(problem) => {
            let problems = [vec![problem], bektab.problems].concat();
            Configuration { problems, ..bektab }
        }
    }
}

/// What an initramfs with these volumes opens after a boot with this kernel command line.
pub fn at_boot(image: Configuration, command_line: &str) -> Configuration {
    cmdline::onto(image, command_line.as_bytes())
}

/// Reads one file by itself.
pub fn load_one(root: &Path, origin: Origin) -> Configuration {
    match file::read(root, origin.path()) {
        Ok(Some(content)) => Configuration::parse(origin, origin.path(), &content),
        Ok(None) => Configuration::default(),
        Err(problem) => Configuration { problems: vec![problem], ..Configuration::default() },
    }
}

impl Configuration {
    /// The line for `name`: the kernel command line's, bektab's, crypttab's, azure_crypt_mount's.
    ///
    /// A file that could not be read, or whose line for this name does not parse, gives its own
    /// error and never the next file's line.
    pub fn find(&self, name: &VolumeName) -> Result<&Entry, Kind> {
        if let Some(problem) = self.refused.get(name) {
            return Err(problem.clone());
        }
        for origin in Origin::ALL {
            let wanted = |entry: &&Entry| entry.origin == origin && entry.volume.name == *name;
            if let Some(entry) = self.entries.iter().find(wanted) {
                return Ok(entry);
            }
            let ours = |problem: &&Kind| match problem {
                // Its one line is about many names; the problems of one are in `refused`.
                Kind::Configuration(_) if origin == Origin::CommandLine => false,
                Kind::Configuration(diagnostic) => {
                    diagnostic.file == origin.path() && mentions(&diagnostic.text, origin, name)
                }
                Kind::ConfigurationUnreadable { path, .. } => path == origin.path(),
                _ => false,
            };
            if let Some(problem) = self.problems.iter().find(ours) {
                return Err(problem.clone());
            }
        }
        Err(Kind::NotConfigured { name: name.clone() })
    }

    /// The names of volumes that are spoken of and cannot be opened: [`Configuration::find`] gives
    /// each its problem.
    pub fn refused_names(&self) -> BTreeSet<VolumeName> {
        let named = self.problems.iter().filter_map(|problem| match problem {
            // Its line does not begin with a name.
            Kind::Configuration(diagnostic) if diagnostic.file == Origin::CommandLine.path() => {
                None
            }
            Kind::Configuration(diagnostic) => {
                let line = Line { file: &diagnostic.file, number: 0, text: &diagnostic.text };
                let first = line.words().first()?.decode().ok()?;
                VolumeName::parse(first.as_str()).ok()
            }
            _ => None,
        });
        let named = named.chain(self.entries.iter().map(|entry| entry.volume.name.clone()));
        named.chain(self.refused.keys().cloned()).filter(|name| self.find(name).is_err()).collect()
    }
}

/// Whether a line that does not parse is about `name`: its first field, or, in a crypttab, what
/// stands right before a device where lines are glued together.
fn mentions(text: &str, origin: Origin, name: &VolumeName) -> bool {
    let line = Line { file: origin.path(), number: 0, text };
    let words = line.words();
    let first = words.first().and_then(|word| word.decode().ok());
    let glued = |pair: &[line::Word<'_>]| match pair {
        [left, right] => left.raw.ends_with(name.as_str()) && glue::is_device(right.raw),
        _ => false,
    };
    first.is_some_and(|first| first.as_str() == name.as_str())
        || (origin == Origin::Crypttab
            && words.get(3..).is_some_and(|words| words.windows(2).any(glued)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Content, KeySpec};

    fn fixture(case: &str) -> Configuration {
        load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(case))
    }

    fn found(configuration: &Configuration, name: &str) -> Result<(Origin, usize), String> {
        match configuration.find(&VolumeName::parse(name).unwrap()) {
            Ok(entry) => {
                assert_eq!(entry.volume.name.as_str(), name);
                assert_eq!(entry.file, entry.origin.path());
                Ok((entry.origin, entry.line))
            }
            Err(kind) => Err(kind.to_string()),
        }
    }

    fn problems(configuration: &Configuration) -> Vec<String> {
        configuration.problems.iter().map(Kind::to_string).collect()
    }

    /// ADE keeps a copy of each line inside the volume it belongs to, one file a line
    /// (`.azure_ade_backup_mount_info`), for whoever attaches the disk elsewhere.
    #[test]
    fn the_lines_ade_backs_up_inside_the_volume_parse_one_by_one() {
        let name = "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22";
        let line = |file: &'static str, text| Line { file: Path::new(file), number: 1, text };
        let text = format!(
            "{name} /dev/disk/azure/scsi1/lun0 /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail"
        );
        let of_crypttab = crypttab::parse(&line("crypttab_line", &text)).remove(0).unwrap();
        let text = format!("{name} /dev/disk/azure/scsi1/lun0 None /mnt/data ext4 False 0");
        let older = azure_crypt_mount::parse(&line("azure_crypt_mount_line", &text));
        let older = older.unwrap().unwrap();
        assert_eq!((of_crypttab.name, of_crypttab.device), (older.name, older.device));
        assert!(azure_crypt_mount::parse(&line("azure_crypt_mount_line", "half a line")).is_err());
    }

    #[test]
    fn no_file_is_an_empty_configuration() {
        assert_eq!(fixture("no-such-case"), Configuration::default());
        let missing = found(&fixture("no-such-case"), "data1").unwrap_err();
        assert_eq!(missing, "no line for data1 in /etc/bektab, no ADE line in /etc/crypttab");
    }

    #[test]
    fn the_lines_of_the_contract_parse() {
        let configuration = fixture("bektab");
        assert_eq!(problems(&configuration), [""; 0]);
        let names: Vec<_> =
            configuration.entries.iter().map(|e| (e.volume.name.as_str(), e.line)).collect();
        assert_eq!(names, [("osencrypt", 2), ("data1", 3), ("archive", 5), ("scratch", 6)]);
        let volumes: Vec<_> = configuration.entries.iter().map(|entry| &entry.volume).collect();
        assert!(volumes[0].options.initrd && volumes[0].options.discard);
        assert_eq!(volumes[0].options.content, Content::Filesystem);
        assert_eq!(volumes[1].key, KeySpec::Find);
        assert_eq!(
            volumes[1].options.vault.as_ref().unwrap().host().as_str(),
            "contoso-kv.vault.azure.net"
        );
        assert!(matches!(&volumes[2].key, KeySpec::Secret(id) if id.version().is_some()));
        assert_eq!(volumes[3].key, KeySpec::Path("/etc/bek-unlock/scratch.wrapped".into()));
        assert_eq!(volumes[3].options.kek.as_ref().unwrap().name().as_str(), "kek");
    }

    #[test]
    fn an_ade_machine_is_found_as_it_is() {
        let configuration = fixture("ade");
        assert_eq!(problems(&configuration), [""; 0]);
        assert_eq!(found(&configuration, "osencrypt"), Ok((Origin::Crypttab, 3)));
        let data = "2f5e8c0a-7d3b-4c1e-9a64-0b8d5f7e1c22";
        assert_eq!(found(&configuration, data), Ok((Origin::Crypttab, 3)));
        // A volume with a key of its own is systemd's.
        assert!(found(&configuration, "swap").is_err());
        // What was not migrated to crypttab is still in the older file.
        let legacy = "9b1c4d7e-6a2f-4e83-8c05-d3f7a1b2e944";
        assert_eq!(found(&configuration, legacy), Ok((Origin::AzureCryptMount, 2)));
    }

    #[test]
    fn bektab_goes_before_crypttab_and_that_before_the_older_file() {
        let configuration = fixture("precedence");
        assert_eq!(problems(&configuration), [""; 0]);
        assert_eq!(found(&configuration, "data1"), Ok((Origin::Bektab, 1)));
        assert_eq!(found(&configuration, "data2"), Ok((Origin::Crypttab, 2)));
        assert_eq!(found(&configuration, "data3"), Ok((Origin::AzureCryptMount, 3)));
        assert_eq!(configuration.entries.len(), 6);
    }

    #[test]
    fn a_broken_line_gives_its_own_error_and_never_the_next_file() {
        let configuration = fixture("broken");
        assert_eq!(
            problems(&configuration),
            [
                "/etc/bektab:2:18: unknown option \"nofial\"",
                "/etc/bektab:4:1: data3 is already on line 3",
                "/etc/bektab:5:6: the device is missing",
                "/etc/bektab:6:1: data1 is already on line 2",
                "/etc/bektab:7:7: not UTF-8 text",
                "/etc/crypttab:2:57: not an absolute path",
                "/etc/crypttab:3:38: the lines of data7 and of /dev/sdh need a newline between",
                "/var/lib/azure_disk_encryption_config/azure_crypt_mount:1:37: \"True\" or \"False\" \
                 is needed here",
            ]
        );
        let first_problem = |name| found(&configuration, name).unwrap_err();
        assert!(first_problem("data1").starts_with("/etc/bektab:2:18:"));
        assert_eq!(found(&configuration, "data3"), Ok((Origin::Bektab, 3)));
        assert!(first_problem("data4").starts_with("/etc/bektab:5:"));
        assert!(first_problem("data5").starts_with("/etc/bektab:7:"));
        assert!(first_problem("data6").starts_with("/etc/crypttab:2:"));
        assert!(first_problem("data7").starts_with("/etc/crypttab:3:"));
        assert!(first_problem("data8").starts_with("/etc/crypttab:3:"));
        assert!(first_problem("data9").ends_with("is needed here"));
        assert!(first_problem("other").starts_with("no line for other"));
        // The other lines still work.
        assert_eq!(found(&configuration, "good"), Ok((Origin::Bektab, 8)));
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_no_name() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/bektab")).unwrap();
        let crypttab = "data1 /dev/sdc /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks\n";
        std::fs::write(root.path().join("etc/crypttab"), crypttab).unwrap();
        let configuration = load(root.path());
        assert_eq!(problems(&configuration), ["cannot read /etc/bektab: not a regular file"]);
        assert_eq!(configuration.entries.len(), 1);
        assert!(found(&configuration, "data1").unwrap_err().starts_with("cannot read /etc/bektab"));
    }

    #[test]
    fn a_file_of_more_than_a_mebibyte_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let bektab = root.path().join("etc/bektab");
        let blank = "#".repeat(1 << 20);
        std::fs::write(&bektab, &blank).unwrap();
        assert_eq!(load(root.path()), Configuration::default());
        std::fs::write(&bektab, blank + "\n").unwrap();
        assert_eq!(problems(&load(root.path())), ["cannot read /etc/bektab: larger than 1 MiB"]);
    }

    #[test]
    fn an_initramfs_reads_its_bektab_and_the_command_line_and_no_line_of_ade() {
        for mark in ["etc/initrd-release", "conf/initramfs.conf", ""] {
            let root = tempfile::tempdir().unwrap();
            let write = |file: &str, content: &str| {
                let path = root.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            };
            write("proc/cmdline", "quiet rd.bek=0\n");
            write("etc/bektab", "data1 UUID=5f1e\n");
            write("etc/crypttab", "osencrypt /dev/sda1 none luks\n");
            let inside = !mark.is_empty();
            if inside {
                write(mark, "");
            }
            assert_eq!(in_initramfs(root.path()), inside);
            let (all, own) = (load(root.path()), load_own(root.path()));
            assert_eq!((all.off, own.off), (inside, inside));
            assert!(all.find(&VolumeName::parse("data1").unwrap()).is_ok());
            assert_eq!(all.find(&VolumeName::parse("osencrypt").unwrap()).is_ok(), !inside);
            assert_eq!(own.entries.len(), 1);
        }
    }
}
