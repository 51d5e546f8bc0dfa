//! What libcryptsetup says: its log, its errno, and the operator's words for both.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io;
use std::os::raw::{c_char, c_int, c_void};
use std::path::Path;

use libcryptsetup_rs::LibcryptErr;
use libcryptsetup_rs::consts::vals::CryptLogLevel;
use nix::errno::Errno;

use super::version;
use crate::edge::probe;
use crate::error::{Kind, printable};
use crate::header::known;

thread_local! {
    /// libcryptsetup's last error message; all its calls are made on one thread.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Forgets what was said before: it is no reason for what comes.
pub(super) fn forget() {
    LAST_WORDS.take();
}

/// The last of what was said since, which is forgotten with that.
pub(super) fn last_words() -> String {
    LAST_WORDS.take()
}

/// Stands in for libcryptsetup.
#[cfg(test)]
pub(super) fn said(words: &str) {
    LAST_WORDS.set(words.to_owned());
}

/// What a failed load means; the errno values were measured with libcryptsetup 2.6.1.
pub(super) fn header_failure(path: &Path, error: &LibcryptErr) -> Kind {
    let said = last_words();
    let reason = match errno(error) {
        Errno::EINVAL => invalid(path, said),
        Errno::ENOTBLK | Errno::ENODEV | Errno::ENOENT => "no such device or file".to_owned(),
        Errno::ENOTSUP | Errno::ENOSYS => {
            "the kernel or libcryptsetup lacks what it needs (cipher, device-mapper)".to_owned()
        }
        Errno::ETXTBSY => known::reason(&[], version::running()),
        _ if !said.is_empty() => format!("{}: {said}", text(error)),
        _ => text(error),
    };
    Kind::HeaderUnusable { path: path.to_owned(), reason }
}

/// EINVAL has a dozen reasons, which libcryptsetup tells in words only, and of a disk that fails it
/// says nothing: "neither LUKS nor BitLocker" would send people to look for a wrong `device`.
fn invalid(path: &Path, said: String) -> String {
    match probe::unreadable(path) {
        Some(errno) => format!("it cannot be read: {}", errno.desc()),
        None if said.is_empty() => "it is neither LUKS nor BitLocker, or damaged".to_owned(),
        None => said,
    }
}

pub(super) fn internal(call: &'static str, error: &LibcryptErr) -> Kind {
    Kind::Internal { call, reason: text(error) }
}

/// The errno inside, or `UnknownErrno` for the binding's own conversion errors.
pub(super) fn errno(error: &LibcryptErr) -> Errno {
    match error {
        LibcryptErr::IOError(io) => io.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw),
        _ => Errno::UnknownErrno,
    }
}

pub(super) fn text(error: &LibcryptErr) -> String {
    match error {
        LibcryptErr::IOError(io) => plain(io),
        other => printable(&other.to_string(), 120),
    }
}

/// An I/O error in the system's words without Rust's "(os error 2)".
fn plain(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(
        || printable(&error.to_string(), 120),
        |raw| Errno::from_raw(raw).desc().to_owned(),
    )
}

/// Hands libcryptsetup's messages to `log`, its errors at debug level: the caller reports.
///
/// The binding's own callback macro panics on text that is not UTF-8, across a C frame.
#[expect(unsafe_code, reason = "a C callback gets a C string")]
pub(super) unsafe extern "C" fn forward_log(
    level: c_int,
    message: *const c_char,
    _user: *mut c_void,
) {
    if message.is_null() {
        return;
    }
    // SAFETY: libcryptsetup passes a NUL-terminated string that lives until this returns
    // (crypt_set_log_callback in libcryptsetup.h).
    let text = unsafe { CStr::from_ptr(message) };
    let text = printable(&text.to_string_lossy(), 500);
    if level == CryptLogLevel::Error as c_int {
        LAST_WORDS.set(text.trim_end_matches('.').to_owned());
    }
    let debug_only = level < CryptLogLevel::Normal as c_int;
    if debug_only {
        log::trace!("libcryptsetup: {text}");
    } else {
        log::debug!("libcryptsetup: {text}");
    }
}
