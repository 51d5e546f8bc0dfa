//! One run of a program, and the disk it works on.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

/// A passphrase as ADE makes them: base64 of 128 bytes, without newline.
pub const KEY: &str = "c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYg==";

/// The name everything is opened under; device-mapper's names are the whole machine's.
pub const NAME: &str = "bek-unlock-bench";

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

/// A small LUKS2 volume on a loop device, detached when dropped, and its key in a file.
pub struct Disk {
    directory: TempDir,
    /// `/dev/loopN`.
    pub device: String,
}

impl Disk {
    /// Formats it with the cheapest KDF there is: what is compared is everything else.
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let image = directory.path().join("volume.img");
        File::create(&image).unwrap().set_len(24 << 20).unwrap();
        let key = directory.path().join("key");
        fs::write(&key, KEY).unwrap();
        // systemd-cryptsetup complains about a key that others may read.
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let (image, key) = (image.to_str().unwrap(), key.to_str().unwrap());
        let kdf = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let format = ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2"];
        run(&[&format[..], &kdf, &["--key-file", key, image]].concat());
        let device = run(&["losetup", "--find", "--show", image]);
        Self { directory, device }
    }

    /// A path beside the image.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
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
