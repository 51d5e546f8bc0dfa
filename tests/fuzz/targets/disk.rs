//! The directory of a key disk, read without the kernel's vfat.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::process::Command;

use bek_unlock::edge::fat;
use bek_unlock::error::FileProblem;
use bek_unlock::key::candidates::Wanted;
use bek_unlock::key::disk::MAX_KEY_FILE;

use super::Target;

/// A FAT file system.
pub const FAT: Target = Target {
    name: "fat",
    run: fat,
    seeds: || [("12", 64), ("16", 4300)].map(|(width, kib)| made(width, kib)).into(),
    words: &["LINUXP~1   ", "FAT12   ", "FAT16   ", "FAT32   ", "\u{f}", "\u{0}\u{0}\u{0}\u{0}"],
};

fn fat(data: &[u8]) {
    let mut disk = Zeros::behind(data, 40 << 20);
    for wanted in [Wanted::default(), Wanted::windows()] {
        let Ok(files) = fat::read_from(&mut disk, &wanted) else { continue };
        let names: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
        // The choice among the names is the same as that among all.
        assert_eq!(wanted.choose(&names), names);
        for file in &files {
            match &file.content {
                Ok(content) => assert!(content.len() <= MAX_KEY_FILE),
                Err(FileProblem::Unreadable(reason)) => assert!(!reason.is_empty()),
                Err(FileProblem::TooLarge | FileProblem::Missing | FileProblem::Empty) => {}
            }
        }
    }
}

/// The beginning of a disk with three files, made by mkfs.vfat and mcopy; zeros are cut off.
fn made(width: &str, kib: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (image, key) = (directory.path().join("image"), directory.path().join("key"));
    std::fs::File::create(&image).unwrap().set_len(kib * 1024).unwrap();
    std::fs::write(&key, b"key").unwrap();
    let run = |tool: &str, arguments: &[&str]| {
        let path = "/usr/bin:/usr/sbin:/bin:/sbin";
        let done = Command::new(tool).env("PATH", path).args(arguments).output().unwrap();
        assert!(done.status.success(), "{tool}: {done:?}");
    };
    let (place, key) = (image.to_str().unwrap(), key.to_str().unwrap());
    let shape = ["-F", width, "-s", "1", "-f", "1", "-n", "BEK VOLUME", "-i", "a0e87b7f", place];
    run("mkfs.vfat", &shape);
    for name in ["LinuxPassPhraseFileName", "LinuxPassPhraseFileName_1_0", "A1B2.BEK"] {
        run("mcopy", &["-i", place, key, &format!("::{name}")]);
    }
    let mut bytes = std::fs::read(&image).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

/// `data` with zeros behind it, so that inputs need not be as long as disks are.
pub struct Zeros<'a> {
    data: Cursor<&'a [u8]>,
    length: u64,
}

impl<'a> Zeros<'a> {
    /// As many as make it `length` bytes long.
    pub fn behind(data: &'a [u8], length: u64) -> Self {
        Self { data: Cursor::new(data), length }
    }
}

impl Read for Zeros<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.data.position();
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..length) else { return Ok(0) };
        let read = self.data.read(buffer)?;
        buffer.get_mut(read..).unwrap_or_default().fill(0);
        self.data.set_position(at + length as u64);
        Ok(length)
    }
}

impl Seek for Zeros<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            SeekFrom::End(offset) => SeekFrom::Start(
                self.length.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?,
            ),
            other => other,
        };
        self.data.seek(position)
    }
}
