//! Files without a name, in memory (memfd_create(2)).

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// `MFD_NOEXEC_SEAL` of linux/memfd.h, which nix does not know yet.
const NOEXEC_SEAL: MFdFlags = MFdFlags::from_bits_retain(0x8);

/// An empty one, which can be sealed and is closed where another program is started; `name` is for
/// people who look into /proc.
pub fn create(name: &str) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Known since Linux 6.3, which may refuse files that could be run (vm.memfd_noexec).
    let created = match memfd_create(name, flags | NOEXEC_SEAL) {
        Err(Errno::EINVAL) => memfd_create(name, flags),
        created => created,
    };
    Ok(created?.into())
}
