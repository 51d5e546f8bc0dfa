//! Runs a case and judges everything about it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use azure_emulator::Service;

use crate::case::{Case, Moment, Trouble};
use crate::plan::{End, Step};
use crate::world::{KEY, PUBLIC, TOKEN, World, bind, plug, shown, tool, unplug};

/// What a run may take beyond `timeout=`: starting, one KDF and one system call that cannot be cut
/// short, on a machine with more to do.
pub const SLACK: Duration = Duration::from_secs(5);
/// Nothing in the table takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// What one run came to.
#[derive(Debug)]
pub struct Run {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
    elapsed: Duration,
}

/// Runs `case`; what is wrong with how it went, and with what it left.
pub fn judge(world: &World, case: &Case) -> Vec<String> {
    let before = mounts();
    let since = world.emulator.requests().len();
    fs::create_dir_all(world.directory.join("case")).unwrap();
    let (runs, mut wrong) = with_trouble(world, case, since);
    let requests = world.requests(since);
    for (service, wanted) in [Service::Imds, Service::Vault].iter().zip(&case.asked) {
        let count = requests.iter().filter(|request| request.service == *service).count();
        let runs = runs.len();
        if !(wanted.start() * runs..=wanted.end() * runs).contains(&count) {
            wrong
                .push(format!("{count} requests to {service:?}, not {wanted:?} by each of {runs}"));
        }
    }
    for run in &runs {
        wrong.extend(judge_run(case, world, run));
    }
    wrong.extend(left(world, &before));
    if !wrong.is_empty() {
        wrong.push(format!("requests: {:#?}", shown(&requests)));
        wrong.extend(
            runs.iter()
                .map(|run| format!("{}, {:?}, stderr:\n{}", run.status, run.elapsed, run.stderr)),
        );
    }
    let _ = fs::remove_dir_all(world.directory.join("case"));
    wrong
}

fn with_trouble(world: &World, case: &Case, since: usize) -> (Vec<Run>, Vec<String>) {
    let meminfo = world.directory.join("meminfo");
    for trouble in &case.trouble {
        match trouble {
            Trouble::Rule(rule) => world.change(&serde_json::json!({"push_fault": rule})),
            Trouble::Change(change, _) => world.change(change),
            Trouble::Unplugged(address) | Trouble::PluggedAfter(address, _) => unplug(address),
            Trouble::Memory(kib, _) => {
                fs::write(&meminfo, memory(*kib)).unwrap();
                bind(&meminfo, Path::new("/proc/meminfo"));
            }
            _ => {}
        }
    }
    let count =
        if case.trouble.iter().any(|trouble| matches!(trouble, Trouble::Twice)) { 2 } else { 1 };
    let mut children: Vec<(Child, Instant)> =
        (0..count).map(|_| (start(world, case), Instant::now())).collect();
    let mut wrong = Vec::new();
    for trouble in &case.trouble {
        match trouble {
            Trouble::PluggedAfter(address, after) => {
                thread::sleep(Duration::from_millis(*after));
                plug(address);
            }
            Trouble::Appears(image, name, after) => {
                thread::sleep(Duration::from_millis(*after));
                let [from, to] = [format!("images/{image}"), format!("case/{name}")];
                let partial = world.directory.join("partial");
                fs::copy(world.directory.join(from), &partial).unwrap();
                fs::rename(partial, world.directory.join(to)).unwrap();
            }
            Trouble::Memory(_, Some(after)) => {
                thread::sleep(Duration::from_millis(*after));
                fs::write(&meminfo, memory(4 << 20)).unwrap();
            }
            Trouble::Signal(signal, moment) => {
                for (child, started) in &mut children {
                    if !comes(world, since, child, *started, *moment) {
                        wrong.push(format!("it ended before {moment:?}"));
                    }
                    // One that has ended is not waited for yet, so the number is still its own.
                    tool(&["kill", &format!("-{signal}"), &child.id().to_string()]);
                }
            }
            _ => {}
        }
    }
    let runs = children.into_iter().map(|(child, started)| ended(child, started)).collect();
    world.change(&serde_json::json!({"clear_faults": true}));
    for trouble in &case.trouble {
        match trouble {
            Trouble::Change(_, back) => world.change(back),
            Trouble::Unplugged(address) => plug(address),
            Trouble::Memory(..) => tool(&["umount", "/proc/meminfo"]),
            _ => {}
        }
    }
    (runs, wrong)
}

/// Waits for the moment of a signal; whether the run was still going on then.
fn comes(world: &World, since: usize, child: &mut Child, started: Instant, moment: Moment) -> bool {
    loop {
        let came = match moment {
            Moment::Requests(count) => world.emulator.requests().len() >= since + count,
            Moment::After(after) => started.elapsed() >= Duration::from_millis(after),
        };
        // Looked at without reaping it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let over = stat.contains(") Z ") || started.elapsed() > LIMIT;
        if came || over {
            return came && !over;
        }
        thread::sleep(LOOK);
    }
}

/// attach where no key may come as far as a keyslot; else the same unlock with the key handed over
/// instead of used, because this kernel may have no device-mapper, or another one's mappings.
fn start(world: &World, case: &Case) -> Child {
    let mut command = Command::new(world.directory.join("bek-unlock"));
    command.env_clear().current_dir(world.directory.join("case"));
    let mut options = vec![format!("timeout={}", case.timeout)];
    if !case.options.starts_with("ca=") {
        options.push(format!("ca={}", world.directory.join("ca.pem").display()));
    }
    if !case.options.is_empty() {
        options.push(world.expand(&case.options));
    }
    let options = options.join(",");
    let [device, key] = [case.device, &case.key].map(|field| world.expand(field));
    if case.decode {
        command.arg("decode");
    } else if matches!(case.end, End::Exit(1 | 4 | 69 | 76 | 77)) && case.step != Step::Activate {
        command.args(["attach", &world.volume, &device, &key, &options]);
    } else {
        command.arg("keyscript").envs([
            ("CRYPTTAB_NAME", &world.volume),
            ("CRYPTTAB_SOURCE", &device),
            ("CRYPTTAB_KEY", &key),
            ("CRYPTTAB_OPTIONS", &options),
        ]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for trouble in &case.trouble {
        if let Trouble::Input(bytes) = trouble {
            // It may end without reading all of it.
            let _ = stdin.write_all(bytes);
        }
    }
    child
}

fn ended(mut child: Child, started: Instant) -> Run {
    let mut stderr = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes).unwrap_or_default()
    });
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > LIMIT => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => thread::sleep(LOOK),
        }
    };
    let elapsed = started.elapsed();
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    let stderr = String::from_utf8_lossy(&reader.join().unwrap()).into_owned();
    Run { status, stdout, stderr, elapsed }
}

fn judge_run(case: &Case, world: &World, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    let (status, signal, key) = match case.end {
        End::Opens => (Some(0), None, KEY.as_bytes()),
        End::Exit(status) => (Some(status), None, &b""[..]),
        End::Signal(signal) => (None, Some(signal), &b""[..]),
    };
    let ended = (run.status.code(), run.status.signal());
    must(ended == (status, signal), format!("ended with {}, not {}", run.status, case.end.name()));
    must(run.stdout == key, format!("{} bytes on standard output", run.stdout.len()));
    let limit = Duration::from_secs(case.timeout) + SLACK;
    must(run.elapsed <= limit, format!("took {:?} of {limit:?}", run.elapsed));
    let blocks = run.stderr.matches("bek-unlock: error: ").count();
    must(
        blocks == usize::from(status.is_some_and(|status| status != 0)),
        format!("{blocks} error blocks"),
    );
    for word in ["bek-unlock: cause: ", "bek-unlock: hint: "] {
        must(blocks == 0 || run.stderr.contains(word), format!("no {word}"));
    }
    // Lines are broken at 79 columns, wherever that is.
    let flat: Vec<&str> =
        run.stderr.split_whitespace().filter(|word| *word != "bek-unlock:").collect();
    let flat = flat.join(" ");
    for words in &case.says {
        let words = world.expand(words);
        must(flat.contains(&words), format!("it does not say {words:?}"));
    }
    for secret in [&KEY[..20], TOKEN] {
        must(!run.stderr.contains(secret), format!("{} is printed", &secret[..8]));
    }
    wrong
}

/// What is still there: files with a key or token in them, mounts, mappings, loop devices, processes.
fn left(world: &World, before: &str) -> Vec<String> {
    let mut found = Vec::new();
    let own = [world.directory.join("case")];
    for directory in PUBLIC.iter().map(Path::new).chain(own.iter().map(|path| &**path)) {
        found.extend(holding(directory).into_iter().map(|path| format!("{path} holds a secret")));
    }
    let after = mounts();
    if after != *before {
        found.push(format!("mounted before:\n{before}after:\n{after}"));
    }
    for block in fs::read_dir("/sys/block").unwrap().flatten() {
        let name = fs::read_to_string(block.path().join("dm/name")).unwrap_or_default();
        let file = fs::read_to_string(block.path().join("loop/backing_file")).unwrap_or_default();
        if name.trim() == world.volume || file.starts_with(world.directory.to_str().unwrap()) {
            found.push(format!("{} is left: {name}{file}", block.path().display()));
        }
    }
    // A child that was left behind would have to notice first.
    let patience = Instant::now();
    let case = world.directory.join("case");
    while let Some(process) = processes(&case).first() {
        if patience.elapsed() > SLACK {
            found.push(format!("process {process} is left"));
            break;
        }
        thread::sleep(LOOK);
    }
    found
}

fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

/// The processes that work in `directory`, by their numbers.
fn processes(directory: &Path) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The files below `directory` that hold a passphrase or a token.
fn holding(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            if holds(&KEY.as_bytes()[..40]) || holds(TOKEN.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// /proc/meminfo with so much available.
fn memory(kib: u64) -> String {
    let table = fs::read_to_string("/proc/meminfo").unwrap();
    let lines = table.lines().map(|line| {
        let name = line.split(':').next().unwrap_or_default();
        if name == "MemAvailable" {
            format!("MemAvailable: {kib} kB\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Makes the volumes that all workers read.
pub fn prepare(directory: &Path) {
    let path = |name: &str| directory.join(name).display().to_string();
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let small = ["--luks2-metadata-size", "16k", "--luks2-keyslots-size", "288k"];
    let argon = [
        "--pbkdf",
        "argon2id",
        "--pbkdf-memory",
        "32768",
        "--pbkdf-force-iterations",
        "4",
        "--pbkdf-parallel",
        "1",
    ];
    let slow = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "600000"];
    let kinds: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::from([
        ("luks2", ("luks2", [&small[..], &cheap].concat())),
        ("luks1", ("luks1", cheap.to_vec())),
        ("argon", ("luks2", [&small[..], &argon].concat())),
        ("slow", ("luks2", [&small[..], &slow].concat())),
    ]);
    for (name, (kind, cost)) in &kinds {
        let file = fs::File::create(path(name)).unwrap();
        file.set_len(3 << 20).unwrap();
        let format =
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", kind, "--key-slot", "1"];
        let image = path(name);
        let words = [&format[..], cost, &["--key-file", "-", &image]].concat();
        crate::world::with_input(&words, KEY.as_bytes());
    }
    let luks2 = fs::read(path("luks2")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(path(name), bytes).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = luks2.clone();
        change(&mut bytes);
        bytes
    };
    put("half-metadata", &luks2[..8192]);
    put("half-keyslots", &luks2[..40_960]);
    put("empty", b"");
    put("zeros", &vec![0; 1 << 20]);
    put(
        "noise",
        &(0..1 << 20_u32)
            .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect::<Vec<_>>(),
    );
    put("first-copy-gone", &with(&|bytes| bytes[..16_384].fill(0)));
    put("first-copy-torn", &with(&|bytes| bytes[4096..5000].fill(b'x')));
    put(
        "both-copies-torn",
        &with(&|bytes| {
            bytes[4096..5000].fill(b'x');
            bytes[16_384 + 4096..16_384 + 5000].fill(b'x');
        }),
    );
    put("keyslots-torn", &with(&|bytes| bytes[32_768..32_768 + 294_912].fill(b'x')));
    // What it says of its own size, in both copies.
    put(
        "oversized",
        &with(&|bytes| {
            for copy in [0, 16_384] {
                bytes[copy + 8..copy + 16].fill(0xff);
            }
        }),
    );
    put("data", &vec![0; 3 << 20]);
    fs::File::create(path("ext4")).unwrap().set_len(2 << 20).unwrap();
    tool(&["mke2fs", "-q", "-F", "-t", "ext4", &path("ext4")]);
    fs::File::create(path("swap")).unwrap().set_len(2 << 20).unwrap();
    tool(&["mkswap", &path("swap")]);
    fs::create_dir(path("directory")).unwrap();
    tool(&["mkfifo", &path("fifo")]);
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    put("no-keyslot", &luks2);
    tool(&["cryptsetup", "luksKillSlot", "--batch-mode", &path("no-keyslot"), "1"]);
}
