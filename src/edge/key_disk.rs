//! Reads key disks: through a private mount, or in user space where that is not to be had.

use std::fs;
use std::path::{Path, PathBuf};

use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::mount::{self, How, Problem};
use crate::edge::{fat, file};
use crate::error::Kind;
use crate::key::candidates::{self, Wanted};
use crate::key::disk::{FoundFile, KeyDisks};
use crate::volume::KeyFileName;

/// Where ADE's extension notes the key file's name, when somebody gave it another than the usual.
const ADE_CONFIGURATION: &str = "/var/lib/azure_disk_encryption_config/azure_crypt_config.ini";

/// The name in ADE's own configuration, where this machine has one.
pub fn configured_name() -> Option<KeyFileName> {
    candidates::configured(&fs::read_to_string(ADE_CONFIGURATION).ok()?)
}

/// The key disks of this machine.
#[derive(Clone, Debug, Default)]
pub struct AttachedKeyDisks {
    devices: BlockDevices,
    /// The reader in user space was mentioned; once is enough for all looks.
    mentioned: bool,
}

impl KeyDisks for AttachedKeyDisks {
    fn list(&mut self) -> Result<Vec<PathBuf>, Kind> {
        self.devices.key_disks()
    }

    fn read(&mut self, device: &Path, wanted: &Wanted) -> Result<Vec<FoundFile>, Kind> {
        let unreadable =
            |reason: String| Kind::KeyDiskUnreadable { device: device.to_owned(), reason };
        let read = mount::mounted(device, &How::KEY_DISK, |path, directory| {
            let names = wanted.choose(&file::listing(path)?);
            let read = |name| FoundFile { content: file::read_in(directory, &name), name };
            Ok(names.into_iter().map(read).collect())
        });
        match read {
            Ok(files) => files.map_err(|error: std::io::Error| unreadable(error.to_string())),
            Err(Problem::Stuck(error)) => Err(Kind::Internal {
                call: "unmounting the key disk",
                reason: format!("{}: {error}", device.display()),
            }),
            Err(Problem::Unavailable { call, error }) => {
                if !self.mentioned {
                    self.mentioned = true;
                    log::warn!(
                        "cannot {call} key disk {} as vfat ({error}); reading it in user space",
                        device.display()
                    );
                }
                fat::read(device, wanted)
                    .map_err(|user| unreadable(format!("{call}: {error}; in user space: {user}")))
            }
        }
    }
}

/// Key disks that somebody named: from another machine, or files with their bytes.
#[derive(Clone, Debug)]
pub struct NamedKeyDisks {
    devices: Vec<PathBuf>,
    reader: AttachedKeyDisks,
}

impl NamedKeyDisks {
    /// The file systems on these devices, whatever their labels.
    pub fn new(devices: Vec<PathBuf>) -> Self {
        Self { devices, reader: AttachedKeyDisks::default() }
    }
}

impl KeyDisks for NamedKeyDisks {
    fn list(&mut self) -> Result<Vec<PathBuf>, Kind> {
        Ok(self.devices.clone())
    }

    fn read(&mut self, device: &Path, wanted: &Wanted) -> Result<Vec<FoundFile>, Kind> {
        self.reader.read(device, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    fn read(device: &Path) -> Result<Vec<FoundFile>, Kind> {
        AttachedKeyDisks::default().read(device, &Wanted::default())
    }

    /// mount(2) takes no image file and no user but root: both ways lead to user space.
    #[test]
    fn what_cannot_be_mounted_is_read_in_user_space() {
        let image = Image::key_disk(&[("LinuxPassPhraseFileName", b"key")]);
        let files = read(&image.path).unwrap();
        assert_eq!(files[0].name.as_str(), "LinuxPassPhraseFileName");
        assert_eq!(files[0].content.as_ref().unwrap().expose(), b"key");
    }

    #[test]
    fn what_cannot_be_read_either_way_says_both_reasons() {
        let text = read(&Image::empty(64).path).unwrap_err().to_string();
        assert!(text.starts_with("cannot read key disk /"), "{text}");
        assert!(text.contains("; in user space: "), "{text}");
    }
}
