//! Devices, headers and key sources made of values, and the run of one volume against them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::prove::{Proof, prove};
use super::{Encrypted, Opened, Outcome, Sources, World, attach, find_key};
use crate::deadline::trace::{Asked, Doing, Step, Trace};
use crate::deadline::{Clock as _, Deadline, VirtualClock};
use crate::error::{Error, Kind};
use crate::header::DetachedHeader;
use crate::key::prompt::Prompt;
use crate::key::{Candidate, KeySource, SourceName};
use crate::mapping::{Format, Header, Keyslot, Luks, LuksDevice, Mapping, OpenFailure};
use crate::secret::Secret;
use crate::volume::{DeviceSpec, KeySpec, Options, Volume, VolumeName};

use machine::{FakeMappings, FakeMemory};

pub use machine::{FakeDevices, FakeHeaders};
use typist::{Typed, Typist};

mod machine;
mod typist;

/// One run with everything as it should be, to be spoilt by each test.
pub struct Case {
    pub volume: Volume,
    pub devices: FakeDevices,
    pub headers: FakeHeaders,
    /// What is mapped under its name already.
    pub mapping: Option<Mapping>,
    /// Looks at the mapping until it is there.
    pub mapping_after: u32,
    /// What activation fails with.
    pub broken: Option<Kind>,
    /// How often closing finds somebody looking at the mapping.
    pub busy: u32,
    /// Whether the device holds a header at all.
    pub formatted: bool,
    /// Whose header.
    pub format: Format,
    /// `timeout=`.
    pub timeout: Option<Duration>,
    pub keyslot_memory_kib: u64,
    pub memory_kib: u64,
    /// What the machine has of it, free or not.
    pub memory_total_kib: u64,
    /// The key disk's answers, in order.
    pub disk: Vec<Result<Vec<Candidate>, Kind>>,
    /// Those of the token in the header; `None` where it has none.
    pub token: Option<Vec<Result<Vec<Candidate>, Kind>>>,
    /// Key Vault's; `None` where it is no source.
    pub vault: Option<Vec<Result<Vec<Candidate>, Kind>>>,
    /// What the sources were told about the device, once the run is over.
    pub told: Rc<RefCell<Option<Encrypted>>>,
    /// What the vault is asked before its first answer, and how long it takes.
    pub vault_takes: Vec<(Asked, Duration)>,
    /// Who may be asked for a passphrase; `None` where the line says nothing of that.
    pub person: Option<Result<Typed, Kind>>,
    /// The steps, once the run is over.
    pub steps: Rc<RefCell<Vec<Step>>>,
}

impl Case {
    /// A volume whose key is on the key disk; no other source.
    pub fn new() -> Self {
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
            headers: FakeHeaders::default(),
            mapping: None,
            mapping_after: 0,
            broken: None,
            busy: 0,
            formatted: true,
            format: Format::Luks2,
            timeout: Some(Duration::from_secs(90)),
            keyslot_memory_kib: 0,
            memory_kib: 0,
            memory_total_kib: u64::MAX,
            disk: vec![Ok(vec![key("right")])],
            token: None,
            vault: None,
            told: Rc::default(),
            vault_takes: Vec::new(),
            person: None,
            steps: Rc::default(),
        }
    }

    /// What became of it, what the fakes saw, and how long it took.
    pub fn run(self) -> (Result<Outcome, Error>, Vec<String>, Duration) {
        self.of(attach)
    }

    /// The same for the key alone.
    pub fn find_key(self) -> (Result<Opened, Error>, Vec<String>, Duration) {
        self.of(find_key)
    }

    /// What each source came to, and what the fakes saw.
    pub fn prove(self) -> (Proof, Vec<String>) {
        let (proof, events, elapsed) = self.of(|volume, world, sources, deadline| {
            let patience = Duration::from_secs(15);
            Ok(prove(volume, world, sources, deadline, patience, &mut |_| ()))
        });
        assert!(elapsed <= Duration::from_secs(2), "{elapsed:?} were waited for");
        (proof.unwrap(), events)
    }

    fn of<T>(self, job: Job<T>) -> (Result<T, Error>, Vec<String>, Duration) {
        let events = Events::default();
        let keyslots = match self.format {
            Format::Bitlk => Vec::new(),
            _ => vec![Keyslot { number: 0, memory_kib: self.keyslot_memory_kib }],
        };
        let (format, uuid) = (self.format, "u".to_owned());
        let header = Header { format, uuid, detached: false, keyslots };
        let formatted = self.formatted;
        let (right_key, broken, busy) = (b"right", self.broken, self.busy);
        let mut luks =
            FakeLuks { formatted, header, right_key, broken, busy, events: Rc::clone(&events) };
        let (mut devices, mut headers) = (self.devices, self.headers);
        let (mappings, memory) = (
            FakeMappings { mapping: self.mapping, after: Cell::new(self.mapping_after) },
            FakeMemory::new(self.memory_kib, self.memory_total_kib),
        );
        let clock = VirtualClock::default();
        let trace = Trace::start(&clock);
        let deadline = Deadline::start(&clock, self.timeout).traced(&trace);
        let mut world = World {
            devices: &mut devices,
            headers: &mut headers,
            luks: &mut luks,
            mappings: &mappings,
            memory: &memory,
        };
        let mut sources = Scripts {
            disk: self.disk,
            token: self.token,
            vault: self.vault,
            vault_takes: self.vault_takes,
            told: self.told,
            typist: self.person.map(|typed| Typist {
                typed: typed.map(VecDeque::from),
                since: None,
                events: Rc::clone(&events),
            }),
            events: &events,
        };
        let result = job(&self.volume, &mut world, &mut sources, &deadline);
        self.steps.replace(trace.steps());
        let events = events.borrow().clone();
        (result, events, clock.now())
    }
}

type Job<T> = fn(&Volume, &mut World<'_>, &mut dyn Sources, &Deadline<'_>) -> Result<T, Error>;

/// A key as a file on the key disk holds it.
pub fn key(text: &str) -> Candidate {
    Candidate {
        secret: Secret::new(text.as_bytes().to_vec()),
        origin: format!("key disk /dev/sdc1: {text:?}"),
        from_file: true,
    }
}

/// What a key disk says that is not there.
pub fn missing() -> Kind {
    Kind::KeyDiskMissing { waited: Duration::from_secs(10) }
}

/// How it was opened; panics when it was not.
pub fn opened(result: Result<Outcome, Error>) -> Opened {
    match result.unwrap() {
        Outcome::Opened(opened) => *opened,
        other => panic!("{other:?}"),
    }
}

/// What the fakes saw, in order.
type Events = Rc<RefCell<Vec<String>>>;

struct FakeLuks {
    /// Whether the device holds a header at all.
    formatted: bool,
    header: Header,
    right_key: &'static [u8],
    broken: Option<Kind>,
    busy: u32,
    events: Events,
}

impl Luks for FakeLuks {
    fn load(
        &mut self,
        _: &Path,
        header: Option<&DetachedHeader>,
    ) -> Result<Box<dyn LuksDevice>, Kind> {
        if !self.formatted {
            let path = PathBuf::from("/dev/sdb");
            return Err(Kind::HeaderUnusable { path, reason: "not LUKS".to_owned() });
        }
        if let Some(header) = header {
            self.events.borrow_mut().push(format!("load {}", header.spec));
        }
        let header = Header { detached: header.is_some(), ..self.header.clone() };
        let (formatted, right_key) = (self.formatted, self.right_key);
        let (broken, events) = (self.broken.clone(), Rc::clone(&self.events));
        Ok(Box::new(FakeLuks { formatted, header, right_key, broken, busy: 0, events }))
    }

    fn close(&mut self, name: &VolumeName) -> Result<(), Kind> {
        self.events.borrow_mut().push(format!("close {name}"));
        match self.busy.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                self.busy = left;
                Err(Kind::VolumeBusy { holders: Vec::new() })
            }
        }
    }
}

impl LuksDevice for FakeLuks {
    fn header(&self) -> &Header {
        &self.header
    }

    fn open(
        &mut self,
        _: &VolumeName,
        key: &Secret,
        options: &Options,
    ) -> Result<u32, OpenFailure> {
        let shown = String::from_utf8_lossy(key.expose()).into_owned();
        self.events.borrow_mut().push(format!("try {shown:?}"));
        if let Some(kind) = &self.broken {
            return Err(OpenFailure::Other(kind.clone()));
        }
        self.test(key, options)
    }

    fn test(&mut self, key: &Secret, _: &Options) -> Result<u32, OpenFailure> {
        if key.expose() == self.right_key { Ok(0) } else { Err(OpenFailure::WrongKey) }
    }
}

/// Answers in order; an empty list after the last.
struct Script {
    name: SourceName,
    answers: VecDeque<Result<Vec<Candidate>, Kind>>,
    /// What is asked before the next answer.
    takes: Vec<(Asked, Duration)>,
    events: Events,
}

impl KeySource for Script {
    fn name(&self) -> SourceName {
        self.name
    }

    fn keys(&mut self, deadline: &Deadline<'_>) -> Result<Vec<Candidate>, Kind> {
        let left = deadline.remaining().as_secs();
        self.events.borrow_mut().push(format!("ask {} for {left} s", self.name));
        for (asked, time) in self.takes.drain(..) {
            let _span = deadline.begin(Doing::Request(asked, "contoso-kv".to_owned()));
            deadline.sleep(time);
        }
        self.answers.pop_front().unwrap_or(Ok(Vec::new()))
    }
}

struct Scripts<'e> {
    disk: Vec<Result<Vec<Candidate>, Kind>>,
    token: Option<Vec<Result<Vec<Candidate>, Kind>>>,
    vault: Option<Vec<Result<Vec<Candidate>, Kind>>>,
    vault_takes: Vec<(Asked, Duration)>,
    told: Rc<RefCell<Option<Encrypted>>>,
    typist: Option<Typist>,
    events: &'e Events,
}

impl Sources for Scripts<'_> {
    fn prepare(&mut self, volume: &Volume) {
        if let KeySpec::Secret(id) = &volume.key {
            self.events.borrow_mut().push(format!("prepare for {}", id.host()));
        }
    }

    fn of<'a>(
        &'a mut self,
        volume: &'a Volume,
        encrypted: &Encrypted,
    ) -> Vec<Box<dyn KeySource + 'a>> {
        self.told.replace(Some(encrypted.clone()));
        let script = |name, answers: Vec<_>, takes| -> Box<dyn KeySource> {
            let events = Rc::clone(self.events);
            Box::new(Script { name, answers: answers.into(), takes, events })
        };
        let disk = script(SourceName::KeyDisk, std::mem::take(&mut self.disk), Vec::new());
        let token = self.token.take().map(|answers| script(SourceName::Token, answers, Vec::new()));
        let takes = std::mem::take(&mut self.vault_takes);
        let vault = self.vault.take().map(|answers| script(SourceName::KeyVault, answers, takes));
        let prompt = self.typist.as_mut().map(|typist| -> Box<dyn KeySource + 'a> {
            Box::new(Prompt::new(typist, &volume.name).beside_others())
        });
        std::iter::once(disk).chain(token).chain(vault).chain(prompt).collect()
    }
}
