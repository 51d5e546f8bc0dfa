//! Image files as block devices: loop devices that go away by themselves.
//!
//! LO_FLAGS_AUTOCLEAR (loop(4)): the loop device lets go of the file when its last user closes it,
//! be that this program or the mapping above it. A file that is open for reading only makes a loop
//! device that is read-only (loop_set_fd() of drivers/block/loop.c).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use loopdev::{LoopControl, LoopDevice};
use nix::errno::Errno;

/// How often another loop device is tried when somebody was quicker, or looked at the new one.
const TRIES: usize = 8;

/// Formats that hold a disk otherwise than byte for byte, and what their files begin with. A fixed
/// VHD, which is what Azure takes, does: the words are at its end.
const FORMATS: [(&[u8], &str); 5] = [
    (b"vhdxfile", "VHDX"),
    (b"conectix", "dynamic VHD"),
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "VMDK"),
    (b"EVF\x09\x0d\x0a\xff\x00", "EWF"),
];

/// A loop device, attached as long as it is open or mapped.
#[derive(Debug)]
pub struct Loop {
    /// Below /dev.
    pub path: PathBuf,
    _device: LoopDevice,
}

/// The format of an image that has to be converted before it is of use.
pub fn foreign_format(mut image: &File) -> io::Result<Option<&'static str>> {
    let mut start = Vec::new();
    image.by_ref().take(8).read_to_end(&mut start)?;
    let format = FORMATS.iter().find(|(magic, _)| start.starts_with(magic));
    Ok(format.map(|(_, name)| *name))
}

/// Attaches `image`, a file or a disk; from byte `start` on and `size` bytes of it, all where that
/// is 0. Writable as far as `image` is open for it.
pub fn attach(image: &File, start: u64, size: u64) -> io::Result<Loop> {
    let control = LoopControl::open()?;
    let mut tries = 0;
    loop {
        tries += 1;
        let device = control.next_free()?;
        let path = device.path().ok_or(io::ErrorKind::NotFound)?;
        let attached = device.with().autoclear(true).offset(start).size_limit(size);
        match attached.attach_fd(image.as_raw_fd()) {
            Ok(()) => return Ok(Loop { path, _device: device }),
            // Taken meanwhile; or udev read the new one before it had its limits.
            Err(error) if tries < TRIES && is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    [Errno::EAGAIN, Errno::EBUSY].map(|errno| Some(errno as i32)).contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    #[test]
    fn images_of_other_formats_are_known() {
        for (start, format) in [
            (&b"vhdxfile\0\0"[..], Some("VHDX")),
            (b"conectix\0\0", Some("dynamic VHD")),
            (b"QFI\xfb\0\0\0\x03", Some("qcow2")),
            (b"KDMV\x01", Some("VMDK")),
            (b"LUKS\xba\xbe\0\x02", None),
            (b"con", None),
            (b"", None),
        ] {
            let image = Image::empty(1);
            std::fs::write(&image.path, start).unwrap();
            let file = File::open(&image.path).unwrap();
            assert_eq!(foreign_format(&file).unwrap(), format);
        }
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        let error = |errno: Errno| io::Error::from(errno);
        assert!(is_passing(&error(Errno::EBUSY)) && is_passing(&error(Errno::EAGAIN)));
        assert!(!is_passing(&error(Errno::EPERM)) && !is_passing(&io::ErrorKind::NotFound.into()));
    }
}
