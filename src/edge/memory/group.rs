//! The control groups of this process that limit its memory (the kernel's cgroup-v2.rst).

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::unlock::admission::Group;

/// Those with a limit, from its own up to the root; none where there is no version 2 of them.
pub(super) fn limited(root: &Path) -> Vec<Group> {
    let mounted = root.join("sys/fs/cgroup");
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    // Outside the root of a cgroup namespace there is nothing to read.
    if Path::new(own).components().any(|part| part == Component::ParentDir) {
        return Vec::new();
    }
    let own = mounted.join(own);
    own.ancestors().take_while(|group| group.starts_with(&mounted)).filter_map(read).collect()
}

fn read(group: &Path) -> Option<Group> {
    let number = |name: &str| -> Option<u64> {
        // "max" is no number, and no limit.
        fs::read_to_string(group.join(name)).ok()?.trim().parse().ok()
    };
    let limit = number("memory.max")?;
    let inactive = inactive_file(group.join("memory.stat")).unwrap_or(0);
    let used = number("memory.current").unwrap_or(0).saturating_sub(inactive);
    Some(Group { limit_kib: limit / 1024, used_kib: used / 1024 })
}

/// File pages that nobody has used for a while, in bytes: the kernel drops them for a KDF.
fn inactive_file(stat: PathBuf) -> Option<u64> {
    let stat = fs::read_to_string(stat).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(own: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[(&str, &str)]| {
            let path = root.path().join("sys/fs/cgroup").join(path);
            fs::create_dir_all(&path).unwrap();
            for (name, text) in files {
                fs::write(path.join(name), text).unwrap();
            }
        };
        group("a.slice/b.service", &[("memory.max", "max\n"), ("memory.current", "4096\n")]);
        let stat = ("memory.stat", "anon 7\ninactive_file 1048576\nactive_file 9\n");
        group("a.slice", &[("memory.max", "8388608\n"), ("memory.current", "3145728\n"), stat]);
        // Beside its own.
        group("c.slice", &[("memory.max", "1024\n"), ("memory.current", "0\n")]);
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/cgroup"), own).unwrap();
        root
    }

    #[test]
    fn a_limit_of_a_slice_holds_for_its_units() {
        let root = tree("12:pids:/x\n0::/a.slice/b.service\n");
        let slice = Group { limit_kib: 8192, used_kib: 2048 };
        assert_eq!(limited(root.path()), [slice]);
    }

    #[test]
    fn what_is_not_there_has_no_limit() {
        for own in ["", "0::/\n", "0::/../a.slice\n", "0::/gone.slice\n", "1:name=systemd:/\n"] {
            assert_eq!(limited(tree(own).path()), [], "{own:?}");
        }
    }
}
