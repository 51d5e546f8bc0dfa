//! The unlock inside a recovery: the real parts around it, and what is done with a key that fits.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::sources::RecoverySources;
use crate::azure::matching::Disk;
use crate::cli::args::key::KeyArg;
use crate::cli::args::recover::RecoverArgs;
use crate::cli::azure;
use crate::cli::machine::Machine;
use crate::deadline::{Deadline, Pauses};
use crate::edge::askpass::SystemdAskPassword;
use crate::edge::disk::RescueDisk;
use crate::edge::given::HeaderMetadata;
use crate::edge::key_save::{self, Kept};
use crate::edge::luks::Libcryptsetup;
use crate::edge::probe;
use crate::edge::process::SystemClock;
use crate::error::{Error, Goal, Kind};
use crate::mapping::{Instead, Luks};
use crate::recovery::target::{Format, Target};
use crate::report::progress;
use crate::secret::Secret;
use crate::unlock::{self, Opened, Outcome};
use crate::volume::Volume;

/// One disk to open.
pub struct Job<'a> {
    /// What was asked for.
    pub args: &'a RecoverArgs,
    /// What is opened.
    pub volume: &'a Volume,
    /// What was found on the disk.
    pub target: &'a Target,
    /// Whether the key that fits is kept.
    pub keeps: bool,
}

/// What came of it.
pub struct Done {
    /// How it was opened, or would be.
    pub opened: Opened,
    /// The key, where it is kept.
    pub key: Option<Secret>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Job<'_> {
    /// Opens the volume, or with `--dry-run` only finds its key.
    ///
    /// Errors: as for [`unlock::attach`], and `NameInUse` when it was open before: then it is not
    /// known by which key, nor what is allowed to it.
    pub fn run(&self) -> Result<Done, Error> {
        let kept = Kept::default();
        let (dry_run, keeps) = (self.args.dry_run, self.keeps);
        let (keep, tried) = (Rc::clone(&kept), Cell::new(0));
        let mut luks = Instead::new(Libcryptsetup::new(), move |device, name, key, options| {
            tried.set(tried.get() + 1);
            progress::trying(tried.get());
            let opened = match dry_run {
                true => device.test(key, options),
                false => device.open(name, key, options),
            };
            progress::clear();
            if opened.is_ok() && keeps {
                key_save::keep(&keep, key);
            }
            opened
        });
        let clock = SystemClock::new();
        let pauses = Pauses::default();
        let deadline = Deadline::start(&clock, self.args.timeout.0).pausing(&pauses);
        let opened = self.find(&mut luks, &deadline)?;
        Ok(Done { opened, key: kept.take(), elapsed: deadline.elapsed() })
    }

    fn find(&self, luks: &mut dyn Luks, deadline: &Deadline<'_>) -> Result<Opened, Error> {
        let fail = |kind: Kind| {
            let error = Error::new(Goal::Recover, kind).volume(&self.volume.name);
            error.device(Some(&self.target.device))
        };
        let mut machine = Machine::new(Path::new("/"), false);
        let header = self.target.header.as_ref();
        let metadata =
            HeaderMetadata::at(&self.target.device, header, &mut machine.headers).map_err(fail)?;
        let (_disks, key_disks) = self.key_disks().map_err(fail)?;
        let mut sources = RecoverySources {
            args: self.args,
            azure: Rc::new(RefCell::new(azure::client(&self.args.azure))),
            disk: self.kind(),
            key_disks,
            metadata,
            ask: SystemdAskPassword::default(),
        };
        let mut world = machine.world(luks);
        if self.args.dry_run {
            return unlock::find_key(self.volume, &mut world, &mut sources, deadline);
        }
        match unlock::attach(self.volume, &mut world, &mut sources, deadline)? {
            Outcome::Opened(opened) => Ok(*opened),
            Outcome::AlreadyOpen { device } | Outcome::NewResourceDisk { device } => {
                Err(fail(Kind::NameInUse {
                    name: self.volume.name.clone(),
                    device: device.display().to_string(),
                }))
            }
        }
    }

    /// Whose keys come first.
    fn kind(&self) -> Disk {
        match (self.target.format, &self.target.header) {
            (Format::BitLocker, _) => Disk::Windows,
            // ADE puts the header of an OS disk apart, and that of data disks seldom.
            (Format::Headerless | Format::Luks, Some(_)) => Disk::Os,
            (Format::Headerless | Format::Luks, None) => Disk::Data,
        }
    }

    /// The file systems of `--key-disk`, and the disk they are on, which is given back when dropped.
    fn key_disks(&self) -> Result<(Option<RescueDisk>, Vec<PathBuf>), Kind> {
        let named = self.args.keys.iter().find_map(|key| match key {
            KeyArg::KeyDisk(path) => Some(path),
            _ => None,
        });
        let Some(path) = named else { return Ok((None, Vec::new())) };
        let mut disk = match RescueDisk::open(path, false) {
            // A line of ADE in fstab mounts it for writing; it is read where it is then.
            Err(Kind::DeviceInUse { .. }) => return Ok((None, vec![path.clone()])),
            opened => opened?,
        };
        let mut places = vec![disk.path().to_owned()];
        places.extend(disk.partitions()?.into_iter().map(|part| part.path));
        places.retain(|place| probe::fat_superblock(place).is_ok_and(|found| found.is_some()));
        if places.is_empty() {
            let reason = "there is no such file system on it".to_owned();
            return Err(Kind::KeyDiskUnreadable { device: path.clone(), reason });
        }
        Ok((Some(disk), places))
    }
}
