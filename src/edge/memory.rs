//! The machine's memory, from /proc/meminfo.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mapping::Memory;

/// What the kernel says of it, below a root directory (`/`, or a fixture).
#[derive(Clone, Debug)]
pub struct MemInfo(PathBuf);

impl MemInfo {
    /// Reads `root`/proc/meminfo.
    pub fn new(root: &Path) -> Self {
        Self(root.join("proc/meminfo"))
    }
}

impl Memory for MemInfo {
    fn available_kib(&self) -> Option<u64> {
        let table = fs::read_to_string(&self.0).ok()?;
        let value = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        value.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_in_kib() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(MemInfo::new(root.path()).available_kib(), None);
        fs::create_dir(root.path().join("proc")).unwrap();
        let table = "MemTotal: 2048 kB\nMemAvailable:    1024 kB\n";
        fs::write(root.path().join("proc/meminfo"), table).unwrap();
        assert_eq!(MemInfo::new(root.path()).available_kib(), Some(1024));
    }
}
