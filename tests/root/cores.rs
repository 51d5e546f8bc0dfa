//! What holds a secret while it works gives it to no core file and to no swap.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::needles::Needles;
use crate::places;
use crate::secrecy::{contoso, needles};
use crate::world::{Luks, VAULT, World, tool};

/// What the control holds, which is an ordinary program.
const PLANTED: &str = "a text that an ordinary program has in its memory";

/// A process that was given a secret on its standard input and has said that it has it.
pub struct Holder(Child);

impl Holder {
    pub fn new(program: &str, arguments: &[&str], secret: &str) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{secret}").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// Lets it end.
    pub fn end(&mut self) {
        writeln!(self.0.stdin.as_mut().unwrap(), "end").unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// Waits for its end, whatever that is; a core file is whole then.
    pub fn ended(&mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A control group of this test, with swap for it, and the kernel's core files in a directory.
struct Pressure {
    group: PathBuf,
    swap: PathBuf,
    cores: PathBuf,
}

impl Pressure {
    fn new(world: &World) -> Self {
        let [root, swap, cores] = ["groups", "swap", "cores"].map(|name| world.path(name));
        for directory in [&root, &cores] {
            fs::create_dir(directory).unwrap();
        }
        let path = root.to_str().unwrap();
        tool(&["mount", "-t", "cgroup2", "none", path], b"");
        world.undo(&["umount", path]);
        fs::write(root.join("cgroup.subtree_control"), "+memory").unwrap();
        let group = root.join("secrecy");
        fs::create_dir(&group).unwrap();
        world.undo(&["rmdir", group.to_str().unwrap()]);
        fs::File::create(&swap).unwrap().set_len(32 << 20).unwrap();
        let device = world.attach_loop(&swap, &[]);
        tool(&["mkswap", &device], b"");
        tool(&["swapon", &device], b"");
        world.undo(&["swapoff", &device]);
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        let restore = format!("echo '{}' >/proc/sys/kernel/core_pattern", pattern.trim_end());
        world.undo(&["sh", "-c", &restore]);
        let pattern = format!("{}/core.%p", cores.display());
        fs::write("/proc/sys/kernel/core_pattern", pattern).unwrap();
        Self { group, swap, cores }
    }

    /// Starts a program in the group, which may dump core as large as it likes.
    fn start(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let group = self.group.display();
        let enter = format!("echo $$ >{group}/cgroup.procs; ulimit -c unlimited; exec \"$@\"");
        let words = ["-c", &enter, "sh", program];
        words.iter().chain(arguments).map(|&word| word.to_owned()).collect()
    }

    /// All processes in the group.
    fn processes(&self) -> Vec<String> {
        let listed = fs::read_to_string(self.group.join("cgroup.procs")).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// Takes from the group all memory that the kernel can take.
    fn squeeze(&self) {
        fs::write(self.group.join("memory.high"), "0").unwrap();
        fs::write(self.group.join("memory.high"), "max").unwrap();
        tool(&["sync"], b"");
    }

    /// Whether a core file was dumped.
    fn dumped(&self) -> bool {
        fs::read_dir(&self.cores).unwrap().count() > 0
    }
}

/// A line of `/proc/PID/status`, in kB.
fn memory(pid: &str, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

/// What can be written to and is not all in memory: lines of `/proc/PID/smaps`.
fn swapped_out(pid: &str) -> Vec<String> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut mapping, mut writable, mut found) = ("", 0, Vec::new());
    for line in smaps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Swap:", size, _] if mapping.contains(" rw") => {
                writable += 1;
                if size != "0" {
                    found.push(format!("{mapping}: {size} kB"));
                }
            }
            [name, ..] if !name.ends_with(':') => mapping = line,
            _ => {}
        }
    }
    assert!(writable > 3, "{smaps}");
    found
}

fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(11).unwrap().parse().unwrap()
}

/// Two minutes at the most.
#[track_caller]
fn wait_until(what: impl Fn() -> bool) {
    for _ in 0..6000 {
        if what() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it does not come");
}

/// Lets the key slot of a LUKS1 volume take a minute and more: how many rounds stands in the header,
/// and nothing confirms it. It is just below what the program takes for a mistake or an attack.
fn slow_down(device: &str) {
    use std::os::unix::fs::FileExt;
    // key-slot 0 begins at 208 with its state (LUKS1 On-Disk Format, figure 2).
    let device = fs::File::options().write(true).open(device).unwrap();
    device.write_all_at(&300_000_000_u32.to_be_bytes(), 208 + 4).unwrap();
    device.sync_all().unwrap();
}

#[test]
#[ignore = "needs root: make check-root"]
fn what_is_in_memory_reaches_no_core_file_and_no_swap() {
    let late = |secret| json!({"match": {"path": secret}, "times": "forever", "delay_ms": 3_600_000, "action": "pass"});
    for (moment, signal) in [
        ("token", Signal::SIGABRT),
        // Not SIGSEGV: Rust's runtime takes the first one for a fault that will come again, and two
        // that come at once are one.
        ("passphrase", Signal::SIGQUIT),
    ] {
        let with_token = moment == "token";
        let faults = if with_token { json!([late("/secrets/*")]) } else { json!([]) };
        let world = World::with_azure(contoso(&faults));
        let volume = world.luks("v", &Luks { kind: "luks1", filesystem: false, ..Luks::default() });
        if !with_token {
            slow_down(&volume.device);
        }
        let pressure = Pressure::new(&world);
        let url = format!("{VAULT}/secrets/plain");
        let options = format!("timeout=3600,content=any,{}", world.ca());
        let attach = ["attach", "data1", &volume.device, &url, &options];
        let words = pressure.start(env!("CARGO_BIN_EXE_bek-unlock"), &attach);
        let mut child = Command::new("sh").args(words).stderr(Stdio::null()).spawn().unwrap();
        wait_until(|| world.requests().iter().any(|line| line.contains("/secrets/plain")));
        if !with_token {
            // Past the answer it computes nothing but the key.
            let before = ticks(child.id());
            wait_until(|| ticks(child.id()) > before + 100);
        }
        assert_eq!(child.try_wait().unwrap(), None, "it has no {moment} any more");
        let processes = pressure.processes();
        let shell = ["-c", "read -r kept; echo ready; read -r end; echo \"$kept\" >/dev/null"];
        let control = pressure.start("sh", &shell);
        let control: Vec<&str> = control.iter().map(String::as_str).collect();
        let mut control = Holder::new("sh", &control, PLANTED);

        let secrets = needles(&world);
        let planted = Needles::new(&[("planted", PLANTED.as_bytes())]);
        // The kernel gives up where pages were in use a moment ago.
        let mut swapped = Vec::new();
        for _ in 0..50 {
            pressure.squeeze();
            swapped = fs::read(&pressure.swap).unwrap();
            if planted.find(&swapped).is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        assert!(planted.find(&swapped).is_some(), "nothing was swapped out");
        assert_eq!(secrets.find(&swapped), None, "with the {moment} in hand");
        for pid in &processes {
            assert!(memory(pid, "VmLck") > 0, "{moment}: {pid}");
            assert_eq!(swapped_out(pid), [""; 0], "{moment}: {pid}");
        }
        // That it is there is what makes it a proof.
        let there = |pid: &String| places::in_process(&secrets, pid.parse().unwrap());
        let there: Vec<String> = processes.iter().flat_map(there).collect();
        assert!(there.iter().any(|place| place.contains(&format!(": {moment}"))), "{there:?}");

        for pid in &processes {
            // One that ends may take others with it.
            let _ = kill(Pid::from_raw(pid.parse().unwrap()), signal);
        }
        assert!(!child.wait().unwrap().success());
        wait_until(|| pressure.processes().len() == 1);
        assert!(!pressure.dumped(), "with the {moment} in hand it dumped core");
        let other = Pid::from_raw(pressure.processes()[0].parse().unwrap());
        kill(other, Signal::SIGABRT).unwrap();
        control.ended();
        assert!(pressure.dumped(), "nothing dumps core here");
        assert!(!places::in_files(&planted, &pressure.cores, Path::new("/proc")).is_empty());
        assert_eq!(places::in_files(&secrets, &pressure.cores, Path::new("/proc")), [""; 0]);
        world.nothing_is_left();
    }
}
