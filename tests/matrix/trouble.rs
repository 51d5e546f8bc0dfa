//! Makes what is wrong in a case, before the program starts and while it runs, and takes it back.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::{Case, Moment, Trouble};
use crate::run::{LIMIT, LOOK, Run, ended, start};
use crate::world::{World, bind, plug, tool, unplug};

/// Runs the program in all of it; what the runs came to, and what was wrong with the trouble
/// itself.
pub fn with_trouble(world: &World, case: &Case, since: usize) -> (Vec<Run>, Vec<String>) {
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
                    let signal = Signal::try_from(*signal).unwrap();
                    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
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
    let mut asked = None;
    loop {
        let count = world.emulator.requests().len() - since;
        let came = match moment {
            Moment::Requests(wanted) => count >= wanted,
            Moment::Into(wanted, after) if count >= wanted => {
                asked.get_or_insert_with(Instant::now).elapsed() >= Duration::from_millis(after)
            }
            Moment::Into(..) => false,
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
