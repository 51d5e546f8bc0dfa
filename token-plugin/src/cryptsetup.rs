//! The calls of libcryptsetup that a plugin needs, as Rust sees them.

#![expect(unsafe_code, reason = "libcryptsetup is C")]

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr::{self, NonNull};

/// libcryptsetup's `struct crypt_device`, of which only it knows the inside.
#[repr(C)]
#[derive(Debug)]
pub struct CryptDevice {
    _inside: [u8; 0],
}

/// A device that a call of ours is about.
#[derive(Clone, Copy, Debug)]
pub struct Device(NonNull<CryptDevice>);

/// `CRYPT_LOG_NORMAL`: a result, on standard output in cryptsetup(8).
const NORMAL: c_int = 0;
/// `CRYPT_LOG_ERROR`.
const ERROR: c_int = 1;

#[link(name = "cryptsetup")]
unsafe extern "C" {
    fn crypt_get_device_name(device: *mut CryptDevice) -> *const c_char;
    fn crypt_log(device: *mut CryptDevice, level: c_int, message: *const c_char);
    fn crypt_token_json_get(
        device: *mut CryptDevice,
        token: c_int,
        json: *mut *const c_char,
    ) -> c_int;
}

impl Device {
    /// The device of a call; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `device` is NULL or what libcryptsetup gave us, and the value is used during that call only.
    pub unsafe fn new(device: *mut CryptDevice) -> Option<Self> {
        NonNull::new(device).map(Self)
    }

    /// Its path.
    pub fn name(&self) -> Option<&OsStr> {
        // SAFETY: the device is a valid one by `new`'s contract.
        let name = unsafe { crypt_get_device_name(self.0.as_ptr()) };
        // SAFETY: a string that lives as long as the device, or NULL.
        let name = unsafe { string(name) };
        name.map(|name| OsStr::from_bytes(name.to_bytes()))
    }

    /// The metadata of one of its tokens.
    pub fn token(&self, number: c_int) -> Option<&CStr> {
        let mut json = ptr::null();
        // SAFETY: the device is a valid one by `new`'s contract, and `json` can be written to.
        let found = unsafe { crypt_token_json_get(self.0.as_ptr(), number, &raw mut json) };
        if found < 0 {
            return None;
        }
        // SAFETY: a string that lives until the header is changed, which nobody does meanwhile.
        unsafe { string(json) }
    }

    /// Prints `text`, which is a result.
    pub fn print(&self, text: &CStr) {
        self.log(NORMAL, text);
    }

    /// Says `text`, which is why something failed.
    pub fn complain(&self, text: &CStr) {
        self.log(ERROR, text);
    }

    fn log(&self, level: c_int, text: &CStr) {
        // SAFETY: the device is a valid one by `new`'s contract; the text is only read.
        unsafe { crypt_log(self.0.as_ptr(), level, text.as_ptr()) }
    }
}

/// A string of C; `None` for NULL.
///
/// # Safety
///
/// `start` is NULL or a string that lives as long as the caller says.
pub unsafe fn string<'a>(start: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not NULL, and otherwise the caller's promise.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) })
}
