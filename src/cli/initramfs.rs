//! `bek-unlock initramfs`: what the scripts of dracut and initramfs-tools are told.

use std::path::Path;

use crate::config;
use crate::edge::host::System;
use crate::edge::process;
use crate::initramfs::{self, Tool};
use crate::volume::{Network, VolumeName};

/// `plan`: the contents of an image, one item a line.
///
/// Never fails: what is wrong is a warning in the plan, and the script shows it.
pub fn plan(root: &Path, tool: Tool, kernel: Option<&str>) -> String {
    // Key files are looked into, because only wrapped ones may go along.
    process::keep_secrets();
    let host = System::new(root, kernel);
    initramfs::plan(&config::load(root), &host, tool).render()
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
