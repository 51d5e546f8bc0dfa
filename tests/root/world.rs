//! What a case works in: disks made by stock tools, the emulator, the binary under test, and the
//! check that nothing is left behind.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use azure_emulator::{Emulator, Options, Scenario};
use nix::errno::Errno;
use nix::mount::umount;
use serde_json::Value;
use tempfile::TempDir;

/// A passphrase as ADE makes them: base64 text, 172 bytes, no newline.
pub const KEY: &str = "c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYkUgPzHvDwCqSrFaJl4e6I0O\
                       c1GpZb3mVn0yXWcT5sK8hRj2QfL7uEoA9dNiBtMxYg==";

/// The vault the emulator serves.
pub const VAULT: &str = "https://contoso-kv.vault.azure.net";

/// The mappings that cases make; any other is not theirs to judge or to remove.
const NAMES: [&str; 4] = ["data1", "data2", "making", "rescue"];

/// One case's world; undone when dropped, in the reverse order.
pub struct World {
    directory: TempDir,
    undo: RefCell<Vec<Vec<String>>>,
    pub emulator: Option<Emulator>,
}

/// How a LUKS volume is made.
pub struct Luks<'a> {
    /// `luks1` or `luks2`.
    pub kind: &'a str,
    /// Its passphrase.
    pub key: &'a [u8],
    /// Whether the header is a file of its own.
    pub detached: bool,
    /// Whether an ext4 file system is put into it.
    pub filesystem: bool,
    /// More arguments for luksFormat.
    pub arguments: &'a [&'a str],
}

impl Default for Luks<'_> {
    fn default() -> Self {
        Self {
            kind: "luks2",
            key: KEY.as_bytes(),
            detached: false,
            filesystem: true,
            arguments: &[],
        }
    }
}

/// A LUKS volume on a loop device.
#[derive(Clone)]
pub struct Volume {
    /// `/dev/loopN`.
    pub device: String,
    /// The detached header, or empty.
    pub header: String,
}

impl World {
    /// A world without any disk; asserts that the case before cleaned up.
    pub fn new() -> Self {
        // Before there is a world to undo: a mapping of this name may be somebody's own.
        nothing_is_left();
        Self { directory: TempDir::new().unwrap(), undo: RefCell::default(), emulator: None }
    }

    /// The same with the emulator serving `scenario` at Azure's own addresses.
    pub fn with_azure(scenario: Value) -> Self {
        let mut world = Self::new();
        let options = Options {
            imds: "169.254.169.254:80".parse().unwrap(),
            vault: "169.254.169.253:443".parse().unwrap(),
            ..Options::default()
        };
        let emulator = Emulator::start(Scenario::from_value(scenario).unwrap(), options).unwrap();
        fs::write(world.path("ca.pem"), emulator.ca_pem()).unwrap();
        world.emulator = Some(emulator);
        world
    }

    /// A path in this world's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The bektab option that trusts the emulator.
    pub fn ca(&self) -> String {
        format!("ca={}", self.path("ca.pem").display())
    }

    /// A file with `bytes`.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    /// A loop device over `file`, gone at the end.
    pub fn attach_loop(&self, file: &Path, arguments: &[&str]) -> String {
        let mut words = vec!["losetup", "--find", "--show"];
        words.extend(arguments);
        let device = tool(&[&words[..], &[file.to_str().unwrap()]].concat(), b"").trim().to_owned();
        self.undo(&["losetup", "--detach", &device]);
        // The flag is the loop device's, and would be there for the next file, too.
        self.undo(&["blockdev", "--setrw", &device]);
        device
    }

    /// A LUKS volume of 24 MiB with `hello.txt` in its file system.
    pub fn luks(&self, name: &str, luks: &Luks<'_>) -> Volume {
        let image = self.path(&format!("{name}.img"));
        File::create(&image).unwrap().set_len(24 << 20).unwrap();
        let device = self.attach_loop(&image, &[]);
        let header = self.path(&format!("{name}.header")).display().to_string();
        let apart = if luks.detached { vec!["--header", header.as_str()] } else { vec![] };
        let mut format = vec!["cryptsetup", "luksFormat", "--batch-mode", "--type", luks.kind];
        if !luks.arguments.iter().any(|argument| argument.starts_with("--pbkdf")) {
            // The smallest cost there is: what is tested is not the KDF.
            format.extend(["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]);
        }
        format.extend(&apart);
        format.extend(luks.arguments);
        format.extend(["--key-file", "-", &device]);
        tool(&format, luks.key);
        if luks.filesystem {
            let mut open = vec!["cryptsetup", "open", "--key-file", "-"];
            open.extend(&apart);
            open.extend([device.as_str(), "making"]);
            tool(&open, luks.key);
            let content = self.path("content");
            fs::create_dir_all(&content).unwrap();
            fs::write(content.join("hello.txt"), format!("hello from {name}\n")).unwrap();
            let content = content.display().to_string();
            tool(&["mke2fs", "-q", "-t", "ext4", "-d", &content, "/dev/mapper/making"], b"");
            tool(&["cryptsetup", "close", "making"], b"");
        }
        Volume { device, header: if luks.detached { header } else { String::new() } }
    }

    /// A key disk as Azure makes them: MBR, one vfat partition labelled `BEK VOLUME`.
    pub fn key_disk(&self, files: &[(&str, &[u8])]) -> String {
        let image = self.path(&format!("bek{}.img", self.undo.borrow().len()));
        File::create(&image).unwrap().set_len(40 << 20).unwrap();
        let path = image.display().to_string();
        tool(&["sfdisk", "--quiet", &path], b"label: dos\n2048,,c\n");
        let vfat = ["mkfs.vfat", "--offset=2048", "-n", "BEK VOLUME", &path, "38912"];
        tool(&vfat, b"");
        let partition = format!("{}p1", self.attach_loop(&image, &["--partscan"]));
        // Written through the kernel's own vfat, as Azure's host does it for all we can see.
        let point = self.path("writing");
        fs::create_dir_all(&point).unwrap();
        let mounted = point.display().to_string();
        tool(&["mount", "-t", "vfat", &partition, &mounted], b"");
        for (name, bytes) in files {
            fs::write(point.join(name), bytes).unwrap();
        }
        unmount(&mounted);
        partition
    }

    /// /etc/bektab with these lines.
    pub fn bektab(&self, text: &str) {
        fs::write("/etc/bektab", text).unwrap();
        self.undo(&["rm", "-f", "/etc/bektab"]);
    }

    /// Runs `command` at the end, before what was set up earlier is undone.
    pub fn undo(&self, command: &[&str]) {
        self.undo.borrow_mut().push(command.iter().map(|&word| word.to_owned()).collect());
    }

    /// Runs bek-unlock with nothing but these arguments.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[], Stdio::piped())
    }

    /// The same with these variables and this standard output.
    pub fn run_with(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        stdout: impl Into<Stdio>,
    ) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .and_then(Child::wait_with_output)
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let run = Run {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stderr.contains(&KEY[..40]), "the key was printed");
        run
    }

    /// Opens `volume` as `data1` with the fields given.
    pub fn attach(&self, volume: &Volume, key: &str, options: &str) -> Run {
        let header = if volume.header.is_empty() {
            String::new()
        } else {
            format!(",header={}", volume.header)
        };
        let options = format!("timeout=20{header},{options}");
        let options = options.trim_end_matches(',');
        self.run(&["attach", "data1", &volume.device, key, options])
    }

    /// Reads `hello.txt` out of the open `data1`, read-only, and closes it with stock tools.
    pub fn read_and_close(&self) -> String {
        let mount = self.path("mount");
        fs::create_dir_all(&mount).unwrap();
        let point = mount.display().to_string();
        tool(&["mount", "-o", "ro", "/dev/mapper/data1", &point], b"");
        let text = fs::read_to_string(mount.join("hello.txt")).unwrap();
        tool(&["umount", &point], b"");
        tool(&["cryptsetup", "close", "data1"], b"");
        self.nothing_is_left();
        text
    }

    /// See [`nothing_is_left`].
    pub fn nothing_is_left(&self) {
        nothing_is_left();
    }

    /// The requests the emulator saw, as `METHOD path status`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.emulator.as_ref().unwrap().requests();
        let line = |request: azure_emulator::LoggedRequest| {
            let status = request.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            format!("{} {} {status}", request.method, request.path)
        };
        requests.into_iter().map(line).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed case left open would make every later one fail, too.
        if std::thread::panicking() {
            let _ = Command::new("umount").arg(self.path("mount")).output();
            for name in NAMES {
                let _ = Command::new("dmsetup").args(["remove", "--force", name]).output();
            }
        }
        for command in self.undo.borrow().iter().rev() {
            let [program, arguments @ ..] = command.as_slice() else { continue };
            let _ = Command::new(program).args(arguments).status();
        }
    }
}

/// Asserts that no mapping of a case exists and that no process has a mount of ours.
#[track_caller]
fn nothing_is_left() {
    let listed = tool(&["dmsetup", "ls"], b"");
    let names: Vec<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(!NAMES.iter().any(|name| names.contains(name)), "{listed}");
    for process in fs::read_dir("/proc").unwrap().map(Result::unwrap) {
        // Some of them end meanwhile.
        let Ok(mounts) = fs::read_to_string(process.path().join("mountinfo")) else { continue };
        let ours = ["azure_bek_disk", "run/bek-unlock"];
        assert!(!ours.iter().any(|place| mounts.contains(place)), "{mounts}");
    }
}

/// What one run of bek-unlock said.
#[derive(Debug)]
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts success and these words on stderr.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert_eq!(self.status, Some(0), "{self:#?}");
        assert!(self.flat().contains(words), "{words:?} is missing in {self:#?}");
        self
    }

    /// stderr with broken lines joined again; the words are what counts.
    fn flat(&self) -> String {
        let mut flat = String::new();
        for line in self.stderr.lines() {
            match line.strip_prefix("bek-unlock:  ") {
                // An excerpt of a file is indented, too, but by its own four blanks only.
                Some(rest) => flat.push_str(&format!(" {}", rest.trim_start())),
                None => flat.push_str(&format!("\n{line}")),
            }
        }
        flat
    }

    /// Asserts one error block with this status and each of these words in it.
    #[track_caller]
    pub fn refuses(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        assert_eq!(self.stderr.matches("bek-unlock: error: ").count(), 1, "{self:#?}");
        assert!(self.stderr.contains("bek-unlock: cause: "), "{self:#?}");
        assert!(self.stderr.contains("bek-unlock: hint: "), "{self:#?}");
        let flat = self.flat();
        for word in words {
            assert!(flat.contains(word), "{word:?} is missing in {self:#?}");
        }
        self
    }
}

/// Unmounts what the program may be looking at this moment: it reads a key disk where that is mounted.
#[track_caller]
pub fn unmount(point: &str) {
    for _ in 0..100 {
        match umount(point) {
            Ok(()) => return,
            Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(50)),
            Err(errno) => panic!("umount {point}: {errno}"),
        }
    }
    panic!("umount {point}: still in use");
}

/// Runs a stock tool with `input`; its output, or a failed test with what it said.
#[track_caller]
pub fn tool(words: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    // A tool may end without reading; its status says whether that was right.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {} {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
