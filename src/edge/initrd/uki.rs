//! Unified kernel images: EFI programs with kernel, command line and initramfs inside, each in a
//! section of its own (uapi-group.org, "Unified Kernel Image"; Microsoft, "PE Format").

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::edge::memfd;
use crate::edge::sysfs::names;

/// Where the initramfs is; the stub hands it to the kernel as it is.
const SECTION: &[u8; 8] = b".initrd\0";
/// Of a section in the table of them, in bytes.
const ENTRY: usize = 40;
/// The largest one that is taken into memory, in bytes.
const IMAGE_MAX: u32 = 1 << 30;
/// As many sections as Windows takes.
const SECTIONS_MAX: u16 = 96;

/// The one for the kernel `release` in `directory`: `TOKEN-RELEASE.efi`, with a count of boots behind
/// a plus where it has not proved itself yet (uapi-group.org, "Boot Loader Specification").
pub(super) fn of(directory: &Path, release: &str) -> Option<PathBuf> {
    let is_of = |name: &String| {
        let stem = name.strip_suffix(".efi").unwrap_or_default();
        // A release may have a plus of its own: 6.12.41+deb13-cloud-amd64.
        let counted = stem.rsplit_once('+').filter(|(_, count)| {
            !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        });
        let stems = [Some(stem), counted.map(|(stem, _)| stem)];
        let is_token = |token: &str| token.is_empty() || token.ends_with('-');
        stems.into_iter().flatten().any(|stem| stem.strip_suffix(release).is_some_and(is_token))
    };
    names(directory).into_iter().find(is_of).map(|name| directory.join(name))
}

/// Whether a file that begins so may be an EFI program.
pub fn is_program(start: &[u8]) -> bool {
    start.starts_with(b"MZ")
}

/// The initramfs inside of `file`, as a file of its own.
///
/// Errors: the system's, or that it is no unified kernel image, in a few words.
pub(super) fn initramfs(file: &mut File) -> io::Result<File> {
    let (start, size) = section(file)?
        .ok_or_else(|| io::Error::other("an EFI program without an initramfs (section .initrd)"))?;
    if size > IMAGE_MAX {
        return Err(io::Error::other("the initramfs in it is larger than 1 GiB"));
    }
    let mut inside = memfd::create("initramfs")?;
    file.seek(SeekFrom::Start(start.into()))?;
    let copied = io::copy(&mut file.take(size.into()), &mut inside)?;
    if copied < size.into() {
        return Err(io::Error::other("it is cut short"));
    }
    inside.rewind()?;
    Ok(inside)
}

/// Where the section begins in the file, and how many bytes it has; `None` where there is none.
///
/// Errors: the system's, or that it is no EFI program, in a few words.
pub fn section(file: &mut (impl Read + Seek)) -> io::Result<Option<(u32, u32)>> {
    let odd = || io::Error::other("a damaged EFI program");
    let mut header = [0; 24];
    let pe = number(&read(file, 0x3c, 4)?, 0).ok_or_else(odd)?;
    header.copy_from_slice(&read(file, pe.into(), 24)?);
    let count = short(&header, 6).filter(|count| *count <= SECTIONS_MAX).ok_or_else(odd)?;
    let optional = short(&header, 20).ok_or_else(odd)?;
    if !header.starts_with(b"PE\0\0") {
        return Err(odd());
    }
    let table = u64::from(pe) + 24 + u64::from(optional);
    let table = read(file, table, usize::from(count) * ENTRY)?;
    let found = table.chunks_exact(ENTRY).find(|entry| entry.starts_with(SECTION));
    // What is in the file is rounded up; what is loaded is not, and may end in zeros that are in none.
    Ok(found
        .and_then(|entry| Some((number(entry, 20)?, number(entry, 8)?.min(number(entry, 16)?)))))
}

fn read(file: &mut (impl Read + Seek), at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    /// An EFI program with these sections: name, bytes in the file, bytes that are loaded.
    fn program(sections: &[(&[u8], &[u8], u32)]) -> Vec<u8> {
        let mut bytes = b"MZ".to_vec();
        bytes.resize(0x3c, 0);
        bytes.extend(0x80_u32.to_le_bytes());
        bytes.resize(0x80, 0);
        bytes.extend(b"PE\0\0\x64\x86");
        bytes.extend((sections.len() as u16).to_le_bytes());
        bytes.resize(0x80 + 20, 0);
        bytes.extend(16_u16.to_le_bytes());
        bytes.resize(0x80 + 24 + 16, 0);
        let mut at = bytes.len() + sections.len() * ENTRY;
        for (name, content, loaded) in sections {
            let mut entry = name.to_vec();
            entry.resize(8, 0);
            for number in [*loaded, 0, content.len() as u32, at as u32] {
                entry.extend(number.to_le_bytes());
            }
            entry.resize(ENTRY, 0);
            bytes.extend(entry);
            at += content.len();
        }
        bytes.extend(sections.iter().flat_map(|(_, content, _)| content.iter()));
        bytes
    }

    fn inside(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        let mut found = Vec::new();
        initramfs(&mut file)?.read_to_end(&mut found)?;
        Ok(found)
    }

    #[test]
    fn the_section_is_taken_without_what_rounds_it_up() {
        let sections: [(&[u8], &[u8], u32); 3] =
            [(b".linux", b"kernel", 6), (b".initrd", b"cpio\0\0\0\0", 4), (b".cmdline", b"ro", 2)];
        let bytes = program(&sections);
        assert!(is_program(&bytes));
        assert_eq!(inside(&bytes).unwrap(), b"cpio");
    }

    #[test]
    fn what_has_none_is_told() {
        let said = |bytes: &[u8]| inside(bytes).unwrap_err().to_string();
        let without = program(&[(b".linux", b"kernel", 6), (b".initrds", b"x", 1)]);
        assert!(said(&without).contains("without an initramfs"));
        let mut not_pe = without.clone();
        not_pe[0x80] = b'N';
        assert_eq!(said(&not_pe), "a damaged EFI program");
        let mut vast = program(&[(b".initrd", b"cpio", u32::MAX)]);
        let size = 0x80 + 24 + 16 + 16;
        vast[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(said(&vast), "the initramfs in it is larger than 1 GiB");
        let whole = program(&[(b".initrd", b"cpio", 4)]);
        assert_eq!(said(&whole[..whole.len() - 1]), "it is cut short");
    }

    #[test]
    fn damage_ends_in_an_error_or_a_section() {
        let whole = program(&[(b".linux", b"kernel", 6), (b".initrd", b"cpio", 4)]);
        for length in 0..whole.len() {
            let _ = section(&mut Cursor::new(&whole[..length]));
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = section(&mut Cursor::new(damaged));
            }
        }
        assert_eq!(section(&mut Cursor::new(&whole)).unwrap().unwrap().1, 4);
    }
}
