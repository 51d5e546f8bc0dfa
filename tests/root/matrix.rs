//! The part of the fault matrix that needs device-mapper: runs the cases of tests/matrix/guest.rs.

use std::cell::OnceCell;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::{Disk, Event, GuestCase, KeyDisk, Odd, cases, content};
use crate::matrix_disk::{OFFSET, exists, fat, map, mend, remove};
use crate::matrix_odd::{KEY_DISK, OTHER, VOLUME, odd, unloaded};
use crate::plan::{End, Fault, Step};
use crate::world::{KEY, Luks, Volume, World, tool};

/// What a run may take beyond `timeout=`: starting, one KDF and one request to a slow disk, on an
/// emulated processor.
const SLACK: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(10);
#[test]
#[ignore = "needs root: make check-root"]
fn matrix_header() {
    all_of(Step::Header);
}

#[test]
#[ignore = "needs root: make check-root"]
fn matrix_key_disk() {
    all_of(Step::KeyDisk);
}

#[test]
#[ignore = "needs root: make check-root"]
fn matrix_mount() {
    all_of(Step::Mount);
}

#[test]
#[ignore = "needs root: make check-root"]
fn matrix_read() {
    all_of(Step::Read);
}

#[test]
#[ignore = "needs root: make check-root"]
fn matrix_activate() {
    all_of(Step::Activate);
}

#[test]
#[ignore = "needs root: make check-root"]
fn matrix_verify() {
    all_of(Step::Verify);
}

fn all_of(step: Step) {
    let world = World::new();
    let made = Made::new(&world);
    for name in [KEY_DISK, OTHER, VOLUME] {
        world.undo(&["sh", "-c", &format!("dmsetup remove --force {name} 2>/dev/null || true")]);
    }
    let mut failed = Vec::new();
    let mut count = 0;
    for case in cases().into_iter().filter(|case| case.step == step) {
        if case.odd == Odd::NoDmCrypt && !unloaded("dm-crypt") {
            let _ = writeln!(std::io::stderr(), "left out: dm-crypt is in use on this machine");
            continue;
        }
        let mut wrong = judge(&world, &made, &case);
        if let End::Signal(_) = case.end {
            // What the run that was ended left to the next one.
            let after = GuestCase { event: Event::Nothing, end: End::Opens, ..case };
            let key_disk = after.key_disk.map(|disk| KeyDisk { disk: Disk::Whole, ..disk });
            wrong.extend(judge(&world, &made, &GuestCase { key_disk, ..after }));
        }
        count += 1;
        if !wrong.is_empty() {
            failed.push(format!("{}\n{}", case.name(), wrong.join("\n")));
        }
    }
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n\n"));
}

/// The disks that the cases of a step share, each made when it is first needed; nothing is written
/// to them.
pub struct Made<'a> {
    world: &'a World,
    plain: OnceCell<Volume>,
    slow: OnceCell<Volume>,
    apart: OnceCell<Volume>,
    other: OnceCell<Volume>,
}

impl<'a> Made<'a> {
    fn new(world: &'a World) -> Self {
        for kind in ["right", "other"] {
            world.file(kind, &content(kind, KEY.as_bytes()));
        }
        let (plain, slow, apart, other) = Default::default();
        Self { world, plain, slow, apart, other }
    }

    fn volume(&self, case: &GuestCase) -> &Volume {
        let slow = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "20000"];
        let bare = || Luks { filesystem: false, ..Luks::default() };
        match (case.detached, case.slow_kdf) {
            (true, _) => self.apart.get_or_init(|| {
                self.world.luks("apart", &Luks { detached: true, ..Luks::default() })
            }),
            (false, true) => self
                .slow
                .get_or_init(|| self.world.luks("slow", &Luks { arguments: &slow, ..bare() })),
            (false, false) => self.plain.get_or_init(|| self.world.luks("plain", &bare())),
        }
    }

    /// Another volume than that of any case.
    pub fn other(&self) -> &Volume {
        let luks = Luks { filesystem: false, ..Luks::default() };
        self.other.get_or_init(|| self.world.luks("other", &luks))
    }
}

/// Runs `case`; what is wrong with how it went, and with what it left.
fn judge(world: &World, made: &Made<'_>, case: &GuestCase) -> Vec<String> {
    let volume = made.volume(case);
    // A run that was killed may have left it in use.
    if !exists(VOLUME) {
        map(VOLUME, &volume.device, 0, case.disk);
    }
    let key_disk = case.key_disk.map(|disk| {
        let loops = fat(world, "key.fat", disk.label, disk.files);
        map(KEY_DISK, &loops, OFFSET, disk.disk);
        (loops, disk)
    });
    let undo = odd(world, made, case, volume);
    // Where it is open already, that was the other run.
    let twice = case.fault == Fault::Twice && case.odd == Odd::Nothing;
    let count = if twice { 2 } else { 1 };
    let mut runs: Vec<(Child, Instant)> =
        (0..count).map(|_| (start(world, case, volume), Instant::now())).collect();
    let mut wrong = Vec::new();
    if let Event::Mended(after) = case.event {
        thread::sleep(Duration::from_millis(after));
        match &key_disk {
            Some((loops, _)) => mend(KEY_DISK, loops, OFFSET),
            None => mend(VOLUME, &volume.device, 0),
        }
    }
    for (child, started) in &mut runs {
        let signal = match case.event {
            Event::SignalAfter(signal, after) => {
                let moment = Duration::from_millis(after);
                Some((signal, comes(child, *started, || started.elapsed() >= moment)))
            }
            Event::SignalTrying(signal) => {
                let status = format!("/proc/{}/status", child.id());
                Some((signal, comes(child, *started, || catches(&status) == Some(true))))
            }
            Event::SignalMapped(signal) => {
                let mapped = || fs::exists("/dev/mapper/data1").unwrap_or(false);
                Some((signal, comes(child, *started, mapped)))
            }
            _ => None,
        };
        if let Some((signal, came)) = signal {
            if !came {
                wrong.push("it ended before the signal".to_owned());
            }
            tool(&["kill", &format!("-{signal}"), &child.id().to_string()], b"");
        }
    }
    let outputs: Vec<(Output, Duration)> = runs.into_iter().map(ended).collect();
    wrong.extend(outputs.iter().flat_map(|output| judge_run(case, output)));
    // Opened, so that the next case may; a mapping that SIGKILL left is the next run's to judge.
    let is_left = case.end == End::Opens || matches!(case.event, Event::SignalMapped(9));
    let open = fs::exists("/dev/mapper/data1").unwrap_or(false);
    if case.end == End::Opens && !open {
        wrong.push("it is not open".to_owned());
    }
    if open && !is_left && !matches!(case.odd, Odd::NameTaken) {
        wrong.push("it is left open".to_owned());
    }
    if open && case.end != End::Signal(9) {
        tool(&["cryptsetup", "close", "data1"], b"");
    }
    for command in undo.iter().rev() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        tool(&words, b"");
    }
    if !(open && case.end == End::Signal(9)) {
        world.nothing_is_left();
        remove(VOLUME);
    }
    if let Some((loops, _)) = &key_disk {
        remove(KEY_DISK);
        tool(&["losetup", "--detach", loops], b"");
    }
    wrong.extend(holding(world).into_iter().map(|path| format!("{path} holds the key")));
    if !wrong.is_empty() {
        wrong.extend(outputs.iter().map(|(output, elapsed)| {
            format!("{}, {elapsed:?}, stderr:\n{}", output.status, text(output))
        }));
    }
    wrong
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn start(world: &World, case: &GuestCase, volume: &Volume) -> Child {
    let mut options = format!("timeout={}", case.timeout);
    if !volume.header.is_empty() {
        options = format!("{options},header={}", volume.header);
    }
    if !case.options.is_empty() {
        options = format!("{options},{}", case.options);
    }
    let key = match case.key_disk {
        Some(_) => case.key.to_owned(),
        None => world.path(case.key).display().to_string(),
    };
    Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["attach", "data1", &format!("/dev/mapper/{VOLUME}"), &key, &options])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for `moment`; whether the run was still going on then.
fn comes(child: &mut Child, started: Instant, moment: impl Fn() -> bool) -> bool {
    loop {
        // Looked at without reaping it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let over = stat.contains(") Z ") || started.elapsed() > LIMIT;
        if over || moment() {
            return !over;
        }
        thread::yield_now();
    }
}

/// Whether the run puts SIGTERM off, which it does while it tries a key (proc_pid_status(5)).
fn catches(status: &str) -> Option<bool> {
    let text = fs::read_to_string(status).ok()?;
    let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
    Some(u64::from_str_radix(&mask, 16).ok()? & (1 << (15 - 1)) != 0)
}

fn ended((mut child, started): (Child, Instant)) -> (Output, Duration) {
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
        }
        thread::sleep(LOOK);
    }
    let elapsed = started.elapsed();
    (child.wait_with_output().unwrap(), elapsed)
}

fn judge_run(case: &GuestCase, (output, elapsed): &(Output, Duration)) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    let (status, signal) = match case.end {
        End::Opens => (Some(0), None),
        End::Exit(status) => (Some(status), None),
        End::Signal(signal) => (None, Some(signal)),
    };
    let ended = (output.status.code(), output.status.signal());
    must(
        ended == (status, signal),
        format!("ended with {}, not {}", output.status, case.end.name()),
    );
    must(output.stdout.is_empty(), "something is on standard output".to_owned());
    let limit = Duration::from_secs(case.timeout) + SLACK;
    must(*elapsed <= limit, format!("took {elapsed:?} of {limit:?}"));
    let said = text(output);
    let blocks = said.matches("bek-unlock: error: ").count();
    must(blocks == usize::from(matches!(case.end, End::Exit(_))), format!("{blocks} error blocks"));
    for word in ["bek-unlock: cause: ", "bek-unlock: hint: "] {
        must(blocks == 0 || said.contains(word), format!("no {word}"));
    }
    // Lines are broken at 79 columns, wherever that is.
    let flat: Vec<&str> = said.split_whitespace().filter(|word| *word != "bek-unlock:").collect();
    let flat = flat.join(" ");
    for words in case.says {
        must(flat.contains(words), format!("it does not say {words:?}"));
    }
    must(!said.contains(&KEY[..20]), "the key is printed".to_owned());
    wrong
}

/// The files outside of the world's own directory that hold the key.
fn holding(world: &World) -> Vec<String> {
    let (mut found, own) = (Vec::new(), world.path(""));
    let mut open =
        ["/run", "/dev/shm", "/tmp", "/mnt", "/var"].map(Path::new).map(Path::to_owned).to_vec();
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if own.starts_with(&path) || path.starts_with(env!("CARGO_MANIFEST_DIR")) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                if bytes.windows(40).any(|window| window == &KEY.as_bytes()[..40]) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    found
}
