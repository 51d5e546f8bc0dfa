//! Activation: one passphrase tried, and what a failure means.

use std::path::Path;

use libcryptsetup_rs::consts::flags::CryptActivate;
use libcryptsetup_rs::{CryptDevice, LibcryptErr};
use nix::errno::Errno;

use super::words::{self, errno, header_failure, internal};
use super::{bitlk, dropped};
use crate::error::{Kind, Shortage};
use crate::mapping::{Format, Header, OpenFailure};
use crate::secret::Secret;
use crate::volume::{HeaderPolicy, Options, VolumeName};

/// Tries `key` on a loaded device and maps it as `name`, where there is one; the number of the
/// keyslot it fits.
///
/// `header` and `metadata`, the place it was read from, are for the words of a failure.
pub(super) fn try_key(
    crypt: &mut CryptDevice,
    name: Option<&VolumeName>,
    key: &Secret,
    options: &Options,
    (header, metadata): (&Header, &Path),
) -> Result<u32, OpenFailure> {
    words::forget();
    let mut attempt = |name: Option<&VolumeName>| {
        crypt.activate_handle().activate_by_passphrase(
            name.map(VolumeName::as_str),
            options.key_slot,
            key.expose(),
            flags(options, name.is_some()),
        )
    };
    let opened = attempt(name);
    if header.format == Format::Bitlk && is(&opened, Errno::EINVAL) {
        // Also what a wrong key comes to, with OpenSSL, on the last protector of all
        // (crypt_bitlk_decrypt_key). Where nothing is mapped it is not the mapping's.
        if name.is_none() || is(&attempt(None), Errno::EINVAL) {
            let said = words::last_words();
            if !said.is_empty() {
                log::warn!("{said}");
            }
            return Err(OpenFailure::WrongKey);
        }
    }
    if let (Ok(_), Some(name)) = (&opened, name) {
        dropped::warn(crypt, name, &flags(options, true));
    }
    opened.map_err(|error| failure(name, options, (header, metadata), &error))
}

fn is(opened: &Result<u32, LibcryptErr>, number: Errno) -> bool {
    opened.as_ref().is_err_and(|error| errno(error) == number)
}

fn failure(
    name: Option<&VolumeName>,
    options: &Options,
    (header, metadata): (&Header, &Path),
    error: &LibcryptErr,
) -> OpenFailure {
    OpenFailure::Other(match (errno(error), name) {
        // ENOENT without a keyslot asked for: it opened one that is not the volume's.
        (Errno::EPERM, _) => return OpenFailure::WrongKey,
        (Errno::ENOENT, _) if options.key_slot.is_none() => return OpenFailure::WrongKey,
        (Errno::ENOENT, _) => Kind::HeaderUnusable {
            path: metadata.to_owned(),
            reason: "the keyslot asked for is not in use".to_owned(),
        },
        (Errno::EEXIST, Some(name)) => {
            Kind::NameInUse { name: name.clone(), device: "another device".to_owned() }
        }
        (Errno::EBUSY, _) => Kind::VolumeBusy {
            holders: vec!["another mapping or mount of the encrypted device".to_owned()],
        },
        // The same number for both; measured with libcryptsetup 2.6.1 on a kernel without dm-crypt.
        (Errno::ENODEV, Some(_)) => Kind::HeaderUnusable {
            path: metadata.to_owned(),
            reason: "no mapping was made: the disk is gone, or the kernel has no dm-crypt"
                .to_owned(),
        },
        (Errno::ENOMEM, _) => Kind::MemoryShort {
            needed_kib: header.keyslots.iter().map(|s| s.memory_kib).max().unwrap_or(0),
            shortage: Shortage::Kernel,
        },
        (
            Errno::EINVAL
            | Errno::EIO
            | Errno::ENOSYS
            | Errno::ENOTSUP
            | Errno::EROFS
            | Errno::ETXTBSY,
            _,
        ) => match header.format {
            Format::Bitlk => bitlk::failure(metadata, error),
            Format::Luks1 | Format::Luks2 => header_failure(metadata, error),
        },
        _ => internal("activating the volume", error),
    })
}

/// Flags of a mapping are refused where none is made.
fn flags(options: &Options, maps: bool) -> CryptActivate {
    // Not SERIALIZE_MEMORY_HARD_PBKDF, by which one KDF of the machine runs at a time and the others
    // wait in libcryptsetup, where no deadline reaches them: memory was set aside for this one.
    let mut flags = CryptActivate::empty();
    if !maps {
        return flags;
    }
    flags.set(CryptActivate::ALLOW_DISCARDS, options.discard);
    // What the header itself would switch on, such as discards, was on nobody's list.
    let strict = options.header_policy == HeaderPolicy::Strict;
    flags.set(CryptActivate::IGNORE_PERSISTENT, strict);
    flags.set(CryptActivate::READONLY, options.read_only);
    flags.set(CryptActivate::NO_READ_WORKQUEUE, options.no_read_workqueue);
    flags.set(CryptActivate::NO_WRITE_WORKQUEUE, options.no_write_workqueue);
    flags.set(CryptActivate::SAME_CPU_CRYPT, options.same_cpu_crypt);
    flags.set(CryptActivate::SUBMIT_FROM_CRYPT_CPUS, options.submit_from_crypt_cpus);
    flags
}
