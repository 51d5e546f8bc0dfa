//! A LUKS header that is changed, through libcryptsetup.
//!
//! Each call loads the header anew, so that what another program wrote meanwhile is seen, and a
//! detached header on a file system of its own is mounted no longer than a call takes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use libcryptsetup_rs::consts::flags::{CryptActivate, CryptPbkdf};
use libcryptsetup_rs::consts::vals::{CryptKdf, EncryptionFormat, KeyslotInfo};
use libcryptsetup_rs::{CryptDevice, CryptKeyslotHandle, CryptPbkdfType, LibcryptErr, TokenInput};
use nix::errno::Errno;

use super::words::{errno, header_failure, internal, last_words};
use super::{Libcryptsetup, load};
use crate::azure::base64;
use crate::edge::header;
use crate::edge::probe;
use crate::error::Kind;
use crate::header::Headers;
use crate::header::identity::{self, Reencryption};
use crate::keyslots::Keyslots;
use crate::mapping::{Format, Header};
use crate::secret::Secret;
use crate::volume::HeaderSpec;

/// The header of one device.
#[derive(Debug)]
pub struct ChangedHeader {
    device: PathBuf,
    apart: Option<HeaderSpec>,
    header: Header,
}

impl ChangedHeader {
    /// Looks at the header of `device`, or at the one that is apart.
    ///
    /// Errors: `HeaderUnusable` where it is none, is BitLocker's, is damaged in one of its copies,
    /// or belongs to a volume on its way from one key to another; `NotPermitted`.
    pub fn open(device: &Path, apart: Option<&HeaderSpec>) -> Result<Self, Kind> {
        // libcryptsetup's words go to the log from here on.
        let _ = Libcryptsetup::new();
        let place = apart.map_or_else(|| device.to_owned(), |spec| spec.to_string().into());
        let refuse =
            |reason: &str| Kind::HeaderUnusable { path: place.clone(), reason: reason.to_owned() };
        if probe::is_bitlocker(device) {
            return Err(refuse("it is BitLocker, whose keys only Windows changes"));
        }
        let identity = match apart {
            None => {
                let opened = std::fs::File::open(device).map_err(identity::Problem::from);
                opened
                    .and_then(|mut file| identity::read(&mut file))
                    .map_err(|problem| refuse(&problem.to_string()))?
            }
            Some(spec) => {
                let mut headers = header::SystemHeaders::new(false);
                let read = headers.read(spec, true)?;
                read.ok_or_else(|| refuse("no such file or device"))?.identity
            }
        };
        if identity.reencryption != Reencryption::None {
            return Err(refuse("its reencryption has to end first (cryptsetup reencrypt)"));
        }
        if identity.half_damaged {
            return Err(refuse("one of its two copies is damaged (cryptsetup repair)"));
        }
        let mut opened = Self {
            device: device.to_owned(),
            apart: apart.cloned(),
            header: Header {
                format: Format::Luks2,
                uuid: identity.uuid,
                detached: apart.is_some(),
                keyslots: Vec::new(),
            },
        };
        opened.header.format =
            opened.with(false, |crypt| match crypt.format_handle().get_type()? {
                EncryptionFormat::Luks1 => Ok(Format::Luks1),
                EncryptionFormat::Luks2 => Ok(Format::Luks2),
                _ => Err(LibcryptErr::InvalidConversion),
            })?;
        Ok(opened)
    }

    /// Runs `call` on the header as it is now; `writes` mounts the file system it is on for that.
    fn with<T>(
        &self,
        writes: bool,
        call: impl FnOnce(&mut CryptDevice) -> Result<T, LibcryptErr>,
    ) -> Result<T, Kind> {
        let place = match &self.apart {
            None => self.device.clone(),
            Some(spec) => spec.to_string().into(),
        };
        let on = |path: Option<&Path>| {
            let mut crypt = load(&self.device, path, &place)?;
            call(&mut crypt).map_err(|error| failure(&place, &error))
        };
        match &self.apart {
            None => on(None),
            Some(spec) => header::itself(spec, writes, |path| on(Some(path)))?,
        }
    }

    fn numbers(&self, wanted: impl Fn(KeyslotInfo) -> bool) -> Result<Vec<u32>, Kind> {
        let format = match self.header.format {
            Format::Luks1 => EncryptionFormat::Luks1,
            _ => EncryptionFormat::Luks2,
        };
        self.with(false, |crypt| {
            let mut numbers = Vec::new();
            for number in 0..CryptKeyslotHandle::max_keyslots(format)? {
                if wanted(crypt.keyslot_handle().status(number)?) {
                    numbers.push(number);
                }
            }
            Ok(numbers)
        })
    }
}

impl ChangedHeader {
    /// From its place in the header (LUKS On-Disk Format 1.2.3, figures 2 and 3).
    fn luks1_salt(&self, slot: u32) -> Result<String, Kind> {
        let read = |path: &Path| -> io::Result<String> {
            let mut salt = [0; 32];
            File::open(path)?.read_exact_at(&mut salt, 208 + 48 * u64::from(slot) + 8)?;
            Ok(base64::encode_wrapped(&salt))
        };
        let (place, salt) = match &self.apart {
            None => (self.device.clone(), read(&self.device)),
            Some(spec) => (spec.to_string().into(), header::itself(spec, false, read)?),
        };
        salt.map_err(|error| Kind::HeaderUnusable { path: place, reason: error.to_string() })
    }
}

impl Keyslots for ChangedHeader {
    fn format(&self) -> Format {
        self.header.format
    }

    fn uuid(&self) -> &str {
        &self.header.uuid
    }

    fn slots(&mut self) -> Result<Vec<u32>, Kind> {
        self.numbers(|info| matches!(info, KeyslotInfo::Active | KeyslotInfo::ActiveLast))
    }

    fn free(&mut self) -> Result<Option<u32>, Kind> {
        Ok(self.numbers(|info| matches!(info, KeyslotInfo::Inactive))?.first().copied())
    }

    fn fits(&mut self, key: &Secret, slot: Option<u32>) -> Result<Option<u32>, Kind> {
        let mut wrong = false;
        let found = self.with(false, |crypt| {
            let flags = CryptActivate::SERIALIZE_MEMORY_HARD_PBKDF;
            let tried =
                crypt.activate_handle().activate_by_passphrase(None, slot, key.expose(), flags);
            match tried {
                // ENOENT: the keyslot is not in use, or is not the volume's.
                Err(error) if matches!(errno(&error), Errno::EPERM | Errno::ENOENT) => {
                    wrong = true;
                    Ok(0)
                }
                tried => tried,
            }
        })?;
        Ok((!wrong).then_some(found))
    }

    fn salt(&mut self, slot: u32) -> Result<Option<String>, Kind> {
        if !self.slots()?.contains(&slot) {
            return Ok(None);
        }
        if self.header.format == Format::Luks1 {
            return self.luks1_salt(slot).map(Some);
        }
        let metadata = self.with(false, |crypt| crypt.status_handle().dump_json())?;
        let salt = metadata.pointer(&format!("/keyslots/{slot}/kdf/salt"));
        Ok(salt.and_then(|salt| salt.as_str()).map(str::to_owned))
    }

    fn add(&mut self, slot: u32, existing: &Secret, new: &Secret) -> Result<(), Kind> {
        self.with(true, |crypt| {
            cheap_kdf(crypt)?;
            let mut keyslots = crypt.keyslot_handle();
            keyslots.add_by_passphrase(Some(slot), existing.expose(), new.expose()).map(|_| ())
        })
    }

    fn remove(&mut self, slot: u32) -> Result<(), Kind> {
        self.with(true, |crypt| crypt.keyslot_handle().destroy(slot))
    }

    fn tokens(&mut self) -> Result<Vec<(u32, String)>, Kind> {
        if self.header.format != Format::Luks2 {
            return Ok(Vec::new());
        }
        self.with(false, |crypt| {
            let mut tokens = Vec::new();
            for number in 0..TOKENS {
                match crypt.token_handle().json_get(number) {
                    Ok(json) => tokens.push((number, json.to_string())),
                    Err(error) if errno(&error) == Errno::EINVAL => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(tokens)
        })
    }

    fn set_token(&mut self, number: Option<u32>, json: &str) -> Result<u32, Kind> {
        let json: serde_json::Value = serde_json::from_str(json).map_err(|error| {
            Kind::Internal { call: "writing a token", reason: error.to_string() }
        })?;
        self.with(true, |crypt| {
            crypt.token_handle().json_set(match number {
                Some(number) => TokenInput::ReplaceToken(number, &json),
                None => TokenInput::AddToken(&json),
            })
        })
    }

    fn remove_token(&mut self, number: u32) -> Result<(), Kind> {
        self.with(true, |crypt| {
            crypt.token_handle().json_set(TokenInput::RemoveToken(number)).map(|_| ())
        })
    }
}

/// How many tokens a header may have (`LUKS2_TOKENS_MAX`).
const TOKENS: u32 = 32;

/// As systemd-cryptenroll has it for keys that are random: PBKDF2 with the fewest iterations that
/// LUKS allows.
pub(super) fn cheap_kdf(crypt: &mut CryptDevice) -> Result<(), LibcryptErr> {
    crypt.settings_handle().set_pbkdf_type(&CryptPbkdfType {
        type_: CryptKdf::Pbkdf2,
        hash: Some("sha256".to_owned()),
        time_ms: 0,
        iterations: 1000,
        max_memory_kb: 0,
        parallel_threads: 0,
        flags: CryptPbkdf::NO_BENCHMARK,
    })
}

fn failure(place: &Path, error: &LibcryptErr) -> Kind {
    let reason =
        |text: &str| Kind::HeaderUnusable { path: place.to_owned(), reason: text.to_owned() };
    match errno(error) {
        Errno::EACCES | Errno::EROFS => reason("it cannot be written to"),
        Errno::EPERM => reason("the key that opened it opens it no more"),
        Errno::ENOSPC => reason("it has no room for that"),
        Errno::EINVAL | Errno::EIO | Errno::ENOTSUP | Errno::ENOSYS => header_failure(place, error),
        _ => {
            let said = last_words();
            log::debug!("{said}");
            internal("changing the header", error)
        }
    }
}
