//! The fields of a volume given on the command line.

use std::path::Path;

use super::bektab;
use super::line::{Line, Word};
use crate::error::Kind;
use crate::volume::Volume;

/// The volume of `attach NAME DEVICE [KEY [OPTIONS]]`.
///
/// The fields mean what they mean in bektab(5), and may hold blanks. As for systemd-cryptsetup(8),
/// an empty KEY or OPTIONS is `-`. Errors show the fields as one line of a file called
/// `command line`, with line number 0.
pub fn volume_from_arguments(
    name: &str,
    device: &str,
    key: Option<&str>,
    options: Option<&str>,
) -> Result<Volume, Kind> {
    let fields = match (key, options) {
        (None, None) => vec![name, device],
        (Some(key), None) => vec![name, device, dash(key)],
        (key, Some(options)) => vec![name, device, dash(key.unwrap_or_default()), dash(options)],
    };
    let text = fields.join(" ");
    let mut column = 0;
    let word = |raw| {
        let word = Word { raw, column };
        column += word.raw.chars().count() + 1;
        word
    };
    let words: Vec<Word<'_>> = fields.into_iter().map(word).collect();
    let line = Line { file: Path::new("command line"), number: 0, text: &text };
    bektab::volume(&line, &words).map_err(|fault| line.blame(fault))
}

fn dash(field: &str) -> &str {
    if field.is_empty() { "-" } else { field }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::volume::{DeviceSpec, KeyFileName, KeySpec, Options};

    fn diagnosed(fields: (&str, &str, Option<&str>, Option<&str>)) -> (usize, usize, String) {
        match volume_from_arguments(fields.0, fields.1, fields.2, fields.3) {
            Err(Kind::Configuration(d)) => {
                assert_eq!((d.file.as_path(), d.line), (Path::new("command line"), 0));
                (d.column, d.length, d.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_mean_what_they_mean_in_bektab() {
        let volume = volume_from_arguments("data1", "LABEL=my disk", None, None).unwrap();
        assert_eq!(volume.device, DeviceSpec::Label("my disk".to_owned()));
        assert_eq!((volume.key, volume.options), (KeySpec::Find, Options::default()));

        let (key, options) = (Some("key 1"), Some("nofail,timeout=1min 30s"));
        let volume = volume_from_arguments("data1", "/dev/sdc", key, options).unwrap();
        assert_eq!(volume.key, KeySpec::KeyFile(KeyFileName::parse("key 1").unwrap()));
        assert!(volume.options.nofail);
    }

    #[test]
    fn empty_fields_are_dashes() {
        for (key, options) in [
            (Some(""), None),
            (Some("-"), Some("")),
            (Some("none"), Some("none")),
            (None, Some("-")),
            (Some(""), Some("")),
        ] {
            let volume = volume_from_arguments("data1", "/dev/sdc", key, options).unwrap();
            assert_eq!((volume.key, volume.options), (KeySpec::Find, Options::default()));
            assert_eq!(volume.device, DeviceSpec::Path(PathBuf::from("/dev/sdc")));
        }
    }

    #[test]
    fn mistakes_are_marked_in_the_joined_fields() {
        for (fields, column, length, shown) in [
            (("", "/dev/sdc", None, None), 1, 1, "a volume name must not be empty"),
            (("a b", "/dev/sdc", None, None), 2, 1, "' ' is not allowed"),
            (("data1", "", None, None), 7, 1, "a device is"),
            (("data1", "sdc", None, None), 7, 3, "a device is"),
            (("data1", "/dev/sdc", Some("nofail"), None), 16, 6, "options are the fourth field"),
            (("data1", "/dev/sdc", None, Some("nofial")), 18, 6, "unknown option"),
            (("data1", "/dev/sdc", Some("k"), Some("nofail,\n")), 25, 1, "U+000A"),
        ] {
            let (c, l, message) = diagnosed(fields);
            assert_eq!((c, l), (column, length), "{message}");
            assert!(message.starts_with("command line: ") && message.contains(shown), "{message}");
        }
    }
}
