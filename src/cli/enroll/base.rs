//! The volume as its line has it now, or as a new line would: what of it is not about its key.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::cli::args::enroll::EnrollArgs;
use crate::cli::rekey::root;
use crate::config::{self, Configuration, Entry, Origin};
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::error::Kind;
use crate::volume::{DeviceSpec, HeaderSpec, Identity, KeySpec, Options, Volume, VolumeName};

/// What is known of the volume before its header is read.
pub(super) enum Base {
    /// It has a line.
    Known(Volume),
    /// It has none; with whether it is to be found by its UUID.
    New { volume: Volume, by_uuid: bool },
}

impl Base {
    /// Looks for a line of that name.
    ///
    /// Errors: `NotRekeyable` where it is another device's, or the device has a line of another
    /// name than the one that was given; those of a line that does not parse.
    pub fn find(args: &EnrollArgs, name: &VolumeName, device: &Path) -> Result<Self, Kind> {
        let configuration = config::load(root());
        let entry = match configuration.find(name) {
            Ok(entry) => entry,
            Err(Kind::NotConfigured { .. }) => {
                // Two lines would open one disk twice, and what mounts it knows the other name.
                let known = args.name.as_ref().and_then(|_| line_of(&configuration, device));
                return known.map_or_else(|| Ok(Self::new(args, name, device)), Err);
            }
            Err(kind) => return Err(kind),
        };
        let known = BlockDevices::new().find(&entry.volume.device)?;
        if known.as_deref() != Some(device) {
            let (file, spec) = (entry.file.display(), &entry.volume.device);
            let reason = format!("{name} in {file} is another device: {spec}");
            return Err(Kind::NotRekeyable { reason });
        }
        if entry.origin == Origin::Crypttab {
            log::warn!("/etc/crypttab has {name}, too: see bek-unlock adopt");
        }
        let mut volume = entry.volume.clone();
        if let Some(machine) = &args.machine_name {
            // That of its secret, which is found by its tags where there is a token, too.
            volume.options.machine_name = Some(machine.clone());
        }
        Ok(Self::Known(volume))
    }

    fn new(args: &EnrollArgs, name: &VolumeName, device: &Path) -> Self {
        let azure = &args.azure;
        let path = std::path::absolute(&args.device).unwrap_or_else(|_| device.to_owned());
        let is_disk =
            fs::metadata(device).is_ok_and(|metadata| metadata.file_type().is_block_device());
        // Links below there mean the same disk at the next boot; /dev/sdc may be another one.
        let by_uuid = is_disk && args.header.is_none() && !path.starts_with("/dev/disk");
        let volume = Volume {
            name: name.clone(),
            device: DeviceSpec::Path(path),
            key: KeySpec::Find,
            options: Options {
                ca: azure.ca.clone(),
                header: args.header.as_ref().map(absolute),
                identity: azure.identity.clone(),
                machine_name: args.machine_name.clone(),
                // A disk that is missing must not keep the machine from booting.
                nofail: true,
                vault_suffixes: azure.vault_suffixes.clone(),
                ..Options::default()
            },
        };
        Self::New { volume, by_uuid }
    }

    /// The volume whose header has this UUID.
    pub fn volume(&self, uuid: &str) -> Volume {
        match self {
            Self::Known(volume) | Self::New { volume, by_uuid: false } => volume.clone(),
            Self::New { volume, by_uuid: true } => {
                Volume { device: DeviceSpec::Uuid(uuid.to_owned()), ..volume.clone() }
            }
        }
    }

    /// Its detached header: the one given, or its line's.
    pub fn header<'a>(&'a self, args: &'a EnrollArgs) -> Option<&'a HeaderSpec> {
        args.header.as_ref().or(self.options().header.as_ref())
    }

    /// Which managed identity of the VM asks.
    pub fn identity(&self) -> Option<Identity> {
        self.options().identity.clone()
    }

    fn options(&self) -> &Options {
        let (Self::Known(volume) | Self::New { volume, .. }) = self;
        &volume.options
    }
}

/// The refusal of another name for a device that has a line.
fn line_of(configuration: &Configuration, device: &Path) -> Option<Kind> {
    let mut devices = BlockDevices::new();
    let is_of = |entry: &&Entry| {
        let found = devices.find(&entry.volume.device);
        found.is_ok_and(|found| found.as_deref() == Some(device))
    };
    let Entry { volume, file, .. } = configuration.entries.iter().find(is_of)?;
    let (name, file) = (&volume.name, file.display());
    let reason = format!("{file} has it as {name}: give --name {name}");
    Some(Kind::NotRekeyable { reason })
}

/// A header's path from the root, which is where a boot looks for it.
fn absolute(header: &HeaderSpec) -> HeaderSpec {
    match header {
        HeaderSpec::Path(path) => {
            HeaderSpec::Path(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
        on => on.clone(),
    }
}
