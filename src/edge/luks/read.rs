//! What libcryptsetup reads in a header, as values.

use std::fs::File;
use std::path::Path;

use libcryptsetup_rs::consts::flags::CryptRequirement;
use libcryptsetup_rs::consts::vals::{EncryptionFormat, KeyslotInfo};
use libcryptsetup_rs::{CryptDevice, LibcryptErr};

use super::version;
use crate::header::{cost, identity, known};
use crate::mapping::{Format, Header, Keyslot};

/// The header, and the keyslots over what header/cost.rs allows with their iterations.
pub(super) fn header(
    crypt: &mut CryptDevice,
    detached: bool,
) -> Result<(Header, Vec<(u32, u32)>), LibcryptErr> {
    let kind = crypt.format_handle().get_type()?;
    let format = match kind {
        EncryptionFormat::Luks1 => Format::Luks1,
        EncryptionFormat::Luks2 => Format::Luks2,
        _ => return Err(LibcryptErr::InvalidConversion),
    };
    let uuid = crypt.status_handle().get_uuid()?.to_string();
    let (mut keyslots, mut costly) = (Vec::new(), Vec::new());
    for number in 0..libcryptsetup_rs::CryptKeyslotHandle::max_keyslots(kind)? {
        // Unbound keyslots hold a key of something else and never open the volume.
        let usable = matches!(
            crypt.keyslot_handle().status(number)?,
            KeyslotInfo::Active | KeyslotInfo::ActiveLast
        );
        if usable {
            let kdf = crypt.keyslot_handle().get_pbkdf(number);
            let (memory_kib, iterations) =
                kdf.map_or((0, 0), |kdf| (u64::from(kdf.max_memory_kb), kdf.iterations));
            if cost::too_much(iterations, memory_kib) {
                costly.push((number, iterations));
            }
            keyslots.push(Keyslot { number, memory_kib });
        }
    }
    Ok((Header { format, uuid, detached, keyslots }, costly))
}

/// Why nothing can be mapped by this libcryptsetup, where the header requires what it does not
/// know; `place` is where its bytes are.
///
/// Without this a key is tried, and fits, before that is said; or nothing is, where nothing is
/// mapped.
pub(super) fn unknown_requirement(crypt: &mut CryptDevice, place: &Path) -> Option<String> {
    // LUKS1 has none, and a newer library has bits that the binding does not know.
    let required = crypt.luks2_flag_handle::<CryptRequirement>().persistent_flags_get().ok()?;
    if !required.contains(CryptRequirement::UNKNOWN) {
        return None;
    }
    let identity = File::open(place).ok().and_then(|mut file| identity::read(&mut file).ok());
    let requirements = identity.map(|identity| identity.requirements).unwrap_or_default();
    Some(known::reason(&requirements, version::running()))
}
