//! What the process that talks to the network gives up before it does.
//!
//! Its own user, no capability, no way back to either, nothing to write, nothing to run, and of the
//! system calls those that names, sockets and TLS need. A server that takes this process over finds
//! what it was given anyway, an answer to send back. Each layer holds without the others: an
//! initramfs may have no Landlock, a container no seccomp.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use super::syscalls;
use crate::config;
use crate::edge::process;
use crate::error::Kind;

/// User and group of the process: a number that nobody has, so that no file and no other process is
/// in its reach. systemd's list of ranges (UIDS-GIDS) has 60578 to 61183 as unused.
pub const USER: u32 = 60988;

/// What looking names up reads, and the libraries it loads for that (nsswitch.conf(5)).
const READABLE: [&str; 9] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/netconfig",
    "/run/systemd/resolve",
];
/// Often links to elsewhere.
const LINKS: [&str; 5] =
    ["/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];
/// DNS, IMDS, Key Vault and Entra.
const PORTS: [u16; 3] = [53, 80, 443];

/// Gives all of it up, for good.
///
/// Called while the process has one thread. With `parent` it ends when that does. Without root there
/// is no other user to become; the rest is the same. Errors: `Internal` when something that every
/// kernel of the last ten years has does not work; then nothing may be asked from here.
pub fn restrict(parent: bool) -> Result<(), Kind> {
    if geteuid().is_root() && ["uid_map", "gid_map"].iter().all(|map| is_mapped(map)) {
        let root = Path::new("/");
        if config::in_initramfs(root) {
            let_in(root);
        }
        become_nobody()?;
    }
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|error| failed("capset", &error))?;
    }
    prctl::set_no_new_privs().map_err(|errno| failed("PR_SET_NO_NEW_PRIVS", &errno.desc()))?;
    if parent {
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|errno| failed("PR_SET_PDEATHSIG", &errno.desc()))?;
    }
    process::keep_secrets();
    if let Err(error) = close_files() {
        return Err(failed("Landlock", &error));
    }
    syscalls::allow_only_needed()
}

/// Lets another user than root reach what [`READABLE`] and [`LINKS`] name, by its name.
///
/// In an image of initramfs-tools with UMASK=0077, as cryptsetup-initramfs advises where a key is in
/// it, every directory is root's alone, and without /etc/resolv.conf no vault has an address. The
/// image is memory and gone with the boot. Directories get the right to pass and not to list.
fn let_in(root: &Path) {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let mut directories: Vec<PathBuf> = vec![root.to_owned()];
    for path in READABLE.map(below) {
        directories.extend(path.ancestors().take_while(|at| *at != root).map(Path::to_path_buf));
        // The libraries' own directory has the name of the architecture.
        let entries = fs::read_dir(&path).into_iter().flatten().flatten();
        directories.extend(entries.map(|entry| entry.path()));
    }
    for directory in directories.iter().filter(|path| path.is_dir()) {
        add(directory, 0o001);
    }
    for file in LINKS.map(below).iter().filter(|path| path.is_file()) {
        add(file, 0o004);
    }
}

/// What cannot be changed is missed when a name is looked up, and told then.
fn add(path: &Path, bits: u32) {
    if let Ok(metadata) = fs::metadata(path) {
        let mode = metadata.permissions().mode() | bits;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
}

/// Root of a user namespace is no other user outside of it than who made it, and may not have been
/// given any to become (user_namespaces(7)).
fn is_mapped(map: &str) -> bool {
    let text = fs::read_to_string(Path::new("/proc/self").join(map)).unwrap_or_default();
    let mut ranges = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let (first, _, count) = (words.next()??, words.next()??, words.next()??);
        Some(first..first.saturating_add(count))
    });
    ranges.any(|range| range.contains(&USER))
}

fn become_nobody() -> Result<(), Kind> {
    // What is allocated later must stay locked memory, and the right to exceed the limit goes now;
    // where the limit cannot be raised, keep_secrets sees how far it goes.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    for capability in caps::runtime::thread_all_supported() {
        caps::drop(None, CapSet::Bounding, capability)
            .map_err(|error| failed("PR_CAPBSET_DROP", &error))?;
    }
    let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
    setgroups(&[]).map_err(|errno| failed("setgroups", &errno.desc()))?;
    setresgid(group, group, group).map_err(|errno| failed("setresgid", &errno.desc()))?;
    setresuid(user, user, user).map_err(|errno| failed("setresuid", &errno.desc()))
}

/// Landlock, as far as the kernel has it (landlock(7)): files from 5.13, ports from 6.7, signals and
/// abstract sockets from 6.12.
fn close_files() -> Result<(), RulesetError> {
    let abi = ABI::V6;
    let readable = AccessFs::ReadFile | AccessFs::ReadDir;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(places(), readable))?
        .add_rules(
            PORTS.map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp))),
        )?;
    ruleset.restrict_self().map(|_| ())
}

/// The readable places that are there; of links, where they lead.
fn places() -> Vec<PathBuf> {
    let led = LINKS.iter().filter_map(|link| fs::canonicalize(link).ok());
    let fixed = READABLE.iter().map(PathBuf::from).filter(|path: &PathBuf| path.exists());
    // The folder, not the file: whoever writes such files puts a new one in the place of the old.
    let folders = led.filter_map(|file| file.parent().map(Path::to_path_buf));
    fixed.chain(folders.filter(|folder| folder != Path::new("/"))).collect()
}

fn failed(call: &'static str, reason: &dyn std::fmt::Display) -> Kind {
    Kind::Internal { call, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_hides_from_others_is_let_through_and_not_listed() {
        let root = tempfile::tempdir().unwrap();
        let below = |path: &str| root.path().join(path);
        let files = ["etc/resolv.conf", "etc/bektab", "usr/lib/x86_64-linux-gnu/libnss_dns.so.2"];
        for file in files.iter().chain(&["cryptroot/keyfiles/data1.key"]) {
            fs::create_dir_all(below(file).parent().unwrap()).unwrap();
            fs::write(below(file), "").unwrap();
        }
        let modes = ["", "etc", "usr", "usr/lib", "usr/lib/x86_64-linux-gnu", "cryptroot"];
        for (path, mode) in
            modes.iter().map(|path| (path, 0o700)).chain(files.iter().map(|file| (file, 0o600)))
        {
            fs::set_permissions(below(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let_in(root.path());
        let mode = |path: &str| fs::metadata(below(path)).unwrap().permissions().mode() & 0o777;
        for directory in ["", "etc", "usr", "usr/lib", "usr/lib/x86_64-linux-gnu"] {
            assert_eq!(mode(directory), 0o701, "{directory}");
        }
        assert_eq!(mode("etc/resolv.conf"), 0o604);
        assert_eq!((mode("etc/bektab"), mode("cryptroot")), (0o600, 0o700));
    }
}
