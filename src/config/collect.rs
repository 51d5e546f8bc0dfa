//! A whole file to entries and problems.

use std::collections::BTreeMap;
use std::path::Path;

use super::line::{Line, Word};
use super::{Configuration, Entry, Origin, azure_crypt_mount, bektab, cmdline, crypttab, file};
use crate::error::{Kind, printable};
use crate::volume::Volume;

impl Configuration {
    /// Parses the content of one file, which messages call `file`. Pure, and for any bytes.
    ///
    /// A name that appears twice is an error on its second line, also when the first one does not
    /// parse. In files that are not ours a line that only repeats another is left out.
    pub fn parse(origin: Origin, file: &Path, content: &[u8]) -> Self {
        if origin == Origin::CommandLine {
            return cmdline::onto(Self::default(), content);
        }
        let mut all = Self::default();
        let mut taken = BTreeMap::new();
        for (number, bytes) in file::lines(content) {
            match file::text(file, number, bytes) {
                Ok(text) => {
                    let line = Line { file, number, text };
                    for result in volumes(origin, &line) {
                        all.add(origin, &line, result, &mut taken);
                    }
                }
                Err(problem) if origin != Origin::Crypttab || crypttab::is_ours(bytes) => {
                    all.problems.push(problem);
                }
                Err(_) => {}
            }
        }
        all
    }

    /// Adds one volume or one problem of `line`.
    fn add(
        &mut self,
        origin: Origin,
        line: &Line<'_>,
        result: Result<Volume, Kind>,
        taken: &mut BTreeMap<String, Taken>,
    ) {
        match result {
            Ok(volume) => {
                let name = volume.name.to_string();
                if let Some(first) = taken.get(&name) {
                    if origin == Origin::Bektab || first.volume.as_ref() != Some(&volume) {
                        self.problems.push(twice(line, &name, first.line));
                    }
                    return;
                }
                taken.insert(name, Taken { line: line.number, volume: Some(volume.clone()) });
                let file = line.file.to_owned();
                self.entries.push(Entry { volume, origin, file, line: line.number });
            }
            Err(problem) => {
                let first = line.words().first().and_then(|word| word.decode().ok());
                if let Some(name) = first.map(|name| name.as_str().to_owned()) {
                    taken.entry(name).or_insert(Taken { line: line.number, volume: None });
                }
                self.problems.push(problem);
            }
        }
    }
}

/// Who has a name.
struct Taken {
    line: usize,
    /// `None` when that line does not parse.
    volume: Option<Volume>,
}

/// The volumes of one line; more than one when ADE glued lines together. The kernel command line
/// is no such line.
fn volumes(origin: Origin, line: &Line<'_>) -> Vec<Result<Volume, Kind>> {
    match origin {
        Origin::CommandLine => Vec::new(),
        Origin::Bektab => bektab::parse(line).transpose().into_iter().collect(),
        Origin::Crypttab => crypttab::parse(line),
        Origin::AzureCryptMount => azure_crypt_mount::parse(line).transpose().into_iter().collect(),
    }
}

fn twice(line: &Line<'_>, name: &str, first: usize) -> Kind {
    let written = line.words().into_iter().find(|word| word.raw.ends_with(name));
    let word = written.unwrap_or(Word { raw: line.text, column: 0 });
    line.blame(word.fault(format!("{} is already on line {first}", printable(name, 32))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Diagnostic;
    use crate::volume::DeviceSpec;

    fn problems(configuration: &Configuration) -> Vec<String> {
        configuration.problems.iter().map(Kind::to_string).collect()
    }

    #[test]
    fn repeated_lines_count_once_in_files_that_are_not_ours() {
        let line = "data1 /dev/sdc /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail\n";
        let parse = |origin: Origin, text: String| {
            let parsed = Configuration::parse(origin, origin.path(), text.as_bytes());
            (parsed.entries.len(), problems(&parsed))
        };
        assert_eq!(parse(Origin::Crypttab, line.repeat(2)), (1, vec![]));
        let other = line.replace("sdc", "sdd");
        let twice = |file| vec![format!("{file}:2:1: data1 is already on line 1")];
        assert_eq!(parse(Origin::Crypttab, line.to_owned() + &other), (1, twice("/etc/crypttab")));
        assert_eq!(parse(Origin::Bektab, line.repeat(2)), (1, twice("/etc/bektab")));
    }

    #[test]
    fn windows_line_ends_and_foreign_comments_do_no_harm() {
        let text = b"# f\xfcr Daten\r\ndata1 UUID=5f1e\r\n\r\n";
        let parsed = Configuration::parse(Origin::Bektab, Path::new("/etc/bektab"), text);
        assert_eq!(problems(&parsed), [""; 0]);
        assert_eq!(parsed.entries[0].volume.device, DeviceSpec::Uuid("5f1e".to_owned()));
    }

    #[test]
    fn crypttab_lines_that_are_not_text_matter_only_when_they_are_ades() {
        let parse = |text: &[u8]| {
            let parsed = Configuration::parse(Origin::Crypttab, Path::new("/etc/crypttab"), text);
            problems(&parsed)
        };
        assert_eq!(parse(b"d\xe4ta /dev/sdc /root/key luks\n"), [""; 0]);
        assert_eq!(
            parse(b"d\xe4ta /dev/sdc /mnt/azure_bek_disk/k luks\n"),
            ["/etc/crypttab:1:2: not UTF-8 text"]
        );
    }

    /// Every form of line the parsers know, and some they refuse.
    const SAMPLES: &[(Origin, &str)] = &[
        (Origin::Bektab, "data1 LABEL=\"BEK\\040VOLUME\" - nofail,timeout=1min\\04030s,luks"),
        (
            Origin::Bektab,
            "a UUID=5f1e https://v.vault.azure.net:443/secrets/b/0 kek=https://v.w/keys/k/1",
        ),
        (Origin::Bektab, "b PARTUUID=1 k identity=client-id:00000000-0000-0000-0000-000000000000"),
        (
            Origin::Bektab,
            "c /dev/sdc /a:UUID=1 header=/h,content=any,vault-suffix=a.b,key-slot=7 #x",
        ),
        (Origin::Crypttab, "osencrypt /dev/sda1 none luks,keyscript=/usr/sbin/azure_crypt_key.sh"),
        (
            Origin::Crypttab,
            "osencrypt /dev/sda1 /bek/LinuxPassPhraseFileName header=/boot/luks/osluksheaderd \
             /dev/sdc /mnt/azure_bek_disk/k nofailosencrypt /dev/sde - luks # x",
        ),
        (Origin::AzureCryptMount, "data1 /dev/sdc /header /mnt/data ext4 False -1"),
        (Origin::CommandLine, "ro rd.bek.device=d=/d \"rd.bek.options=d=timeout=1s 5ms\" rd.bek=0"),
        (Origin::CommandLine, "rd.luks.ade.partuuid=0c0a6a60-02 rd_LUKS_BOOTUUID=1A2B-3C4D"),
    ];

    /// Parses, and checks what holds for every answer.
    fn parse(origin: Origin, content: &[u8]) {
        let parsed = Configuration::parse(origin, origin.path(), content);
        for problem in &parsed.problems {
            let Kind::Configuration(diagnostic) = problem else { panic!("{problem:?}") };
            let Diagnostic { column, length, text, .. } = diagnostic.as_ref();
            let width = text.chars().count();
            assert!((1..=width + 1).contains(column) && *length > 0, "{diagnostic:?}");
            assert!(column + length <= width + 2, "{diagnostic:?}");
            let message = &diagnostic.message;
            assert!(
                message.len() <= 79 && message.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{message}"
            );
            for line in diagnostic.excerpt() {
                assert!(line.len() <= Diagnostic::EXCERPT_WIDTH, "{diagnostic:?}");
                assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{diagnostic:?}");
            }
            assert!(parsed.entries.iter().all(|entry| parsed.find(&entry.volume.name).is_ok()));
        }
    }

    #[test]
    fn the_samples_are_understood() {
        for (origin, text) in SAMPLES {
            let parsed = Configuration::parse(*origin, origin.path(), text.as_bytes());
            let expected = if text.ends_with("#x") { 0 } else { 1 };
            assert!(parsed.entries.len() >= expected, "{text}: {:?}", parsed.problems);
        }
    }

    #[test]
    fn every_prefix_of_every_sample_parses_or_is_refused() {
        for (origin, text) in SAMPLES {
            (0..text.len()).for_each(|end| parse(*origin, &text.as_bytes()[..end]));
        }
    }

    #[test]
    fn every_byte_may_be_any_other() {
        for (origin, text) in SAMPLES {
            let mut bytes = text.as_bytes().to_vec();
            for at in 0..bytes.len() {
                let original = bytes[at];
                for byte in 0..=u8::MAX {
                    bytes[at] = byte;
                    parse(*origin, &bytes);
                }
                bytes[at] = original;
            }
        }
    }

    #[test]
    fn every_sample_is_safe_in_every_file() {
        for origin in [Origin::Bektab, Origin::Crypttab, Origin::AzureCryptMount] {
            for (_, text) in SAMPLES {
                (0..text.len()).for_each(|start| parse(origin, &text.as_bytes()[start..]));
            }
        }
    }
}
