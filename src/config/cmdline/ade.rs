//! Azure Disk Encryption's own parameters, which are on the kernel command line of every machine
//! whose OS disk it encrypted.
//!
//! Its dracut module (91adeOnline) looks for a partition whose UUID *ends* in what the parameter
//! says, so that an empty value matches every partition. Here a value is a UUID or an error.

use super::words::Parameter;
use super::{Refusal, otherwise};
use crate::config::Entry;
use crate::config::ade::OS_MAPPER;
use crate::config::line::{Fault, Word, quoted};
use crate::config::nearest::nearest;
use crate::config::option_value::{is_filesystem_uuid, is_partition_uuid};
use crate::volume::{DeviceSpec, VolumeName};

/// ADE has no other parameter that begins so.
const PREFIX: &str = "rd.luks.ade.";

/// The parameters and their older spellings.
const PARTITION: [&str; 2] = ["rd.luks.ade.partuuid", "rd_LUKS_PARTUUID"];
const BOOT: [&str; 2] = ["rd.luks.ade.bootuuid", "rd_LUKS_BOOTUUID"];

/// What ADE says of the OS disk.
pub(super) struct Ade<'a> {
    /// `osencrypt`.
    pub name: VolumeName,
    /// UUID of its partition.
    pub partition: Option<Word<'a>>,
    /// UUID of the file system of /boot, where its header is.
    pub boot: Option<Word<'a>>,
    /// The first value.
    pub first: Word<'a>,
}

impl Ade<'_> {
    /// Whether a line opens that partition under another name, and none as `osencrypt`: somebody
    /// took the disk over and left the boot loader alone. Two mappings of one disk cannot be.
    pub(super) fn is_under_another_name(&self, entries: &[Entry]) -> bool {
        let Some(uuid) = self.partition else { return false };
        let partition = DeviceSpec::PartUuid(uuid.raw.to_owned()).udev_path();
        entries.iter().all(|entry| entry.volume.name != self.name)
            && entries.iter().any(|entry| entry.volume.device.udev_path() == partition)
    }
}

/// Reads them; `None` when there are none.
pub(super) fn read<'a>(
    parameters: &[Parameter<'a>],
    refusals: &mut Vec<Refusal>,
) -> Option<Ade<'a>> {
    let name = VolumeName::parse(OS_MAPPER).ok()?;
    let mut value = |names: [&str; 2], is_good: fn(&str) -> bool, message| {
        let ours = parameters.iter().filter(|parameter| names.contains(&parameter.name.raw));
        one(ours, is_good, message).unwrap_or_else(|fault| {
            refusals.push(Refusal { name: Some(name.clone()), fault });
            None
        })
    };
    let partition = value(PARTITION, is_partition_uuid, "not the UUID of a partition");
    let boot = value(BOOT, is_filesystem_uuid, "not the UUID of a file system");
    for Parameter { name, .. } in parameters {
        let known = PARTITION.contains(&name.raw) || BOOT.contains(&name.raw);
        if name.raw.starts_with(PREFIX) && !known {
            let fault = name.fault(format!("unknown parameter {}", quoted(name.raw)));
            let meant = nearest(name.raw, [PARTITION[0], BOOT[0]]);
            refusals.push(Refusal { name: None, fault: fault.suggest(meant) });
        }
    }
    let first = partition.or(boot)?;
    Some(Ade { name, partition, boot, first })
}

/// The value of a parameter that may be there several times, in either spelling: scripts append it
/// to a boot loader's configuration again and again.
fn one<'p, 'a: 'p>(
    parameters: impl Iterator<Item = &'p Parameter<'a>>,
    is_good: fn(&str) -> bool,
    message: &str,
) -> Result<Option<Word<'a>>, Fault> {
    let mut first: Option<Word<'a>> = None;
    for Parameter { word, name, value } in parameters {
        let Some(value) = value.filter(|value| !value.raw.is_empty()) else {
            return Err(word.fault(format!("{}= has no value", name.raw)));
        };
        if !is_good(value.raw) {
            return Err(value.fault(message));
        }
        match first {
            Some(before) if !before.raw.eq_ignore_ascii_case(value.raw) => {
                return Err(word.fault(otherwise(&before)));
            }
            Some(_) => {}
            None => first = Some(value),
        }
    }
    Ok(first)
}
