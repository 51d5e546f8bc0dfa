//! A new LUKS2 volume.

use std::path::Path;

use libcryptsetup_rs::consts::flags::CryptVolumeKey;
use libcryptsetup_rs::consts::vals::EncryptionFormat;
use libcryptsetup_rs::{CryptInit, Either, LibcryptErr};

use super::Libcryptsetup;
use super::keyslots::cheap_kdf;
use super::words::{self, header_failure};
use crate::error::Kind;
use crate::secret::Secret;

/// cryptsetup's own default for LUKS2: AES in XTS with two keys of 256 bits.
const CIPHER: (&str, &str) = ("aes", "xts-plain64");
const KEY_BYTES: usize = 64;

/// Where a new volume has its key.
pub const KEYSLOT: u32 = 0;

/// Makes `device` a LUKS2 volume whose [`KEYSLOT`] `key` opens. What was on it is lost.
///
/// `key` has to be random, see [`crate::keyslots::Keyslots::add`]. Errors: `HeaderUnusable`, also
/// for a device that is too small.
pub fn luks2(device: &Path, key: &Secret) -> Result<(), Kind> {
    let _ = Libcryptsetup::new();
    words::forget();
    make(device, key).map_err(|error| header_failure(device, &error))
}

fn make(device: &Path, key: &Secret) -> Result<(), LibcryptErr> {
    let mut crypt = CryptInit::init(device)?;
    cheap_kdf(&mut crypt)?;
    let volume_key = Either::Right(KEY_BYTES);
    crypt.context_handle().format::<()>(EncryptionFormat::Luks2, CIPHER, None, volume_key, None)?;
    let mut keyslots = crypt.keyslot_handle();
    keyslots.add_by_key(Some(KEYSLOT), None, key.expose(), CryptVolumeKey::empty()).map(|_| ())
}
