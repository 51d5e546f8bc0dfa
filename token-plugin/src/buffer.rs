//! Memory that libcryptsetup takes over: from malloc(3), wiped before it is given back.
//!
//! From malloc, because a libcryptsetup that does not find our `cryptsetup_token_buffer_free` gives
//! the buffer to free(3).

#![expect(unsafe_code, reason = "libcryptsetup's memory is malloc's")]

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::slice;

/// Some bytes, and a NUL behind them; wiped when dropped.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<u8>,
    length: usize,
}

impl Buffer {
    /// `length` bytes of zero; `None` without memory for them.
    pub fn new(length: usize) -> Option<Self> {
        let size = length.checked_add(1)?;
        // SAFETY: calloc takes any two numbers.
        let start = unsafe { libc::calloc(size, 1) };
        Some(Self { start: NonNull::new(start.cast())?, length })
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `start` has `length` initialised bytes and is this value's alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// The bytes up to the first NUL, the one behind them at the latest.
    pub fn text(&self) -> &CStr {
        // SAFETY: the byte behind the `length` ones is a NUL that nothing overwrites.
        unsafe { CStr::from_ptr(self.start.as_ptr().cast()) }
    }

    /// The buffer as C knows one; [`give_back`] is its end.
    pub fn into_raw(self) -> (*mut c_char, usize) {
        let buffer = ManuallyDrop::new(self);
        (buffer.start.as_ptr().cast(), buffer.length)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `start` came from calloc with at least `length` bytes, and nobody has it any more.
        unsafe { give_back(self.start.as_ptr().cast(), self.length) }
    }
}

/// Wipes `length` bytes at `buffer` and frees it; nothing for NULL, as free(3).
///
/// # Safety
///
/// `buffer` is NULL, or came from malloc(3) with at least `length` bytes and is used no more.
pub unsafe fn give_back(buffer: *mut c_void, length: usize) {
    if buffer.is_null() {
        return;
    }
    // SAFETY: the caller's promise. explicit_bzero is not optimised away.
    unsafe {
        libc::explicit_bzero(buffer, length);
        libc::free(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_text_up_to_its_first_nul() {
        let mut buffer = Buffer::new(4).unwrap();
        assert_eq!((buffer.bytes_mut().len(), buffer.text()), (4, c""));
        buffer.bytes_mut().copy_from_slice(b"KEK:");
        assert_eq!(buffer.text(), c"KEK:");
        buffer.bytes_mut().copy_from_slice(b"KE\0:");
        assert_eq!(buffer.text(), c"KE");
    }

    #[test]
    fn the_raw_buffer_has_the_same_bytes() {
        let mut buffer = Buffer::new(3).unwrap();
        buffer.bytes_mut().copy_from_slice(b"a\0b");
        let (start, length) = buffer.into_raw();
        // SAFETY: `start` has `length` bytes, and is given back once.
        unsafe {
            assert_eq!(slice::from_raw_parts(start.cast::<u8>(), length), b"a\0b");
            give_back(start.cast(), length);
        }
    }

    #[test]
    fn more_than_there_is_is_none() {
        assert!(Buffer::new(usize::MAX).is_none() && Buffer::new(usize::MAX - 1).is_none());
    }
}
