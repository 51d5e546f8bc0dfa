//! The machine's disks, headers, mappings and memory, made of values.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::device::Devices;
use crate::error::{Kind, Shortage};
use crate::header::{DetachedHeader, Headers};
use crate::mapping::{Mapping, Mappings, Memory, Reserved};
use crate::slot::Slot;
use crate::unlock::admission::{self, State};
use crate::volume::{DeviceSpec, HeaderSpec, VolumeName};

/// One device.
pub struct FakeDevices {
    /// Looks at the device until it is there.
    pub device_after: u32,
    /// What every device holds.
    pub signature: Result<Option<String>, Kind>,
}

impl Devices for FakeDevices {
    fn find(&mut self, spec: &DeviceSpec) -> Result<Option<PathBuf>, Kind> {
        if self.device_after == 0 {
            return Ok(Some(spec.udev_path()));
        }
        self.device_after -= 1;
        Ok(None)
    }

    fn key_disks(&mut self) -> Result<Vec<PathBuf>, Kind> {
        Ok(Vec::new())
    }

    fn signature(&mut self, _: &Path) -> Result<Option<String>, Kind> {
        self.signature.clone()
    }

    fn slot(&mut self, _: &Path) -> Option<Slot> {
        None
    }
}

/// Detached headers.
#[derive(Default)]
pub struct FakeHeaders {
    /// What comes of looking at the one that is named, in order; the last answer stays.
    pub named: VecDeque<Result<Option<DetachedHeader>, Kind>>,
    pub copies: Vec<DetachedHeader>,
    /// Why the header's copy is refused; `None` where it is not.
    pub refused: Option<Kind>,
    /// What was copied and checked, in order.
    pub seen: Rc<RefCell<Vec<String>>>,
    /// Whether somebody else is to mount the file system of the one that is named, and does not.
    pub in_fstab: bool,
}

impl Headers for FakeHeaders {
    fn read(&mut self, _: &HeaderSpec, alone: bool) -> Result<Option<DetachedHeader>, Kind> {
        if self.in_fstab && !alone {
            return Ok(None);
        }
        match self.named.len() {
            0 => Ok(None),
            1 => self.named[0].clone(),
            _ => self.named.pop_front().unwrap(),
        }
    }

    fn inside(&mut self, device: &Path) -> Result<DetachedHeader, Kind> {
        self.seen.borrow_mut().push(format!("copy {}", device.display()));
        let named = self.named.front().cloned().unwrap_or(Ok(None))?;
        named.ok_or_else(|| Kind::HeaderUnusable {
            path: device.to_owned(),
            reason: "it is not LUKS, or damaged".to_owned(),
        })
    }

    fn check(&mut self, header: &DetachedHeader, _: &Path) -> Result<(), Kind> {
        self.seen.borrow_mut().push(format!("check {}", header.spec));
        self.refused.clone().map_or(Ok(()), Err)
    }

    fn copies(&mut self, _: &HeaderSpec) -> Vec<DetachedHeader> {
        self.copies.clone()
    }
}

/// What is mapped.
pub struct FakeMappings {
    /// The mapping every name has.
    pub mapping: Option<Mapping>,
    /// Looks until it is there.
    pub after: Cell<u32>,
}

impl Mappings for FakeMappings {
    fn find(&self, _: &VolumeName) -> Result<Option<Mapping>, Kind> {
        match self.after.get() {
            0 => Ok(self.mapping.clone()),
            left => {
                self.after.set(left - 1);
                Ok(None)
            }
        }
    }

    fn same_device(&self, one: &Path, other: &Path) -> bool {
        one == other
    }

    fn holders(&self, _: &VolumeName) -> Vec<String> {
        Vec::new()
    }
}

/// A machine's memory in KiB.
pub struct FakeMemory {
    free: Rc<Cell<u64>>,
    total: u64,
}

impl FakeMemory {
    /// So much is `free`, of `total`.
    pub fn new(free: u64, total: u64) -> Self {
        Self { free: Rc::new(Cell::new(free)), total }
    }
}

impl Memory for FakeMemory {
    fn reserve(&self, needed_kib: u64) -> Result<Box<dyn Reserved>, Shortage> {
        let free = self.free.get();
        let (total_kib, available_kib) = (Some(self.total), Some(free));
        admission::admit(needed_kib, &State { total_kib, available_kib, ..State::default() })?;
        self.free.set(free - needed_kib);
        Ok(Box::new(Taken { free: Rc::clone(&self.free), kib: needed_kib }))
    }
}

/// Memory that was free.
#[derive(Debug)]
struct Taken {
    free: Rc<Cell<u64>>,
    kib: u64,
}

impl Reserved for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        self.free.set(self.free.get() + self.kib);
    }
}
