//! The journal, as long as it takes what it is sent.
//!
//! systemd-journal-logger sends on a blocking socket, and a journald that is stopped or starved
//! would hold up an unlock past every deadline: a boot must not wait for a log. So each record is
//! sent only when journald's queue has room; one that never gets room ends the sending for good.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Log, Record};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use systemd_journal_logger::JournalLog;

/// journald's native socket (systemd.io, "Native Journal Protocol").
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a full queue is waited for, in milliseconds: journald empties it in far less.
const PATIENCE: u16 = 1000;

/// A journald that listens.
pub struct Journal {
    log: JournalLog,
    queue: Queue,
}

impl Journal {
    /// `None` where no journald runs, as in an initramfs without systemd, or where it is stalled.
    pub fn connect() -> Option<Self> {
        let queue = Queue::of(Path::new(SOCKET))?;
        // It sends a first, empty record itself.
        if !queue.has_room(PATIENCE) {
            return None;
        }
        let log = JournalLog::new().ok()?.with_syslog_identifier("bek-unlock".to_owned());
        // journald looks up a sender's unit after the fact, and misses one that has ended: the last
        // line, which says why, would be missing in `journalctl -u`. That matches this field, too.
        let unit = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| unit(&text));
        let log = log.with_extra_fields(unit.map(|unit| ("OBJECT_SYSTEMD_UNIT", unit)));
        Some(Self { log, queue })
    }

    /// Sends `record`; false when journald does not take it.
    pub fn log(&self, record: &Record<'_>) -> bool {
        let sent = self.queue.has_room(PATIENCE);
        if sent {
            self.log.log(record);
        }
        sent
    }
}

/// The service this process runs in, from /proc/self/cgroup (cgroups(7)).
fn unit(cgroups: &str) -> Option<String> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// The queue of a datagram socket that somebody else reads.
struct Queue {
    /// Sends nothing: its connection is what poll(2) asks the other side's queue through.
    socket: UnixDatagram,
    stalled: AtomicBool,
}

impl Queue {
    fn of(path: &Path) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(path).ok()?;
        Some(Self { socket, stalled: AtomicBool::new(false) })
    }

    /// Waits for room; after the first time in vain the answer is no, without waiting.
    fn has_room(&self, milliseconds: u16) -> bool {
        if self.stalled.load(Ordering::Relaxed) {
            return false;
        }
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        let room = loop {
            match poll(&mut fds, PollTimeout::from(milliseconds)) {
                Err(Errno::EINTR) => {}
                ready => break ready.is_ok_and(|count| count > 0),
            }
        };
        self.stalled.store(!room, Ordering::Relaxed);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_nobody_empties_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let reader = UnixDatagram::bind(&path).unwrap();
        let queue = Queue::of(&path).unwrap();
        assert!(queue.has_room(0));
        let other = UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        while other.send_to(b"x", &path).is_ok() {}
        assert!(!queue.has_room(0));
        // Not even when it moves again: the order of lines is worth more than the last of them.
        assert_eq!(reader.recv(&mut [0; 8]).unwrap(), 1);
        assert!(!queue.has_room(0));
    }

    #[test]
    fn the_unit_is_the_innermost_service() {
        let slice = "0::/system.slice/system-bek\\x2dunlock.slice";
        let service = format!("{slice}/bek-unlock@luks\\x2ddata1.service\n");
        assert_eq!(unit(&service).as_deref(), Some("bek-unlock@luks\\x2ddata1.service"));
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(unit("1:cpu:/a.service\n"), None);
    }

    #[test]
    fn without_a_socket_there_is_no_queue() {
        assert!(Queue::of(Path::new("/nonexistent/socket")).is_none());
    }
}
