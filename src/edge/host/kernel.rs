//! Which modules a kernel has, from the lists that depmod(8) and the kernel's build leave, and
//! which of them modprobe.d(5) forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::edge::sysfs::names;
use crate::initramfs::ModuleState;

/// Where modprobe(8) looks for its configuration; of equal names the first directory's counts.
const MODPROBE: [&str; 4] =
    ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"];

/// The modules of one kernel release.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Names with `_` for `-`, as the kernel shows them, and the aliases without wildcards.
    known: BTreeSet<String>,
    /// For each alias its modules.
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// Names that `install NAME /bin/false` and its like keep out, and where that is written.
    blocked: BTreeMap<String, PathBuf>,
}

impl Kernel {
    /// `None` when the release has no list of modules below `root`.
    pub(super) fn read(root: &Path, release: &str) -> Option<Self> {
        if release.is_empty() || release.contains('/') {
            return None;
        }
        let directory = ["lib/modules", "usr/lib/modules"]
            .iter()
            .map(|place| root.join(place).join(release))
            .find(|directory| directory.join("modules.dep").is_file())?;
        let mut kernel = Self::default();
        let list = |name: &str| fs::read(directory.join(name)).unwrap_or_default();
        kernel.loadable(&list);
        kernel.built_in(&list);
        kernel.read_modprobe(root);
        Some(kernel)
    }

    /// The modules of a release that an image has (`image` gives its lists by name), and those that
    /// the release, which is installed below `root`, has built in. By name and alias, with `_`.
    pub(super) fn in_image(
        root: &Path,
        release: &str,
        image: &dyn Fn(&str) -> Vec<u8>,
    ) -> BTreeSet<String> {
        let mut kernel = Self::default();
        kernel.loadable(image);
        for place in ["lib/modules", "usr/lib/modules"] {
            let directory = root.join(place).join(release);
            kernel.built_in(&|name| fs::read(directory.join(name)).unwrap_or_default());
        }
        kernel.known.into_iter().chain(kernel.aliases.into_keys()).collect()
    }

    /// What depmod(8) lists.
    fn loadable(&mut self, list: &dyn Fn(&str) -> Vec<u8>) {
        self.files(&list("modules.dep"));
        for line in String::from_utf8_lossy(&list("modules.alias")).lines() {
            if let ["alias", alias, module] = *line.split_ascii_whitespace().collect::<Vec<_>>() {
                self.alias(alias, module);
            }
        }
    }

    /// What the kernel's build lists.
    fn built_in(&mut self, list: &dyn Fn(&str) -> Vec<u8>) {
        self.files(&list("modules.builtin"));
        for field in String::from_utf8_lossy(&list("modules.builtin.modinfo")).split('\0') {
            if let Some((module, alias)) = field.split_once(".alias=") {
                self.alias(alias, module);
            }
        }
    }

    fn files(&mut self, list: &[u8]) {
        let text = String::from_utf8_lossy(list);
        let files = text.lines().filter_map(|line| line.split(':').next());
        self.known.extend(files.filter_map(module_name));
    }

    pub(super) fn module(&self, name: &str) -> ModuleState {
        let name = plain(name);
        if let Some(file) = self.blocked.get(&name) {
            return ModuleState::Blocked(file.clone());
        }
        if self.known.contains(&name) || self.aliases.contains_key(&name) {
            ModuleState::Available
        } else {
            ModuleState::Missing
        }
    }

    fn alias(&mut self, alias: &str, module: &str) {
        if !alias.contains('*') {
            self.aliases.entry(plain(alias)).or_default().insert(plain(module));
        }
    }

    /// `install NAME` with a program that does nothing is how CIS's benchmarks forbid a module;
    /// `blacklist` only keeps aliases from loading it, such as the file system's in mount(2).
    fn read_modprobe(&mut self, root: &Path) {
        let mut seen = BTreeSet::new();
        for place in MODPROBE {
            let mut files = names(&root.join(place));
            files.sort();
            for file in files.iter().filter(|file| file.ends_with(".conf")) {
                if !seen.insert(file.clone()) {
                    continue;
                }
                let path = Path::new(place).join(file);
                let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
                for line in text.lines() {
                    let words: Vec<&str> = line.split_ascii_whitespace().collect();
                    let blocked = match *words {
                        ["install", name, program, ..] => does_nothing(program).then_some(name),
                        ["blacklist", name] => Some(name),
                        _ => None,
                    };
                    if let Some(name) = blocked {
                        self.blocked.insert(plain(name), Path::new("/").join(&path));
                    }
                }
            }
        }
    }
}

fn does_nothing(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("true" | "false" | ":"))
}

/// `kernel/fs/fat/vfat.ko.xz` is `vfat`.
fn module_name(file: &str) -> Option<String> {
    file.rsplit('/').next()?.split_once(".ko").map(|(name, _)| plain(name))
}

/// The kernel takes `-` and `_` in names for the same.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}
