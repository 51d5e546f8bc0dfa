//! Which libcryptsetup this is: for messages, when it does not know something.
//!
//! It does not say so itself. Each release of it has brought functions of its own, and a name that
//! it does not have is of a later one (lib/libcryptsetup.sym).

use std::ffi::CStr;

use nix::libc;

/// A function that is new in a release.
const NEW: [(&CStr, (u32, u32)); 5] = [
    (c"crypt_safe_memcpy", (2, 8)),
    (c"crypt_set_keyring_to_link", (2, 7)),
    (c"crypt_keyslot_context_free", (2, 6)),
    (c"crypt_get_label", (2, 5)),
    (c"crypt_token_max", (2, 4)),
];

/// Major and minor version; of a newer one than any that is known here, the newest known.
pub(super) fn running() -> (u32, u32) {
    let found = NEW.iter().find(|(name, _)| is_there(name));
    // The program does not start with an older one (CRYPTSETUP_2.4 of crypt_format).
    found.map_or((2, 4), |(_, version)| *version)
}

fn is_there(name: &CStr) -> bool {
    // SAFETY: the name ends with NUL, and the address is only compared: nothing is called.
    #[expect(unsafe_code, reason = "the dynamic linker has no other interface")]
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !address.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_library_that_is_linked() {
        // Called by the program itself, so it is in whatever is linked; and a name that is in none.
        assert!(is_there(c"crypt_format"));
        assert!(!is_there(c"crypt_function_of_no_release"));
        assert!(NEW.iter().any(|(_, version)| *version == running()));
    }
}
