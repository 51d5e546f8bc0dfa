//! Configuration files as bytes: read with a limit, cut into lines.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::diagnostic::Diagnostic;
use crate::error::Kind;

/// The largest file that is read; a line for each of Azure's 64 data disks takes under 32 KiB.
const SIZE_MAX: u64 = 1 << 20;

/// Reads `path` below `root`; `None` when it is not there. Messages call it `path`.
pub(super) fn read(root: &Path, path: &Path) -> Result<Option<Vec<u8>>, Kind> {
    let place = root.join(path.strip_prefix("/").unwrap_or(path));
    let unreadable =
        |reason: String| Kind::ConfigurationUnreadable { path: path.to_owned(), reason };
    let mut content = Vec::new();
    let read = fs::metadata(&place).and_then(|metadata| {
        // Opening a FIFO would wait for its writer.
        if !metadata.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        File::open(&place)?.take(SIZE_MAX + 1).read_to_end(&mut content)
    });
    match read {
        Ok(_) if content.len() as u64 > SIZE_MAX => Err(unreadable("larger than 1 MiB".to_owned())),
        Ok(_) => Ok(Some(content)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Whether there is something at `path` below `root`.
pub(super) fn exists(root: &Path, path: &Path) -> bool {
    root.join(path.strip_prefix("/").unwrap_or(path)).exists()
}

/// The lines with their numbers, counted from 1, without newline or carriage return; comments are
/// left out here, in whatever encoding they are.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    content
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .zip(1..)
        .map(|(line, number)| (number, line))
        .filter(|(_, line)| !line.trim_ascii_start().starts_with(b"#"))
}

/// The text of a line, or the place where it is not UTF-8.
pub(super) fn text<'a>(file: &Path, line: usize, bytes: &'a [u8]) -> Result<&'a str, Kind> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let column = String::from_utf8_lossy(good).chars().count() + 1;
        Kind::Configuration(Box::new(Diagnostic {
            file: file.to_owned(),
            line,
            column,
            length: 1,
            text: String::from_utf8_lossy(bytes).into_owned(),
            message: "not UTF-8 text".to_owned(),
            suggestion: None,
        }))
    })
}
