//! ADE's tags of a secret that is made here, so that it is found as one of ADE's would be.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::args::enroll::EnrollArgs;
use crate::cli::rekey::root;
use crate::cli::sources::host_name;
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::slot::Slot;
use crate::volume::KeyFileName;

/// MachineName and DiskEncryptionKeyFileName; the KEK's two come from whoever wrapped. `apart` says
/// that the header is.
pub(super) fn of(args: &EnrollArgs, device: &Path, apart: bool) -> BTreeMap<String, String> {
    let machine = args.machine_name.clone().or_else(|| host_name(root())).unwrap_or_default();
    let file = args.file.as_ref().map(ToString::to_string).unwrap_or_else(|| {
        // ADE puts the header of an OS disk apart.
        let slot = if apart { None } else { BlockDevices::new().slot(device) };
        slot.and_then(Slot::key_file)
            .map_or_else(|| KeyFileName::OS.to_owned(), |file| file.to_string())
    });
    [
        ("MachineName".to_owned(), machine_tag(&machine).to_owned()),
        ("DiskEncryptionKeyFileName".to_owned(), file),
    ]
    .into()
}

/// ADE writes a host name of `^[\w-]+$` and nothing else (`EncryptionSettingsUtil.py`): a name with
/// a domain becomes an empty tag.
fn machine_tag(name: &str) -> &str {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(plain) { name } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_tagged_as_ade_tags_it() {
        for (name, tag) in [("web-01", "web-01"), ("a_b", "a_b"), ("web.example.org", ""), ("", "")]
        {
            assert_eq!(machine_tag(name), tag);
        }
    }
}
