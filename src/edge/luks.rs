//! libcryptsetup: headers, keyslots, activation, and its log.
//!
//! The only place that calls libcryptsetup. It is not thread safe and its Rust binding panics when a
//! second thread calls it, so everything here stays on the main thread; one process opens one
//! volume. Errors come as errno and are mapped here, once, to the operator's words.

use std::path::{Path, PathBuf};

use libcryptsetup_rs::consts::flags::CryptDeactivate;
use libcryptsetup_rs::{CryptDevice, CryptInit, Either, set_log_callback};
use nix::errno::Errno;

use crate::edge::header;
use crate::edge::probe;
use crate::edge::signals::{self, PutOff};
use crate::error::Kind;
use crate::header::DetachedHeader;
use crate::header::identity::Reencryption;
use crate::mapping::{Header, Luks, LuksDevice, OpenFailure};
use crate::secret::Secret;
use crate::volume::{HeaderSpec, Options, VolumeName};

use words::{errno, forward_log, header_failure, internal};

mod activate;
mod bitlk;
mod dropped;
pub mod format;
pub mod keyslots;
mod read;
mod version;
mod words;

/// libcryptsetup with its log going to `log`.
#[derive(Debug)]
pub struct Libcryptsetup(());

impl Libcryptsetup {
    /// Redirects libcryptsetup's messages; without this it prints to stderr by itself.
    pub fn new() -> Self {
        set_log_callback::<()>(Some(forward_log), None);
        Self(())
    }
}

impl Default for Libcryptsetup {
    fn default() -> Self {
        Self::new()
    }
}

impl Luks for Libcryptsetup {
    fn load(
        &mut self,
        device: &Path,
        detached: Option<&DetachedHeader>,
    ) -> Result<Box<dyn LuksDevice>, Kind> {
        // Before LUKS is looked for, which mends what it takes for damaged. What is at the start of
        // the device decides, not what somebody says of it.
        if probe::is_bitlocker(device) {
            return load_bitlocker(device, detached);
        }
        let copy = detached.map(|header| header.copy.as_path());
        let metadata = match detached {
            Some(header) => PathBuf::from(header.spec.to_string()),
            None => device.to_owned(),
        };
        let mut crypt = load(device, copy, &metadata)?;
        let apart = detached.is_some_and(|header| header.is_apart_from(device));
        let (header, costly) =
            read::header(&mut crypt, apart).map_err(|error| header_failure(&metadata, &error))?;
        let moving = detached.and_then(|header| match header.identity.reencryption {
            Reencryption::None => None,
            Reencryption::Between => Some((header.spec.clone(), false)),
            Reencryption::Interrupted => Some((header.spec.clone(), true)),
        });
        let device = device.to_owned();
        Ok(Box::new(Loaded { crypt, device, header, metadata, moving, made: None, costly }))
    }

    fn close(&mut self, name: &VolumeName) -> Result<(), Kind> {
        close(name).map(|_| ())
    }
}

/// The device with its header, which is `apart` where it is detached.
fn load(device: &Path, apart: Option<&Path>, metadata: &Path) -> Result<CryptDevice, Kind> {
    // With both paths given at once also a header with a reencryption in progress loads;
    // crypt_set_data_device() refuses that one.
    words::forget();
    let paths = apart.map_or(Either::Left(device), |header| Either::Right((header, device)));
    let mut crypt = CryptInit::init_with_data_device(paths)
        .map_err(|error| header_failure(metadata, &error))?;
    crypt
        .context_handle()
        .load::<()>(None, None)
        .map_err(|error| header_failure(metadata, &error))?;
    match read::unknown_requirement(&mut crypt, apart.unwrap_or(device)) {
        // A key would be tried in vain: nothing can be mapped.
        Some(reason) => Err(Kind::HeaderUnusable { path: metadata.to_owned(), reason }),
        None => Ok(crypt),
    }
}

/// The same for BitLocker, whose header is never apart.
fn load_bitlocker(
    device: &Path,
    copied: Option<&DetachedHeader>,
) -> Result<Box<dyn LuksDevice>, Kind> {
    if let Some(header) = copied {
        let option = if header.is_apart_from(device) { "header=" } else { "header-policy=" };
        let reason = format!("it is BitLocker, and its line says {option}");
        return Err(Kind::HeaderUnusable { path: device.to_owned(), reason });
    }
    words::forget();
    let loaded = bitlk::load(device).and_then(|mut crypt| {
        let header = bitlk::header(&mut crypt)?;
        Ok((crypt, header))
    });
    let (crypt, header) = loaded.map_err(|error| bitlk::failure(device, &error))?;
    let device = device.to_owned();
    let metadata = device.clone();
    // Its KDF is always the same 2^20 rounds of SHA-256, for each protector a key is tried on.
    let costly = Vec::new();
    Ok(Box::new(Loaded { crypt, device, header, metadata, moving: None, made: None, costly }))
}

/// Closes the mapping; false when there was none.
fn close(name: &VolumeName) -> Result<bool, Kind> {
    let mut crypt = match CryptInit::init_by_name_and_header(name.as_str(), None) {
        Ok(crypt) => crypt,
        Err(error) if errno(&error) == Errno::ENODEV => return Ok(false),
        Err(error) => return Err(internal("opening the mapping to close it", &error)),
    };
    let closed = crypt.activate_handle().deactivate(name.as_str(), CryptDeactivate::empty());
    match closed {
        Ok(()) => Ok(true),
        Err(error) => match errno(&error) {
            // EINVAL: udev had it open when it was to be removed, and not any more when libcryptsetup
            // looked for the reason. Seen at power-off.
            Errno::EBUSY | Errno::EINVAL => Err(Kind::VolumeBusy { holders: Vec::new() }),
            Errno::ENODEV => Ok(false),
            _ => Err(internal("closing the mapping", &error)),
        },
    }
}

/// A device with its header in memory.
struct Loaded {
    crypt: CryptDevice,
    device: PathBuf,
    header: Header,
    /// Where the header was read from, for people.
    metadata: PathBuf,
    /// The detached header itself while a reencryption is in progress, and whether it was
    /// interrupted.
    moving: Option<(HeaderSpec, bool)>,
    /// The mapping this run made; signals wait until it was looked at, too.
    made: Option<(VolumeName, PutOff)>,
    /// Keyslots over what header/cost.rs allows, and their iterations.
    costly: Vec<(u32, u32)>,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let Some((name, put_off)) = self.made.take() else { return };
        let Some(signal) = put_off.came() else { return };
        match close(&name) {
            Ok(true) => log::warn!("asked to end by {signal}; closed again"),
            // The check of its content closed it.
            Ok(false) => {}
            Err(kind) => log::warn!("asked to end by {signal}; stays open: {kind}"),
        }
        drop(put_off);
        signals::obey(signal);
    }
}

impl LuksDevice for Loaded {
    fn header(&self) -> &Header {
        &self.header
    }

    fn open(
        &mut self,
        name: &VolumeName,
        key: &Secret,
        options: &Options,
    ) -> Result<u32, OpenFailure> {
        self.refuse_costly(options)?;
        let put_off = PutOff::begin();
        let opened = match self.moving.clone() {
            None => activate::try_key(
                &mut self.crypt,
                Some(name),
                key,
                options,
                (&self.header, &self.metadata),
            ),
            Some((_, true)) if options.read_only => self.refuse(
                "its reencryption was interrupted; to mend that it has to be opened for writing"
                    .to_owned(),
            ),
            Some((spec, interrupted)) => header::itself(&spec, interrupted, |path| {
                self.open_through(path, name, key, options)
            })
            .unwrap_or_else(|kind| Err(OpenFailure::Other(kind))),
        };
        match (&opened, put_off.came()) {
            (Ok(_), _) => self.made = Some((name.clone(), put_off)),
            (Err(_), Some(signal)) => {
                drop(put_off);
                signals::obey(signal);
            }
            (Err(_), None) => drop(put_off),
        }
        opened
    }

    fn test(&mut self, key: &Secret, options: &Options) -> Result<u32, OpenFailure> {
        self.refuse_costly(options)?;
        // Nothing is mapped or mended, and a signal may end this at any time.
        activate::try_key(&mut self.crypt, None, key, options, (&self.header, &self.metadata))
    }
}

impl Loaded {
    /// Opens with the header at `path` instead of its copy.
    ///
    /// libcryptsetup takes the lock of reencryption and reads the header again; where a step was
    /// interrupted it finishes or undoes it, and writes to device and header.
    fn open_through(
        &self,
        path: &Path,
        name: &VolumeName,
        key: &Secret,
        options: &Options,
    ) -> Result<u32, OpenFailure> {
        let mut crypt =
            load(&self.device, Some(path), &self.metadata).map_err(OpenFailure::Other)?;
        let (header, _) = read::header(&mut crypt, true)
            .map_err(|error| OpenFailure::Other(header_failure(&self.metadata, &error)))?;
        if header.uuid != self.header.uuid {
            return self.refuse("another header took its place".to_owned());
        }
        activate::try_key(&mut crypt, Some(name), key, options, (&header, &self.metadata))
    }

    /// An error where a keyslot that would be tried asks for more than cost.rs allows.
    fn refuse_costly(&self, options: &Options) -> Result<(), OpenFailure> {
        let asked = |slot: u32| options.key_slot.is_none_or(|only| only == slot);
        match self.costly.iter().find(|(slot, _)| asked(*slot)) {
            None => Ok(()),
            Some((slot, iterations)) => {
                self.refuse(format!("keyslot {slot} asks for {iterations} iterations"))
            }
        }
    }

    fn refuse<T>(&self, reason: String) -> Result<T, OpenFailure> {
        Err(OpenFailure::Other(Kind::HeaderUnusable { path: self.metadata.clone(), reason }))
    }
}

#[cfg(test)]
mod tests;
