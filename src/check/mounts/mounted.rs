//! What the options of a line of fstab(5) make of its mount (systemd.mount(5)).

use crate::initramfs::fstab;

/// When a line is mounted, and what a boot does without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// At boot, which ends in a shell without it.
    Required,
    /// At boot, which goes on without it: `nofail`.
    Wanted,
    /// When somebody goes there: `x-systemd.automount`, beside which `noauto` means nothing.
    OnAccess,
    /// When somebody asks for it: `noauto`.
    ByHand,
}

impl Mounted {
    /// By the options of `line`.
    pub fn of(line: &fstab::Line) -> Self {
        if has(line, "x-systemd.automount") {
            Self::OnAccess
        } else if has(line, "noauto") {
            Self::ByHand
        } else if has(line, "nofail") {
            Self::Wanted
        } else {
            Self::Required
        }
    }

    /// Whether a boot mounts it.
    pub fn at_boot(self) -> bool {
        matches!(self, Self::Required | Self::Wanted)
    }

    /// What is said where nothing is wrong.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required | Self::Wanted => "",
            Self::OnAccess => " when somebody goes there",
            Self::ByHand => " by hand",
        }
    }
}

/// Whether `line` has this option, which has no value.
pub fn has(line: &fstab::Line, option: &str) -> bool {
    line.options.split(',').any(|word| word == option)
}
