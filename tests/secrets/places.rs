//! Where a secret could be left: files, and the memory of processes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::needles::Needles;

/// The files below `directory` that hold a secret, with what they hold; nothing below `but`, and no
/// images of disks: that nothing is written to them has tests of its own.
pub fn in_files(needles: &Needles, directory: &Path, but: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if path.starts_with(but) || path.extension().is_some_and(|suffix| suffix == "img") {
            continue;
        }
        if kind.is_dir() {
            found.extend(in_files(needles, &path, but));
        } else if kind.is_file() {
            let what = needles.find(&fs::read(&path).unwrap_or_default());
            found.extend(what.map(|what| format!("{}: {what}", path.display())));
        }
    }
    found
}

/// The same for arguments, environment and memory of the process `pid`; it may end meanwhile.
pub fn in_process(needles: &Needles, pid: u32) -> Vec<String> {
    let process = format!("/proc/{pid}");
    let mut found = Vec::new();
    for file in ["cmdline", "environ"] {
        let what = needles.find(&fs::read(format!("{process}/{file}")).unwrap_or_default());
        found.extend(what.map(|what| format!("{process}/{file}: {what}")));
    }
    let maps = fs::read_to_string(format!("{process}/maps")).unwrap_or_default();
    let Ok(memory) = File::open(format!("{process}/mem")) else { return found };
    for line in maps.lines() {
        let Some(bytes) = mapped(line, &memory) else { continue };
        found.extend(needles.find(&bytes).map(|what| format!("{process}/mem, {line}: {what}")));
    }
    found
}

/// The same for all processes but this one, which has them compiled in, and except those of
/// other networks: they are other runs of the same tests.
pub fn in_processes(needles: &Needles) -> Vec<String> {
    let network = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let own = network(Path::new("/proc/self"));
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pid = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (pid != std::process::id() && network(&entry.path()) == own).then_some(pid)
    };
    entries.filter_map(pid).flat_map(|pid| in_process(needles, pid)).collect()
}

/// The bytes of one line of `/proc/PID/maps` that a process can have written.
fn mapped(line: &str, memory: &File) -> Option<Vec<u8>> {
    let mut fields = line.split_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    if !fields.next()?.starts_with("rw") {
        return None;
    }
    let from = u64::from_str_radix(from, 16).ok()?;
    let length = u64::from_str_radix(to, 16).ok()?.checked_sub(from)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    // Page by page: one that was never touched is none, and a device's cannot be read.
    for (index, page) in bytes.chunks_mut(4096).enumerate() {
        let _ = memory.read_at(page, from + 4096 * index as u64);
    }
    Some(bytes)
}
