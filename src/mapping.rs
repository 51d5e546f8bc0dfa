//! Device-mapper mappings as the program sees them: what is open, and the port to open and close.
//!
//! Core's view of libcryptsetup, sysfs and proc. edge/{luks,mapping,memory}.rs implement the traits;
//! tests implement them with values.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Kind, Shortage};
use crate::header::DetachedHeader;
use crate::secret::Secret;
use crate::volume::{Options, VolumeName};

/// An active dm-crypt mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its name below /dev/mapper.
    pub name: VolumeName,
    /// The encrypted devices below it; one, but for exotic tables.
    pub devices: Vec<PathBuf>,
    /// The type libcryptsetup wrote into the device-mapper UUID: that of a [`Format`], `PLAIN`, …;
    /// or `None` when something else than libcryptsetup made the mapping.
    pub kind: Option<String>,
    /// The UUID of its header, as 32 lower-case hexadecimal digits.
    pub uuid: Option<String>,
    /// Whether the mapping refuses writes.
    pub read_only: bool,
}

/// What is mapped now, and by whom it is used.
pub trait Mappings {
    /// The mapping called `name`, if there is one.
    fn find(&self, name: &VolumeName) -> Result<Option<Mapping>, Kind>;

    /// Whether two paths name the same device: equal device numbers, or a loop device and the
    /// file behind it.
    fn same_device(&self, one: &Path, other: &Path) -> bool;

    /// Who keeps the mapping busy: mount points, swap, mappings above it, processes.
    fn holders(&self, name: &VolumeName) -> Vec<String>;
}

/// What a device is encrypted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// BitLocker, of Windows 7 and newer.
    Bitlk,
    /// LUKS, version 1.
    Luks1,
    /// LUKS, version 2.
    Luks2,
}

impl Format {
    /// libcryptsetup's word for it, as in [`Mapping::kind`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bitlk => "BITLK",
            Self::Luks1 => "LUKS1",
            Self::Luks2 => "LUKS2",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose header it is.
    pub format: Format,
    /// The LUKS UUID as written in the header, or BitLocker's GUID of the volume.
    pub uuid: String,
    /// Whether the header is apart from the data.
    pub detached: bool,
    /// The keyslots in use; none of BitLocker, which has protectors that nobody lists.
    pub keyslots: Vec<Keyslot>,
}

/// A keyslot that a passphrase may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyslot {
    /// Its number.
    pub number: u32,
    /// Memory its KDF needs, in KiB; 0 for PBKDF2.
    pub memory_kib: u64,
}

/// Loads headers and closes mappings.
pub trait Luks {
    /// Reads the header of `device`, or the detached one, and checks that it can be used. Whether
    /// that is LUKS or BitLocker the device says; BitLocker has no detached header and is refused
    /// with one.
    ///
    /// A detached one is read from its copy in memory. While a reencryption is in progress opening
    /// goes through the header itself, which may be written to.
    fn load(
        &mut self,
        device: &Path,
        header: Option<&DetachedHeader>,
    ) -> Result<Box<dyn LuksDevice>, Kind>;

    /// Closes the mapping; `VolumeBusy` without holders when somebody has it open.
    fn close(&mut self, name: &VolumeName) -> Result<(), Kind>;
}

/// A device whose header was read.
pub trait LuksDevice {
    /// What its header says.
    fn header(&self) -> &Header;

    /// Tries `key` and maps the device as `name`; the number of the keyslot it opened, 0 for
    /// BitLocker.
    fn open(
        &mut self,
        name: &VolumeName,
        key: &Secret,
        options: &Options,
    ) -> Result<u32, OpenFailure>;

    /// Tries `key` and maps nothing; the number of the keyslot it fits.
    fn test(&mut self, key: &Secret, options: &Options) -> Result<u32, OpenFailure>;
}

/// Loads headers like `luks`, and does with each key what `open` does.
///
/// For whoever needs a key that fits and not, or not only, a mapping: the key sources, their order
/// and every refusal are those of an unlock.
#[derive(Debug)]
pub struct Instead<L, F> {
    luks: L,
    open: Rc<F>,
}

impl<L, F> Instead<L, F>
where
    F: Fn(&mut dyn LuksDevice, &VolumeName, &Secret, &Options) -> Result<u32, OpenFailure>,
{
    /// `open` stands where [`LuksDevice::open`] does.
    pub fn new(luks: L, open: F) -> Self {
        Self { luks, open: Rc::new(open) }
    }
}

impl<L: Luks, F> Luks for Instead<L, F>
where
    F: Fn(&mut dyn LuksDevice, &VolumeName, &Secret, &Options) -> Result<u32, OpenFailure>
        + 'static,
{
    fn load(
        &mut self,
        device: &Path,
        header: Option<&DetachedHeader>,
    ) -> Result<Box<dyn LuksDevice>, Kind> {
        let device = self.luks.load(device, header)?;
        Ok(Box::new(InsteadOf { device, open: Rc::clone(&self.open) }))
    }

    fn close(&mut self, name: &VolumeName) -> Result<(), Kind> {
        self.luks.close(name)
    }
}

/// A device of [`Instead`].
struct InsteadOf<F> {
    device: Box<dyn LuksDevice>,
    open: Rc<F>,
}

impl<F> LuksDevice for InsteadOf<F>
where
    F: Fn(&mut dyn LuksDevice, &VolumeName, &Secret, &Options) -> Result<u32, OpenFailure>,
{
    fn header(&self) -> &Header {
        self.device.header()
    }

    fn open(
        &mut self,
        name: &VolumeName,
        key: &Secret,
        options: &Options,
    ) -> Result<u32, OpenFailure> {
        (self.open)(&mut *self.device, name, key, options)
    }

    fn test(&mut self, key: &Secret, options: &Options) -> Result<u32, OpenFailure> {
        self.device.test(key, options)
    }
}

/// Why a device was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// Anything that another key cannot mend.
    Other(Kind),
    /// The key fits no keyslot and no protector.
    WrongKey,
}

/// The machine's memory, as far as KDFs share it.
pub trait Memory {
    /// Sets `needed_kib` of memory aside for one KDF of this process, which begins now; every
    /// process on the machine sees it.
    ///
    /// Errors: what there is of it, when that is not enough.
    fn reserve(&self, needed_kib: u64) -> Result<Box<dyn Reserved>, Shortage>;
}

/// Memory that is set aside until this is dropped, or its process ends.
pub trait Reserved: fmt::Debug {}

/// No memory.
impl Reserved for () {}
