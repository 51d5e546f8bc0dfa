//! The read-only flag of a block device: BLKROGET and BLKROSET (block/ioctl.c of Linux).
//!
//! Setting it needs CAP_SYS_ADMIN, else EACCES; a driver may refuse. A partition's flag is its own;
//! that of a disk holds for its partitions, too, but not on kernels before 5.11. From then on the
//! kernel mounts the device for reading only, replays no journal and refuses write(2), discarding
//! and zeroing. What was open for writing before goes on writing: bio_check_ro() of block/blk-core.c
//! only warns.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::libc::c_int;

mod call {
    use nix::{ioctl_read_bad, ioctl_write_ptr_bad, libc, request_code_none};

    ioctl_write_ptr_bad!(blkroset, request_code_none!(0x12, 93), libc::c_int);
    ioctl_read_bad!(blkroget, request_code_none!(0x12, 94), libc::c_int);
}

/// Whether nothing may be written to the device, by whatever flag; also where the hardware says so.
#[expect(unsafe_code, reason = "nix has the macro for it and no call")]
pub fn is_set(device: &File) -> io::Result<bool> {
    let mut flag: c_int = 0;
    // SAFETY: BLKROGET stores one int where the pointer leads, to a variable that outlives the call;
    // the descriptor is open as long as `device` is borrowed.
    unsafe { call::blkroget(device.as_raw_fd(), &raw mut flag) }?;
    Ok(flag != 0)
}

/// Sets or clears the flag; `device` need not be open for writing.
#[expect(unsafe_code, reason = "nix has the macro for it and no call")]
pub fn set(device: &File, read_only: bool) -> io::Result<()> {
    let flag = c_int::from(read_only);
    // SAFETY: BLKROSET reads one int where the pointer leads, to a variable that outlives the call;
    // the descriptor is open as long as `device` is borrowed.
    unsafe { call::blkroset(device.as_raw_fd(), &raw const flag) }?;
    Ok(())
}

/// Clears the flag in a signal handler, where nobody can be told that it failed.
#[expect(unsafe_code, reason = "nix has the macro for it and no call")]
pub fn clear(descriptor: RawFd) {
    let flag: c_int = 0;
    // SAFETY: as above; a descriptor that is not open gives EBADF.
    let _ = unsafe { call::blkroset(descriptor, &raw const flag) };
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn what_is_no_disk_has_no_flag() {
        let file = tempfile::tempfile().unwrap();
        for error in [is_set(&file).unwrap_err(), set(&file, true).unwrap_err()] {
            assert_eq!(error.raw_os_error(), Some(Errno::ENOTTY as i32));
        }
    }
}
