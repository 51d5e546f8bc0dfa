//! Which name server an initramfs asks.
//!
//! getaddrinfo(3) reads /etc/resolv.conf and in an initramfs mostly finds none: systemd-networkd
//! leaves names to resolved, which is not in the image; dhclient and ipconfig note what DHCP said in
//! files of their own; what was copied from the running system may point to its stub. So the file is
//! written from what DHCP left, and without anything of that from what is true of every VM in
//! Azure. glibc looks at the file before each lookup (since 2.26), so a new one counts at once.
//!
//! Only in an initramfs: there the file is the image's and gone with it. In a booted system it has
//! an owner. What is read came over the network; nothing but addresses gets through.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offered::{is_server, resolv_conf, text};

use crate::config;

mod offered;

/// Azure's own resolver: the host itself, at this address in every region and cloud.
const AZURE: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// The file is rewritten only while it begins with this.
const MARK: &str = "# Written by bek-unlock for this initramfs.\n";

/// glibc asks no more of them (`MAXNS`, resolv.conf(5)).
const SERVERS_MAX: usize = 3;

/// The resolver's configuration in an initramfs.
#[derive(Clone, Debug)]
pub struct Resolver {
    root: PathBuf,
}

impl Resolver {
    /// The resolver of the initramfs below `root`; `None` in a booted system.
    pub fn of_initramfs(root: &Path) -> Option<Self> {
        config::in_initramfs(root).then(|| Self { root: root.to_owned() })
    }

    /// Sees to it that /etc/resolv.conf has a usable name server; `Some` when it wrote one.
    ///
    /// Cheap, and right also while the network is still coming up: called before each request, it
    /// corrects its own guess when DHCP's answer is there. Errors are those of writing.
    pub fn prepare(&self) -> io::Result<Option<Vec<IpAddr>>> {
        let path = self.root.join("etc/resolv.conf");
        let current = text(&path).unwrap_or_default();
        let stub = self.root.join("run/systemd/resolve/stub-resolv.conf").exists();
        let usable = |server: &IpAddr| is_server(server) || (stub && server.is_loopback());
        if !current.starts_with(MARK) && resolv_conf(&current).iter().any(usable) {
            return Ok(None);
        }
        let servers = self.servers();
        let lines = servers.iter().map(|server| format!("nameserver {server}\n"));
        let wanted: String = std::iter::once(MARK.to_owned()).chain(lines).collect();
        if wanted == current {
            return Ok(None);
        }
        replace(&path, &wanted)?;
        Ok(Some(servers))
    }

    /// What DHCP said; without that, Azure's.
    fn servers(&self) -> Vec<IpAddr> {
        let mut servers = offered::servers(&self.root);
        servers.truncate(SERVERS_MAX);
        if servers.is_empty() { vec![AZURE] } else { servers }
    }
}

/// Whole or not at all, because other volumes' processes look names up meanwhile. A link is
/// replaced, not followed: it leads to what is not in the image.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("bek-unlock.{}", std::process::id()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        // Said outright: the program's umask hides what it makes, and the file is for everybody.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    /// A root directory with these files in it, an initramfs's.
    fn initramfs(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, content) in [("etc/initrd-release", "")].iter().chain(files) {
            put(&root, path, content);
        }
        root
    }

    fn put(root: &TempDir, path: &str, content: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn prepare(root: &TempDir) -> Option<Vec<String>> {
        let servers = Resolver::of_initramfs(root.path()).unwrap().prepare().unwrap()?;
        Some(servers.iter().map(ToString::to_string).collect())
    }

    fn written(root: &TempDir) -> String {
        fs::read_to_string(root.path().join("etc/resolv.conf")).unwrap()
    }

    #[test]
    fn a_booted_system_is_left_alone() {
        let root = TempDir::new().unwrap();
        assert!(Resolver::of_initramfs(root.path()).is_none());
    }

    #[test]
    fn a_usable_name_server_stays() {
        let own = "# by hand\nsearch example.org\nnameserver 10.1.0.4\n";
        let lease = ("run/systemd/netif/leases/2", "DNS=10.9.9.9\n");
        let root = initramfs(&[("etc/resolv.conf", own), lease]);
        assert_eq!(prepare(&root), None);
        assert_eq!(written(&root), own);
    }

    #[test]
    fn what_dhcp_left_is_found_wherever_it_is() {
        for (path, content, servers) in [
            ("run/systemd/resolve/resolv.conf", "nameserver 10.0.0.1\nsearch x\n", "10.0.0.1"),
            ("run/NetworkManager/resolv.conf", "nameserver 10.0.0.2\n", "10.0.0.2"),
            ("tmp/net.eth0.resolv.conf", "search x\nnameserver 10.0.0.3\n", "10.0.0.3"),
            (
                "run/systemd/netif/leases/2",
                "ADDRESS=10.0.0.9\nDNS=10.0.0.4 fd00::4\n",
                "10.0.0.4 fd00::4",
            ),
            (
                "run/net-eth0.conf",
                "IPV4ADDR='10.0.0.9'\nIPV4DNS0='10.0.0.5'\nIPV4DNS1='0.0.0.0'\n",
                "10.0.0.5",
            ),
            ("run/net6-eth0.conf", "IPV6DNS0=\"fd00::6\"\n", "fd00::6"),
            ("proc/net/pnp", "#PROTO: DHCP\nnameserver 10.0.0.7\n", "10.0.0.7"),
        ] {
            let root = initramfs(&[(path, content)]);
            assert_eq!(prepare(&root).unwrap().join(" "), servers, "{path}");
        }
    }

    #[test]
    fn without_a_word_from_dhcp_it_is_azures_until_there_is_one() {
        let root = initramfs(&[]);
        assert_eq!(prepare(&root).unwrap(), ["168.63.129.16"]);
        assert_eq!(written(&root), format!("{MARK}nameserver 168.63.129.16\n"));
        let mode = fs::metadata(root.path().join("etc/resolv.conf")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(prepare(&root), None, "nothing new");
        put(&root, "run/systemd/netif/leases/2", "DNS=10.0.0.4\n");
        assert_eq!(prepare(&root).unwrap(), ["10.0.0.4"]);
        let names: Vec<_> = fs::read_dir(root.path().join("etc")).unwrap().collect();
        assert_eq!(names.len(), 2, "nothing is left over: {names:?}");
    }

    #[test]
    fn the_running_systems_stub_is_of_no_use_in_an_image() {
        let root = initramfs(&[("etc/resolv.conf", "nameserver 127.0.0.53\n")]);
        put(&root, "run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n");
        assert_eq!(prepare(&root), None, "resolved runs here");
        fs::remove_dir_all(root.path().join("run")).unwrap();
        assert_eq!(prepare(&root).unwrap(), ["168.63.129.16"]);
    }

    #[test]
    fn a_link_to_nowhere_is_replaced() {
        let root = initramfs(&[]);
        let path = root.path().join("etc/resolv.conf");
        symlink("../run/systemd/resolve/stub-resolv.conf", &path).unwrap();
        assert_eq!(prepare(&root).unwrap(), ["168.63.129.16"]);
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn nothing_but_other_machines_addresses_gets_through() {
        let hostile = "nameserver 10.0.0.1\noptions inet6\nnameserver $(reboot)\nnameserver 0.0.0.0\n\
                       nameserver 127.0.0.1\nnameserver 224.0.0.1\nnameserver 255.255.255.255\n\
                       nameserver ::\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\n\u{0}\n\
                       nameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let root = initramfs(&[("tmp/net.eth0.resolv.conf", hostile)]);
        assert_eq!(prepare(&root).unwrap(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        let lines = "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        assert_eq!(written(&root), format!("{MARK}{lines}"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let root = initramfs(&[("run/net-.conf", "IPV4DNS0=10.0.0.5\n")]);
        fs::create_dir(root.path().join("tmp")).unwrap();
        mkfifo(&root.path().join("tmp/net.eth0.resolv.conf"), Mode::S_IRWXU).unwrap();
        fs::create_dir(root.path().join("run/net-eth0.conf")).unwrap();
        assert_eq!(prepare(&root).unwrap(), ["168.63.129.16"]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let root = initramfs(&[]);
        fs::create_dir(root.path().join("etc/resolv.conf")).unwrap();
        assert!(Resolver::of_initramfs(root.path()).unwrap().prepare().is_err());
        assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), 2);
    }
}
