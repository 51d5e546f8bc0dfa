//! Which key sources a volume has, in the order of bektab(5), built from the real parts.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::azure::vault::VaultSecret;
use crate::azure::{Azure, Settings};
use crate::check::witness::{Record, Witness};
use crate::config;
use crate::deadline::Deadline;
use crate::device::Devices;
use crate::edge::askpass::SystemdAskPassword;
use crate::edge::block::BlockDevices;
use crate::edge::file::SystemFiles;
use crate::edge::given::HeaderMetadata;
use crate::edge::key_disk::{AttachedKeyDisks, configured_name};
use crate::edge::network::{self, Unprivileged};
use crate::edge::resolver::Resolver;
use crate::error::Kind;
use crate::key::candidates::Wanted;
use crate::key::disk::KeyDisk;
use crate::key::file::KeyFile;
use crate::key::material::{Material, Use};
use crate::key::prompt::Prompt;
use crate::key::unwrap::Unwrap;
use crate::key::vault::{Kek, KeyVault, Lookup, MachineName};
use crate::key::{AtOnce, Candidate, KeySource, SourceName};
use crate::mapping::Format;
use crate::slot;
use crate::unlock::{Encrypted, Sources};
use crate::volume::{KeySpec, Options, Volume};

/// The sources of one volume; they share one Azure client, so that nothing is asked twice.
pub struct KeySources {
    azure: Rc<RefCell<Azure>>,
    ask: SystemdAskPassword,
    root: PathBuf,
    /// Whether a key disk is looked for once, and not waited for.
    at_once: bool,
}

impl KeySources {
    /// Sources for `volume`; connects to nothing yet.
    pub fn new(root: &Path, volume: &Volume) -> Self {
        let azure = Rc::new(RefCell::new(azure(root, &volume.options)));
        Self { azure, ask: SystemdAskPassword::default(), root: root.to_owned(), at_once: false }
    }

    /// The same for somebody who only looks: what is answered over the network goes into `record`,
    /// and a key disk that is not there is not waited for. Asks through a process of its own, because that of the boot's units is not theirs.
    pub fn witnessed(root: &Path, volume: &Volume, record: Record) -> Self {
        let options = &volume.options;
        let network = Unprivileged::new(options.ca.clone(), Resolver::of_initramfs(root));
        let network = Box::new(Witness::new(Box::new(network), record));
        let azure = Rc::new(RefCell::new(Azure::new(network, settings(options))));
        Self { azure, ask: SystemdAskPassword::default(), root: root.to_owned(), at_once: true }
    }

    /// A local source as it is, or unwrapping what it finds where bektab names the KEK.
    fn local<'a>(&self, volume: &Volume, source: impl KeySource + 'a) -> Box<dyn KeySource + 'a> {
        let options = &volume.options;
        match &options.kek {
            Some(kek) => Box::new(Unwrap::new(
                source,
                Rc::clone(&self.azure),
                kek.clone(),
                options.kek_algorithm,
            )),
            None => Box::new(source),
        }
    }

    fn key_vault(&self, volume: &Volume, lookup: Lookup) -> KeyVault {
        let options = &volume.options;
        let kek = Kek { key: options.kek.clone(), algorithm: options.kek_algorithm };
        KeyVault::new(Rc::clone(&self.azure), lookup, kek)
    }

    /// Which key file, and so which secret, is the volume's.
    fn wanted(&self, volume: &Volume, device: &Path) -> Wanted {
        let slot = BlockDevices::new().slot(device).or_else(|| slot::spelled(&volume.device));
        let named = match &volume.key {
            KeySpec::KeyFile(name) => Some(name.clone()),
            KeySpec::Find | KeySpec::Path(_) | KeySpec::Secret(_) => None,
        };
        Wanted::new(named, configured_name(), slot)
    }

    /// The tokens in the header, where it has one.
    fn token(&self, volume: &Volume, encrypted: &Encrypted) -> Option<Box<dyn KeySource>> {
        let metadata = HeaderMetadata::of(encrypted);
        if encrypted.format != Format::Luks2 || !metadata.has_token() {
            return None;
        }
        let place = metadata.shown();
        let options = &volume.options;
        let kek = Kek { key: options.kek.clone(), algorithm: options.kek_algorithm };
        Some(Box::new(Material::new(
            (metadata, place),
            (SourceName::Token, Use::WrappedKeys),
            Rc::clone(&self.azure),
            kek,
        )))
    }

    /// Key Vault by tags, where bektab names a vault to look in.
    fn by_tags(&self, volume: &Volume, device: &Path) -> Option<KeyVault> {
        let vault = volume.options.vault.clone()?;
        let machine = match &volume.options.machine_name {
            Some(name) => MachineName::Given(name.clone()),
            None => MachineName::Guest(host_name(&self.root)),
        };
        let files = self.wanted(volume, device).tags();
        let lookup = Lookup::Tags { vault, files, machine };
        Some(self.key_vault(volume, lookup))
    }
}

/// Key Vault alone, as the volume's line has it: which of its secrets holds the key.
pub struct OnlyKeyVault {
    all: KeySources,
    asked: Rc<RefCell<Vec<KeyVault>>>,
}

impl KeySources {
    /// The same volume's sources without the local ones.
    pub fn only_key_vault(self) -> OnlyKeyVault {
        OnlyKeyVault { all: self, asked: Rc::default() }
    }
}

impl OnlyKeyVault {
    /// The secret that was read last: the one whose key fitted, after a key was found.
    pub fn last_secret(&self) -> Option<Rc<VaultSecret>> {
        self.asked.borrow().last().and_then(KeyVault::last_read)
    }
}

impl Sources for OnlyKeyVault {
    fn prepare(&mut self, volume: &Volume) {
        self.all.prepare(volume);
    }

    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>> {
        let source = match &volume.key {
            KeySpec::Secret(id) => Some(self.all.key_vault(volume, Lookup::Secret(id.clone()))),
            _ => self.all.by_tags(volume, &encrypted.device),
        };
        self.asked.borrow_mut().extend(source);
        vec![Box::new(Shared(Rc::clone(&self.asked)))]
    }
}

/// The one source of [`OnlyKeyVault`], which is looked at again afterwards.
struct Shared(Rc<RefCell<Vec<KeyVault>>>);

impl KeySource for Shared {
    fn name(&self) -> SourceName {
        SourceName::KeyVault
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        self.0.borrow_mut().last_mut().map_or(Ok(Vec::new()), |source| source.keys(deadline))
    }
}

impl Sources for KeySources {
    /// A vault that comes after the key disk may never be asked.
    fn prepare(&mut self, volume: &Volume) {
        if let KeySpec::Secret(id) = &volume.key {
            self.azure.borrow_mut().expect(id.host());
        }
    }

    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>> {
        let by_tags = self.by_tags(volume, &encrypted.device);
        let mut sources: Vec<Box<dyn KeySource + 'a>> = match &volume.key {
            KeySpec::Find | KeySpec::KeyFile(_) => {
                let wanted = self.wanted(volume, &encrypted.device);
                let disk = KeyDisk::new(AttachedKeyDisks::default(), wanted);
                // The disk alone: what unwraps a key of it has the time that it needs.
                vec![match self.at_once {
                    true => self.local(volume, AtOnce(disk)),
                    false => self.local(volume, disk),
                }]
            }
            KeySpec::Path(path) => {
                vec![self.local(volume, KeyFile::new(SystemFiles, path.clone()))]
            }
            KeySpec::Secret(id) => {
                vec![Box::new(self.key_vault(volume, Lookup::Secret(id.clone())))]
            }
        };
        if volume.key == KeySpec::Find {
            sources.extend(self.token(volume, encrypted));
        }
        if let Some(source) = by_tags {
            sources.push(Box::new(source));
        }
        if volume.options.prompt {
            sources.push(Box::new(Prompt::new(&mut self.ask, &volume.name).beside_others()));
        }
        sources
    }
}

/// A client that signs in with the VM's managed identity; asks nobody yet.
pub fn azure(root: &Path, options: &Options) -> Azure {
    let network = Unprivileged::new(options.ca.clone(), Resolver::of_initramfs(root))
        .sharing(Path::new(network::SOCKET));
    Azure::new(Box::new(network), settings(options))
}

fn settings(options: &Options) -> Settings {
    Settings {
        identity: options.identity.clone(),
        suffixes: options.vault_suffixes.clone(),
        random: fastrand::f64,
    }
}

/// The guest's host name, which ADE wrote into the tag MachineName (`socket.gethostname()`).
///
/// In an initramfs that of the image: nobody has told it to the kernel, or DHCP another.
pub fn host_name(root: &Path) -> Option<String> {
    let of_image = if config::in_initramfs(root) {
        name_in(&fs::read_to_string(root.join("etc/hostname")).unwrap_or_default())
    } else {
        None
    };
    let of_kernel = || name_in(&fs::read_to_string(root.join("proc/sys/kernel/hostname")).ok()?);
    of_image.or_else(of_kernel)
}

/// The first line that is no comment (hostname(5)).
fn name_in(text: &str) -> Option<String> {
    let name =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    // The kernel's own default, before anybody set one.
    (name != "(none)").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_of_an_initramfs_is_its_images() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let name = || host_name(root.path());
        assert_eq!(name(), None);
        put("proc/sys/kernel/hostname", "(none)\n");
        put("etc/hostname", "# by hand\n\nweb01 \n");
        assert_eq!(name(), None);
        put("proc/sys/kernel/hostname", "dhcp-10-0-0-4\n");
        assert_eq!(name().as_deref(), Some("dhcp-10-0-0-4"));
        put("etc/initrd-release", "");
        assert_eq!(name().as_deref(), Some("web01"));
        put("etc/hostname", "\n");
        assert_eq!(name().as_deref(), Some("dhcp-10-0-0-4"));
    }
}
