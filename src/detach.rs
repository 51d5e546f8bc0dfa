//! Closing a volume: the other half of the main job.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Goal, Kind};
use crate::mapping::{Luks, Mappings};
use crate::volume::VolumeName;

/// How often a busy mapping is tried again: udev probes a device for a moment after a mount ends.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// Closes the mapping `name`; false when it was not open.
///
/// A busy mapping is tried again until `deadline`; then the error names who holds it. A mapping
/// that libcryptsetup did not make is left alone: its name is in use by something else.
pub fn detach(
    name: &VolumeName,
    luks: &mut dyn Luks,
    mappings: &dyn Mappings,
    deadline: &Deadline<'_>,
) -> Result<bool, Error> {
    let fail = |kind: Kind| Error::new(Goal::Close, kind).volume(name);
    let Some(mapping) = mappings.find(name).map_err(fail)? else { return Ok(false) };
    if mapping.kind.is_none() {
        let device = mapping.devices.first().map(|path| path.display().to_string());
        let device = device.unwrap_or_else(|| "something that is not dm-crypt".to_owned());
        return Err(fail(Kind::NameInUse { name: name.clone(), device }));
    }
    let closed = deadline.poll(TRY_AGAIN, || match luks.close(name) {
        Ok(()) => Ok(Some(())),
        Err(Kind::VolumeBusy { .. }) => Ok(None),
        Err(kind) => Err(kind),
    });
    match closed.map_err(fail)? {
        Some(()) => Ok(true),
        None => Err(fail(Kind::VolumeBusy { holders: mappings.holders(name) })),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::deadline::VirtualClock;
    use crate::header::DetachedHeader;
    use crate::mapping::{LuksDevice, Mapping};

    struct Busy {
        times: u32,
        calls: u32,
    }

    impl Luks for Busy {
        fn load(
            &mut self,
            _: &Path,
            _: Option<&DetachedHeader>,
        ) -> Result<Box<dyn LuksDevice>, Kind> {
            panic!("detach reads no header")
        }

        fn close(&mut self, _: &VolumeName) -> Result<(), Kind> {
            self.calls += 1;
            if self.calls <= self.times {
                return Err(Kind::VolumeBusy { holders: Vec::new() });
            }
            Ok(())
        }
    }

    struct One(Option<&'static str>);

    impl Mappings for One {
        fn find(&self, name: &VolumeName) -> Result<Option<Mapping>, Kind> {
            Ok((name.as_str() == "data1").then(|| Mapping {
                name: name.clone(),
                devices: vec![PathBuf::from("/dev/sdb")],
                kind: self.0.map(str::to_owned),
                uuid: None,
                read_only: false,
            }))
        }

        fn same_device(&self, _: &Path, _: &Path) -> bool {
            false
        }

        fn holders(&self, _: &VolumeName) -> Vec<String> {
            vec!["mount /mnt/data1".to_owned()]
        }
    }

    fn run(name: &str, kind: Option<&'static str>, busy: u32) -> (Result<bool, Error>, u32) {
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(Duration::from_secs(1)));
        let mut luks = Busy { times: busy, calls: 0 };
        let name = VolumeName::parse(name).unwrap();
        let result = detach(&name, &mut luks, &One(kind), &deadline);
        (result, luks.calls)
    }

    #[test]
    fn an_open_volume_is_closed() {
        assert_eq!(run("data1", Some("LUKS2"), 0), (Ok(true), 1));
    }

    #[test]
    fn a_closed_volume_is_success() {
        assert_eq!(run("data2", Some("LUKS2"), 0), (Ok(false), 0));
    }

    #[test]
    fn a_busy_volume_is_tried_again() {
        assert_eq!(run("data1", Some("LUKS2"), 3), (Ok(true), 4));
    }

    #[test]
    fn a_volume_that_stays_busy_names_its_holders() {
        let (result, calls) = run("data1", Some("LUKS2"), u32::MAX);
        let kind = result.unwrap_err().kind;
        assert_eq!(kind, Kind::VolumeBusy { holders: vec!["mount /mnt/data1".to_owned()] });
        assert_eq!(calls, 6);
    }

    #[test]
    fn a_mapping_of_somebody_else_is_left_alone() {
        let (result, calls) = run("data1", None, 0);
        assert!(matches!(result.unwrap_err().kind, Kind::NameInUse { .. }));
        assert_eq!(calls, 0);
    }
}
