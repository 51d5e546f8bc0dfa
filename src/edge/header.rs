//! Reads detached headers: files and devices of this system, files on file systems nobody mounted,
//! and the copies in an initramfs.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::mount::{self, How, Problem};
use crate::edge::probe;
use crate::error::Kind;
use crate::header::identity::{self, Identity};
use crate::header::{DetachedHeader, Headers, policy, stand_ins};
use crate::initramfs::fstab;
use crate::volume::{DeviceSpec, HeaderSpec};

mod inside;
mod memory;

/// The detached headers of this machine.
#[derive(Debug)]
pub struct SystemHeaders {
    devices: BlockDevices,
    in_initramfs: bool,
    /// What was read stays readable as long as this lives.
    read: Vec<File>,
}

impl SystemHeaders {
    /// `in_initramfs`: files here are copies of what is on the disks.
    pub fn new(in_initramfs: bool) -> Self {
        Self { devices: BlockDevices::new(), in_initramfs, read: Vec::new() }
    }

    /// Whether a unit of this system mounts the file system on `device`.
    fn others_mount(&mut self, device: &Path) -> bool {
        if self.in_initramfs {
            return false;
        }
        let text = fs::read_to_string("/etc/fstab").unwrap_or_default();
        fstab::parse(&text).iter().any(|line| {
            let spec = DeviceSpec::parse(&line.device);
            let found = spec.and_then(|spec| self.devices.find(&spec).ok().flatten());
            let at_need = ["noauto", "x-systemd.automount"];
            found.as_deref() == Some(device)
                && !line.options.split(',').any(|word| at_need.contains(&word))
        })
    }
}

impl Headers for SystemHeaders {
    fn read(&mut self, spec: &HeaderSpec, alone: bool) -> Result<Option<DetachedHeader>, Kind> {
        let Some(device) = find(&mut self.devices, spec)? else { return Ok(None) };
        let mut in_image = false;
        let read = match spec {
            HeaderSpec::Path(_) => open(&device).and_then(|file| {
                in_image = self.in_initramfs && is_of_root(&file)?;
                take_copy(file)
            }),
            HeaderSpec::On { path, .. } => {
                let how = how(spec, &device, How::to_read)?;
                if !alone && !mount::is_mounted(&device, &how) && self.others_mount(&device) {
                    return Ok(None);
                }
                let copied = mount::mounted(&device, &how, |_, root| {
                    inside::open(root, path, false).and_then(take_copy)
                });
                copied.map_err(|problem| not_mounted(spec, &how, problem))?
            }
        };
        let (copy, identity) = read.map_err(|error| unusable(spec, words(&error)))?;
        let copied = path_of(&copy);
        let header = DetachedHeader { spec: spec.clone(), identity, in_image, copy: copied };
        self.read.push(copy);
        Ok(Some(header))
    }

    fn inside(&mut self, device: &Path) -> Result<DetachedHeader, Kind> {
        let spec = HeaderSpec::Path(device.to_owned());
        let read = open(device).and_then(take_copy);
        let (copy, identity) = read.map_err(|error| unusable(&spec, words(&error)))?;
        let copied = path_of(&copy);
        self.read.push(copy);
        Ok(DetachedHeader { spec, identity, in_image: false, copy: copied })
    }

    fn check(&mut self, header: &DetachedHeader, device: &Path) -> Result<(), Kind> {
        let opened = open(device).and_then(|mut device| {
            let size = device.seek(SeekFrom::End(0))?;
            Ok((File::open(&header.copy)?, size))
        });
        let (mut copy, size) = opened.map_err(|error| unusable(&header.spec, words(&error)))?;
        let data = policy::Data { size, apart: header.is_apart_from(device) };
        policy::check(&mut copy, data).map_err(|refusal| Kind::HeaderRefused {
            path: PathBuf::from(header.spec.to_string()),
            reason: refusal.to_string(),
        })
    }

    fn copies(&mut self, spec: &HeaderSpec) -> Vec<DetachedHeader> {
        let places = if self.in_initramfs { stand_ins(spec) } else { Vec::new() };
        let mut copies = Vec::new();
        for place in places {
            match self.read(&HeaderSpec::Path(place), true) {
                Ok(copy) => copies.extend(copy),
                Err(kind) => log::debug!("{kind}"),
            }
        }
        copies
    }
}

/// Gives libcryptsetup the header itself, for the one case in which a copy will not do: a
/// reencryption is in progress, and what mends an interrupted one is written to the header.
///
/// The file system it is on is mounted while `take` runs, on this thread; to write to only when
/// `writable`.
pub fn itself<T>(
    spec: &HeaderSpec,
    writable: bool,
    take: impl FnOnce(&Path) -> T,
) -> Result<T, Kind> {
    let gone = || unusable(spec, "it has gone".to_owned());
    let device = find(&mut BlockDevices::new(), spec)?.ok_or_else(gone)?;
    let HeaderSpec::On { path, .. } = spec else { return Ok(take(&device)) };
    let how = how(spec, &device, if writable { How::to_write } else { How::to_read })?;
    let open = |root: std::os::fd::BorrowedFd<'_>| inside::open(root, path, writable);
    let taken = mount::lent(&device, &how, open, |file| file.map(|file| take(&path_of(&file))));
    taken
        .map_err(|problem| not_mounted(spec, &how, problem))?
        .map_err(|error| unusable(spec, words(&error)))
}

/// The first header among `places` on the file system of `device`, which is mounted to be read
/// only; `None` when there is no file at any of them.
///
/// Errors: [`Kind::HeaderUnusable`] for one that is no whole header, and for what cannot be mounted.
pub fn look(device: &Path, places: &[&str]) -> Result<Option<(PathBuf, Identity)>, Kind> {
    let on = |place: &str| {
        let device = DeviceSpec::Path(device.to_owned());
        HeaderSpec::On { path: place.into(), device }
    };
    let first = on(places.first().copied().unwrap_or_default());
    let how = how(&first, device, How::to_read)?;
    let looked = mount::mounted(device, &how, |_, root| {
        for place in places {
            match inside::open(root, Path::new(place), false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => {
                    let identity =
                        opened.and_then(|mut file| identity::read(&mut file).map_err(no_header));
                    return Some((*place, identity));
                }
            }
        }
        None
    });
    match looked.map_err(|problem| not_mounted(&first, &how, problem))? {
        None => Ok(None),
        Some((place, Ok(identity))) => Ok(Some((place.into(), identity))),
        Some((place, Err(error))) => Err(unusable(&on(place), words(&error))),
    }
}

/// The file or device, or the device that the file is on.
fn find(devices: &mut BlockDevices, spec: &HeaderSpec) -> Result<Option<PathBuf>, Kind> {
    match spec {
        HeaderSpec::On { device, .. } => devices.find(device),
        HeaderSpec::Path(path) => devices.find(&DeviceSpec::Path(path.clone())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() || kind.is_block_device() {
        true => Ok(file),
        false => Err(io::Error::other("not a file or a disk")),
    }
}

/// Whether it lies on the file system of the root, which in an initramfs is the image.
fn is_of_root(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.dev() == fs::metadata("/")?.dev())
}

/// A copy of the header at the start of `file`, and what the copy is.
fn take_copy(mut file: File) -> io::Result<(File, Identity)> {
    let extent = identity::read(&mut file).map_err(no_header)?.extent;
    let mut copy = memory::copy(&mut file, extent)?;
    // Read again: somebody may have changed the file between looking and copying.
    let identity = identity::read(&mut copy).map_err(no_header)?;
    Ok((copy, identity))
}

fn no_header(problem: identity::Problem) -> io::Error {
    match problem {
        identity::Problem::Unreadable(error) => error,
        problem => io::Error::other(problem.to_string()),
    }
}

/// How the file system on `device` is mounted.
fn how(spec: &HeaderSpec, device: &Path, of: fn(&str) -> Option<How>) -> Result<How, Kind> {
    let shown = device.display();
    let kind = match probe::superblock(device) {
        Ok(superblock) => superblock.map(|superblock| superblock.kind),
        Err(error) => return Err(unusable(spec, format!("{shown}: {}", words(&error)))),
    };
    let known = kind.as_deref().and_then(of);
    known.ok_or_else(|| match kind {
        Some(kind) => unusable(spec, format!("{shown} holds {kind}, which is not mounted for it")),
        None => unusable(spec, format!("{shown} holds no file system")),
    })
}

fn not_mounted(spec: &HeaderSpec, how: &How, problem: Problem) -> Kind {
    let kind = how.kind;
    match problem {
        Problem::Unavailable { call: "mount", error }
            if error.raw_os_error() == Some(Errno::ENODEV as i32) =>
        {
            unusable(spec, format!("the kernel has no {kind} to mount its disk with"))
        }
        Problem::Unavailable { call, error } => {
            unusable(spec, format!("cannot {call} its disk as {kind}: {}", words(&error)))
        }
        Problem::Stuck(error) => {
            Kind::Internal { call: "unmounting the header's disk", reason: words(&error) }
        }
    }
}

fn unusable(spec: &HeaderSpec, reason: String) -> Kind {
    Kind::HeaderUnusable { path: PathBuf::from(spec.to_string()), reason }
}

/// An error in the system's words without Rust's "(os error 2)".
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}

/// A name for what is open that any code of this process can open again.
fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests;
