//! Runs the Azure CLI: without a shell, with little environment, for a limited time and output.
//!
//! `az` is taken from absolute directories of PATH only, and only when nobody else could have
//! changed it: this may run as root. It gets no input and nothing secret; what it prints is read
//! into memory that is wiped. When it hangs, it and everything it started is ended.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use zeroize::Zeroizing;

use crate::azure::sign_in::ports::{AzureCli, CliOutput, CliProblem};
use crate::deadline::{Clock, Deadline};
use crate::edge::process::SystemClock;
use crate::error::printable;
use crate::secret::Secret;

/// A token of 4 KB with some JSON around it; anything longer is no token.
const STDOUT_LIMIT: usize = 64 * 1024;
/// Enough of its words to find "az login" or a number in; the rest is read and dropped.
const STDERR_LIMIT: usize = 16 * 1024;
/// How often an `az` that closed its output is looked after.
const REAP: Duration = Duration::from_millis(10);
/// What it needs to find its login and the way out; no AZURE_CLIENT_SECRET, no LD_PRELOAD.
const PASSED_ON: [&str; 14] = [
    "ALL_PROXY",
    "AZURE_CONFIG_DIR",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "USER",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The Azure CLI that PATH leads to.
pub struct Az {
    environment: Vec<(&'static str, OsString)>,
}

impl Az {
    /// `variable` is the environment to find it in and to pass on.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &'static str| Some((name, variable(name)?));
        Self { environment: PASSED_ON.into_iter().filter_map(set).collect() }
    }

    /// The first `az` in an absolute directory of PATH.
    fn find(&self) -> Result<PathBuf, CliProblem> {
        let path = self.environment.iter().find(|(name, _)| *name == "PATH");
        let path = path.map(|(_, path)| path.clone()).unwrap_or_default();
        let found = std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("az"))
            .find(|file| is_program(file))
            .ok_or(CliProblem::NotInstalled)?;
        // The link's target is what runs, and whoever may write its directory may replace it.
        let real = fs::canonicalize(&found).map_err(|error| CliProblem::Start(words(&error)))?;
        let parents = [found.parent(), real.parent()];
        let checked = parents.into_iter().flatten().chain([real.as_path()]);
        let foreign = checked.into_iter().find(|path| !is_ours(path)).map(Path::to_owned);
        if let Some(path) = foreign {
            return Err(CliProblem::Unsafe(path));
        }
        Ok(found)
    }
}

impl AzureCli for Az {
    fn access_token(&mut self, resource: &str, limit: Duration) -> Result<CliOutput, CliProblem> {
        let mut command = Command::new(self.find()?);
        command
            .args(["account", "get-access-token", "--output", "json", "--resource", resource])
            .env_clear()
            .envs(self.environment.iter().cloned())
            .env("AZURE_CORE_NO_COLOR", "true")
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: az is a script that starts Python.
            .process_group(0);
        run(command, limit)
    }
}

fn run(mut command: Command, limit: Duration) -> Result<CliOutput, CliProblem> {
    let clock = SystemClock::new();
    let deadline = Deadline::start(&clock as &dyn Clock, Some(limit));
    let child = command.spawn().map_err(|error| CliProblem::Start(words(&error)))?;
    let mut child = Ended { child, reaped: false };
    let (Some(stdout), Some(stderr)) = (child.child.stdout.take(), child.child.stderr.take())
    else {
        return Err(CliProblem::Start("no pipes".to_owned()));
    };
    let mut output = Pipe::new(stdout, STDOUT_LIMIT);
    let mut errors = Pipe::new(stderr, STDERR_LIMIT);
    prepare(&output.source)
        .and_then(|()| prepare(&errors.source))
        .map_err(|errno| CliProblem::Start(errno.desc().to_owned()))?;
    while output.open || errors.open {
        wait(&output, &errors, &deadline)?;
        output.drain();
        errors.drain();
        if output.full {
            return Err(CliProblem::TooMuch);
        }
    }
    let status = child.status(&deadline)?;
    Ok(CliOutput { success: status.success(), stdout: output.take(), stderr: errors.take() })
}

/// A child that does not outlive this value, nor does what it started, unless it came to an end
/// of its own.
struct Ended {
    child: Child,
    reaped: bool,
}

impl Ended {
    /// Waits for its end; its output has ended already.
    fn status(&mut self, deadline: &Deadline<'_>) -> Result<ExitStatus, CliProblem> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.reaped = true;
                    return Ok(status);
                }
                Ok(None) if deadline.sleep(REAP) => {}
                Ok(None) => return Err(CliProblem::TimedOut),
                Err(error) => return Err(CliProblem::Start(words(&error))),
            }
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // While it is not reaped, dead or alive, its number is its own, and its group's.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// One end of a pipe and the beginning of what came through.
struct Pipe<R> {
    source: R,
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
    /// More came than fits.
    full: bool,
    open: bool,
}

impl<R: Read> Pipe<R> {
    fn new(source: R, limit: usize) -> Self {
        // Full size at once: growing would leave copies behind.
        let bytes = Zeroizing::new(Vec::with_capacity(limit));
        Self { source, bytes, limit, full: false, open: true }
    }

    /// Reads what is there.
    fn drain(&mut self) {
        let mut buffer = Zeroizing::new([0; 4096]);
        while self.open {
            match self.source.read(buffer.as_mut_slice()) {
                Ok(0) => self.open = false,
                Ok(count) => {
                    let left = self.limit.saturating_sub(self.bytes.len());
                    let read = buffer.get(..count).unwrap_or_default();
                    self.full |= read.len() > left;
                    self.bytes.extend_from_slice(read.get(..left).unwrap_or(read));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.open = false,
            }
        }
    }

    fn take(mut self) -> Secret {
        Secret::new(std::mem::take(&mut *self.bytes))
    }
}

fn prepare(pipe: &impl AsFd) -> Result<(), Errno> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// Waits until one of the two has something, or has ended.
fn wait<A: AsFd, B: AsFd>(
    output: &Pipe<A>,
    errors: &Pipe<B>,
    deadline: &Deadline<'_>,
) -> Result<(), CliProblem> {
    if deadline.passed() {
        return Err(CliProblem::TimedOut);
    }
    let mut pipes = Vec::new();
    if output.open {
        pipes.push(PollFd::new(output.source.as_fd(), PollFlags::POLLIN));
    }
    if errors.open {
        pipes.push(PollFd::new(errors.source.as_fd(), PollFlags::POLLIN));
    }
    // Rounded up: a wait of nothing would turn round and round in the last millisecond.
    let left = deadline.remaining().as_millis().saturating_add(1);
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut pipes, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(CliProblem::Start(errno.desc().to_owned())),
    }
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// Whether nobody but root and the caller may change it.
fn is_ours(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        let owner = metadata.uid();
        let ours = owner == 0 || owner == geteuid().as_raw();
        // A sticky directory lets others add files, but not replace this one.
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        let closed = metadata.mode() & 0o022 == 0 || sticky;
        ours && closed
    })
}

fn words(error: &io::Error) -> String {
    printable(&error.kind().to_string(), 80)
}

#[cfg(test)]
mod tests;
