//! Memory for KDFs, shared by processes: how many run at once, and what a killed one leaves.
//!
//! Each KDF is this test once more, as a process of its own, on a machine whose free memory a file
//! says. None of them allocates anything: what is counted is who was let in.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails loudly, and speaks with itself through its environment"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use bek_unlock::edge::memory::MachineMemory;
use bek_unlock::error::Shortage;
use bek_unlock::mapping::Memory;

const MIB: u64 = 1 << 10;

/// Where the machine of a KDF is.
const ROOT: &str = "KDF_MEMORY_ROOT";

/// The process of one KDF of 400 MiB, which says that it waits, that it was let in, and goes when
/// it is told to.
#[test]
#[ignore = "a process of the other tests"]
fn kdf() {
    let memory = MachineMemory::new(Path::new(&std::env::var(ROOT).unwrap()));
    let mut told = false;
    let reserved = loop {
        match memory.reserve(400 * MIB) {
            Ok(reserved) => break reserved,
            Err(Shortage::Free { others, .. }) if !told => {
                println!("waits beside {others}");
                told = true;
            }
            Err(shortage) => assert!(shortage.may_end(), "{shortage}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    println!("runs");
    io::stdin().read_line(&mut String::new()).unwrap();
    drop(reserved);
}

/// Processes on one machine, and what they say.
struct Machine {
    root: tempfile::TempDir,
    kdfs: Vec<Child>,
    said: Receiver<(usize, String)>,
    mouth: Sender<(usize, String)>,
    running: Vec<usize>,
    waiting: usize,
}

impl Machine {
    /// 1000 of 2000 MiB are free: two KDFs fit.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let table = "MemTotal: 2048000 kB\nMemAvailable: 1024000 kB\n";
        fs::write(root.path().join("proc/meminfo"), table).unwrap();
        let (mouth, said) = channel();
        Self { root, kdfs: Vec::new(), said, mouth, running: Vec::new(), waiting: 0 }
    }

    fn start(&mut self) {
        let mut kdf = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kdf", "--nocapture"])
            .env(ROOT, self.root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (number, mouth) = (self.kdfs.len(), self.mouth.clone());
        let words = BufReader::new(kdf.stdout.take().unwrap());
        thread::spawn(move || {
            for line in words.lines().map_while(Result::ok) {
                let _ = mouth.send((number, line));
            }
        });
        self.kdfs.push(kdf);
    }

    /// Listens until so many run and so many have said that they wait.
    #[track_caller]
    fn until(&mut self, running: usize, waiting: usize) {
        while (self.running.len(), self.waiting) != (running, waiting) {
            let (number, line) = self.said.recv_timeout(Duration::from_secs(60)).unwrap();
            if line.ends_with("runs") {
                self.running.push(number);
            } else if line.contains("waits beside ") {
                self.waiting += 1;
            }
            assert!(self.running.len() <= 2, "{:?} run at once", self.running);
        }
    }

    /// Lets the one that has run longest go.
    fn end(&mut self) {
        let number = self.running.remove(0);
        self.kdfs[number].stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.kdfs[number].wait().unwrap().success());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for kdf in &mut self.kdfs {
            let _ = kdf.kill();
            let _ = kdf.wait();
        }
    }
}

#[test]
fn no_more_run_at_once_than_fit_and_each_has_its_turn() {
    let mut machine = Machine::new();
    for _ in 0..8 {
        machine.start();
    }
    // All others have seen that two run.
    machine.until(2, 6);
    for left in (0..=5).rev() {
        machine.end();
        machine.until(2, 6);
        let reservations = fs::read_dir(machine.root.path().join("run/bek-unlock/kdf")).unwrap();
        // And the lock of the directory.
        assert_eq!(reservations.count(), 3, "{left} wait");
    }
    machine.end();
    machine.end();
}

#[test]
fn what_a_killed_one_had_is_free_at_once() {
    let mut machine = Machine::new();
    machine.start();
    machine.start();
    machine.until(2, 0);
    machine.start();
    machine.start();
    machine.until(2, 2);
    for _ in 0..2 {
        let number = machine.running.remove(0);
        machine.kdfs[number].kill().unwrap();
        machine.kdfs[number].wait().unwrap();
        machine.until(2, 2);
    }
    machine.end();
    machine.end();
}
