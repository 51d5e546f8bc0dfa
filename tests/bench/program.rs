//! One run of a program, and the disks it works on.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

/// A passphrase as ADE makes them: base64 of 128 bytes, without newline.
pub const KEY: &str = "c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYg==";

/// The name everything is opened under; device-mapper's names are the whole machine's.
pub const NAME: &str = "bek-unlock-bench";

/// As much of a volume as LUKS2's header and its first keyslot take, in bytes.
const HEADER: u64 = 1 << 20;

/// How long a run took, from the fork to its end.
pub fn timed(words: &[&str]) -> f64 {
    let start = Instant::now();
    run(words);
    start.elapsed().as_secs_f64()
}

/// Runs a program that must succeed, with an empty environment for the same start everywhere.
pub fn run(words: &[&str]) -> String {
    let output = Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {} {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The most memory that a run had at once, in KiB; of several processes, the largest.
///
/// The kernel keeps one number for all the children of a process, so another one comes between.
pub fn peak(words: &[&str]) -> u64 {
    let between = std::env::current_exe().unwrap();
    let between = between.to_str().unwrap();
    run(&[&[between, "peak"], words].concat()).parse().unwrap()
}

/// What comes between.
pub fn print_peak(words: &[&str]) {
    run(words);
    let of = |who| getrusage(who).unwrap().max_rss();
    let (child, own) = (of(UsageWho::RUSAGE_CHILDREN), of(UsageWho::RUSAGE_SELF));
    // A child starts as a copy, and that counts.
    assert!(child > own, "{words:?} has {child} KiB, and what starts it {own} KiB");
    println!("{child}");
}

/// Closes what is open under these names, which on a kernel without device-mapper is nothing.
pub fn forget(program: &str, names: &[&str]) {
    for name in names.iter().filter(|name| Path::new("/dev/mapper").join(name).exists()) {
        run(&[program, "detach", name]);
    }
}

/// A small LUKS2 volume on a loop device, detached when dropped, and its key in a file.
pub struct Disk {
    directory: TempDir,
    /// `/dev/loopN`.
    pub device: String,
}

impl Disk {
    /// Formats it with the cheapest KDF there is: what is compared is everything else.
    pub fn new() -> Self {
        let directory = directory();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (image, key) = (path("volume.img"), path("key"));
        let kdf = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let format = ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2"];
        run(&[&format[..], &kdf, &["--key-file", &key, &image]].concat());
        Self::of(directory)
    }

    /// `count` of them, alike.
    pub fn many(count: usize) -> Vec<Self> {
        let first = Self::new();
        let mut header = Vec::new();
        File::open(first.path("volume.img"))
            .unwrap()
            .take(HEADER)
            .read_to_end(&mut header)
            .unwrap();
        let mut disks = vec![first];
        while disks.len() < count {
            let directory = directory();
            // What is behind the header stays a hole, so that many fit into memory.
            let image = File::options().write(true).open(directory.path().join("volume.img"));
            std::io::Write::write_all(&mut image.unwrap(), &header).unwrap();
            disks.push(Self::of(directory));
        }
        disks
    }

    fn of(directory: TempDir) -> Self {
        let image = directory.path().join("volume.img");
        let device = run(&["losetup", "--find", "--show", image.to_str().unwrap()]);
        Self { directory, device }
    }

    /// A path beside the image.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// With an empty image and the key.
fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    File::create(directory.path().join("volume.img")).unwrap().set_len(24 << 20).unwrap();
    let key = directory.path().join("key");
    fs::write(&key, KEY).unwrap();
    // systemd-cryptsetup complains about a key that others may read.
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    directory
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Left open only by a run that failed.
        if Path::new("/dev/mapper").join(NAME).exists() {
            let _ = Command::new("cryptsetup").args(["close", NAME]).status();
        }
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}
