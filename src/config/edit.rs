//! One line of bektab(5) put into a file that has others: the file's text, before and after.
//!
//! Comments and all other lines stay byte for byte. A name on a line that does not parse is its
//! owner's to mend, not to be written over.

use super::line::Line;
use super::{Configuration, Origin, bektab};
use crate::error::Kind;
use crate::volume::VolumeName;

/// `file` with `line` in place of the line for `name`, or at the end where it has none.
///
/// Errors: `Configuration` where the line of that name does not parse, or `line` is none for it.
pub fn put(file: &[u8], name: &VolumeName, line: &str) -> Result<Vec<u8>, Kind> {
    let path = Origin::Bektab.path();
    let read = bektab::parse(&Line { file: path, number: 0, text: line })?;
    if read.is_none_or(|volume| volume.name != *name) {
        let reason = format!("{line:?} is no line for {name}");
        return Err(Kind::Internal { call: "writing bektab", reason });
    }
    let number = match Configuration::parse(Origin::Bektab, path, file).find(name) {
        Ok(entry) => Some(entry.line),
        Err(Kind::NotConfigured { .. }) => None,
        Err(kind) => return Err(kind),
    };
    let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let old = number.and_then(|number| lines.get_mut(number.checked_sub(1)?));
    let new = format!("{line}\n");
    match old {
        Some(old) => *old = new.as_bytes(),
        None => lines.push(new.as_bytes()),
    }
    let mut text = Vec::with_capacity(file.len() + new.len() + 1);
    for line in lines {
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &str, line: &str) -> Result<String, String> {
        let name = VolumeName::parse("data1").unwrap();
        super::put(file.as_bytes(), &name, line)
            .map(|text| String::from_utf8(text).unwrap())
            .map_err(|kind| kind.to_string())
    }

    #[test]
    fn only_the_line_of_the_name_changes() {
        let new = "data1 UUID=5f1e - nofail";
        for (before, after) in [
            ("", "data1 UUID=5f1e - nofail\n"),
            ("# mine", "# mine\ndata1 UUID=5f1e - nofail\n"),
            (
                "# data1 x\n\ndata2 /dev/sdc\n",
                "# data1 x\n\ndata2 /dev/sdc\ndata1 UUID=5f1e - nofail\n",
            ),
            (
                "a /dev/a\n\tdata1  UUID=1 -\nb /dev/b",
                "a /dev/a\ndata1 UUID=5f1e - nofail\nb /dev/b",
            ),
            ("data1 UUID=5f1e - nofail", "data1 UUID=5f1e - nofail\n"),
        ] {
            assert_eq!(put(before, new).unwrap(), after);
        }
    }

    #[test]
    fn a_line_that_does_not_parse_is_left_to_its_owner() {
        let problem = put("a /dev/a\ndata1 UUID=1 - nofial\n", "data1 UUID=2").unwrap_err();
        assert!(problem.starts_with("/etc/bektab:2:"), "{problem}");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let name = VolumeName::parse("data1").unwrap();
        let text = super::put(b"# \xfc\n", &name, "data1 UUID=1").unwrap();
        assert_eq!(text, b"# \xfc\ndata1 UUID=1\n");
    }

    #[test]
    fn what_is_no_line_of_that_name_is_not_written() {
        for line in ["data2 UUID=1", "data1", "# data1 UUID=1", "data1 UUID=1 - nofial", ""] {
            assert!(put("", line).is_err(), "{line}");
        }
    }
}
