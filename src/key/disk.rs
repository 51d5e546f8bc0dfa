//! The key disk as a key source: waits for it, reads its key files, hands them over best first.
//!
//! Knows which files to want and how long to wait; how a disk is found, mounted and read is behind
//! [`KeyDisks`] (edge/key_disk.rs). Never changes a byte of a key, and never picks only one: two
//! disks may carry the label, and a file may have another disk's name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::error::{FileProblem, Kind};
use crate::key::candidates::{Rank, Wanted};
use crate::key::{Candidate, KeySource, SourceName};
use crate::secret::Secret;
use crate::volume::KeyFileName;

/// Largest key file that is read, in bytes. ADE's have 172; a passphrase of cryptsetup has at most
/// 512, a wrapped key 683 (RSA 4096 in base64url), and locked memory is scarce.
pub const MAX_KEY_FILE: usize = 64 * 1024;

/// How often the disk is looked for. Nothing announces it where udev does not run.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long a disk without a usable file keeps us waiting for another one. The platform fills the
/// disk before the VM starts, so a file that is missing now will not appear.
const SETTLE: Duration = Duration::from_secs(2);

/// The key disks of this machine.
pub trait KeyDisks {
    /// Those that are attached now.
    fn list(&mut self) -> Result<Vec<PathBuf>, Kind>;

    /// Reads the candidates ([`Wanted::choose`]) in the root directory, best first.
    ///
    /// The disk is mounted for this call only. Files over [`MAX_KEY_FILE`] are not read. Errors:
    /// [`Kind::KeyDiskUnreadable`] for the disk as a whole; a file's own problem is in its place.
    fn read(&mut self, device: &Path, wanted: &Wanted) -> Result<Vec<FoundFile>, Kind>;
}

/// A file that was picked, and its content.
#[derive(Debug)]
pub struct FoundFile {
    /// As the disk spells it.
    pub name: KeyFileName,
    /// All its bytes, or why not.
    pub content: Result<Secret, FileProblem>,
}

/// The small vfat disk labelled `BEK VOLUME`.
#[derive(Debug)]
pub struct KeyDisk<D> {
    disks: D,
    wanted: Wanted,
    /// Where the keys came from that were handed over.
    handed: Vec<String>,
}

impl<D: KeyDisks> KeyDisk<D> {
    /// Looks on `disks` for what is `wanted`.
    pub fn new(disks: D, wanted: Wanted) -> Self {
        Self { disks, wanted, handed: Vec::new() }
    }

    /// One look at all key disks.
    fn look(&mut self, deadline: &Deadline<'_>) -> Result<Look, Kind> {
        let mut look = Look::default();
        for device in self.disks.list()? {
            log::debug!("key disk {}", device.display());
            let span = deadline.begin(Doing::ReadKeyDisk);
            match span.ended(self.disks.read(&device, &self.wanted)) {
                Ok(files) => look.add(&device, files, &self.wanted),
                Err(kind) => look.fail(kind),
            }
        }
        look.keys.retain(|(_, key)| !self.handed.contains(&key.origin));
        Ok(look)
    }

    /// Looks until there is a key; a disk without one is given up after [`SETTLE`].
    fn wait(&mut self, deadline: &Deadline<'_>) -> Result<Look, Kind> {
        let mut failure = None;
        let mut settled = None;
        let found = deadline.poll(INTERVAL, || {
            let look = self.look(deadline)?;
            if !look.keys.is_empty() {
                return Ok(Some(look));
            }
            let Some(kind) = look.failure else {
                return Ok(None);
            };
            if settled.get_or_insert_with(|| deadline.within(SETTLE)).passed() {
                return Err(kind);
            }
            failure = Some(kind);
            Ok(None)
        })?;
        let waited = deadline.elapsed();
        found.ok_or_else(|| failure.unwrap_or(Kind::KeyDiskMissing { waited }))
    }
}

impl<D: KeyDisks> KeySource for KeyDisk<D> {
    fn name(&self) -> SourceName {
        SourceName::KeyDisk
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        let look = if self.handed.is_empty() {
            let span = deadline.begin(Doing::KeyDisk);
            span.ended(self.wait(deadline))?
        } else {
            // All its keys were rejected: only another disk could help, and only one that is there.
            self.look(deadline)?
        };
        let candidates = look.into_candidates();
        self.handed.extend(candidates.iter().map(|key| key.origin.clone()));
        Ok(candidates)
    }
}

/// What one look at all disks brought.
#[derive(Default)]
struct Look {
    keys: Vec<(Rank, Candidate)>,
    failure: Option<Kind>,
}

impl Look {
    fn add(&mut self, device: &Path, files: Vec<FoundFile>, wanted: &Wanted) {
        let place = format!("key disk {}", device.display());
        if files.is_empty() {
            self.fail(Kind::KeyFileUnusable {
                place: place.clone(),
                file: wanted.name().cloned(),
                problem: FileProblem::Missing,
            });
        }
        for FoundFile { name, content } in files {
            let problem = match content {
                Ok(secret) if secret.is_empty() => FileProblem::Empty,
                Ok(secret) => {
                    let origin = format!("{place}: {name}");
                    let rank = wanted.rank(&name).unwrap_or(Rank::Other);
                    self.keys.push((rank, Candidate { secret, origin, from_file: true }));
                    continue;
                }
                Err(problem) => problem,
            };
            self.fail(Kind::KeyFileUnusable { place: place.clone(), file: Some(name), problem });
        }
    }

    /// Keeps the failure that says most; of equals the first, whose file fits best.
    fn fail(&mut self, kind: Kind) {
        log::debug!("{kind}");
        if self.failure.as_ref().is_none_or(|kept| weight(kept) < weight(&kind)) {
            self.failure = Some(kind);
        }
    }

    /// Best first over all disks; a key that is there twice is tried once, because each try costs
    /// the keyslot's KDF.
    fn into_candidates(mut self) -> Vec<Candidate> {
        // A key was found all the same, so nobody else will tell of the broken file.
        if let Some(kind) = self.failure.filter(|kind| weight(kind) > 0) {
            log::warn!("{kind}");
        }
        self.keys.sort_by_key(|(rank, _)| *rank);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(self.keys.len());
        for (_, key) in self.keys {
            let known = |other: &Candidate| other.secret.expose() == key.secret.expose();
            if candidates.iter().any(known) {
                log::debug!("{}: the same key again", key.origin);
            } else {
                candidates.push(key);
            }
        }
        candidates
    }
}

/// How much a failure says: a broken file that was wanted, then a broken disk, then a disk
/// without such a file.
fn weight(kind: &Kind) -> u8 {
    match kind {
        Kind::KeyFileUnusable { problem: FileProblem::Missing, .. } => 0,
        Kind::KeyFileUnusable { .. } => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
