//! Detached headers: the interface to those there are, and which of them may stand in for another.
//!
//! ADE keeps the header of the root disk on /boot and leaves copies of it in the initramfs, where
//! they grow old. What a header is, its own bytes say (identity.rs); which one is used is decided
//! in choice.rs. Pure: edge/header.rs reads files and devices.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::error::Kind;
use crate::volume::HeaderSpec;
use identity::Identity;

pub mod choice;
pub mod cost;
pub mod identity;
pub mod known;
pub mod policy;

/// The name of ADE's header for the root disk, on /boot and in its initramfs.
const ADE_NAME: &str = "osluksheader";

/// Where ADE's scripts leave copies of it in the image (crypt-ade-hook, 91ade).
const ADE_COPIES: [&str; 2] = ["/boot/luks/osluksheader", "/osluksheader"];

/// A detached header that was read; or one inside its device, which [`Headers::inside`] copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachedHeader {
    /// Where it is.
    pub spec: HeaderSpec,
    /// What it is.
    pub identity: Identity,
    /// Whether it is a file of the initramfs, and so the header of the day the image was made.
    pub in_image: bool,
    /// Its bytes in memory, where nobody can change them, as a path that libcryptsetup can open; valid while the [`Headers`] that
    /// read it is there.
    pub copy: PathBuf,
}

impl DetachedHeader {
    /// Whether it is apart from `device`, whose header it is.
    pub fn is_apart_from(&self, device: &Path) -> bool {
        !matches!(&self.spec, HeaderSpec::Path(path) if path == device)
    }
}

/// Reads detached headers. Every call is one look at what is there now.
pub trait Headers {
    /// The header that `spec` names; `None`: its file or device is not there (yet).
    ///
    /// The file system of a header on a device is mounted for it, except that one which fstab(5)
    /// has somebody else mount is not there before they did, unless `alone`.
    ///
    /// Errors: [`Kind::HeaderUnusable`] for what is there and is no whole header, or cannot be
    /// read.
    fn read(&mut self, spec: &HeaderSpec, alone: bool) -> Result<Option<DetachedHeader>, Kind>;

    /// The header inside `device`, copied like one that is apart; its `spec` is the device.
    ///
    /// Errors: [`Kind::HeaderUnusable`] where there is no LUKS header, or it cannot be read.
    fn inside(&mut self, device: &Path) -> Result<DetachedHeader, Kind>;

    /// Checks the copy of a header of `device` by [`policy::check`].
    ///
    /// Errors: [`Kind::HeaderRefused`]; [`Kind::HeaderUnusable`] where it or the device cannot be
    /// read.
    fn check(&mut self, header: &DetachedHeader, device: &Path) -> Result<(), Kind>;

    /// The copies that may stand in for it ([`stand_ins`]); none but in an initramfs.
    fn copies(&mut self, spec: &HeaderSpec) -> Vec<DetachedHeader>;
}

/// Where an initramfs may have a copy of the header `spec` names, the likeliest first.
pub fn stand_ins(spec: &HeaderSpec) -> Vec<PathBuf> {
    let same_path = match spec {
        HeaderSpec::On { path, .. } => {
            path.strip_prefix("/").ok().map(|below| Path::new("/boot").join(below))
        }
        HeaderSpec::Path(_) => None,
    };
    // Another volume's header would be there by the same name only.
    let is_ades = spec.path().file_name().is_some_and(|name| name == ADE_NAME);
    let ades = ADE_COPIES.iter().filter(|_| is_ades).map(PathBuf::from);
    let mut places: Vec<PathBuf> = Vec::new();
    for place in same_path.into_iter().chain(ades) {
        if !places.contains(&place) && *spec != HeaderSpec::Path(place.clone()) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(spec: &str) -> Vec<PathBuf> {
        stand_ins(&HeaderSpec::parse(spec).unwrap())
    }

    #[test]
    fn ades_copies_stand_in_for_ades_header() {
        let both = ADE_COPIES.map(PathBuf::from);
        assert_eq!(places("/luks/osluksheader:UUID=5f1e"), both);
        assert_eq!(places("/boot/luks/osluksheader"), both[1..]);
        assert_eq!(places("/osluksheader"), both[..1]);
    }

    #[test]
    fn another_header_has_a_copy_at_its_own_path_only() {
        assert_eq!(places("/hdr/data1:UUID=5f1e"), [PathBuf::from("/boot/hdr/data1")]);
        assert_eq!(places("/etc/headers/data1"), [] as [PathBuf; 0]);
        let own = PathBuf::from("/boot/x/osluksheader");
        assert_eq!(places("/x/osluksheader:UUID=5f1e")[0], own);
    }
}
