//! The real parts that an unlock works with, but libcryptsetup, in whose place a command may put
//! something else.

use std::path::Path;

use crate::edge::block::BlockDevices;
use crate::edge::header::SystemHeaders;
use crate::edge::mapping::MappedDevices;
use crate::edge::memory::MachineMemory;
use crate::mapping::Luks;
use crate::unlock::World;

/// This machine's devices, headers, mappings and memory.
pub struct Machine {
    devices: BlockDevices,
    /// What was read of detached headers stays readable as long as this is there.
    pub headers: SystemHeaders,
    mapped: MappedDevices,
    memory: MachineMemory,
}

impl Machine {
    /// As seen from `root`. Only where `copies` says so a copy in an initramfs image may stand in for
    /// a detached header.
    pub fn new(root: &Path, copies: bool) -> Self {
        Self {
            devices: BlockDevices::new(),
            headers: SystemHeaders::new(copies),
            mapped: MappedDevices::new(root),
            memory: MachineMemory::new(root),
        }
    }

    /// All of it, and `luks`.
    pub fn world<'a>(&'a mut self, luks: &'a mut dyn Luks) -> World<'a> {
        World {
            devices: &mut self.devices,
            headers: &mut self.headers,
            luks,
            mappings: &self.mapped,
            memory: &self.memory,
        }
    }
}
