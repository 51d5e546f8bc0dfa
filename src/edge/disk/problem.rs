//! From what the system said about a disk to the operator's words.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{Kind, printable};
use crate::recovery::no_target::{NoTarget, Why};
use crate::volume::DeviceSpec;

/// The disk or image cannot be opened or read.
pub(super) fn unopened(path: &Path, error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::NotFound => Kind::VolumeMissing {
            device: DeviceSpec::Path(path.to_owned()),
            waited: Duration::ZERO,
        },
        io::ErrorKind::PermissionDenied => {
            Kind::NotPermitted { action: "open the disk", reason: words(error) }
        }
        _ => refused(path, Why::Unreadable(words(error))),
    }
}

/// No loop device for an image.
pub(super) fn no_loop(named: &Path, error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Kind::NotPermitted { action: "attach a loop device", reason: words(error) }
        }
        _ => refused(named, Why::NoLoop(words(error))),
    }
}

/// The read-only flag cannot be set.
pub(super) fn not_protected(path: &Path, error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Kind::NotPermitted { action: "make the disk read-only", reason: words(error) }
        }
        _ => Kind::Internal {
            call: "making the disk read-only",
            reason: format!("{}: {}", path.display(), words(error)),
        },
    }
}

/// Something about the disk itself.
pub(super) fn refused(path: &Path, why: Why) -> Kind {
    Kind::NoTarget(Box::new(NoTarget { named: path.to_owned(), why, listed: Vec::new() }))
}

/// An error in the system's words without Rust's "(os error 2)".
pub(super) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).desc().to_owned(),
        None => printable(&error.to_string(), 120),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_is_told_so_and_what_is_broken_is_named() {
        let (path, denied) = (Path::new("/dev/sdz"), io::Error::from(Errno::EACCES));
        for kind in [unopened(path, &denied), no_loop(path, &denied), not_protected(path, &denied)]
        {
            assert!(matches!(kind, Kind::NotPermitted { .. }), "{kind}");
        }
        let broken = io::Error::from(Errno::EIO);
        for kind in [unopened(path, &broken), no_loop(path, &broken), not_protected(path, &broken)]
        {
            let text = kind.to_string();
            assert!(text.contains("/dev/sdz") && text.contains("I/O error"), "{text}");
        }
        assert!(matches!(
            unopened(path, &Errno::ENOENT.into()),
            Kind::VolumeMissing { waited: Duration::ZERO, .. }
        ));
    }
}
