//! The process that talks to the network for all volumes of a boot.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};

use bek_unlock::edge::network::SOCKET;

/// bek-unlock-network.service, as its socket unit starts it (sd_listen_fds(3)).
pub struct Service(Child);

impl Service {
    /// Starts it anew, with no connection and no token.
    pub fn start(program: &str) -> Self {
        let listener = UnixListener::bind(SOCKET).unwrap();
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" network";
        let mut command = Command::new("sh");
        command.args(["-c", script, program]).stdin(OwnedFd::from(listener));
        Self(command.spawn().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        fs::remove_file(SOCKET).unwrap();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
