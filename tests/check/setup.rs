//! A machine whose next boot opens its volume, to be spoilt by each case.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::world::{KEY, Run, VAULT, World, contoso, with_input};

pub const UNITS: &str = "/etc/systemd/system";
pub const GENERATOR: &str = "/etc/systemd/system-generators/bek-unlock-generator";

/// The units that a check asks for.
const SHIPPED: [&str; 6] = [
    "bek-unlock@.service",
    "bek-unlock.target",
    "bek-unlock-key@.service",
    "bek-unlock-key@.socket",
    "bek-unlock-network.service",
    "bek-unlock-network.socket",
];

/// The machine, before the emulator.
pub struct Setup {
    pub world: World,
    /// The encrypted disk, an image file.
    pub disk: PathBuf,
    undo: Vec<Vec<String>>,
}

impl Setup {
    /// `data1`, opened with a secret that is named by its URL.
    pub fn new() -> Self {
        Self::with(contoso())
    }

    /// The same before another Azure.
    pub fn with(scenario: Value) -> Self {
        let world = World::with(scenario);
        let disk = world.volume("luks2", None);
        let setup = Self { world, disk, undo: Vec::new() };
        setup.install();
        setup.bektab(&format!("{VAULT}/secrets/ade"), "nofail");
        setup.fstab("/dev/mapper/data1 /srv ext4 nofail,_netdev 0 2\n");
        let _ = fs::remove_file("/etc/crypttab");
        setup
    }

    /// What a package installs, in the directories that count most.
    fn install(&self) {
        let _ = fs::remove_dir_all("/etc/systemd");
        fs::create_dir_all(UNITS).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
        for unit in SHIPPED {
            fs::copy(source.join(unit), Path::new(UNITS).join(unit)).unwrap();
        }
        fs::create_dir_all(Path::new(GENERATOR).parent().unwrap()).unwrap();
        fs::write(GENERATOR, "#!/bin/sh\n").unwrap();
        fs::set_permissions(GENERATOR, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The line of `data1` with this key and these options.
    pub fn bektab(&self, key: &str, options: &str) {
        self.lines(&[&format!("data1 {} {key} {options}", self.disk.display())]);
    }

    /// All lines.
    pub fn lines(&self, lines: &[&str]) {
        self.world.bektab(lines);
    }

    pub fn fstab(&self, text: &str) {
        fs::write("/etc/fstab", text).unwrap();
    }

    pub fn crypttab(&self, text: &str) {
        fs::write("/etc/crypttab", text).unwrap();
    }

    /// Masks a unit or generator.
    pub fn mask(&self, path: &str) {
        let _ = fs::remove_file(path);
        symlink("/dev/null", path).unwrap();
    }

    /// A key disk with these files; gone with the set-up.
    pub fn key_disk(&mut self, files: &[(&str, &[u8])]) {
        let image = self.world.path("bek.img");
        fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
        let path = image.to_str().unwrap().to_owned();
        tool(&["mkfs.vfat", "-n", "BEK VOLUME", &path]);
        for (name, bytes) in files {
            let file = self.world.path("file");
            fs::write(&file, bytes).unwrap();
            tool(&["mcopy", "-i", &path, file.to_str().unwrap(), &format!("::{name}")]);
        }
        let device = tool(&["losetup", "--find", "--show", &path]).trim().to_owned();
        self.undo.push(["losetup", "--detach", &device].map(str::to_owned).to_vec());
    }

    /// Runs `check` with these words.
    pub fn check(&self, words: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
        command.arg("check").args(["--timeout", "3s"]).args(words);
        let (before, disk) = (files_of_etc(), fs::read(&self.disk).ok());
        let run = self.world.ran(command, b"");
        assert_eq!(files_of_etc(), before, "a check writes nothing");
        assert!(fs::read(&self.disk).ok() == disk, "the disk was written to");
        run
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        for words in self.undo.iter().rev() {
            let _ = Command::new(&words[0]).args(&words[1..]).status();
        }
    }
}

/// The findings of one kind in the report, as `TOPIC TEXT -> ADVICE`.
pub fn found(run: &Run, result: &str) -> Vec<String> {
    let report = run.json();
    let volumes = report["volumes"].as_array().unwrap().iter();
    let all = volumes.flat_map(|volume| volume["findings"].as_array().unwrap());
    all.chain(report["machine"].as_array().unwrap())
        .filter(|finding| finding["result"] == result)
        .map(|finding| {
            let text = |field: &str| finding[field].as_str().unwrap_or("").to_owned();
            format!("{} {} -> {}", text("topic"), text("text"), text("advice"))
        })
        .collect()
}

/// Every file of /etc with its bytes, but for what the resolver and the like keep there.
fn files_of_etc() -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = ["/etc/systemd", "/var/lib/bek-unlock"].map(PathBuf::from).to_vec();
    found.extend(
        ["/etc/bektab", "/etc/crypttab", "/etc/fstab"]
            .map(|path| (path.into(), fs::read(path).unwrap_or_default())),
    );
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => found.push((entry.path(), fs::read(entry.path()).unwrap_or_default())),
            }
        }
    }
    found.sort();
    found
}

/// Runs a stock tool that must succeed; what it prints.
pub fn tool(words: &[&str]) -> String {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("MTOOLS_SKIP_CHECK", "1");
    let output = with_input(&mut command, b"");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The key of the disk.
pub fn key() -> &'static [u8] {
    KEY.as_bytes()
}
