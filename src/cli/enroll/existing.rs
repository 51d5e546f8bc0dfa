//! The key that opens the volume now: the sources of `recover`, with nothing mapped.

use std::path::Path;

use crate::cli::args::enroll::EnrollArgs;
use crate::cli::args::recover::RecoverArgs;
use crate::cli::recover::job::Job;
use crate::cli::rekey::Stop;
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::recovery::target::{Format, Target};
use crate::secret::Secret;
use crate::volume::{DeviceSpec, HeaderSpec, KeySpec, Limit, Options, Volume, VolumeName};

/// Finds it where `args` says, or on the attached key disks, or in a token.
pub(super) fn find(
    args: &EnrollArgs,
    name: &VolumeName,
    device: &Path,
    header: Option<&HeaderSpec>,
    deadline: &Deadline<'_>,
) -> Result<Secret, Stop> {
    let words = RecoverArgs {
        azure: args.azure.clone(),
        device: device.to_owned(),
        dry_run: true,
        header: header.cloned(),
        kek: None,
        kek_algorithm: None,
        keys: args.keys.clone(),
        machine_name: None,
        name: Some(name.clone()),
        read_write: false,
        save_key: None,
        timeout: Limit(Some(deadline.remaining())),
    };
    let volume = Volume {
        name: name.clone(),
        device: DeviceSpec::Path(device.to_owned()),
        key: KeySpec::Find,
        options: Options { header: header.cloned(), timeout: words.timeout, ..Options::default() },
    };
    let target = Target {
        device: device.to_owned(),
        number: None,
        format: Format::Luks,
        header: header.cloned(),
        how: device.display().to_string(),
    };
    let job = Job { args: &words, volume: &volume, target: &target, keeps: true };
    let done = job.run().map_err(Stop::Found)?;
    log::info!("{name}: opens now with {}", done.opened.origin);
    let lost = || Kind::Internal { call: "finding the key", reason: "no key was kept".to_owned() };
    Ok(done.key.ok_or_else(lost)?)
}
