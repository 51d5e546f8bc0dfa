//! What `enroll` and `rotate` share: a key that opens the volume now, the plan carried out with the
//! real parts, and the proof that the next boot will find the new key.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::machine::Machine;
use super::sources::KeySources;
use crate::azure::Azure;
use crate::config;
use crate::deadline::Deadline;
use crate::edge::key_save::{self, Kept};
use crate::edge::luks::Libcryptsetup;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::process::SystemClock;
use crate::edge::rekey::{Bektab, Notes, WrappedFiles};
use crate::edge::state::State;
use crate::error::{Error, Goal, Kind};
use crate::key::{AtOnce, KeySource, SourceName};
use crate::keyslots::Keyslots;
use crate::mapping::Instead;
use crate::rekey::{self, Keys, Plan, Prove, Records, World};
use crate::report::rekey as report;
use crate::secret::Secret;
use crate::unlock::{self, Encrypted, Opened, Sources};
use crate::volume::{Volume, VolumeName};

/// A volume that is being given a new key.
pub struct Rekeying<'a> {
    /// Its name, where it has a line.
    pub name: &'a VolumeName,
    /// Its header.
    pub header: &'a mut ChangedHeader,
    /// Wraps and stores.
    pub azure: &'a mut Azure,
    /// What was noted before, and will be; nobody else has them meanwhile.
    pub notes: Notes,
}

impl Rekeying<'_> {
    /// The plan of a run that was interrupted.
    pub fn interrupted(&mut self) -> Result<Option<Plan>, Kind> {
        self.notes.load(self.header.uuid())
    }

    /// Whether `plan` was interrupted before its keyslot was there, so that a key that opens the
    /// volume now is needed to go on.
    pub fn needs_key(&mut self, plan: &Plan) -> Result<bool, Kind> {
        Ok(!self.header.slots()?.contains(&plan.keyslot))
    }

    /// Finishes the plan of a run that was interrupted; `existing` as for [`Self::needs_key`].
    pub fn resume(
        &mut self,
        plan: &Plan,
        existing: Option<&Secret>,
        deadline: &Deadline<'_>,
    ) -> Result<(), Kind> {
        let keys = Keys { existing, new: None };
        self.carry_out(plan, keys, deadline).inspect_err(|kind| {
            // What only time mends is tried again; else somebody may want to begin anew.
            if !kind.is_transient() {
                report::can_be_given_up(&self.notes.file(&plan.uuid));
            }
        })
    }

    /// Carries out `plan` and says each step.
    pub fn carry_out(
        &mut self,
        plan: &Plan,
        keys: Keys<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<(), Kind> {
        let name = self.name.clone();
        let mut world = World {
            files: &mut WrappedFiles,
            header: self.header,
            lines: &mut Bektab::new(root()),
            prove: &mut NextBoot { name: name.clone() },
            records: &mut self.notes,
            tell: &mut |step| report::step(&name, step),
            vault: self.azure,
        };
        rekey::carry_out(plan, keys, &mut world, deadline)
    }
}

/// Why nothing came of it.
pub enum Stop {
    /// The volume does not open now; with what each source said.
    Found(Error),
    /// Anything else.
    Kind(Kind),
}

impl Stop {
    /// The failure to do `goal` to the volume.
    pub fn error(self, goal: Goal, name: &VolumeName) -> Error {
        match self {
            Self::Found(error) => Error { goal, ..error },
            Self::Kind(kind) => Error::new(goal, kind).volume(name),
        }
    }
}

impl From<Kind> for Stop {
    fn from(kind: Kind) -> Self {
        Self::Kind(kind)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Found(error)
    }
}

/// Finds the key of `volume` through `sources`, maps nothing, and keeps the key.
pub fn find(
    volume: &Volume,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
) -> Result<(Opened, Secret), Error> {
    let kept = Kept::default();
    let keep = Rc::clone(&kept);
    let mut luks = Instead::new(Libcryptsetup::new(), move |device, _, key, options| {
        let keyslot = device.test(key, options)?;
        key_save::keep(&keep, key);
        Ok(keyslot)
    });
    let mut machine = Machine::new(root(), false);
    let mut world = machine.world(&mut luks);
    let opened = unlock::find_key(volume, &mut world, sources, deadline)?;
    let key = kept.take().ok_or_else(|| {
        let reason = "no key was kept".to_owned();
        Error::new(Goal::Unlock, Kind::Internal { call: "finding the key", reason })
    })?;
    Ok((opened, key))
}

/// The volume's own sources. A key disk is there or is not: it is no boot that has to wait for one.
pub struct OwnSources {
    all: KeySources,
    renewable: bool,
}

impl OwnSources {
    /// Those of `volume`; connects to nothing yet.
    pub fn new(volume: &Volume) -> Self {
        Self { all: KeySources::new(root(), volume), renewable: false }
    }

    /// Without the key disk, where there is another one: Azure's host writes that, and the key on it
    /// may be another one than the key to be renewed.
    pub fn renewable(volume: &Volume) -> Self {
        Self { renewable: true, ..Self::new(volume) }
    }
}

fn without_key_disk<'a>(sources: Vec<Box<dyn KeySource + 'a>>) -> Vec<Box<dyn KeySource + 'a>> {
    let (disks, others): (Vec<_>, Vec<_>) =
        sources.into_iter().partition(|source| source.name() == SourceName::KeyDisk);
    if others.is_empty() { disks } else { others }
}

impl Sources for OwnSources {
    fn prepare(&mut self, volume: &Volume) {
        self.all.prepare(volume);
    }

    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>> {
        let at_once = |source: Box<dyn KeySource + 'a>| match source.name() {
            SourceName::KeyDisk => Box::new(AtOnce(source)) as Box<dyn KeySource + 'a>,
            _ => source,
        };
        let mut sources = self.all.of(volume, encrypted);
        if self.renewable {
            sources = without_key_disk(sources);
        }
        sources.into_iter().map(at_once).collect()
    }
}

/// The unlock of the next boot: the configuration and Key Vault are asked anew, as the VM itself.
struct NextBoot {
    name: VolumeName,
}

impl Prove for NextBoot {
    fn opens(&mut self, keyslot: u32) -> Result<(), Kind> {
        let configuration = config::load(root());
        let mut volume = configuration.find(&self.name)?.volume.clone();
        // The old key may be found first, and would prove nothing.
        volume.options.key_slot = Some(keyslot);
        volume.options.prompt = false;
        let clock = SystemClock::new();
        let deadline = Deadline::start(&clock, volume.options.timeout.0);
        let mut sources = OwnSources::new(&volume);
        find(&volume, &mut sources, &deadline).map(|_| ()).map_err(|error| error.kind)
    }
}

/// Whether an initramfs opens the volume, by a line of its own.
pub fn is_carried(volume: &Volume) -> bool {
    volume.options.initrd || State::new(root()).of_initramfs().contains(&volume.name)
}

/// What `path` leads to, without links.
///
/// Errors: `VolumeMissing`.
pub fn device(path: &Path) -> Result<PathBuf, Kind> {
    std::fs::canonicalize(path).map_err(|_| Kind::VolumeMissing {
        device: crate::volume::DeviceSpec::Path(path.to_owned()),
        waited: std::time::Duration::ZERO,
    })
}

/// The system that is worked on.
pub fn root() -> &'static Path {
    Path::new("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Candidate;

    struct Named(SourceName);

    impl KeySource for Named {
        fn name(&self) -> SourceName {
            self.0
        }

        fn keys(&mut self, _: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
            Ok(Vec::new())
        }
    }

    /// After enroll an attached key disk still has the old key, which is not the one to renew.
    #[test]
    fn the_key_disk_is_asked_only_where_nothing_else_is() {
        let left = |names: &[SourceName]| -> Vec<SourceName> {
            let sources = names.iter().map(|name| Box::new(Named(*name)) as Box<dyn KeySource>);
            without_key_disk(sources.collect()).iter().map(|source| source.name()).collect()
        };
        let (disk, token, vault) = (SourceName::KeyDisk, SourceName::Token, SourceName::KeyVault);
        assert_eq!(left(&[disk, token, vault]), [token, vault]);
        assert_eq!(left(&[disk, vault]), [vault]);
        assert_eq!(left(&[disk]), [disk]);
    }
}
