//! Azure Disk Encryption's own parameters, which are on the kernel command line of every machine
//! whose OS disk it encrypted.
//!
//! Its dracut module (91adeOnline) looks for a partition whose UUID *ends* in what the parameter
//! says, so that an empty value matches every partition. Here a value is a UUID or an error.

use super::words::Parameter;
use super::{Refusal, otherwise};
use crate::config::ade::OS_MAPPER;
use crate::config::line::{Fault, Word};
use crate::config::option_value::{is_filesystem_uuid, is_partition_uuid};
use crate::volume::VolumeName;

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
    let partition = value(
        ["rd.luks.ade.partuuid", "rd_LUKS_PARTUUID"],
        is_partition_uuid,
        "not the UUID of a partition",
    );
    let boot = value(
        ["rd.luks.ade.bootuuid", "rd_LUKS_BOOTUUID"],
        is_filesystem_uuid,
        "not the UUID of a file system",
    );
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
