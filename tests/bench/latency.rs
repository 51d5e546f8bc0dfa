//! A network between this thread and the rest of the process that takes its time.
//!
//! netem(8) would do it, but kernels for small virtual machines come without. This needs TUN alone:
//! a device in the network namespace this thread was in, one in a new namespace that it moves to,
//! and threads that carry each packet from one to the other when it is due. TCP on both sides is
//! the kernel's own, with a packet's usual size.

#![allow(unsafe_code, reason = "TUNSETIFF is an ioctl with a structure")]

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::{self, __c_anonymous_ifr_ifru, c_char, c_int, ifreq};
use nix::sched::{CloneFlags, unshare};
use nix::{ioctl_write_ptr_bad, request_code_write};

use crate::program::run;

const DEVICE: &str = "delayed";
/// More than a packet that fits through the device.
const PACKET: usize = 2048;

ioctl_write_ptr_bad!(tun_set_iff, request_code_write!(b'T', 202, size_of::<c_int>()), ifreq);

/// Moves the calling thread, and what it starts from now on, behind a network to Azure's addresses
/// whose round trip takes `round_trip` longer. Threads that run already stay in front of it, and
/// serve.
pub fn move_behind(round_trip: Duration) {
    let near = device("10.255.255.1");
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    run(&["ip", "link", "set", "lo", "up"]);
    let far = device("10.255.255.2");
    run(&["ip", "route", "add", "169.254.169.0/24", "dev", DEVICE]);
    carry(Arc::clone(&near), Arc::clone(&far), round_trip / 2);
    carry(far, near, round_trip / 2);
}

/// A TUN device of this thread's namespace, up, with an address.
fn device(address: &str) -> Arc<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    let mut request = ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: __c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TUN | libc::IFF_NO_PI).try_into().unwrap(),
        },
    };
    for (to, &from) in request.ifr_name.iter_mut().zip(DEVICE.as_bytes()) {
        *to = from as c_char;
    }
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: the descriptor is open and the structure is whole, its name ended by a zero.
    unsafe { tun_set_iff(descriptor, &raw const request) }.unwrap();
    run(&["ip", "address", "add", &format!("{address}/24"), "dev", DEVICE]);
    run(&["ip", "link", "set", DEVICE, "up"]);
    Arc::new(file)
}

/// Carries packets one way, each `delay` after it came. Ends with the process.
fn carry(from: Arc<File>, to: Arc<File>, delay: Duration) {
    let (sender, waiting) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut packet = [0; PACKET];
        loop {
            let length = (&*from).read(&mut packet).unwrap();
            sender.send((Instant::now() + delay, packet[..length].to_vec())).unwrap();
        }
    });
    thread::spawn(move || {
        for (due, packet) in waiting {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // What the kernel does not take is a packet lost, as on any network.
            let _ = (&*to).write(&packet);
        }
    });
}
