//! Asks a person through systemd-ask-password(1): console, plymouth or any agent.
//!
//! The tool runs beside this process, which looks at its output and never waits for it. Ended by
//! SIGTERM, it takes its question back from the agents; it gets one when this process is gone, too.
//! Where it asks on the terminal itself, it ends without a word, and the echo has to be switched on again here.

use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::Pid;

use crate::deadline::Deadline;
use crate::edge::process;
use crate::error::Kind;
use crate::key::prompt::Ask;
use crate::secret::Secret;
use crate::volume::VolumeName;

/// Nobody types more; the tool itself reads 4 KiB at most (`PASSWORD_MAX` is 2 KiB in systemd).
const LIMIT: usize = 8192;

/// The tool of systemd.
#[derive(Debug, Default)]
pub struct SystemdAskPassword {
    question: Option<Question>,
}

/// One that stands.
#[derive(Debug)]
struct Question {
    child: Child,
    /// Of the terminal, as it was before.
    terminal: Option<Termios>,
}

impl Ask for SystemdAskPassword {
    fn answer(
        &mut self,
        volume: &VolumeName,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Secret>, Kind> {
        let question = match &mut self.question {
            Some(question) => question,
            none => none.insert(Question::put(volume, deadline.remaining())?),
        };
        if !question.is_answered() {
            return Ok(None);
        }
        match self.question.take() {
            Some(question) => question.answer().map(Some),
            None => Ok(None),
        }
    }

    fn withdraw(&mut self) {
        if let Some(question) = self.question.take() {
            question.withdraw();
        }
    }
}

impl Question {
    fn put(volume: &VolumeName, left: Duration) -> Result<Self, Kind> {
        // 0 waits for ever, so a deadline that is nearly over is rounded up to one second.
        let timeout = match left {
            Duration::MAX => 0,
            left => left.as_secs().max(1),
        };
        let terminal = tcgetattr(io::stdin()).ok();
        let mut tool = Command::new("/usr/bin/systemd-ask-password");
        process::ends_with_us(&mut tool);
        let child = tool
            .env_clear()
            .arg(format!("--timeout={timeout}"))
            .arg(format!("--id=bek-unlock:{volume}"))
            .arg("--icon=drive-harddisk")
            .arg(format!("Passphrase for volume {volume}:"))
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| unanswered(format!("systemd-ask-password: {}", error.kind())))?;
        Ok(Self { child, terminal })
    }

    /// Whether the tool has something to say, or has ended without.
    fn is_answered(&self) -> bool {
        let Some(stdout) = &self.child.stdout else { return true };
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        // An error is no reason to wait; reading says what it is.
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    /// What was typed: the tool writes it in one piece, and ends.
    fn answer(mut self) -> Result<Secret, Kind> {
        let typed = match self.child.stdout.take() {
            Some(stdout) => Secret::read_from(stdout, LIMIT),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let status = self.child.wait().map_err(|error| unanswered(error.kind().to_string()))?;
        if !status.success() {
            return Err(unanswered("nobody answered in time".to_owned()));
        }
        let typed = typed.map_err(|error| unanswered(error.kind().to_string()))?;
        Ok(typed.without_final_newline().unwrap_or(typed))
    }

    fn withdraw(mut self) {
        let asked = i32::try_from(self.child.id()).map(Pid::from_raw);
        if asked.is_ok_and(|child| kill(child, Signal::SIGTERM).is_ok()) {
            let _ = self.child.wait();
        }
        if let Some(terminal) = &self.terminal {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, terminal);
        }
    }
}

fn unanswered(reason: String) -> Kind {
    Kind::PromptUnanswered { reason }
}
