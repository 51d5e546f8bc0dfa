//! libcryptsetup: headers, keyslots, activation, and its log.
//!
//! The only file that calls libcryptsetup. It is not thread safe and its Rust binding panics when a
//! second thread calls it, so everything here stays on the main thread; one process opens one
//! volume. Errors come as errno and are mapped here, once, to the operator's words.

use std::path::{Path, PathBuf};

use libcryptsetup_rs::consts::flags::{CryptActivate, CryptDeactivate};
use libcryptsetup_rs::consts::vals::{EncryptionFormat, KeyslotInfo};
use libcryptsetup_rs::{CryptDevice, CryptInit, Either, LibcryptErr, set_log_callback};
use nix::errno::Errno;

use crate::edge::signals::{self, PutOff};
use crate::error::Kind;
use crate::mapping::{Header, Keyslot, Luks, LuksDevice, OpenFailure};
use crate::secret::Secret;
use crate::volume::{Options, VolumeName};

use words::{errno, forward_log, header_failure, internal, text};

mod cost;
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
    fn load(&mut self, device: &Path, header: Option<&Path>) -> Result<Box<dyn LuksDevice>, Kind> {
        // With both paths given at once also a header with a reencryption in progress loads;
        // crypt_set_data_device() refuses that one.
        words::forget();
        let paths = header.map_or(Either::Left(device), |header| Either::Right((header, device)));
        let metadata = header.unwrap_or(device);
        let mut crypt = CryptInit::init_with_data_device(paths)
            .map_err(|error| header_failure(metadata, &error))?;
        crypt
            .context_handle()
            .load::<()>(None, None)
            .map_err(|error| header_failure(metadata, &error))?;
        let (header, costly) = read_header(&mut crypt, header.is_some())
            .map_err(|error| header_failure(metadata, &error))?;
        Ok(Box::new(Loaded { crypt, header, metadata: metadata.to_owned(), made: None, costly }))
    }

    fn close(&mut self, name: &VolumeName) -> Result<(), Kind> {
        let mut crypt = match CryptInit::init_by_name_and_header(name.as_str(), None) {
            Ok(crypt) => crypt,
            Err(error) if errno(&error) == Errno::ENODEV => return Ok(()),
            Err(error) => return Err(internal("opening the mapping to close it", &error)),
        };
        let closed = crypt.activate_handle().deactivate(name.as_str(), CryptDeactivate::empty());
        match closed {
            Ok(()) => Ok(()),
            Err(error) => match errno(&error) {
                Errno::EBUSY => Err(Kind::VolumeBusy { holders: Vec::new() }),
                Errno::ENODEV => Ok(()),
                _ => Err(internal("closing the mapping", &error)),
            },
        }
    }
}

/// A device with its header in memory.
struct Loaded {
    crypt: CryptDevice,
    header: Header,
    metadata: PathBuf,
    /// The mapping this run made; signals wait until it was looked at, too.
    made: Option<(VolumeName, PutOff)>,
    /// Keyslots over what cost.rs allows, and their iterations.
    costly: Vec<(u32, u32)>,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let Some((name, put_off)) = self.made.take() else { return };
        let Some(signal) = put_off.came() else { return };
        let closed =
            self.crypt.activate_handle().deactivate(name.as_str(), CryptDeactivate::empty());
        match closed {
            Ok(()) => log::warn!("asked to end by {signal}; closed again"),
            // The check of its content closed it.
            Err(error) if errno(&error) == Errno::ENODEV => {}
            Err(error) => log::warn!("asked to end by {signal}; stays open: {}", text(&error)),
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
        words::forget();
        let put_off = PutOff::begin();
        let opened = self.crypt.activate_handle().activate_by_passphrase(
            Some(name.as_str()),
            options.key_slot,
            key.expose(),
            activation_flags(options),
        );
        match (&opened, put_off.came()) {
            (Ok(_), _) => self.made = Some((name.clone(), put_off)),
            (Err(_), Some(signal)) => {
                drop(put_off);
                signals::obey(signal);
            }
            (Err(_), None) => drop(put_off),
        }
        opened.map_err(|error| self.open_failure(Some(name), options, &error))
    }

    fn test(&mut self, key: &Secret, options: &Options) -> Result<u32, OpenFailure> {
        self.refuse_costly(options)?;
        words::forget();
        // Without a name nothing is mapped, and a signal may end this at any time.
        let fits = self.crypt.activate_handle().activate_by_passphrase(
            None,
            options.key_slot,
            key.expose(),
            CryptActivate::SERIALIZE_MEMORY_HARD_PBKDF,
        );
        fits.map_err(|error| self.open_failure(None, options, &error))
    }
}

impl Loaded {
    /// An error where a keyslot that would be tried asks for more than cost.rs allows.
    fn refuse_costly(&self, options: &Options) -> Result<(), OpenFailure> {
        let asked = |slot: u32| options.key_slot.is_none_or(|only| only == slot);
        match self.costly.iter().find(|(slot, _)| asked(*slot)) {
            None => Ok(()),
            Some((slot, iterations)) => Err(OpenFailure::Other(Kind::HeaderUnusable {
                path: self.metadata.clone(),
                reason: format!("keyslot {slot} asks for {iterations} iterations"),
            })),
        }
    }

    /// What a failed try means; with the name that was to be mapped, if one was.
    fn open_failure(
        &self,
        name: Option<&VolumeName>,
        options: &Options,
        error: &LibcryptErr,
    ) -> OpenFailure {
        OpenFailure::Other(match (errno(error), name) {
            // ENOENT without a keyslot asked for: it opened one that is not the volume's.
            (Errno::EPERM, _) => return OpenFailure::WrongKey,
            (Errno::ENOENT, _) if options.key_slot.is_none() => return OpenFailure::WrongKey,
            (Errno::ENOENT, _) => Kind::HeaderUnusable {
                path: self.metadata.clone(),
                reason: "the keyslot asked for is not in use".to_owned(),
            },
            (Errno::EEXIST, Some(name)) => {
                Kind::NameInUse { name: name.clone(), device: "another device".to_owned() }
            }
            (Errno::EBUSY, _) => Kind::VolumeBusy {
                holders: vec!["another mapping or mount of the encrypted device".to_owned()],
            },
            (Errno::ENOMEM, _) => Kind::MemoryShort {
                needed_kib: self.header.keyslots.iter().map(|s| s.memory_kib).max().unwrap_or(0),
                available_kib: 0,
            },
            (Errno::EINVAL | Errno::EIO | Errno::ENOSYS | Errno::ENOTSUP | Errno::ETXTBSY, _) => {
                header_failure(&self.metadata, error)
            }
            _ => internal("activating the volume", error),
        })
    }
}

fn activation_flags(options: &Options) -> CryptActivate {
    // One memory-hard KDF at a time per machine; systemd's own default since OOM kills at boot
    // (systemd #14168). PBKDF2 and small Argon2 slots are not held up.
    let mut flags = CryptActivate::SERIALIZE_MEMORY_HARD_PBKDF;
    flags.set(CryptActivate::ALLOW_DISCARDS, options.discard);
    flags.set(CryptActivate::READONLY, options.read_only);
    flags.set(CryptActivate::NO_READ_WORKQUEUE, options.no_read_workqueue);
    flags.set(CryptActivate::NO_WRITE_WORKQUEUE, options.no_write_workqueue);
    flags.set(CryptActivate::SAME_CPU_CRYPT, options.same_cpu_crypt);
    flags.set(CryptActivate::SUBMIT_FROM_CRYPT_CPUS, options.submit_from_crypt_cpus);
    flags
}

/// The header, and the keyslots over what cost.rs allows with their iterations.
fn read_header(
    crypt: &mut CryptDevice,
    detached: bool,
) -> Result<(Header, Vec<(u32, u32)>), LibcryptErr> {
    let format = crypt.format_handle().get_type()?;
    let version = match format {
        EncryptionFormat::Luks1 => 1,
        EncryptionFormat::Luks2 => 2,
        _ => return Err(LibcryptErr::InvalidConversion),
    };
    let uuid = crypt.status_handle().get_uuid()?.to_string();
    let (mut keyslots, mut costly) = (Vec::new(), Vec::new());
    for number in 0..libcryptsetup_rs::CryptKeyslotHandle::max_keyslots(format)? {
        // Unbound keyslots hold a key of something else and never open the volume.
        let usable = matches!(
            crypt.keyslot_handle().status(number)?,
            KeyslotInfo::Active | KeyslotInfo::ActiveLast
        );
        if usable {
            let kdf = crypt.keyslot_handle().get_pbkdf(number);
            let (memory_kib, iterations) =
                kdf.map_or((0, 0), |kdf| (u64::from(kdf.max_memory_kb), kdf.iterations));
            if cost::too_much(iterations, memory_kib) {
                costly.push((number, iterations));
            }
            keyslots.push(Keyslot { number, memory_kib });
        }
    }
    Ok((Header { version, uuid, detached, keyslots }, costly))
}

#[cfg(test)]
mod tests;
