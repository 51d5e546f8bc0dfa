//! What an initramfs without systemd opens at boot, and whether that can need the network.

use crate::config::{Configuration, Entry};
use crate::volume::{Network, VolumeName};

/// The names to attach: those the boot waits for first, then the `nofail` ones.
///
/// A name that cannot be opened is among them, so that somebody is told why it stays closed.
/// `noauto` ones are left out, unless they say `x-initrd.attach`, as the lines of an image do;
/// `key-only` ones in any case. None at all with `rd.bek=0`.
pub fn names(configuration: &Configuration) -> Vec<VolumeName> {
    if configuration.off {
        return Vec::new();
    }
    let mut found: Vec<(bool, VolumeName)> = Vec::new();
    let refused = configuration.refused_names().into_iter().map(|name| (false, name));
    let opened =
        opened(configuration).map(|entry| (entry.volume.options.nofail, entry.volume.name.clone()));
    for (is_late, name) in refused.chain(opened) {
        if !found.iter().any(|(_, other)| *other == name) {
            found.push((is_late, name));
        }
    }
    found.sort_by_key(|(is_late, _)| *is_late);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Whether one of them can need Key Vault.
pub fn network(configuration: &Configuration) -> Network {
    if configuration.off {
        return Network::Never;
    }
    opened(configuration).map(|entry| entry.volume.network()).fold(
        Network::Never,
        |all, one| match (all, one) {
            (Network::Always, _) | (_, Network::Always) => Network::Always,
            (Network::Maybe, _) | (_, Network::Maybe) => Network::Maybe,
            (Network::Never, Network::Never) => Network::Never,
        },
    )
}

/// The lines that an initramfs opens by itself, the first one of each name.
fn opened(configuration: &Configuration) -> impl Iterator<Item = &Entry> {
    configuration.entries.iter().filter(|entry| {
        let options = &entry.volume.options;
        let is_first = configuration.find(&entry.volume.name).is_ok_and(|first| first == *entry);
        is_first && !options.key_only && (options.initrd || !options.noauto)
    })
}
