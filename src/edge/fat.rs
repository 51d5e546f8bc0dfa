//! Reads a key disk without the kernel's vfat.
//!
//! CIS hardening takes the vfat module away, and a machine whose OS disk needs its key disk then
//! never boots again (Microsoft: "vfat disabled boot issues"). This reads the root directory of
//! the device itself, opened read-only, through the crate fatfs. The crate was written for disks
//! one trusts, so it is fenced in: it cannot write, it cannot read for ever, and a panic of it is
//! an error here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fatfs::{Dir, FileSystem, FsOptions};

use crate::edge::file::MAX_ENTRIES;
use crate::error::FileProblem;
use crate::key::candidates::Wanted;
use crate::key::disk::{FoundFile, MAX_KEY_FILE};
use crate::secret::Secret;
use crate::volume::KeyFileName;

/// How many reads one look may take. A key disk with a dozen files takes a few thousand, most of
/// them a few bytes long; a cluster chain that is a ring would take all there are.
const MAX_READS: u32 = 200_000;

/// Reads the candidates in the root directory of the FAT file system on `device`, best first.
///
/// Errors: what the system says, or that this is no FAT or a damaged one.
pub fn read(device: &Path, wanted: &Wanted) -> io::Result<Vec<FoundFile>> {
    read_from(File::open(device)?, wanted)
}

/// The same of a device that is open already.
pub fn read_from(device: impl Read + Seek, wanted: &Wanted) -> io::Result<Vec<FoundFile>> {
    let disk = ReadOnly { device, reads_left: MAX_READS };
    catch_unwind(AssertUnwindSafe(|| {
        let fs = FileSystem::new(disk, FsOptions::new())?;
        let root = fs.root_dir();
        let names = wanted.choose(&listing(&root)?);
        Ok(names
            .into_iter()
            .map(|name| FoundFile { content: content(&root, &name), name })
            .collect())
    }))
    .unwrap_or_else(|_| Err(damaged("the FAT file system is damaged")))
}

fn listing(root: &Dir<'_, ReadOnly<impl Read + Seek>>) -> io::Result<Vec<KeyFileName>> {
    let mut names = Vec::new();
    for entry in root.iter().take(MAX_ENTRIES) {
        let entry = entry?;
        if entry.is_file() {
            names.extend(KeyFileName::parse(&entry.file_name()));
        }
    }
    Ok(names)
}

fn content(
    root: &Dir<'_, ReadOnly<impl Read + Seek>>,
    name: &KeyFileName,
) -> Result<Secret, FileProblem> {
    let unreadable = |error: io::Error| FileProblem::Unreadable(error.to_string());
    for entry in root.iter().take(MAX_ENTRIES) {
        let entry = entry.map_err(unreadable)?;
        if !entry.is_file() || entry.file_name() != name.as_str() {
            continue;
        }
        let length = entry.len();
        if length > MAX_KEY_FILE as u64 {
            return Err(FileProblem::TooLarge);
        }
        let secret = Secret::read_from(entry.to_file(), MAX_KEY_FILE).map_err(unreadable)?;
        // A chain that ends early is read without an error, and half a key is a wrong key.
        if secret.len() as u64 != length {
            return Err(FileProblem::Unreadable("its cluster chain ends early".to_owned()));
        }
        return Ok(secret);
    }
    Err(FileProblem::Missing)
}

/// A disk that fatfs may read a limited number of times and never write.
struct ReadOnly<D> {
    device: D,
    reads_left: u32,
}

impl<D: Read> Read for ReadOnly<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads_left = self
            .reads_left
            .checked_sub(1)
            .ok_or_else(|| damaged("the FAT file system leads in a circle"))?;
        self.device.read(buffer)
    }
}

impl<D: Seek> Seek for ReadOnly<D> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.device.seek(position)
    }
}

impl<D> Write for ReadOnly<D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    const LONG: &str = "LinuxPassPhraseFileName_1_0";

    /// What became of each file, in the order of candidates.
    fn all(image: &Image) -> io::Result<Vec<Result<Vec<u8>, FileProblem>>> {
        let files = read(&image.path, &Wanted::default())?;
        let bytes = |file: FoundFile| file.content.map(|secret| secret.expose().to_vec());
        Ok(files.into_iter().map(bytes).collect())
    }

    #[test]
    fn long_names_and_bytes_come_as_they_are() {
        let key = vec![0xa5; 70_000];
        let image = Image::key_disk(&[
            (LONG, &key[..65_536]),
            ("LinuxPassPhraseFileName_1_1", b""),
            ("LinuxPassPhraseFileName_1_2", &key[..65_537]),
            ("settings_00.json", b"{}"),
        ]);
        let expected = [Ok(key[..65_536].to_vec()), Ok(Vec::new()), Err(FileProblem::TooLarge)];
        assert_eq!(all(&image).unwrap(), expected);
        let files = read(&image.path, &Wanted::default()).unwrap();
        assert_eq!(files[0].name.as_str(), LONG);
    }

    #[test]
    fn every_width_of_fat_is_read() {
        for (kib, width) in [(2048, "12"), (16 * 1024, "16"), (48 * 1024, "32")] {
            let arguments = ["-F", width, "-s", "1"];
            let image = Image::fat(kib, &arguments).with_files(&[(LONG, b"key")]);
            assert_eq!(all(&image).unwrap(), [Ok(b"key".to_vec())], "{width}");
        }
    }

    #[test]
    fn nothing_is_written_not_even_to_a_dirty_disk() {
        let image = Image::key_disk(&[(LONG, b"key")]);
        let mut bytes = image.bytes();
        bytes[0x41] = 1; // BPB "dirty", FAT32
        bytes[0x25] = 1; // BPB "dirty", FAT12 and FAT16
        std::fs::write(&image.path, &bytes).unwrap();
        assert_eq!(all(&image).unwrap().len(), 1);
        assert!(image.bytes() == bytes);
    }

    #[test]
    fn other_disks_are_an_error() {
        for image in [Image::empty(64), Image::noise(64, 1), Image::empty(0)] {
            assert!(all(&image).is_err());
        }
    }

    #[test]
    fn a_chain_that_is_a_ring_ends() {
        let arguments = ["-F", "32", "-s", "1"];
        let image = Image::fat(48 * 1024, &arguments).with_files(&[(LONG, b"key")]);
        let mut bytes = image.bytes();
        let at = |offset: usize| u16::from_le_bytes([bytes[offset], bytes[offset + 1]]) as usize;
        let fat = at(0x0e) * at(0x0b);
        let data = fat + 2 * at(0x24) * at(0x0b);
        // The root directory is cluster 2: full of deleted entries, and followed by itself.
        bytes[data..data + 512].iter_mut().step_by(32).for_each(|first| *first = 0xe5);
        bytes[fat + 8..fat + 12].copy_from_slice(&2u32.to_le_bytes());
        std::fs::write(&image.path, &bytes).unwrap();
        assert!(all(&image).unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn half_a_key_is_no_key() {
        let arguments = ["-F", "32", "-s", "1"];
        let image = Image::fat(48 * 1024, &arguments).with_files(&[(LONG, &[7; 2000])]);
        let mut bytes = image.bytes();
        let at = |offset: usize| u16::from_le_bytes([bytes[offset], bytes[offset + 1]]) as usize;
        let fat = at(0x0e) * at(0x0b);
        // The file's first cluster becomes its last one.
        bytes[fat + 12..fat + 16].copy_from_slice(&0x0fff_ffffu32.to_le_bytes());
        std::fs::write(&image.path, &bytes).unwrap();
        let problem = FileProblem::Unreadable("its cluster chain ends early".to_owned());
        assert_eq!(all(&image).unwrap(), [Err(problem)]);
    }

    #[test]
    fn damage_is_an_error_and_never_more() {
        let image = Image::fat(2048, &["-F", "12"]).with_files(&[(LONG, &[7; 5000])]);
        let sound = image.bytes();
        let used = 64 * 1024;
        let mut random = fastrand::Rng::with_seed(2026);
        let mut refused = 0;
        for _ in 0..300 {
            let mut bytes = sound.clone();
            for _ in 0..random.usize(1..40) {
                let place = if random.bool() { random.usize(..64) } else { random.usize(..used) };
                bytes[place] = random.u8(..);
            }
            std::fs::write(&image.path, &bytes).unwrap();
            refused += usize::from(all(&image).is_err());
        }
        assert!((1..300).contains(&refused), "{refused}");
    }
}
