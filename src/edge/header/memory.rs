//! A header's copy in memory, which libcryptsetup is given instead of the header.
//!
//! So the file system it came from is not held while a key is waited for, what was looked at is
//! what is opened, and libcryptsetup, which mends a damaged copy when it can, changes nothing. A
//! sealed file can be written to by nobody.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::edge::memfd;

/// How much is read at a time. All memory is locked, so the buffer is not the whole header.
const BLOCK: usize = 64 * 1024;

/// Copies the first `extent` bytes of `source`, or all where it has fewer. What is zero takes no
/// memory: ADE's header has 32 MiB and uses one of them.
pub fn copy(source: &mut File, extent: u64) -> io::Result<File> {
    let copy = memfd::create("luks-header")?;
    source.seek(SeekFrom::Start(0))?;
    let mut source = source.take(extent);
    let mut block = vec![0; BLOCK];
    let mut length = 0;
    loop {
        let read = match source.read(&mut block) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let bytes = block.get(..read).unwrap_or_default();
        if bytes.iter().any(|byte| *byte != 0) {
            copy.write_all_at(bytes, length)?;
        }
        length += read as u64;
    }
    copy.set_len(length)?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::edge::image::Image;

    #[test]
    fn a_copy_has_the_same_bytes_and_no_more_than_asked_for() {
        let image = Image::noise(200, 1);
        let mut source = File::open(&image.path).unwrap();
        for extent in [100_000, 200 << 10, 1 << 30] {
            let copy = copy(&mut source, extent).unwrap();
            let mut bytes = Vec::new();
            let mut reader = &copy;
            reader.read_to_end(&mut bytes).unwrap();
            let end = image.bytes().len().min(usize::try_from(extent).unwrap());
            assert!(bytes == image.bytes()[..end], "{extent}");
        }
    }

    #[test]
    fn zeroes_take_no_memory_and_nobody_writes() {
        let image = Image::empty(32 * 1024);
        let copy = copy(&mut File::open(&image.path).unwrap(), 32 << 20).unwrap();
        let metadata = copy.metadata().unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (32 << 20, 0));
        assert!(copy.write_all_at(b"x", 0).is_err());
        assert!(copy.set_len(0).is_err());
    }
}
