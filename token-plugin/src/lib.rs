//! The plugin that libcryptsetup loads for LUKS2 tokens of the types `bek-unlock` and
//! `Azure_Disk_Encryption`.
//!
//! It runs in whatever opens the volume: cryptsetup(8), systemd-cryptsetup, udisks. So there is next
//! to nothing in it: no network, no JSON, no thread. It runs bek-unlock, which knows what the token
//! means, and hands on what comes back. What a function must keep to in a program that is not ours:
//!
//! - no panic leaves it;
//! - of all negative numbers only `-EAGAIN` and `-ENOENT` are returned by open: libcryptsetup gives up
//!   on all other tokens of the volume at any that it does not know;
//! - it says why nothing came of it, since libcryptsetup itself only knows that.

#![expect(unsafe_code, reason = "these are functions of C, which are found by their names")]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ask::{Answer, ask};
use buffer::Buffer;
use cryptsetup::{CryptDevice, Device, string};

mod ask;
mod buffer;
mod cryptsetup;
#[path = "../../src/key/frame.rs"]
pub mod frame;

/// bek-unlock's exit status when Azure was not reached in time.
const UNREACHABLE: i32 = 69;
/// Its exit status when what it was given cannot be used.
const UNUSABLE: i32 = 76;

/// The key of a token's keyslots: 0, and the buffer is the caller's.
///
/// `-EAGAIN` when Azure was not reached, which may go better the next time; else `-ENOENT`.
///
/// # Safety
///
/// libcryptsetup's: its own device, and two places to write to. Each of them may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cryptsetup_token_open(
    device: *mut CryptDevice,
    token: c_int,
    buffer: *mut *mut c_char,
    length: *mut usize,
    _user: *mut c_void,
) -> c_int {
    guarded(-libc::ENOENT, || {
        // SAFETY: the caller's promise; the value ends with this call.
        let Some(device) = (unsafe { Device::new(device) }) else { return -libc::ENOENT };
        if buffer.is_null() || length.is_null() {
            return -libc::ENOENT;
        }
        match key(&device, token) {
            Ok(key) => {
                let (start, bytes) = key.into_raw();
                // SAFETY: not NULL, and by the caller's promise places to write to.
                unsafe {
                    *buffer = start;
                    *length = bytes;
                }
                0
            }
            Err(number) => -number,
        }
    })
}

/// Whether a token can be used: 0, or `-EINVAL` for one that bek-unlock says it cannot read.
///
/// Where it cannot be asked that is not the token's fault, and open will say so.
///
/// # Safety
///
/// libcryptsetup's: its own device and a string. Each of them may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cryptsetup_token_validate(
    _device: *mut CryptDevice,
    json: *const c_char,
) -> c_int {
    guarded(0, || {
        // SAFETY: the caller's promise; the string is used during this call only.
        let Some(json) = (unsafe { string(json) }) else { return -libc::EINVAL };
        let answer = ask(program(), ["token-key", "validate"].map(OsStr::new), json.to_bytes());
        match answer.ok().and_then(|answer| answer.exit_status()) {
            Some(UNUSABLE) => -libc::EINVAL,
            _ => 0,
        }
    })
}

/// Prints what `cryptsetup luksDump` shows of a token, nothing where bek-unlock cannot be asked.
///
/// # Safety
///
/// libcryptsetup's: its own device and a string. Each of them may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cryptsetup_token_dump(device: *mut CryptDevice, json: *const c_char) {
    guarded((), || {
        // SAFETY: the caller's promise; both are used during this call only.
        let (Some(device), Some(json)) = (unsafe { (Device::new(device), string(json)) }) else {
            return;
        };
        let answer = ask(program(), ["token-key", "dump"].map(OsStr::new), json.to_bytes());
        if let Some(text) = answer.ok().and_then(Answer::bytes) {
            device.print(text.text());
        }
    });
}

/// Wipes and frees what [`cryptsetup_token_open`] gave.
///
/// # Safety
///
/// libcryptsetup's: NULL, or that buffer with its length, and no second time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cryptsetup_token_buffer_free(buffer: *mut c_void, length: usize) {
    // SAFETY: the caller's promise is the same.
    unsafe { buffer::give_back(buffer, length) }
}

/// For libcryptsetup's debug messages.
#[unsafe(no_mangle)]
pub extern "C" fn cryptsetup_token_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// The key of a token. Errors: the number for libcryptsetup; what is wrong was said then.
fn key(device: &Device, token: c_int) -> Result<Buffer, c_int> {
    let json = device.token(token).ok_or(libc::ENOENT)?;
    let words = ["token-key", "open", "--"].map(OsStr::new).into_iter().chain(device.name());
    let answer = ask(program(), words, json.to_bytes()).map_err(|error| {
        let program = program().display();
        let text = format!("bek-unlock: cannot run {program} for LUKS2 token {token}: {error}\n");
        device.complain(&CString::new(text).unwrap_or_default());
        libc::ENOENT
    })?;
    let number = match answer.exit_status() {
        Some(UNREACHABLE) => libc::EAGAIN,
        _ => libc::ENOENT,
    };
    answer.bytes().ok_or(number)
}

/// Runs `body`; a panic in it is `fallback`.
fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// The absolute path of bek-unlock.
#[cfg(not(test))]
fn program() -> &'static OsStr {
    unsafe extern "C" {
        static BEK_UNLOCK_PROGRAM: c_char;
    }
    // SAFETY: a constant string; program.c, which is linked with this, is nothing else.
    let program = unsafe { CStr::from_ptr(&raw const BEK_UNLOCK_PROGRAM) };
    OsStr::from_bytes(program.to_bytes())
}

/// Tests are linked without program.c.
#[cfg(test)]
fn program() -> &'static OsStr {
    OsStr::from_bytes(b"/nonexistent/bek-unlock")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn null_is_refused_and_not_looked_at() {
        let (mut buffer, mut length) = (ptr::null_mut(), 7);
        let nobody = ptr::null_mut();
        // SAFETY: NULL is allowed everywhere; the other two can be written to.
        unsafe {
            let opened =
                cryptsetup_token_open(nobody, 0, &raw mut buffer, &raw mut length, nobody.cast());
            assert_eq!((opened, buffer.is_null(), length), (-libc::ENOENT, true, 7));
            assert_eq!(cryptsetup_token_validate(nobody, ptr::null()), -libc::EINVAL);
            cryptsetup_token_dump(nobody, ptr::null());
            cryptsetup_token_buffer_free(ptr::null_mut(), 7);
        }
    }

    #[test]
    fn a_token_that_nobody_can_judge_is_valid() {
        // SAFETY: the device may be NULL, and the text is a string.
        let verdict = unsafe { cryptsetup_token_validate(ptr::null_mut(), c"{}".as_ptr()) };
        assert_eq!(verdict, 0);
    }

    #[test]
    fn the_version_is_the_crate_s() {
        // SAFETY: a constant string.
        let version = unsafe { CStr::from_ptr(cryptsetup_token_version()) };
        assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_panic_is_the_fallback() {
        assert_eq!(guarded(-libc::ENOENT, || panic!("nobody is to see this")), -libc::ENOENT);
    }
}
