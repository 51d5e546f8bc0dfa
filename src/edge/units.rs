//! systemd's unit files and generators, as systemd will find them at the next boot.
//!
//! Read from the directories of systemd.unit(5) and systemd.generator(7) and not asked of the systemd
//! that runs: what it has loaded is of this boot, and what was masked or edited since is not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::check::boot::{Installed, Units};
use crate::edge::sysfs::names;

/// Where unit files are, the strongest directory first; /run's is not of the next boot.
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The same for generators.
const GENERATORS: [&str; 4] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
    "lib/systemd/system-generators",
];

/// Where links pull units in, the strongest directory first. Those of this boot count, too: generators
/// make theirs at each boot anew, as netplan's does for the network.
const PULLING: [&str; 8] = [
    "run/systemd/generator.early",
    ETC,
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];

/// The administrator's own.
const ETC: &str = "etc/systemd/system";

/// The files below a root directory.
pub struct UnitFiles {
    root: PathBuf,
}

impl UnitFiles {
    /// Below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn find(&self, directories: &[&str], name: &str) -> Option<PathBuf> {
        let places = directories.iter().map(|directory| Path::new(directory).join(name));
        let here = |path: &PathBuf| fs::symlink_metadata(self.root.join(path)).is_ok();
        places.into_iter().find(here).map(|path| Path::new("/").join(path))
    }

    fn installed(&self, directories: &[&str], name: &str) -> Installed {
        let Some(path) = self.find(directories, name) else { return Installed::Missing };
        let real = self.root.join(path.strip_prefix("/").unwrap_or(&path));
        match fs::metadata(&real) {
            _ if is_to_null(&real) => Installed::Masked(path),
            Ok(metadata) if metadata.len() == 0 => Installed::Masked(path),
            Ok(_) => Installed::At(path),
            Err(_) => Installed::Missing,
        }
    }
}

impl Units for UnitFiles {
    fn unit(&self, name: &str) -> Installed {
        self.installed(&UNITS, name)
    }

    fn generator(&self, name: &str) -> Installed {
        match self.installed(&GENERATORS, name) {
            Installed::At(path) => {
                let real = self.root.join(path.strip_prefix("/").unwrap_or(&path));
                let mode = fs::metadata(real).map_or(0, |metadata| metadata.permissions().mode());
                match mode & 0o100 {
                    0 => Installed::NotExecutable(path),
                    _ => Installed::At(path),
                }
            }
            other => other,
        }
    }

    fn drop_ins(&self, name: &str) -> Vec<PathBuf> {
        let template = name.split_once('@').map(|(prefix, rest)| {
            let suffix = rest.rsplit_once('.').map_or("service", |(_, suffix)| suffix);
            format!("{prefix}@.{suffix}")
        });
        let units = [Some(name.to_owned()), template];
        let directories = units.into_iter().flatten().map(|unit| format!("{ETC}/{unit}.d"));
        let mut found: Vec<PathBuf> = directories
            .flat_map(|directory| {
                let files = names(&self.root.join(&directory));
                let files = files.into_iter().filter(|file| file.ends_with(".conf"));
                files
                    .map(move |file| Path::new("/").join(&directory).join(file))
                    .collect::<Vec<_>>()
            })
            .collect();
        found.sort();
        found
    }

    fn is_enabled(&self, name: &str) -> bool {
        if matches!(self.unit(name), Installed::Masked(_)) {
            return false;
        }
        // Of links in directories of the same name the strongest counts; one to nothing masks the others.
        let mut decided = BTreeSet::new();
        for place in PULLING {
            for directory in names(&self.root.join(place)) {
                let link = self.root.join(place).join(&directory).join(name);
                if !pulls(&directory) || fs::symlink_metadata(&link).is_err() {
                    continue;
                }
                if decided.insert(directory) && !is_to_null(&link) {
                    return true;
                }
            }
        }
        false
    }
}

/// Whether links in a directory of this name are dependencies.
fn pulls(directory: &str) -> bool {
    [".wants", ".requires", ".upholds"].iter().any(|end| directory.ends_with(end))
}

fn is_to_null(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to == Path::new("/dev/null"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_strongest_directory_counts_and_a_link_to_nothing_masks() {
        let root = tempfile::tempdir().unwrap();
        let units = UnitFiles::new(root.path());
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(units.unit("a.service"), Installed::Missing);
        put("usr/lib/systemd/system/a.service", "[Unit]\n");
        let at = |path: &str| Installed::At(path.into());
        assert_eq!(units.unit("a.service"), at("/usr/lib/systemd/system/a.service"));
        put("usr/local/lib/systemd/system/a.service", "[Unit]\n");
        assert_eq!(units.unit("a.service"), at("/usr/local/lib/systemd/system/a.service"));
        put("etc/systemd/system/b.service", "");
        let masked = |name: &str| Installed::Masked(format!("/etc/systemd/system/{name}").into());
        assert_eq!(units.unit("b.service"), masked("b.service"));
        symlink("/dev/null", root.path().join("etc/systemd/system/a.service")).unwrap();
        assert_eq!(units.unit("a.service"), masked("a.service"));
    }

    #[test]
    fn drop_ins_are_the_instance_s_and_the_template_s() {
        let root = tempfile::tempdir().unwrap();
        let units = UnitFiles::new(root.path());
        for path in ["a@.service.d/x.conf", "a@b.service.d/y.conf", "a@b.service.d/README"] {
            let path = root.path().join(ETC).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = units.drop_ins("a@b.service");
        let ends = ["a@.service.d/x.conf", "a@b.service.d/y.conf"];
        assert_eq!(found, ends.map(|end| Path::new("/").join(ETC).join(end)));
        assert!(!units.is_enabled("a@b.socket"));
        fs::create_dir_all(root.path().join(ETC).join("sockets.target.wants")).unwrap();
        let link = root.path().join(ETC).join("sockets.target.wants/a@b.socket");
        symlink("/usr/lib/systemd/system/a@.socket", link).unwrap();
        assert!(units.is_enabled("a@b.socket"));
    }

    #[test]
    fn links_of_generators_and_packages_enable_and_a_mask_does_not() {
        let name = "systemd-networkd.service";
        let link = |root: &Path, place: &str, to: &str| {
            let path = root.join(place).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(to, path).unwrap();
        };
        let unit = "/usr/lib/systemd/system/systemd-networkd.service";
        for place in PULLING {
            let root = tempfile::tempdir().unwrap();
            let units = UnitFiles::new(root.path());
            link(root.path(), &format!("{place}/multi-user.target.d"), unit);
            assert!(!units.is_enabled(name), "{place}");
            link(root.path(), &format!("{place}/multi-user.target.wants"), unit);
            assert!(units.is_enabled(name), "{place}");
            link(root.path(), ETC, "/dev/null");
            assert!(!units.is_enabled(name), "{place}");
        }
        // The link alone may be masked; another one is not.
        let root = tempfile::tempdir().unwrap();
        let units = UnitFiles::new(root.path());
        link(root.path(), "usr/lib/systemd/system/multi-user.target.wants", unit);
        link(root.path(), "etc/systemd/system/multi-user.target.wants", "/dev/null");
        assert!(!units.is_enabled(name));
        link(root.path(), "run/systemd/generator/sysinit.target.requires", unit);
        assert!(units.is_enabled(name));
    }
}
