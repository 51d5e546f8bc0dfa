//! Which key sources a volume has, in the order of bektab(5), built from the real parts.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::azure::{Azure, Settings};
use crate::config;
use crate::device::Devices;
use crate::edge::askpass::SystemdAskPassword;
use crate::edge::block::BlockDevices;
use crate::edge::file::SystemFiles;
use crate::edge::http::{Endpoints, Network};
use crate::edge::key_disk::{AttachedKeyDisks, configured_name};
use crate::edge::resolver::Resolver;
use crate::key::KeySource;
use crate::key::candidates::Wanted;
use crate::key::disk::KeyDisk;
use crate::key::file::KeyFile;
use crate::key::prompt::Prompt;
use crate::key::unwrap::Unwrap;
use crate::key::vault::{Kek, KeyVault, Lookup, MachineName};
use crate::slot;
use crate::unlock::Sources;
use crate::volume::{KeySpec, Options, Volume};

/// The sources of one volume; they share one Azure client, so that nothing is asked twice.
pub struct KeySources {
    azure: Rc<RefCell<Azure>>,
    ask: SystemdAskPassword,
    root: PathBuf,
}

impl KeySources {
    /// Sources for `volume`; connects to nothing yet.
    pub fn new(root: &Path, volume: &Volume) -> Self {
        let azure = Rc::new(RefCell::new(azure(root, &volume.options)));
        Self { azure, ask: SystemdAskPassword, root: root.to_owned() }
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

    fn key_vault(&self, volume: &Volume, lookup: Lookup) -> Box<dyn KeySource> {
        let options = &volume.options;
        let kek = Kek { key: options.kek.clone(), algorithm: options.kek_algorithm };
        Box::new(KeyVault::new(Rc::clone(&self.azure), lookup, kek))
    }

    /// Key Vault by tags, where bektab names a vault to look in.
    fn by_tags(&self, volume: &Volume, wanted: &Wanted) -> Option<Box<dyn KeySource>> {
        let vault = volume.options.vault.clone()?;
        let machine = match &volume.options.machine_name {
            Some(name) => MachineName::Given(name.clone()),
            None => MachineName::Guest(host_name(&self.root)),
        };
        let lookup = Lookup::Tags { vault, files: wanted.tags(), machine };
        Some(self.key_vault(volume, lookup))
    }
}

impl Sources for KeySources {
    fn of<'a>(&'a mut self, volume: &'a Volume, device: &Path) -> Vec<Box<dyn KeySource + 'a>> {
        let slot = BlockDevices::new().slot(device).or_else(|| slot::spelled(&volume.device));
        let named = match &volume.key {
            KeySpec::KeyFile(name) => Some(name.clone()),
            KeySpec::Find | KeySpec::Path(_) | KeySpec::Secret(_) => None,
        };
        let wanted = Wanted::new(named, configured_name(), slot);
        let by_tags = self.by_tags(volume, &wanted);
        let mut sources: Vec<Box<dyn KeySource + 'a>> = match &volume.key {
            KeySpec::Find | KeySpec::KeyFile(_) => {
                vec![self.local(volume, KeyDisk::new(AttachedKeyDisks::default(), wanted))]
            }
            KeySpec::Path(path) => {
                vec![self.local(volume, KeyFile::new(SystemFiles, path.clone()))]
            }
            KeySpec::Secret(id) => vec![self.key_vault(volume, Lookup::Secret(id.clone()))],
        };
        if let Some(source) = by_tags {
            sources.push(source);
        }
        if volume.options.prompt {
            sources.push(Box::new(Prompt::new(&mut self.ask, &volume.name)));
        }
        sources
    }
}

/// A client that signs in with the VM's managed identity; asks nobody yet.
pub fn azure(root: &Path, options: &Options) -> Azure {
    let network = Network::new(options.ca.clone(), Endpoints::default())
        .resolving(Resolver::of_initramfs(root));
    let settings = Settings {
        identity: options.identity.clone(),
        suffixes: options.vault_suffixes.clone(),
        random: fastrand::f64,
    };
    Azure::new(Box::new(network), settings)
}

/// The guest's host name, which ADE wrote into the tag MachineName (`socket.gethostname()`).
///
/// In an initramfs that of the image: nobody has told it to the kernel, or DHCP another.
fn host_name(root: &Path) -> Option<String> {
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
