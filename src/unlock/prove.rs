//! Whether a volume would open: everything an unlock does, for each key source by itself, and no
//! mapping made.
//!
//! An unlock ends with the first key that fits, and so says nothing of the source that will be
//! needed on the day this one fails. Here each is asked, whatever the others said.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::attempt::{Attempt, Refusal};
use super::header::{self, Reading};
use super::{Sources, World, is_new_resource_disk};
use crate::deadline::Deadline;
use crate::error::Kind;
use crate::header::choice::Why;
use crate::key::SourceName;
use crate::mapping::{Format, Header};
use crate::volume::{HeaderSpec, Volume};

/// How far one volume came.
#[derive(Debug)]
pub struct Proof {
    /// The encrypted device.
    pub device: Result<PathBuf, Kind>,
    /// What was read from it; `None` where there is no device.
    pub content: Option<Result<Content, Kind>>,
    /// The sources in their order; none where there is no header.
    pub sources: Vec<Asked>,
}

/// What is on the device.
#[derive(Debug)]
pub enum Content {
    /// ADE's resource disk, made anew by Azure and not encrypted.
    NewResourceDisk,
    /// A volume.
    Encrypted {
        /// What its header says.
        header: Header,
        /// Which detached header that is, and why that one.
        detached: Option<(HeaderSpec, Why)>,
    },
}

/// What one source came to.
#[derive(Debug)]
pub struct Asked {
    /// Which one.
    pub source: SourceName,
    /// The key that fits, or why there is none.
    pub answer: Result<Fits, Kind>,
}

/// A key that fits.
#[derive(Debug, PartialEq, Eq)]
pub struct Fits {
    /// The keyslot it opens; 0 for BitLocker.
    pub keyslot: u32,
    /// Where exactly it came from.
    pub origin: String,
    /// Whether it fits only without its final newline.
    pub trimmed: bool,
}

/// Proves `volume`: its device and header as they are now, then each source, for `patience` at the
/// most where it has to be waited for. A key disk that is not there should not be
/// ([`AtOnce`](crate::key::AtOnce)): whoever checks has it attached.
///
/// `world.luks` must try keys without mapping anything ([`Instead`](crate::mapping::Instead)).
/// `before` is called with each source before it is asked. A header inside its device is read from
/// a copy in memory, because libcryptsetup mends what it takes for damaged.
pub fn prove(
    volume: &Volume,
    world: &mut World<'_>,
    sources: &mut dyn Sources,
    deadline: &Deadline<'_>,
    patience: Duration,
    before: &mut dyn FnMut(SourceName),
) -> Proof {
    let found = world.devices.find(&volume.device).and_then(|found| {
        found.ok_or(Kind::VolumeMissing { device: volume.device.clone(), waited: Duration::ZERO })
    });
    let device = match found {
        Ok(device) => device,
        Err(kind) => return Proof { device: Err(kind), content: None, sources: Vec::new() },
    };
    let done = |content, sources| Proof { device: Ok(device.clone()), content, sources };
    let now = deadline.within(Duration::ZERO);
    let reading = reading(&device, world);
    let mut loaded = match header::load(volume, &device, world, &now, reading) {
        Err(Kind::HeaderUnusable { .. }) if is_new_resource_disk(volume, &device, world) => {
            return done(Some(Ok(Content::NewResourceDisk)), Vec::new());
        }
        Err(kind) => return done(Some(Err(kind)), Vec::new()),
        Ok(loaded) => loaded,
    };
    let mut asked = Vec::new();
    for mut source in sources.of(volume, &loaded.encrypted(&device)) {
        let name = source.name();
        // Nobody is asked at boot unless everything else failed.
        if name == SourceName::Prompt {
            continue;
        }
        before(name);
        let own = deadline.within(patience);
        let (luks, memory) = (RefCell::new(&mut *loaded.luks), world.memory);
        let attempt = Attempt { volume, luks, memory, deadline: &own };
        let answer = match attempt.ask(&mut *source, &own, Vec::new()) {
            Ok(fit) => Ok(Fits { keyslot: fit.keyslot, origin: fit.origin, trimmed: fit.trimmed }),
            Err(Refusal::Final(kind) | Refusal::TryNext(kind)) => Err(kind),
        };
        asked.push(Asked { source: name, answer });
    }
    let (header, detached) = (loaded.luks.header().clone(), loaded.detached);
    done(Some(Ok(Content::Encrypted { header, detached })), asked)
}

/// BitLocker has no header that could be copied, and libcryptsetup mends nothing of it.
fn reading(device: &Path, world: &mut World<'_>) -> Reading {
    let held = world.devices.signature(device).ok().flatten();
    if held.as_deref() == Some("BitLocker") { Reading::AsItIs } else { Reading::Copy }
}

impl Content {
    /// The format; `None` for what is not encrypted.
    pub fn format(&self) -> Option<Format> {
        match self {
            Self::NewResourceDisk => None,
            Self::Encrypted { header, .. } => Some(header.format),
        }
    }
}

impl Proof {
    /// Whether some source has a key that fits.
    pub fn opens(&self) -> bool {
        self.sources.iter().any(|asked| asked.answer.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlock::fake::{Case, key, missing};
    use crate::volume::VolumeName;

    /// A case whose device has a header that can be copied.
    fn case() -> Case {
        let mut case = Case::new();
        let header = crate::unlock::header::tests::header("/dev/sdb", 1);
        case.headers.named.push_back(Ok(Some(header)));
        case
    }

    fn names(proof: &Proof) -> Vec<(SourceName, bool)> {
        proof.sources.iter().map(|asked| (asked.source, asked.answer.is_ok())).collect()
    }

    #[test]
    fn every_source_is_asked_though_the_first_one_fits() {
        let mut case = case();
        case.vault = Some(vec![Ok(vec![key("wrong")]), Ok(vec![key("right")])]);
        let (proof, events) = case.prove();
        assert_eq!(names(&proof), [(SourceName::KeyDisk, true), (SourceName::KeyVault, true)]);
        assert!(proof.opens());
        assert_eq!(
            events[1..],
            [
                "ask key-disk for 15 s",
                "try \"right\"",
                "ask key-vault for 15 s",
                "try \"wrong\"",
                "ask key-vault for 15 s",
                "try \"right\"",
            ]
        );
    }

    #[test]
    fn what_fails_says_why_and_the_next_is_asked() {
        let mut case = case();
        case.disk = vec![Err(missing())];
        case.vault = Some(vec![Ok(vec![key("wrong")])]);
        let (proof, _) = case.prove();
        assert_eq!(names(&proof), [(SourceName::KeyDisk, false), (SourceName::KeyVault, false)]);
        let words: Vec<&str> =
            proof.sources.iter().map(|asked| asked.answer.as_ref().unwrap_err().name()).collect();
        assert_eq!(words, ["key-disk-missing", "key-rejected"]);
        assert!(!proof.opens());
    }

    #[test]
    fn a_header_inside_is_read_from_a_copy_and_bitlocker_as_it_is() {
        let (_, events) = case().prove();
        assert_eq!(events[0], "load /dev/sdb");
        let mut case = case();
        case.devices.signature = Ok(Some("BitLocker".to_owned()));
        case.format = Format::Bitlk;
        let (proof, events) = case.prove();
        assert_eq!(events[0], "ask key-disk for 15 s");
        assert_eq!(proof.content.unwrap().unwrap().format(), Some(Format::Bitlk));
    }

    #[test]
    fn nothing_is_waited_for_and_no_source_asked_without_device_or_header() {
        let mut case = case();
        case.devices.device_after = 3;
        let (proof, events) = case.prove();
        assert_eq!(proof.device.unwrap_err().name(), "volume-missing");
        assert!(events.is_empty() && proof.content.is_none() && proof.sources.is_empty());
        let mut unformatted = self::case();
        unformatted.formatted = false;
        let (proof, _) = unformatted.prove();
        assert_eq!(proof.content.unwrap().unwrap_err().name(), "header-unusable");
    }

    #[test]
    fn a_new_resource_disk_is_nothing_to_open() {
        let mut case = case();
        case.volume.name = VolumeName::parse("resourceencrypt").unwrap();
        case.formatted = false;
        let (proof, events) = case.prove();
        assert!(matches!(proof.content, Some(Ok(Content::NewResourceDisk))), "{events:?}");
    }
}
