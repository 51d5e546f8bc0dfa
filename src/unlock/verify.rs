//! What came out of an opened device: closed again when it cannot be what was asked for.

use std::time::Duration;

use super::{LOOK_AGAIN, World};
use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::error::Kind;
use crate::mapping::Format;
use crate::volume::{Content, Volume};

/// How long closing what turned out wrong is tried: udev looks at each new mapping for a moment.
pub(super) const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// With a detached header the right key opens *any* device, and of BitLocker's nothing says that
/// what it decrypts with is right: what came out must be something known.
///
/// `kind` is the volume's, or the mapping's where that was open before.
pub(super) fn verify(
    volume: &Volume,
    kind: Option<&str>,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<(), Kind> {
    let proven = volume.options.header.is_none() && kind != Some(Format::Bitlk.as_str());
    if proven || volume.options.content == Content::Any {
        return Ok(());
    }
    let span = deadline.begin(Doing::Content);
    span.ended(look(volume, world, deadline))
}

/// Closes what holds nothing known.
fn look(volume: &Volume, world: &mut World<'_>, deadline: &Deadline<'_>) -> Result<(), Kind> {
    let problem = match world.devices.signature(&volume.name.mapped_path()) {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => Kind::ContentUnrecognized,
        // Not known to be right is not opened; the reason for not knowing is the news.
        Err(kind) => kind,
    };
    let closed = deadline.within(CLOSE_PATIENCE).poll(LOOK_AGAIN, || {
        match world.luks.close(&volume.name) {
            Ok(()) => Ok(Some(())),
            Err(Kind::VolumeBusy { .. }) => Ok(None),
            Err(kind) => Err(kind),
        }
    })?;
    match closed {
        Some(()) => Err(problem),
        None => Err(Kind::VolumeBusy { holders: world.mappings.holders(&volume.name) }),
    }
}
