//! What libcryptsetup reads in a header, as values.

use libcryptsetup_rs::consts::vals::{EncryptionFormat, KeyslotInfo};
use libcryptsetup_rs::{CryptDevice, LibcryptErr};

use crate::header::cost;
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
