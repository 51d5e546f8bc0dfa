//! Which part of the boot a volume belongs to, and whether it can need the network.
//!
//! Two questions with separate answers. *Can the key come over the network?* Then the network is
//! started early, but no unit is ever ordered after it because of that: the program waits inside,
//! under its deadline. Ordering would delay the key disk, wait for every interface instead of the
//! one that reaches Azure, and, where a mount without `_netdev` sits in local-fs.target, close an
//! ordering cycle that systemd breaks by leaving out some unit of the boot.
//!
//! *Must something else come up first?* Then the volume is remote: it may not hold up sysinit.target
//! (by way of cryptsetup.target), because much of what makes a network waits for that. This is so
//! when the line says `_netdev`, and when no source of the key is local.

use std::path::Path;

use crate::config;
use crate::volume::Volume;

pub use crate::volume::Network;

/// The two systems of one boot, each with a systemd and a run of this generator of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The initramfs: finds and opens what the root file system stands on, and hands over.
    Initramfs,
    /// The booted system.
    System,
}

impl Stage {
    /// Which of them the system below `root` is.
    pub fn of(root: &Path) -> Self {
        if config::in_initramfs(root) { Self::Initramfs } else { Self::System }
    }
}

/// What a volume waits for and what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Whether and how the key needs the network.
    pub network: Network,
    /// Ordered before remote-cryptsetup.target instead of cryptsetup.target.
    pub remote: bool,
}

impl Class {
    /// The class of `volume`.
    pub fn of(volume: &Volume) -> Self {
        let network = volume.network();
        Self { network, remote: volume.options.netdev || network == Network::Always }
    }

    /// The systemd target that stands for "these volumes are open".
    pub fn target(self) -> &'static str {
        if self.remote { "remote-cryptsetup.target" } else { "cryptsetup.target" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::id::{KeyId, SecretId, VaultUrl};
    use crate::volume::{DeviceSpec, KeyFileName, KeySpec, Options, VolumeName};
    use std::path::PathBuf;

    fn class(key: KeySpec, change: impl Fn(&mut Options)) -> (Network, bool) {
        let mut options = Options::default();
        change(&mut options);
        let class = Class::of(&Volume {
            name: VolumeName::parse("data1").unwrap(),
            device: DeviceSpec::Uuid("5f1e".to_owned()),
            key,
            options,
        });
        (class.network, class.remote)
    }

    #[test]
    fn a_local_source_keeps_a_volume_local() {
        let vault = |options: &mut Options| {
            options.vault = VaultUrl::parse("https://v.vault.azure.net");
        };
        let kek = |options: &mut Options| {
            options.kek = KeyId::parse("https://v.vault.azure.net/keys/kek/0123");
        };
        let file = || KeySpec::KeyFile(KeyFileName::parse("LinuxPassPhraseFileName").unwrap());
        let path = || KeySpec::Path(PathBuf::from("/etc/key"));
        assert_eq!(class(KeySpec::Find, |_| {}), (Network::Never, false));
        assert_eq!(class(path(), |_| {}), (Network::Never, false));
        assert_eq!(class(KeySpec::Find, vault), (Network::Maybe, false));
        assert_eq!(class(KeySpec::Find, kek), (Network::Maybe, false));
        assert_eq!(class(file(), vault), (Network::Maybe, false));
        assert_eq!(class(file(), kek), (Network::Always, true));
        assert_eq!(class(path(), kek), (Network::Always, true));
    }

    #[test]
    fn a_secret_and_netdev_make_it_remote() {
        let secret = SecretId::parse("https://v.vault.azure.net/secrets/bek-1").unwrap();
        assert_eq!(class(KeySpec::Secret(secret), |_| {}), (Network::Always, true));
        let file = KeySpec::KeyFile(KeyFileName::parse("LinuxPassPhraseFileName").unwrap());
        assert_eq!(class(file, |o| o.netdev = true), (Network::Never, true));
    }

    #[test]
    fn a_key_to_be_found_may_be_a_token_where_the_line_says_netdev() {
        assert_eq!(class(KeySpec::Find, |o| o.netdev = true), (Network::Maybe, true));
    }
}
