//! One volume from its line in the image's bektab, ADE's parameters and `rd.bek.*`, in that order.
//!
//! Device and key replace what was there. Options are added: a value replaces that of the same
//! option, and nothing can be taken away. ADE's parameters name a partition and a header and no
//! more; what else ADE's own script does holds only where bektab has no line.

use super::ade::Ade;
use super::given::Fields;
use crate::config::line::{Fault, Word};
use crate::config::option_value::{is_filesystem_uuid, is_partition_uuid};
use crate::config::{bektab, fields, options};
use crate::error::printable;
use crate::volume::is_uuid;
use crate::volume::{DeviceSpec, HeaderSpec, KeyFileName, KeySpec, Options, Volume, VolumeName};

/// Where ADE puts the header of the OS disk, from the root of the file system of /boot.
const OS_HEADER: &str = "/luks/osluksheader";

/// A volume that may lack its device yet.
struct Draft {
    device: Option<DeviceSpec>,
    key: KeySpec,
    options: Options,
}

/// The volume `name`; `base` is its line in bektab.
pub(super) fn volume(
    name: &VolumeName,
    base: Option<&Volume>,
    ade: Option<&Ade<'_>>,
    given: Option<&Fields<'_>>,
) -> Result<Volume, Fault> {
    let mut draft = Draft::of(base);
    if let Some(ade) = ade {
        draft.ade(ade, base.is_none());
    }
    if let Some(given) = given {
        draft.given(given)?;
    }
    let Draft { device, key, options } = draft;
    match (device, ade.map(|ade| ade.first).or(given.map(|given| given.first))) {
        (Some(device), _) => Ok(Volume { name: name.clone(), device, key, options }),
        (None, place) => {
            let name = printable(name.as_str(), 32);
            let message = format!("{name} has no device here and no line in /etc/bektab");
            Err(place.unwrap_or(Word { raw: "", column: 0 }).fault(message))
        }
    }
}

impl Draft {
    fn of(base: Option<&Volume>) -> Self {
        match base.cloned() {
            Some(Volume { name: _, device, key, options }) => {
                Self { device: Some(device), key, options }
            }
            // Opened in the initramfs, whatever else is said of it.
            None => {
                let options = Options { initrd: true, ..Options::default() };
                Self { device: None, key: KeySpec::Find, options }
            }
        }
    }

    /// Sets what ADE's parameters say, and for a volume that is `new` what ADE takes for granted.
    fn ade(&mut self, ade: &Ade<'_>, new: bool) {
        if let Some(uuid) = ade.partition {
            self.device = Some(DeviceSpec::PartUuid(uuid.raw.to_owned()));
        }
        if let Some(uuid) = ade.boot {
            let device = DeviceSpec::Uuid(uuid.raw.to_owned());
            self.options.header = Some(HeaderSpec::On { path: OS_HEADER.into(), device });
        }
        self.options.initrd = true;
        if new {
            self.key = KeyFileName::parse(KeyFileName::OS).map_or(KeySpec::Find, KeySpec::KeyFile);
            self.options.discard = true;
            let in_image = || HeaderSpec::Path(format!("/boot{OS_HEADER}").into());
            self.options.header.get_or_insert_with(in_image);
        }
    }

    fn given(&mut self, given: &Fields<'_>) -> Result<(), Fault> {
        if let Some(word) = &given.device {
            let device = fields::device(word)?;
            check(&device, word, is_uuid)?;
            self.device = Some(device);
        }
        if let Some(word) = &given.key {
            if options::is_list(word.raw) {
                return Err(word.fault("these are options; a key is needed, or -"));
            }
            self.key = fields::key(word)?;
            if matches!(self.key, KeySpec::Secret(_)) {
                // They were for finding the secret that is named now.
                self.options.vault = None;
                self.options.machine_name = None;
            }
        }
        if let Some(word) = given.options {
            self.options = options::add(self.options.clone(), word)?;
            bektab::agree(&self.key, &self.options, &word)?;
            if let (Some(HeaderSpec::On { device, .. }), Some(header)) =
                (&self.options.header, options::find(word, "header"))
            {
                check(device, &header, is_filesystem_uuid)?;
            }
        }
        Ok(())
    }
}

/// Refuses a UUID that is none; in bektab(5) such a line finds no device, but this one replaces a
/// line that does. Those of `UUID=` are what `is_good` takes.
fn check(device: &DeviceSpec, word: &Word<'_>, is_good: fn(&str) -> bool) -> Result<(), Fault> {
    match device {
        DeviceSpec::PartUuid(uuid) if !is_partition_uuid(uuid) => {
            Err(word.fault("not the UUID of a partition"))
        }
        DeviceSpec::Uuid(uuid) if !is_good(uuid) => Err(word.fault("not a UUID")),
        _ => Ok(()),
    }
}
