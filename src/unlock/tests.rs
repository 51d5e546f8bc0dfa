//! The use case against devices, headers and key sources made of values.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::*;
use crate::deadline::{Clock as _, VirtualClock};
use crate::mapping::Keyslot;
use crate::secret::Secret;
use crate::slot::Slot;
use crate::volume::{KeySpec, Options, VolumeName};

/// What the fakes saw, in order.
type Events = Rc<RefCell<Vec<String>>>;

struct FakeDevices {
    /// Looks at the device until it is there.
    device_after: u32,
    signature: Result<Option<String>, Kind>,
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

struct FakeLuks {
    /// Whether the device holds a header at all.
    formatted: bool,
    header: Header,
    right_key: &'static [u8],
    events: Events,
}

impl Luks for FakeLuks {
    fn load(&mut self, _: &Path, header: Option<&Path>) -> Result<Box<dyn LuksDevice>, Kind> {
        if !self.formatted {
            let path = PathBuf::from("/dev/sdb");
            return Err(Kind::HeaderUnusable { path, reason: "not LUKS".to_owned() });
        }
        let header = Header { detached: header.is_some(), ..self.header.clone() };
        let (formatted, right_key) = (self.formatted, self.right_key);
        Ok(Box::new(FakeLuks { formatted, header, right_key, events: Rc::clone(&self.events) }))
    }

    fn close(&mut self, name: &VolumeName) -> Result<(), Kind> {
        self.events.borrow_mut().push(format!("close {name}"));
        Ok(())
    }
}

impl LuksDevice for FakeLuks {
    fn header(&self) -> &Header {
        &self.header
    }

    fn open(&mut self, _: &VolumeName, key: &Secret, _: &Options) -> Result<u32, OpenFailure> {
        let shown = String::from_utf8_lossy(key.expose()).into_owned();
        self.events.borrow_mut().push(format!("try {shown:?}"));
        if key.expose() == self.right_key { Ok(0) } else { Err(OpenFailure::WrongKey) }
    }
}

struct FakeMappings(Option<Mapping>);

impl Mappings for FakeMappings {
    fn find(&self, _: &VolumeName) -> Result<Option<Mapping>, Kind> {
        Ok(self.0.clone())
    }

    fn same_device(&self, one: &Path, other: &Path) -> bool {
        one == other
    }

    fn holders(&self, _: &VolumeName) -> Vec<String> {
        Vec::new()
    }
}

struct FakeMemory(u64);

impl Memory for FakeMemory {
    fn available_kib(&self) -> Option<u64> {
        Some(self.0)
    }
}

/// Answers in order; an empty list after the last.
struct Script {
    name: SourceName,
    answers: VecDeque<Result<Vec<Candidate>, Kind>>,
    events: Events,
}

impl KeySource for Script {
    fn name(&self) -> SourceName {
        self.name
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        let left = deadline.remaining().as_secs();
        self.events.borrow_mut().push(format!("ask {} for {left} s", self.name));
        self.answers.pop_front().unwrap_or(Ok(Vec::new()))
    }
}

fn key(text: &str) -> Candidate {
    Candidate {
        secret: Secret::new(text.as_bytes().to_vec()),
        origin: format!("key disk /dev/sdc1: {text:?}"),
        from_file: true,
    }
}

fn missing() -> Kind {
    Kind::KeyDiskMissing { waited: Duration::from_secs(10) }
}

/// One run with everything as it should be, to be spoilt by each test.
struct Case {
    volume: Volume,
    devices: FakeDevices,
    mapping: Option<Mapping>,
    formatted: bool,
    keyslot_memory_kib: u64,
    memory_kib: u64,
    disk: Vec<Result<Vec<Candidate>, Kind>>,
    vault: Option<Vec<Result<Vec<Candidate>, Kind>>>,
}

impl Case {
    fn new() -> Self {
        let volume = Volume {
            name: VolumeName::parse("data1").unwrap(),
            device: DeviceSpec::Path(PathBuf::from("/dev/sdb")),
            key: KeySpec::Find,
            options: Options::default(),
        };
        let devices = FakeDevices { device_after: 0, signature: Ok(None) };
        Self {
            volume,
            devices,
            mapping: None,
            formatted: true,
            keyslot_memory_kib: 0,
            memory_kib: 0,
            disk: vec![Ok(vec![key("right")])],
            vault: None,
        }
    }

    fn run(self) -> (Result<Outcome, Error>, Vec<String>, Duration) {
        let events = Events::default();
        let keyslots = vec![Keyslot { number: 0, memory_kib: self.keyslot_memory_kib }];
        let header = Header { version: 2, uuid: "u".to_owned(), detached: false, keyslots };
        let formatted = self.formatted;
        let mut luks =
            FakeLuks { formatted, header, right_key: b"right", events: Rc::clone(&events) };
        let mut devices = self.devices;
        let (mappings, memory) = (FakeMappings(self.mapping), FakeMemory(self.memory_kib));
        let clock = VirtualClock::default();
        let deadline = Deadline::start(&clock, Some(Duration::from_secs(90)));
        let mut world =
            World { devices: &mut devices, luks: &mut luks, mappings: &mappings, memory: &memory };
        let mut sources = Scripts { disk: self.disk, vault: self.vault, events: &events };
        let result = attach(&self.volume, &mut world, &mut sources, &deadline);
        let events = events.borrow().clone();
        (result, events, clock.now())
    }
}

struct Scripts<'e> {
    disk: Vec<Result<Vec<Candidate>, Kind>>,
    vault: Option<Vec<Result<Vec<Candidate>, Kind>>>,
    events: &'e Events,
}

impl Sources for Scripts<'_> {
    fn of<'a>(&'a mut self, _: &'a Volume, _: &Path) -> Vec<Box<dyn KeySource + 'a>> {
        let script = |name, answers: Vec<_>| -> Box<dyn KeySource> {
            Box::new(Script { name, answers: answers.into(), events: Rc::clone(self.events) })
        };
        let disk = script(SourceName::KeyDisk, std::mem::take(&mut self.disk));
        let vault = self.vault.take().map(|answers| script(SourceName::KeyVault, answers));
        std::iter::once(disk).chain(vault).collect()
    }
}

fn opened(result: Result<Outcome, Error>) -> Opened {
    match result.unwrap() {
        Outcome::Opened(opened) => *opened,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_right_key_opens() {
    let (result, events, _) = Case::new().run();
    let opened = opened(result);
    assert_eq!((opened.source, opened.trimmed), (SourceName::KeyDisk, false));
    assert_eq!(events, ["ask key-disk for 90 s", "try \"right\""]);
}

#[test]
fn every_key_is_tried_verbatim_before_any_is_trimmed() {
    let mut case = Case::new();
    case.disk = vec![Ok(vec![key("right\n"), key("other")])];
    let (result, events, _) = case.run();
    assert!(opened(result).trimmed);
    assert_eq!(events[1..], ["try \"right\\n\"", "try \"other\"", "try \"right\""]);
}

#[test]
fn keys_of_a_vault_are_never_trimmed() {
    let mut case = Case::new();
    case.disk = vec![Ok(vec![Candidate { from_file: false, ..key("right\n") }])];
    let (result, events, _) = case.run();
    assert_eq!(result.unwrap_err().kind.name(), "key-rejected");
    assert_eq!(events[1..], ["try \"right\\n\"", "ask key-disk for 90 s"]);
}

#[test]
fn a_source_is_asked_for_more_until_it_has_none() {
    let mut case = Case::new();
    case.disk = vec![Ok(vec![key("new")]), Ok(vec![key("old")])];
    let (result, events, _) = case.run();
    let kind = result.unwrap_err().kind;
    let Kind::KeyRejected { place, tried, keyslots } = kind else { panic!("{kind:?}") };
    assert_eq!((place.as_str(), tried, keyslots), ("key disk /dev/sdc1", 2, 1));
    assert_eq!(events.iter().filter(|event| event.starts_with("ask")).count(), 3);
}

#[test]
fn the_key_disk_gets_ten_seconds_while_the_vault_is_left() {
    let mut case = Case::new();
    case.disk = vec![Err(missing())];
    case.vault = Some(vec![Ok(vec![key("right")])]);
    let (result, events, _) = case.run();
    let opened = opened(result);
    assert_eq!(opened.source, SourceName::KeyVault);
    assert_eq!(opened.passed_over, [missing()]);
    assert_eq!(events, ["ask key-disk for 10 s", "ask key-vault for 90 s", "try \"right\""]);
}

#[test]
fn a_key_disk_that_comes_late_is_still_used() {
    let mut case = Case::new();
    case.disk = vec![Err(missing()), Ok(vec![key("right")])];
    case.vault = Some(vec![Err(Kind::MetadataUntrusted { reason: "x".to_owned() })]);
    let (result, events, _) = case.run();
    assert_eq!(opened(result).source, SourceName::KeyDisk);
    assert_eq!(events[2..], ["ask key-disk for 0 s", "try \"right\""]);
}

#[test]
fn all_sources_are_named_when_all_fail() {
    let mut case = Case::new();
    case.disk = vec![Err(missing()), Err(Kind::KeyDiskMissing { waited: Duration::ZERO })];
    let denied = Kind::MetadataUntrusted { reason: "x".to_owned() };
    case.vault = Some(vec![Err(denied.clone())]);
    let error = case.run().0.unwrap_err();
    assert_eq!((error.kind, error.others), (denied, vec![missing()]));
    assert_eq!(error.device, Some(PathBuf::from("/dev/sdb")));
}

#[test]
fn a_device_is_waited_for() {
    let mut case = Case::new();
    case.devices.device_after = 10;
    let (result, _, elapsed) = case.run();
    opened(result);
    assert_eq!(elapsed, Duration::from_secs(2));
}

#[test]
fn a_device_that_never_comes_ends_at_the_deadline() {
    let mut case = Case::new();
    case.devices.device_after = u32::MAX;
    let (result, events, elapsed) = case.run();
    assert_eq!(result.unwrap_err().kind.name(), "volume-missing");
    assert_eq!((events.len(), elapsed), (0, Duration::from_secs(90)));
}

fn mapping(device: &str) -> Option<Mapping> {
    Some(Mapping {
        name: VolumeName::parse("data1").unwrap(),
        devices: vec![PathBuf::from(device)],
        kind: Some("LUKS2".to_owned()),
        uuid: Some("0123456789abcdef0123456789abcdef".to_owned()),
        read_only: false,
    })
}

#[test]
fn open_on_the_same_device_is_success() {
    let mut case = Case::new();
    case.mapping = mapping("/dev/sdb");
    let (result, events, _) = case.run();
    assert_eq!(result.unwrap(), Outcome::AlreadyOpen { device: PathBuf::from("/dev/sdb") });
    assert!(events.is_empty());
}

#[test]
fn open_is_recognised_by_luks_uuid_when_the_device_is_hidden() {
    let mut case = Case::new();
    case.volume.device = DeviceSpec::Uuid("01234567-89AB-cdef-0123-456789abcdef".to_owned());
    case.devices.device_after = u32::MAX;
    case.mapping = mapping("/dev/sdb");
    assert!(matches!(case.run().0, Ok(Outcome::AlreadyOpen { .. })));
}

#[test]
fn open_on_another_device_is_a_conflict() {
    let mut case = Case::new();
    case.mapping = mapping("/dev/sdz");
    let error = case.run().0.unwrap_err();
    assert_eq!(error.kind.exit_status(), crate::error::exit::IN_USE);
    assert_eq!(error.kind.to_string(), "/dev/mapper/data1 already maps /dev/sdz");
}

fn detached() -> Case {
    let mut case = Case::new();
    case.volume.options.header = Some(PathBuf::from("/boot/luks/osluksheader"));
    case
}

#[test]
fn garbage_behind_a_detached_header_is_closed_again() {
    let (result, events, _) = detached().run();
    assert_eq!(result.unwrap_err().kind, Kind::ContentUnrecognized);
    assert_eq!(events.last().unwrap(), "close data1");
}

#[test]
fn content_that_cannot_be_read_is_not_trusted() {
    let mut case = detached();
    let broken = Kind::Internal { call: "probing", reason: "I/O error".to_owned() };
    case.devices.signature = Err(broken.clone());
    let (result, events, _) = case.run();
    assert_eq!(result.unwrap_err().kind, broken);
    assert_eq!(events.last().unwrap(), "close data1");
}

#[test]
fn known_content_and_content_any_stay_open() {
    let mut known = detached();
    known.devices.signature = Ok(Some("ext4".to_owned()));
    opened(known.run().0);
    let mut any = detached();
    any.volume.options.content = Content::Any;
    opened(any.run().0);
}

#[test]
fn a_kdf_that_does_not_fit_is_an_error_before_it_runs() {
    let mut case = Case::new();
    (case.keyslot_memory_kib, case.memory_kib) = (1_048_576, 524_288);
    let (result, events, elapsed) = case.run();
    assert_eq!(
        result.unwrap_err().kind,
        Kind::MemoryShort { needed_kib: 1_048_576, available_kib: 524_288 }
    );
    assert_eq!(events, ["ask key-disk for 90 s"]);
    assert_eq!(elapsed, Duration::from_secs(90));
}

#[test]
fn a_new_resource_disk_is_no_error_and_any_other_unformatted_disk_is() {
    let run = |name: &str, held: Option<&str>| {
        let mut case = Case::new();
        case.volume.name = VolumeName::parse(name).unwrap();
        case.formatted = false;
        case.devices.signature = Ok(held.map(str::to_owned));
        case.run().0
    };
    let device = PathBuf::from("/dev/sdb");
    for held in [None, Some("ntfs"), Some("dos")] {
        let outcome = run("resourceencrypt", held).unwrap();
        assert_eq!(outcome, Outcome::NewResourceDisk { device: device.clone() });
    }
    // libblkid sees LUKS where libcryptsetup cannot read it: damaged, not new.
    let error = run("resourceencrypt", Some("crypto_LUKS")).unwrap_err();
    assert_eq!(error.kind.name(), "header-unusable");
    assert_eq!(run("data1", Some("ntfs")).unwrap_err().kind.name(), "header-unusable");
}

#[test]
fn the_key_disk_gets_half_of_a_short_time_only() {
    let mut case = Case::new();
    case.devices.device_after = 420;
    case.disk = vec![Err(missing())];
    case.vault = Some(vec![Ok(vec![key("right")])]);
    let (result, events, _) = case.run();
    opened(result);
    // 84 of 90 s went by until the device was there.
    assert_eq!(events[..2], ["ask key-disk for 3 s", "ask key-vault for 6 s"]);
}
