//! The first bytes of a device, read without libblkid, which says of what it cannot read that there
//! is nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;

/// Both copies of a LUKS2 header as `cryptsetup luksFormat` makes them, 16 KiB each; LUKS1 and
/// BitLocker need less to be told.
const HEADER: usize = 32 << 10;

/// Without O_NONBLOCK, opening a CD drive waits for a medium and a FIFO for a writer.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

pub(super) fn begins_with(path: &Path, magic: &[u8; 6]) -> io::Result<bool> {
    let mut start = [0; 6];
    open(path)?.read_exact(&mut start)?;
    Ok(start == *magic)
}

/// Why the place of a header at the start of `path` cannot be read, where it opens and is there.
///
/// libcryptsetup says EINVAL of a failing disk as of one that holds something else.
pub fn unreadable(path: &Path) -> Option<Errno> {
    let mut start = vec![0; HEADER];
    let error = open(path).ok()?.read_exact(&mut start).err()?;
    error.raw_os_error().map(Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    #[test]
    fn what_fails_to_be_read_is_told_from_what_is_not_there() {
        // Nothing is mapped at address 0, and the kernel says EIO of that.
        assert_eq!(unreadable(Path::new("/proc/self/mem")), Some(Errno::EIO));
        assert_eq!(unreadable(Path::new("/nonexistent")), None);
        for image in [Image::empty(0), Image::noise(4, 1), Image::noise(64, 1)] {
            assert_eq!(unreadable(&image.path), None);
        }
    }
}
