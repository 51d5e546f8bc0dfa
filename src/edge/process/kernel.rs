//! What the process asks of the kernel about itself, and nix has no safe words for.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Keeps what the process writes to, now or later, out of swap. Pages are locked when they are
/// touched, not every page of every thread's 2 MiB stack.
///
/// mlockall(2) with MCL_CURRENT would be one call for it, but goes through the 2000 pages of code that
/// the libraries have brought, and so does the kernel again at the end: 2 % of what opening a volume
/// takes, for pages that nobody writes to. Where there is no /proc it is that call.
///
/// Errors: those of the kernel, such as ENOMEM over RLIMIT_MEMLOCK.
pub(super) fn lock_memory() -> Result<(), Errno> {
    let later = MlockAllFlags::MCL_FUTURE | MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    // First, so that nothing is mapped in between.
    mlockall(later)?;
    match maps() {
        // What cannot be locked is no reason to leave the rest.
        Ok(maps) => maps.lines().filter_map(writable).map(lock).fold(Ok(()), Result::and),
        Err(_) => mlockall(MlockAllFlags::MCL_CURRENT | later),
    }
}

/// Read in as few pieces as the kernel gives it in.
fn maps() -> io::Result<String> {
    let mut maps = String::with_capacity(32 * 1024);
    File::open("/proc/self/maps")?.read_to_string(&mut maps)?;
    Ok(maps)
}

/// The addresses in a line of /proc/PID/maps that can be written to (proc(5)).
fn writable(line: &str) -> Option<Range<usize>> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    (rest.as_bytes().get(1) == Some(&b'w')).then_some(start?..end?)
}

#[expect(unsafe_code, reason = "nix has mlock(2) alone, which would touch all of it")]
fn lock(range: Range<usize>) -> Result<(), Errno> {
    // SAFETY: the kernel reads none of the range and changes no byte of it; what is not there is
    // ENOMEM.
    let result = unsafe {
        libc::mlock2(range.start as *const libc::c_void, range.len(), libc::MLOCK_ONFAULT)
    };
    Errno::result(result).map(drop)
}

/// Has `command` get SIGTERM when this process is gone, however it went: what it asks for would be
/// told to nobody.
#[expect(unsafe_code, reason = "what runs between fork(2) and execve(2) is unsafe to say")]
pub fn ends_with_us(command: &mut Command) {
    // SAFETY: one system call, which allocates nothing and takes no lock (signal-safety(7)).
    unsafe {
        command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGTERM)?));
    }
}

/// Ends the process with `status`, as soon as what was printed is out.
///
/// Not through exit(3): what C libraries have to do then is to free memory, which the kernel does
/// anyway. libcrypto takes longer for it than this program for all of a volume but the keyslot, and
/// is no place to be while a thread still hangs in a name lookup.
#[expect(unsafe_code, reason = "_exit(2) is C")]
pub fn end(status: u8) -> ! {
    let _ = io::stdout().flush();
    // SAFETY: it returns nowhere, so nobody finds anything half done. All that the program cleans up
    // is cleaned up where it was made, before main gives its status.
    unsafe { libc::_exit(status.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_written_to_is_locked_and_nothing_else() {
        let heap = "55d9c9a27000-55d9c9a48000 rw-p 00000000 00:00 0                  [heap]";
        assert_eq!(writable(heap), Some(0x55d9_c9a2_7000..0x55d9_c9a4_8000));
        let shared = "7f40cdba0000-7f40cdba2000 -w-s 00000000 00:01 7      /dev/zero (deleted)";
        assert_eq!(writable(shared), Some(0x7f40_cdba_0000..0x7f40_cdba_2000));
        for line in [
            "7f40cd906000-7f40cda5c000 r-xp 00026000 00:02 149        /usr/lib/libc.so.6",
            "7f40cda5c000-7f40cdaaf000 r--p 0017c000 00:02 149        /usr/lib/libw.so",
            "55d9c9a27000 rw-p",
            "",
        ] {
            assert_eq!(writable(line), None, "{line}");
        }
    }

    #[test]
    fn stack_and_heap_are_among_it() {
        let own = maps().unwrap();
        let on_heap = Box::new(0_u8);
        let ranges: Vec<_> = own.lines().filter_map(writable).collect();
        for address in [&raw const ranges as usize, &raw const *on_heap as usize] {
            assert!(ranges.iter().any(|range| range.contains(&address)), "{address:x}\n{own}");
        }
    }
}
