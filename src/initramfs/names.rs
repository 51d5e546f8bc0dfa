//! Which volumes an initramfs without systemd opens, in which order.

use crate::config::Configuration;
use crate::error::Kind;
use crate::volume::VolumeName;

/// The names to attach: those the boot waits for first, then the `nofail` ones.
///
/// A name whose line does not parse is among them, so that somebody is told why it stays closed.
/// `noauto` ones are left out, unless they say `x-initrd.attach`, as the lines of an image do.
pub fn names(configuration: &Configuration) -> Vec<VolumeName> {
    let mut found: Vec<(bool, VolumeName)> = Vec::new();
    let refused = configuration.problems.iter().filter_map(|problem| match problem {
        Kind::Configuration(diagnostic) => {
            let name = diagnostic.text.split_whitespace().next().unwrap_or_default();
            VolumeName::parse(name).ok().map(|name| (false, name))
        }
        _ => None,
    });
    let lines = configuration.entries.iter().filter_map(|entry| {
        let options = &entry.volume.options;
        (options.initrd || !options.noauto).then(|| (options.nofail, entry.volume.name.clone()))
    });
    for (is_late, name) in refused.chain(lines) {
        if !found.iter().any(|(_, other)| *other == name) {
            found.push((is_late, name));
        }
    }
    found.sort_by_key(|(is_late, _)| *is_late);
    found.into_iter().map(|(_, name)| name).collect()
}
