//! Many volumes at once, each opened by a process of its own, as systemd starts them at boot.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::azure::Azure;
use crate::fetch::source;
use crate::latency;
use crate::program::{Disk, NAME, forget, run};
use crate::service::Service;
use crate::table::{median, millis};

/// How many volumes a machine has.
const VOLUMES: [usize; 4] = [1, 4, 16, 64];

/// Opens them with key files: bek-unlock, and cryptsetup beside it.
pub fn local(program: &str, rounds: usize) {
    println!("opening LUKS2 volumes with key files, all at once");
    println!(
        "  {:25}{:>8}{:>10}{:>12}{:>9}",
        "milliseconds", "volumes", "median", "per volume", "ratio"
    );
    let disks = Disk::many(VOLUMES[VOLUMES.len() - 1]);
    let mut single = [0.0; 2];
    for count in VOLUMES {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            for (who, times) in times.iter_mut().enumerate() {
                let open = |disk: &Disk, name: &str| {
                    let key = disk.path("key");
                    match who {
                        0 => start(&[program, "attach", name, &disk.device, &key, "luks"]),
                        _ => start(&["cryptsetup", "open", "--key-file", &key, &disk.device, name]),
                    }
                };
                let time = all_at_once(&disks[..count], open, true);
                for (_, name) in named(&disks[..count]) {
                    run(&["cryptsetup", "close", &name]);
                }
                if round > 0 {
                    times.push(time);
                }
            }
        }
        for (who, name) in ["bek-unlock attach", "cryptsetup open"].into_iter().enumerate() {
            let time = median(&times[who]);
            if count == 1 {
                single[who] = time;
            }
            row(name, count, time, single[who], "");
        }
    }
}

/// Fetches their keys from one vault.
pub fn vault(program: &str, rounds: usize, delay: Duration) {
    let azure = Azure::start();
    if !delay.is_zero() {
        latency::move_behind(delay);
    }
    println!(
        "fetching the wrapped keys of volumes, all at once; {} ms each round trip",
        delay.as_millis()
    );
    println!(
        "  {:25}{:>8}{:>10}{:>12}{:>9}  requests  for tokens",
        "milliseconds", "volumes", "median", "per volume", "ratio"
    );
    let source = source(&azure.ca());
    for (who, shared) in [("each by itself", false), ("through the service", true)] {
        fetches((program, shared), who, rounds, (&azure, delay), &source);
    }
}

/// With `shared`, through the process that systemd starts for all volumes of a boot.
fn fetches(
    (program, shared): (&str, bool),
    who: &str,
    rounds: usize,
    (azure, delay): (&Azure, Duration),
    source: &[String; 2],
) {
    let disks = Disk::many(VOLUMES[VOLUMES.len() - 1]);
    let mut single = 0.0;
    for count in VOLUMES {
        let (mut times, mut requests) = (Vec::new(), (0, 0));
        for round in 0..=rounds {
            // Anew, so that it has no token yet.
            let _service = shared.then(|| Service::start(program));
            let began = Instant::now();
            let open = |disk: &Disk, name: &str| {
                start(&[program, "attach", name, &disk.device, &source[0], &source[1]])
            };
            all_at_once(&disks[..count], open, false);
            let asked = azure.unwrapped(count).expect("every volume's key is unwrapped");
            if round > 0 {
                times.push((asked.last + delay / 2).duration_since(began).as_secs_f64());
                requests = (asked.requests, asked.tokens);
            }
            let names: Vec<String> = named(&disks[..count]).map(|(_, name)| name).collect();
            forget(program, &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let time = median(&times);
        if count == 1 {
            single = time;
        }
        row(who, count, time, single, &format!("{:>10}{:>12}", requests.0, requests.1));
    }
}

/// The ratio is to as many volumes one after the other: at most 1 is linear or better.
fn row(name: &str, count: usize, time: f64, single: f64, rest: &str) {
    let each = time / count as f64;
    println!(
        "  {name:25}{count:>8}{:>10}{:>12}{:>9.2}{rest}",
        millis(time),
        millis(each),
        each / single
    );
}

/// Seconds from the first start to the last end.
fn all_at_once(disks: &[Disk], open: impl Fn(&Disk, &str) -> Child, must_succeed: bool) -> f64 {
    let began = Instant::now();
    let running: Vec<Child> = named(disks).map(|(disk, name)| open(disk, &name)).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!must_succeed || output.status.success(), "{words}");
    }
    began.elapsed().as_secs_f64()
}

fn named(disks: &[Disk]) -> impl Iterator<Item = (&Disk, String)> {
    disks.iter().enumerate().map(|(index, disk)| (disk, format!("{NAME}-{index}")))
}

fn start(words: &[&str]) -> Child {
    Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", Path::new(words[0]).display()))
}
