//! Runs a case and judges everything about it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use azure_emulator::Service;

use crate::case::{Case, Trouble};
use crate::left::{left, mounts};
use crate::plan::{End, Step};
use crate::trouble::with_trouble;
use crate::world::{KEY, TOKEN, World, shown};

/// What a run may take beyond `timeout=`: starting, one KDF and one system call that cannot be cut
/// short, on a machine with more to do.
pub const SLACK: Duration = Duration::from_secs(5);
/// Nothing in the table takes longer, whatever is broken.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How often something is looked at that will happen.
pub const LOOK: Duration = Duration::from_millis(10);

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

/// attach where no key may come as far as a keyslot; else the same unlock with the key handed over
/// instead of used, because this kernel may have no device-mapper, or another one's mappings.
pub fn start(world: &World, case: &Case) -> Child {
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

/// Waits for the end of a run.
pub fn ended(mut child: Child, started: Instant) -> Run {
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
