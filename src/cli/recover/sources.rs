//! The key sources of `recover`, in the order of its flags, built from the real parts.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::azure::Azure;
use crate::azure::matching::Disk;
use crate::cli::args::key::{Input, KeyArg};
use crate::cli::args::recover::RecoverArgs;
use crate::device::Devices;
use crate::edge::askpass::SystemdAskPassword;
use crate::edge::block::BlockDevices;
use crate::edge::given::{GivenFile, HeaderMetadata, StandardInput};
use crate::edge::key_disk::{AttachedKeyDisks, NamedKeyDisks};
use crate::key::candidates::Wanted;
use crate::key::checked::Checked;
use crate::key::disk::{KeyDisk, KeyDisks};
use crate::key::material::{Given, Material, Use};
use crate::key::prompt::Prompt;
use crate::key::unwrap::Unwrap;
use crate::key::vault::{Kek, KeyVault, Lookup};
use crate::key::{AtOnce, KeySource, SourceName};
use crate::unlock::{Encrypted, Sources};
use crate::volume::Volume;

/// The sources of one disk; they share one Azure client, so that nothing is asked twice.
pub struct RecoverySources<'a> {
    /// What was asked for.
    pub args: &'a RecoverArgs,
    /// Connects to nothing before a source needs it.
    pub azure: Rc<RefCell<Azure>>,
    /// Whose keys come first.
    pub disk: Disk,
    /// The file systems of `--key-disk`.
    pub key_disks: Vec<PathBuf>,
    /// The metadata of the LUKS header.
    pub metadata: HeaderMetadata,
    /// Asks the person at the terminal.
    pub ask: SystemdAskPassword,
}

impl RecoverySources<'_> {
    fn kek(&self) -> Kek {
        Kek { key: self.args.kek.clone(), algorithm: self.args.kek_algorithm }
    }

    fn given<'a>(&self, input: &Input, usage: Use) -> Box<dyn KeySource + 'a> {
        let (given, place): (Box<dyn Given>, _) = match input {
            Input::File(path) => {
                // Messages know a file by its absolute path.
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let place = format!("file {}", path.display());
                (Box::new(GivenFile(path)), place)
            }
            Input::Stdin => (Box::new(StandardInput), "standard input".to_owned()),
        };
        self.material((given, place), (SourceName::File, usage))
    }

    fn token<'a>(&self) -> Box<dyn KeySource + 'a> {
        let place = self.metadata.shown();
        self.material(
            (Box::new(self.metadata.clone()), place),
            (SourceName::Token, Use::WrappedKeys),
        )
    }

    fn material<'a>(
        &self,
        given: (Box<dyn Given>, String),
        how: (SourceName, Use),
    ) -> Box<dyn KeySource + 'a> {
        Box::new(Material::new(given, how, Rc::clone(&self.azure), self.kek()))
    }

    /// A key disk that is there or is not: nobody attaches one while this waits.
    fn key_disk<'a>(&self, disks: impl KeyDisks + 'a, device: &Path) -> Box<dyn KeySource + 'a> {
        let wanted = match self.disk {
            Disk::Windows => Wanted::windows(),
            Disk::Data => Wanted::new(None, None, BlockDevices::new().slot(device)),
            Disk::Os => Wanted::default(),
        };
        let source = AtOnce(KeyDisk::new(disks, wanted));
        match &self.args.kek {
            Some(kek) => self.checked(Unwrap::new(
                source,
                Rc::clone(&self.azure),
                kek.clone(),
                self.args.kek_algorithm,
            )),
            None => self.checked(source),
        }
    }

    fn vault<'a>(&self, lookup: Lookup) -> Box<dyn KeySource + 'a> {
        self.checked(KeyVault::new(Rc::clone(&self.azure), lookup, self.kek()))
    }

    /// What people paste was checked when it was recognised; this is for the rest.
    fn checked<'a>(&self, source: impl KeySource + 'a) -> Box<dyn KeySource + 'a> {
        match self.disk {
            Disk::Windows => Box::new(Checked::new(source)),
            Disk::Data | Disk::Os => Box::new(source),
        }
    }
}

impl Sources for RecoverySources<'_> {
    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>> {
        let device = &encrypted.device;
        let mut sources: Vec<Box<dyn KeySource + 'a>> = Vec::new();
        if self.args.keys.is_empty() {
            sources.push(self.key_disk(AttachedKeyDisks::default(), device));
            if self.metadata.has_token() {
                sources.push(self.token());
            }
        }
        let mut prompts = false;
        for key in &self.args.keys {
            sources.push(match key {
                KeyArg::KeyFile(input) => self.given(input, Use::Verbatim),
                KeyArg::Unwrapped(input) => self.given(input, Use::Keys),
                KeyArg::Wrapped(input) | KeyArg::BackupJson(input) => {
                    self.given(input, Use::WrappedKeys)
                }
                KeyArg::KeyDisk(_) => {
                    self.key_disk(NamedKeyDisks::new(self.key_disks.clone()), device)
                }
                KeyArg::Token => self.token(),
                KeyArg::Secret(id) => self.vault(Lookup::Secret(id.clone())),
                KeyArg::Vault(vault) => self.vault(Lookup::Rescue {
                    vault: vault.clone(),
                    machine: self.args.machine_name.clone(),
                    disk: self.disk,
                }),
                KeyArg::Prompt => {
                    prompts = true;
                    continue;
                }
            });
        }
        if prompts {
            sources.push(Box::new(Prompt::new(&mut self.ask, &volume.name)));
        }
        sources
    }
}
