//! Asks bek-unlock about a token: its JSON goes in at standard input, a frame comes out.
//!
//! The program it runs in belongs to somebody else. It may have SIGCHLD ignored, or a loop that
//! reaps every child: then the exit status is lost, and the frame alone has to say that the answer is
//! whole. It may die of SIGPIPE: so the JSON goes through a socket, which can be written to without.

#![expect(unsafe_code, reason = "std cannot send without SIGPIPE")]

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};

use crate::buffer::Buffer;
use crate::frame;

/// What came of a question.
#[derive(Debug)]
pub struct Answer {
    /// What the program wrote, if that is whole.
    whole: Option<Buffer>,
    /// How it ended, if that could be learnt.
    status: Option<ExitStatus>,
}

impl Answer {
    /// What the program wrote, if it was content with it.
    pub fn bytes(self) -> Option<Buffer> {
        let content = self.status.is_none_or(|status| status.success());
        self.whole.filter(|_| content)
    }

    /// Its exit status; `None` as well when it was killed.
    pub fn exit_status(&self) -> Option<i32> {
        self.status?.code()
    }
}

/// Runs `program` with `words`, gives it `json` to read, and waits for its end.
///
/// Nothing of the environment is passed on. Standard error is, so that the program itself says what
/// is wrong. Errors: it cannot be run.
pub fn ask<'a>(
    program: &OsStr,
    words: impl IntoIterator<Item = &'a OsStr>,
    json: &[u8],
) -> io::Result<Answer> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(program)
        .args(words)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .spawn()?;
    send(&ours, json);
    drop(ours);
    // Gone before the wait: a program that goes on writing must not wait for a reader.
    let whole = child.stdout.take().and_then(read);
    Ok(Answer { whole, status: child.wait().ok() })
}

/// Sends all of `bytes`, or as much as is read: who does not read them does not answer either.
fn send(socket: &UnixStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let flags = libc::MSG_NOSIGNAL;
        // SAFETY: an open socket, and as many bytes as there are.
        let sent =
            unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(sent) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => (),
            Err(_) => return,
        }
    }
}

/// One frame up to its end; `None` when there is less or more.
fn read(mut from: impl Read) -> Option<Buffer> {
    let mut head = [0; frame::HEAD];
    from.read_exact(&mut head).ok()?;
    let mut buffer = Buffer::new(frame::length(head)?)?;
    from.read_exact(buffer.bytes_mut()).ok()?;
    let mut behind = [0];
    let end = matches!(from.read_exact(&mut behind), Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
    end.then_some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell with `script` answers.
    fn answer(script: &str) -> Answer {
        let words = ["-c", script].map(OsStr::new);
        ask(OsStr::new("/bin/sh"), words, b"{\"type\":\"bek-unlock\"}").unwrap()
    }

    fn bytes(script: &str) -> Option<Vec<u8>> {
        answer(script).bytes().map(|mut buffer| buffer.bytes_mut().to_vec())
    }

    #[test]
    fn a_whole_frame_is_an_answer() {
        assert_eq!(bytes(r"printf 'BEK\001\003\0\0\0k\0y'"), Some(b"k\0y".to_vec()));
    }

    #[test]
    fn the_json_is_read_to_its_end_and_nothing_else_is_there() {
        let script = r#"text=$(/bin/cat) && test "$text" = '{"type":"bek-unlock"}' &&
            test -z "$(/usr/bin/env | /bin/grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD=)" &&
            printf 'BEK\001\001\0\0\0k'"#;
        assert_eq!(bytes(script), Some(b"k".to_vec()));
    }

    #[test]
    fn less_than_a_frame_and_more_are_none() {
        for script in [
            "true",
            "printf key",
            r"printf 'BEK\001'",
            r"printf 'BEK\001\0\0\0\0'",
            r"printf 'BEK\001\003\0\0\0ke'",
            r"printf 'BEK\001\003\0\0\0keys'",
            r"printf 'BEK\001\001\0\001\0k'",
            r"printf 'BEK\002\003\0\0\0key'",
        ] {
            assert_eq!(bytes(script), None, "{script}");
        }
    }

    #[test]
    fn a_frame_of_a_program_that_failed_is_none() {
        assert_eq!(bytes(r"printf 'BEK\001\003\0\0\0key'; exit 69"), None);
        assert_eq!(bytes(r"printf 'BEK\001\003\0\0\0key'; kill -KILL $$"), None);
    }

    #[test]
    fn the_exit_status_is_known_and_being_killed_is_none() {
        assert_eq!(answer("exit 69").exit_status(), Some(69));
        assert_eq!(answer("kill -KILL $$").exit_status(), None);
    }

    #[test]
    fn a_program_that_goes_on_writing_is_not_waited_for() {
        let script = r"printf 'BEK\001\377\377\377\377'; exec /bin/cat /dev/zero";
        assert_eq!(bytes(script), None);
    }

    #[test]
    fn a_program_that_reads_nothing_gets_as_much_as_fits() {
        let words = ["-c", r"exec <&-; printf 'BEK\001\001\0\0\0k'"].map(OsStr::new);
        let answer = ask(OsStr::new("/bin/sh"), words, &vec![b' '; 4 << 20]).unwrap();
        assert!(answer.bytes().is_some());
    }

    #[test]
    fn what_is_not_there_cannot_be_run() {
        let error = ask(OsStr::new("/nonexistent/bek-unlock"), [], b"{}").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
