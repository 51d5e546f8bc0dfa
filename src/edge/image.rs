//! Disk images for tests, made by the tools that make them in the field.
//!
//! Not part of the program: nothing here is written by us and read by us, so a test that reads an
//! image shows that the other side's format is understood. Needs no root.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// An image in a directory of its own, both gone when dropped.
pub struct Image {
    directory: TempDir,
    /// The image.
    pub path: PathBuf,
}

impl Image {
    /// Zeroes, `kib` KiB of them.
    pub fn empty(kib: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("image");
        std::fs::File::create(&path).unwrap().set_len(kib * 1024).unwrap();
        Self { directory, path }
    }

    /// Noise, the same each time for the same `seed`.
    pub fn noise(kib: u64, seed: u64) -> Self {
        let image = Self::empty(kib);
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = (0..kib * 1024).map(|_| random.u8(..)).collect();
        std::fs::write(&image.path, bytes).unwrap();
        image
    }

    /// A key disk as Azure makes it: 46 MiB of FAT, labelled, with these files in its root.
    pub fn key_disk(files: &[(&str, &[u8])]) -> Self {
        Self::fat(46 * 1024, &["-n", "BEK VOLUME", "-i", "a0e87b7f"]).with_files(files)
    }

    /// FAT, made by mkfs.vfat with `arguments`.
    pub fn fat(kib: u64, arguments: &[&str]) -> Self {
        Self::empty(kib).made_by("mkfs.vfat", arguments)
    }

    /// Runs `tool` with `arguments` on the image.
    pub fn made_by(self, tool: &str, arguments: &[&str]) -> Self {
        run(tool, |command| command.args(arguments).arg(&self.path), b"");
        self
    }

    /// Feeds `script` to sfdisk.
    pub fn partitioned(self, script: &str) -> Self {
        run("sfdisk", |command| command.arg("--quiet").arg(&self.path), script.as_bytes());
        self
    }

    /// Copies files into the root directory of a FAT image.
    pub fn with_files(self, files: &[(&str, &[u8])]) -> Self {
        for (name, content) in files {
            let file = self.directory.path().join("file");
            std::fs::write(&file, content).unwrap();
            let target = format!("::{name}");
            run("mcopy", |command| command.arg("-i").arg(&self.path).arg(&file).arg(target), b"");
        }
        self
    }

    /// The image's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }
}

impl AsRef<Path> for Image {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Runs a tool that must succeed. The directories are named because Debian keeps mkfs where only
/// root's PATH looks.
fn run(tool: &str, with: impl FnOnce(&mut Command) -> &mut Command, input: &[u8]) {
    let mut command = Command::new(tool);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("MTOOLS_SKIP_CHECK", "1");
    let mut child = with(&mut command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool}: {error}; see scripts that install it"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}
