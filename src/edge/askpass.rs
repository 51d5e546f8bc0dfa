//! Asks a person through systemd-ask-password(1): console, plymouth or any agent.

use std::io;
use std::process::{Command, Stdio};

use crate::deadline::Deadline;
use crate::error::Kind;
use crate::key::prompt::Ask;
use crate::secret::Secret;
use crate::volume::VolumeName;

/// Nobody types more; the tool itself reads 4 KiB at most (`PASSWORD_MAX` is 2 KiB in systemd).
const LIMIT: usize = 8192;

/// The tool of systemd.
#[derive(Debug, Default)]
pub struct SystemdAskPassword;

impl Ask for SystemdAskPassword {
    fn ask(&mut self, volume: &VolumeName, deadline: &Deadline<'_>) -> Result<Secret, Kind> {
        let fail = |reason: String| Kind::PromptUnanswered { reason };
        // 0 waits for ever, so a deadline that is nearly over is rounded up to one second.
        let timeout = match deadline.remaining() {
            std::time::Duration::MAX => 0,
            left => left.as_secs().max(1),
        };
        let mut child = Command::new("/usr/bin/systemd-ask-password")
            .env_clear()
            .arg(format!("--timeout={timeout}"))
            .arg(format!("--id=bek-unlock:{volume}"))
            .arg("--icon=drive-harddisk")
            .arg(format!("Passphrase for volume {volume}:"))
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| fail(format!("systemd-ask-password: {}", error.kind())))?;
        let typed = match child.stdout.take() {
            Some(stdout) => Secret::read_from(stdout, LIMIT),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let status = child.wait().map_err(|error| fail(error.kind().to_string()))?;
        if !status.success() {
            return Err(fail("nobody answered in time".to_owned()));
        }
        let typed = typed.map_err(|error| fail(error.kind().to_string()))?;
        Ok(typed.without_final_newline().unwrap_or(typed))
    }
}
