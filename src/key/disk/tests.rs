//! The key disk as a source, on disks that are made up.

use std::collections::VecDeque;

use super::*;
use crate::deadline::{Clock, VirtualClock};
use crate::slot::Slot;

struct Disk {
    device: &'static str,
    /// `None`: the disk cannot be read.
    files: Option<Vec<Entry>>,
}

struct Entry {
    name: &'static str,
    content: Result<&'static [u8], FileProblem>,
}

fn disk(device: &'static str, files: &[(&'static str, &'static [u8])]) -> Disk {
    let files = files.iter().map(|(name, bytes)| Entry { name, content: Ok(bytes) }).collect();
    Disk { device, files: Some(files) }
}

fn broken(device: &'static str) -> Disk {
    Disk { device, files: None }
}

/// What each look finds; the last one stays.
struct Fake {
    looks: VecDeque<Vec<Disk>>,
    looked: usize,
}

fn fake<const N: usize>(looks: [Vec<Disk>; N]) -> Fake {
    Fake { looks: looks.into_iter().collect(), looked: 0 }
}

impl KeyDisks for &mut Fake {
    fn list(&mut self) -> Result<Vec<PathBuf>, Kind> {
        self.looked += 1;
        if self.looked > 1 && self.looks.len() > 1 {
            self.looks.pop_front();
        }
        Ok(self.looks[0].iter().map(|disk| PathBuf::from(disk.device)).collect())
    }

    fn read(&mut self, device: &Path, wanted: &Wanted) -> Result<Vec<FoundFile>, Kind> {
        let disk = self.looks[0].iter().find(|disk| Path::new(disk.device) == device).unwrap();
        let Some(files) = &disk.files else {
            return Err(unreadable(disk.device));
        };
        let listing: Vec<_> =
            files.iter().map(|entry| KeyFileName::parse(entry.name).unwrap()).collect();
        let content = |name: &KeyFileName| {
            let entry = files.iter().find(|entry| entry.name == name.as_str()).unwrap();
            entry.content.clone().map(|bytes| Secret::new(bytes.to_vec()))
        };
        let read = |name| FoundFile { content: content(&name), name };
        Ok(wanted.choose(&listing).into_iter().map(read).collect())
    }
}

fn unreadable(device: &str) -> Kind {
    Kind::KeyDiskUnreadable { device: device.into(), reason: "bad".into() }
}

fn unusable(place: &str, file: Option<&str>, problem: FileProblem) -> Kind {
    let file = file.and_then(KeyFileName::parse);
    Kind::KeyFileUnusable { place: place.into(), file, problem }
}

fn keys(fake: &mut Fake, clock: &VirtualClock) -> Result<Vec<(String, Vec<u8>)>, Kind> {
    let wanted = Wanted::new(None, None, Slot::new(1, 0));
    let deadline = Deadline::start(clock, Some(Duration::from_secs(10)));
    let candidates = KeyDisk::new(fake, wanted).keys(&deadline)?;
    assert!(candidates.iter().all(|candidate| candidate.from_file));
    Ok(candidates
        .into_iter()
        .map(|candidate| (candidate.origin, candidate.secret.expose().to_vec()))
        .collect())
}

#[test]
fn keys_come_best_first_over_all_disks_each_once() {
    let clock = VirtualClock::default();
    let mut fake = fake([vec![
        disk(
            "/dev/sdc1",
            &[("LinuxPassPhraseFileName", b"os\n"), ("LinuxPassPhraseFileName_2_0", b"data")],
        ),
        disk("/dev/sdd1", &[("LinuxPassPhraseFileName_1_0", b"data")]),
    ]]);
    assert_eq!(
        keys(&mut fake, &clock),
        Ok(vec![
            ("key disk /dev/sdd1: LinuxPassPhraseFileName_1_0".into(), b"data".to_vec()),
            ("key disk /dev/sdc1: LinuxPassPhraseFileName".into(), b"os\n".to_vec()),
        ])
    );
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn a_disk_that_comes_late_is_waited_for() {
    let late = disk("/dev/sdc1", &[("LinuxPassPhraseFileName", b"k")]);
    let mut fake = fake([vec![], vec![], vec![late]]);
    assert_eq!(keys(&mut fake, &VirtualClock::default()).unwrap().len(), 1);
    assert_eq!(fake.looked, 3);
}

#[test]
fn rejected_keys_are_not_handed_over_again() {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let one = || disk("/dev/sdc1", &[("LinuxPassPhraseFileName", b"k")]);
    let two = disk("/dev/sdd1", &[("LinuxPassPhraseFileName", b"l")]);
    let mut fake = fake([vec![one()], vec![one(), two], vec![one()]]);
    let mut source = KeyDisk::new(&mut fake, Wanted::default());
    let mut origins = || -> Vec<String> {
        source.keys(&deadline).unwrap().into_iter().map(|key| key.origin).collect()
    };
    assert_eq!(origins(), ["key disk /dev/sdc1: LinuxPassPhraseFileName"]);
    assert_eq!(origins(), ["key disk /dev/sdd1: LinuxPassPhraseFileName"]);
    assert_eq!(origins(), [] as [String; 0]);
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn no_disk_ends_at_the_deadline_and_says_how_long() {
    let mut fake = fake([vec![]]);
    let waited = Duration::from_secs(10);
    let missing = Kind::KeyDiskMissing { waited };
    assert_eq!(keys(&mut fake, &VirtualClock::default()), Err(missing));
    assert_eq!(fake.looked, 51);
}

#[test]
fn an_empty_file_is_a_missing_one_and_says_so() {
    let name = "LinuxPassPhraseFileName_1_0";
    let mut fake = fake([vec![disk("/dev/sdc1", &[(name, b"")])]]);
    let kind = unusable("key disk /dev/sdc1", Some(name), FileProblem::Empty);
    assert_eq!(keys(&mut fake, &VirtualClock::default()), Err(kind));
}

#[test]
fn a_useless_disk_is_given_up_soon() {
    let clock = VirtualClock::default();
    let mut fake = fake([vec![disk("/dev/sdc1", &[("README.txt", b"x")])]]);
    let kind = unusable("key disk /dev/sdc1", None, FileProblem::Missing);
    assert_eq!(keys(&mut fake, &clock), Err(kind));
    assert_eq!(clock.now(), SETTLE);
}

#[test]
fn a_second_disk_may_follow_a_useless_one() {
    let good = disk("/dev/sdd1", &[("LinuxPassPhraseFileName", b"k")]);
    let mut fake = fake([vec![broken("/dev/sdc1")], vec![broken("/dev/sdc1"), good]]);
    assert_eq!(keys(&mut fake, &VirtualClock::default()).unwrap().len(), 1);
}

#[test]
fn an_empty_file_beside_a_usable_one_does_no_harm() {
    let files: [(_, &[u8]); 2] =
        [("LinuxPassPhraseFileName_1_0", b""), ("LinuxPassPhraseFileName", b"os")];
    let mut fake = fake([vec![disk("/dev/sdc1", &files)]]);
    assert_eq!(keys(&mut fake, &VirtualClock::default()).unwrap().len(), 1);
}

#[test]
fn the_most_telling_failure_is_reported() {
    let name = "LinuxPassPhraseFileName";
    let large = Disk {
        device: "/dev/sdd1",
        files: Some(vec![Entry { name, content: Err(FileProblem::TooLarge) }]),
    };
    let too_large = unusable("key disk /dev/sdd1", Some(name), FileProblem::TooLarge);
    for (disks, kind) in [
        (vec![disk("/dev/sdb1", &[]), broken("/dev/sdc1")], unreadable("/dev/sdc1")),
        (vec![broken("/dev/sdc1"), large], too_large),
    ] {
        assert_eq!(keys(&mut fake([disks]), &VirtualClock::default()), Err(kind));
    }
}

#[test]
fn a_refused_look_is_final() {
    struct Refused;
    impl KeyDisks for Refused {
        fn list(&mut self) -> Result<Vec<PathBuf>, Kind> {
            Err(Kind::NotPermitted { action: "read block devices", reason: "EACCES".into() })
        }
        fn read(&mut self, _: &Path, _: &Wanted) -> Result<Vec<FoundFile>, Kind> {
            unreachable!("nothing is listed")
        }
    }
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let refused = KeyDisk::new(Refused, Wanted::default()).keys(&deadline).unwrap_err();
    assert_eq!(refused.name(), "not-permitted");
}
