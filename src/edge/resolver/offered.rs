//! Which name servers DHCP offered: its clients each leave its answer in a place of their own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// None of these files is longer than some lines.
const SIZE_MAX: u64 = 64 << 10;

/// Where DHCP's answer is left, and how it is written down.
struct Place {
    directory: &'static str,
    prefix: &'static str,
    suffix: &'static str,
    servers: fn(&str) -> Vec<IpAddr>,
}

const PLACES: [Place; 7] = [
    // systemd-resolved, also for whoever does not ask its stub.
    file("run/systemd/resolve", "resolv.conf", resolv_conf),
    // NetworkManager, where it does not own /etc/resolv.conf.
    file("run/NetworkManager", "resolv.conf", resolv_conf),
    // dracut's network-legacy, one for each interface.
    Place { directory: "tmp", prefix: "net.", suffix: ".resolv.conf", servers: resolv_conf },
    // systemd-networkd, one for each interface, named by its number.
    Place { directory: "run/systemd/netif/leases", prefix: "", suffix: "", servers: lease },
    // ipconfig of klibc and dhcpcd, as initramfs-tools calls them.
    Place { directory: "run", prefix: "net-", suffix: ".conf", servers: ipconfig },
    Place { directory: "run", prefix: "net6-", suffix: ".conf", servers: ipconfig },
    // The kernel's own DHCP (`ip=dhcp` with CONFIG_IP_PNP).
    file("proc/net", "pnp", resolv_conf),
];

const fn file(
    directory: &'static str,
    name: &'static str,
    servers: fn(&str) -> Vec<IpAddr>,
) -> Place {
    Place { directory, prefix: name, suffix: "", servers }
}

/// What was offered in the system below `root`, wherever it was left; each server once.
pub(super) fn servers(root: &Path) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for place in &PLACES {
        for path in place.files(root) {
            let found = text(&path).map(|text| (place.servers)(&text)).unwrap_or_default();
            servers.extend(found.into_iter().filter(is_server));
        }
    }
    let mut seen = BTreeSet::new();
    servers.retain(|server| seen.insert(*server));
    servers
}

impl Place {
    /// The files that are there, in the order of their names.
    fn files(&self, root: &Path) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(root.join(self.directory)) else { return Vec::new() };
        let whole = self.prefix.len() + self.suffix.len();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let fits = name.starts_with(self.prefix) && name.ends_with(self.suffix);
                // A name without a suffix is the whole name, one with both is cut in no part twice.
                let exact = self.suffix.is_empty() && !self.prefix.is_empty();
                (fits && if exact { name == self.prefix } else { name.len() > whole })
                    .then_some(path)
            })
            .collect();
        files.sort();
        files
    }
}

/// Whether this can be the address of somebody else's name server.
pub(super) fn is_server(server: &IpAddr) -> bool {
    let broadcast = IpAddr::V4(Ipv4Addr::BROADCAST);
    !(server.is_unspecified()
        || server.is_loopback()
        || server.is_multicast()
        || *server == broadcast)
}

/// `nameserver ADDRESS` (resolv.conf(5)); a link-local address with its interface is left out.
pub(super) fn resolv_conf(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    });
    servers.collect()
}

/// `DNS=ADDRESS ADDRESS`, systemd-networkd's.
fn lease(text: &str) -> Vec<IpAddr> {
    let values = text.lines().filter_map(|line| line.strip_prefix("DNS="));
    values.flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect()
}

/// `IPV4DNS0='ADDRESS'` and the like; 0.0.0.0 stands for none.
fn ipconfig(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let is_dns = ["IPV4DNS", "IPV6DNS"].iter().any(|prefix| name.starts_with(prefix));
        is_dns.then(|| value.trim_matches(['\'', '"']).parse().ok()).flatten()
    });
    servers.collect()
}

/// A regular file's text, of limited size; in `None` goes whatever is wrong with it.
pub(super) fn text(path: &Path) -> Option<String> {
    // Opening a FIFO would wait for its writer.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
