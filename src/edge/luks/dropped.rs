//! Options that this kernel's dm-crypt does not know.
//!
//! libcryptsetup maps the volume without them and says so in its debug log alone (check_retry in
//! lib/libdevmapper.c). Whoever wrote the option would go on believing in it.

use std::fs;

use libcryptsetup_rs::CryptDevice;
use libcryptsetup_rs::consts::flags::CryptActivate;

use crate::volume::VolumeName;

/// An option of bektab, and the first Linux whose dm-crypt knows it
/// (Documentation/admin-guide/device-mapper/dm-crypt.rst and its history).
const SINCE: [(u32, &str, &str); 5] = [
    (CryptActivate::ALLOW_DISCARDS.bits(), "discard", "3.1"),
    (CryptActivate::SAME_CPU_CRYPT.bits(), "same-cpu-crypt", "4.0"),
    (CryptActivate::SUBMIT_FROM_CRYPT_CPUS.bits(), "submit-from-crypt-cpus", "4.0"),
    (CryptActivate::NO_READ_WORKQUEUE.bits(), "no-read-workqueue", "5.9"),
    (CryptActivate::NO_WRITE_WORKQUEUE.bits(), "no-write-workqueue", "5.9"),
];

/// Warns of what was `asked` for and is not in force on the mapping that was made.
pub(super) fn warn(crypt: &mut CryptDevice, name: &VolumeName, asked: &CryptActivate) {
    let asked = asked.bits();
    if !SINCE.iter().any(|(flag, ..)| asked & flag != 0) {
        return;
    }
    match crypt.runtime_handle(name.as_str()).get_active_device() {
        Ok(active) => {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            for line in lines(asked, active.flags.bits(), release.trim()) {
                log::warn!("{line}");
            }
        }
        // A newer libcryptsetup has flags that its binding does not know: then nothing is known.
        Err(error) => log::debug!("options in force: {error}"),
    }
}

fn lines(asked: u32, active: u32, release: &str) -> Vec<String> {
    let lacking = SINCE.iter().filter(|(flag, ..)| asked & !active & flag != 0);
    lacking
        .map(|(_, option, since)| {
            format!("opened without {option}: that needs Linux {since}, this is {release}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_force_is_named() {
        let all = SINCE.iter().fold(0, |all, (flag, ..)| all | flag);
        assert_eq!(lines(all, all, "6.1"), [""; 0]);
        assert_eq!(lines(CryptActivate::READONLY.bits(), 0, "6.1"), [""; 0]);
        assert_eq!(
            lines(all, all & !CryptActivate::NO_READ_WORKQUEUE.bits(), "5.4.0-azure"),
            ["opened without no-read-workqueue: that needs Linux 5.9, this is 5.4.0-azure"]
        );
        assert_eq!(lines(all, 0, "2.6.32").len(), SINCE.len());
    }
}
