//! `bek-unlock initramfs`: what the scripts of dracut and initramfs-tools are told.

use std::path::Path;

use crate::config::{self, keyscript};
use crate::edge::host::System;
use crate::edge::process;
use crate::error::{Error, Goal};
use crate::initramfs::{self, Tool};
use crate::volume::{Network, VolumeName};

/// `plan`: the contents of an image, one item a line.
///
/// What is wrong is a warning in the plan, and the script shows it.
///
/// Errors: `ConfigurationUnreadable` for `crypttab`, the one that cryptsetup-initramfs has put into
/// the image.
pub fn plan(
    root: &Path,
    tool: Tool,
    kernel: Option<&str>,
    crypttab: Option<&Path>,
) -> Result<String, Error> {
    // Key files are looked into, because only wrapped ones may go along.
    process::keep_secrets();
    let host = System::new(root, kernel);
    let keyscripts = crypttab.map_or(Ok(Vec::new()), keyscript::load);
    let keyscripts = keyscripts.map_err(|kind| Error::new(Goal::Run, kind))?;
    Ok(initramfs::plan(&config::load(root), &keyscripts, &host, tool).render())
}

/// `names`: the volumes to attach at boot, one a line; a tab and `nofail` after those that the boot
/// goes on without.
pub fn names(root: &Path) -> String {
    let configuration = config::load(root);
    let line = |name: &VolumeName| {
        let entry = configuration.find(name);
        let nofail = entry.is_ok_and(|entry| entry.volume.options.nofail);
        format!("{name}{}\n", if nofail { "\tnofail" } else { "" })
    };
    initramfs::names(&configuration).iter().map(line).collect()
}

/// `network`: whether what is attached at boot can need Key Vault, in the words of the plan.
pub fn network(root: &Path) -> &'static str {
    match initramfs::network(&config::load(root)) {
        Network::Always => "yes\n",
        Network::Maybe => "maybe\n",
        Network::Never => "",
    }
}
