//! A new volume: what is on the device is lost, so somebody has to say yes to exactly that.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::cli::args::enroll::EnrollArgs;
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::rekey::Notes;
use crate::edge::{disk, luks, probe};
use crate::error::Kind;
use crate::keyslots::Keyslots;
use crate::rekey::Records;
use crate::report;
use crate::secret::Secret;

/// Where a new volume has its key.
pub(super) const KEYSLOT: u32 = luks::format::KEYSLOT;

/// The answer that is asked for, as cryptsetup(8) has it.
const YES: &str = "YES";

/// Makes sure that nobody uses the device and that what is on it may be lost.
///
/// Errors: `DeviceInUse`; `Usage` where nobody says so.
pub(super) fn may_be_lost(device: &Path, args: &EnrollArgs) -> Result<(), Kind> {
    disk::must_be_unused(device)?;
    let held = BlockDevices::new().signature(device)?;
    let held = held.map_or_else(|| "nothing known".to_owned(), |held| format!("{held} on it"));
    let question =
        format!("{} has {} and {held}; all of it will be lost", device.display(), size(device));
    if args.dry_run {
        log::info!("{question} (not now: --dry-run)");
        return Ok(());
    }
    if args.yes {
        log::warn!("{question} (--yes)");
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Kind::Usage(format!("{question}: say so with --yes")));
    }
    report::question(&format!("{question}. Type {YES} to go on: "));
    let mut answer = String::new();
    // No more than a person types.
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    match read {
        Ok(_) if answer.trim_end_matches(['\n', '\r']) == YES => Ok(()),
        _ => Err(Kind::Usage(format!("the answer was not {YES}; nothing was changed"))),
    }
}

/// Makes it a LUKS2 volume that `key` opens. A note about what was on it before is of no use any
/// more.
pub(super) fn format(device: &Path, key: &Secret, notes: &mut Notes) -> Result<(), Kind> {
    if let Ok(old) = ChangedHeader::open(device, None) {
        notes.remove(old.uuid())?;
    }
    // One that is left, at the end of the disk for one, would be taken for what is on it.
    probe::wipe(device).map_err(|error| Kind::HeaderUnusable {
        path: device.to_owned(),
        reason: format!("what was on it could not be wiped: {error}"),
    })?;
    luks::format::luks2(device, key)
}

/// For people.
fn size(device: &Path) -> String {
    let bytes = match fs::metadata(device) {
        Ok(metadata) if metadata.file_type().is_block_device() => disk::size(device),
        Ok(metadata) => Some(metadata.len()),
        Err(_) => None,
    };
    match bytes {
        Some(bytes) if bytes >= 10 << 30 => format!("{} GiB", bytes >> 30),
        Some(bytes) => format!("{} MiB", bytes >> 20),
        None => "an unknown size".to_owned(),
    }
}
