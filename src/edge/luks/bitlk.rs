//! BITLK: BitLocker as libcryptsetup opens it, and as its Rust binding has no word for.
//!
//! Only loading is called in C; from then on the handle is the binding's. A key is a passphrase,
//! the 48 digits of a recovery password or the whole of a .BEK file: libcryptsetup tries it on
//! every protector it can. Reads, never writes.

use std::ffi::CString;
use std::os::raw::c_int;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{io, ptr};

use libcryptsetup_rs::{CryptDevice, LibcryptErr};
use libcryptsetup_rs_sys::{crypt_init, crypt_load};
use nix::errno::Errno;

use super::words::{errno, last_words, text};
use crate::error::Kind;
use crate::mapping::{Format, Header};

/// The device with its metadata read; the first copy of the three that libcryptsetup takes for
/// whole.
pub(super) fn load(device: &Path) -> Result<CryptDevice, LibcryptErr> {
    let path = CString::new(device.as_os_str().as_bytes()).map_err(LibcryptErr::NullError)?;
    let mut handle = ptr::null_mut();
    // SAFETY: `path` ends with NUL and outlives the call, which copies it; `handle` is a place to
    // write to, and holds a context of libcryptsetup if and only if this succeeds.
    #[expect(unsafe_code, reason = "the binding keeps the handle it makes to itself")]
    check(unsafe { crypt_init(&mut handle, path.as_ptr()) })?;
    // Frees it on every way out, once: nothing else does.
    let crypt = CryptDevice::from_ptr(handle);
    // SAFETY: `crypt` keeps the handle alive; the type is a static string that ends with NUL, and
    // BITLK takes no parameters (crypt_load in libcryptsetup.h).
    #[expect(unsafe_code, reason = "the binding has no such format")]
    check(unsafe { crypt_load(handle, c"BITLK".as_ptr(), ptr::null_mut()) })?;
    Ok(crypt)
}

fn check(result: c_int) -> Result<(), LibcryptErr> {
    match result {
        0.. => Ok(()),
        error => Err(LibcryptErr::IOError(io::Error::from_raw_os_error(error.saturating_neg()))),
    }
}

/// What a loaded device says.
pub(super) fn header(crypt: &mut CryptDevice) -> Result<Header, LibcryptErr> {
    let uuid = crypt.status_handle().get_uuid()?.to_string();
    Ok(Header { format: Format::Bitlk, uuid, detached: false, keyslots: Vec::new() })
}

/// What a failure to read the metadata means, or to open a device in a state that libcryptsetup
/// leaves to Windows.
pub(super) fn failure(path: &Path, error: &LibcryptErr) -> Kind {
    let said = last_words();
    let reason = match (errno(error), translated(&said)) {
        (_, Some(words)) => words.to_owned(),
        (Errno::ENOTSUP, None) if said.is_empty() => NO_PROTECTOR.to_owned(),
        (Errno::EINVAL, None) if said.is_empty() => "its BitLocker metadata are damaged".to_owned(),
        (_, None) if said.is_empty() => text(error),
        (_, None) => said,
    };
    Kind::HeaderUnusable { path: path.to_owned(), reason }
}

const NO_PROTECTOR: &str = "Windows has it opened by a TPM or smart card alone";

/// libcryptsetup's words (lib/bitlk/bitlk.c) for states that only Windows ends, in the operator's.
fn translated(said: &str) -> Option<&'static str> {
    [
        ("'encrypt-on-write'", "Windows has not encrypted all of it (encrypt-on-write)"),
        ("in an unsupported state", "Windows has not finished encrypting or decrypting it"),
        (
            "partially decrypted",
            "Windows has suspended its BitLocker; libcryptsetup opens that from 2.8.2 on",
        ),
        ("BITLK version 1", "it is BitLocker of Windows Vista, which libcryptsetup does not open"),
    ]
    .into_iter()
    .find_map(|(theirs, ours)| said.contains(theirs).then_some(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::luks::words;

    #[test]
    fn what_only_windows_can_mend_is_said_so() {
        let reason = |errno: Errno, said: &str| {
            words::said(said);
            let error = LibcryptErr::IOError(io::Error::from_raw_os_error(errno as i32));
            match failure(Path::new("/dev/sdc2"), &error) {
                Kind::HeaderUnusable { path, reason } if path == Path::new("/dev/sdc2") => reason,
                other => panic!("{other:?}"),
            }
        };
        for said in [
            "BITLK devices with type 'encrypt-on-write' cannot be activated",
            "This BITLK device is in an unsupported state and cannot be activated",
            "Activation of partially decrypted BITLK device is not supported",
            "",
        ] {
            let reason = reason(Errno::ENOTSUP, said);
            assert!(reason.starts_with("Windows has "), "{said}: {reason}");
        }
        let damaged = "its BitLocker metadata are damaged";
        assert_eq!(reason(Errno::EINVAL, ""), damaged);
        assert_eq!(reason(Errno::EIO, ""), "I/O error");
        let theirs = "Cannot activate device, kernel dm-zero module is missing";
        assert_eq!(reason(Errno::ENOTSUP, theirs), theirs);
        assert!(reason(Errno::ENOTSUP, "BITLK version 1 is x").contains("Windows Vista"));
    }
}
