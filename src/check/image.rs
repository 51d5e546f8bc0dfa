//! Whether an image of the initramfs opens what it has to: its contents beside the plan that would be
//! carried out if it were made now.
//!
//! Images are made when a kernel is installed, and lines of bektab are written on other days: most
//! of what is wrong with one was right when it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::{Finding, Topic};
use crate::initramfs::{Host, Plan, Tool};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// The largest file that is compared.
pub const COMPARED_MAX: usize = 64 << 20;

/// What an image holds. Paths are plain: without a leading `/` and without `usr/`, because /bin and
/// /usr/bin are one directory in most images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Every file, link and directory.
    pub paths: BTreeSet<PathBuf>,
    /// What its links lead to.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// The bytes of those that were asked for ([`is_compared`]).
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The release of the kernel whose modules it has.
    pub kernel: Option<String>,
    /// The modules and aliases that it has, or its kernel has built in, with `_` for `-`; `None`
    /// where that cannot be known.
    pub modules: Option<BTreeSet<String>>,
}

/// A path as [`Image`] has it.
pub fn plain(path: &Path) -> PathBuf {
    let path = path.strip_prefix("/").unwrap_or(path);
    let path = path.strip_prefix(".").unwrap_or(path);
    path.strip_prefix("usr").unwrap_or(path).to_owned()
}

/// What the image has to agree with.
pub struct Wanted<'a> {
    /// What would be put into it now.
    pub plan: &'a Plan,
    /// The system it is for.
    pub host: &'a dyn Host,
    /// What built it.
    pub tool: Tool,
    /// The program as it is installed.
    pub program: &'a Path,
    /// Copies that stand in for a detached header which cannot be read (bek-unlock-initramfs(7)),
    /// and that header as it is now.
    pub headers: &'a [(PathBuf, Vec<u8>)],
}

/// Whether the bytes of this path are needed, beside those of the plan's files.
pub fn is_compared(path: &Path) -> bool {
    let path = plain(path);
    let names = ["etc/bektab", "cryptroot/crypttab", "bin/bek-unlock", "local/bin/bek-unlock"];
    let is_list = path.starts_with("lib/modules")
        && path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("modules."));
    is_list || names.iter().any(|name| path == Path::new(name)) || path.ends_with("osluksheader")
}

impl Image {
    /// Who made it; `None` for what is no image that we know.
    pub fn tool(&self) -> Option<Tool> {
        let has = |path: &str| self.paths.contains(Path::new(path));
        match (has("lib/initrd-release") || has("etc/initrd-release"), has("conf/initramfs.conf")) {
            (_, true) => Some(Tool::InitramfsTools),
            (true, false) => Some(Tool::Dracut),
            (false, false) => None,
        }
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = self.files.get(Path::new(path))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    fn has(&self, path: &Path) -> bool {
        self.paths.contains(&plain(path)) || self.paths.contains(&self.real(path))
    }

    fn bytes(&self, path: &Path) -> Option<&Vec<u8>> {
        self.files.get(&plain(path)).or_else(|| self.files.get(&self.real(path)))
    }

    /// Where the path leads in the image: /etc/ssl/certs is a link to a directory elsewhere on RHEL
    /// and Azure Linux, which dracut makes anew in it.
    fn real(&self, path: &Path) -> PathBuf {
        let mut real = PathBuf::new();
        let mut left: Vec<PathBuf> = vec![plain(path)];
        let mut hops = 0;
        while let Some(part) = left.pop() {
            for (index, component) in part.components().enumerate() {
                match component {
                    Component::ParentDir => drop(real.pop()),
                    Component::Normal(name) => real.push(name),
                    Component::RootDir => real.clear(),
                    Component::CurDir | Component::Prefix(_) => {}
                }
                let here = plain(&real);
                // /lib64, which leads to /usr/lib64, is one name here.
                let leads = |target: &&PathBuf| hops < LINKS_MAX && plain(target) != here;
                let Some(target) = self.links.get(&here).filter(leads) else { continue };
                hops += 1;
                real.pop();
                left.push(part.components().skip(index + 1).collect());
                left.push(target.clone());
                break;
            }
        }
        plain(&real)
    }
}

/// The findings about `image`.
pub fn findings(image: &Image, wanted: &Wanted<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    program(&mut found, image, wanted);
    modules(&mut found, image, wanted);
    lines(&mut found, image, wanted);
    files(&mut found, image, wanted);
    network(&mut found, image, wanted);
    if found.is_empty() {
        let release = image.kernel.as_deref().unwrap_or("an unknown kernel");
        let modules = wanted.plan.modules.len();
        found.push(Finding::good(
            Topic::Image,
            format!("program, bektab, {modules} modules and files for {release} are in it"),
        ));
    }
    found
}

/// Not a comparison of bytes: dracut strips what it copies.
fn program(found: &mut Vec<Finding>, image: &Image, wanted: &Wanted<'_>) {
    let installed = plain(wanted.program);
    let bytes =
        image.files.get(&installed).or_else(|| image.files.get(Path::new("bin/bek-unlock")));
    let Some(bytes) = bytes else {
        let text = "the program is not in it, so nothing opens the volume";
        return found.push(outdated(wanted, text));
    };
    let version = concat!("bek-unlock ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();
    if !bytes.windows(version.len()).any(|window| window == version) {
        found.push(stale(wanted, "it has another version of the program than this system"));
    }
    let starters: &[&str] = match wanted.tool {
        Tool::Dracut => &[
            "lib/systemd/system-generators/bek-unlock-generator",
            "local/lib/systemd/system-generators/bek-unlock-generator",
            "lib/dracut/hooks/initqueue/settled/50-bek-unlock-attach.sh",
        ],
        Tool::InitramfsTools => &["scripts/local-top/bek-unlock"],
    };
    let is_started = starters.iter().any(|path| image.has(Path::new(path)));
    if !is_started && !wanted.plan.volumes.is_empty() {
        found.push(outdated(wanted, "what starts the program is not in it"));
    }
}

fn modules(found: &mut Vec<Finding>, image: &Image, wanted: &Wanted<'_>) {
    let Some(held) = &image.modules else { return };
    let named = |name: &&String| !held.contains(&name.replace('-', "_"));
    let missing: Vec<&str> = wanted.plan.modules.iter().filter(named).map(String::as_str).collect();
    match missing.as_slice() {
        [] => {}
        // The program reads a key disk without it.
        ["vfat"] => {
            found.push(stale(wanted, "its kernel has no vfat; reading the key disk takes longer"))
        }
        _ => {
            let text = format!("the kernel modules {} are not in it", missing.join(", "));
            found.push(outdated(wanted, &text));
        }
    }
}

/// The lines of its bektab beside those that it would get now.
fn lines(found: &mut Vec<Finding>, image: &Image, wanted: &Wanted<'_>) {
    let text = image.text("etc/bektab").unwrap_or_default();
    let is_line = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
    let held: BTreeSet<&str> = text.lines().filter(is_line).collect();
    let now: BTreeSet<&str> = wanted.plan.lines.iter().map(String::as_str).collect();
    for line in now.difference(&held) {
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        let text = match held.iter().any(|held| held.split_ascii_whitespace().next() == Some(name))
        {
            true => format!("its line of {name} is another one than in bektab now"),
            false => format!("it has no line of {name}"),
        };
        found.push(outdated(wanted, &text));
    }
    let names: BTreeSet<&str> = now.iter().filter_map(|line| first(line)).collect();
    for line in held.difference(&now).filter(|line| first(line).is_none_or(|n| !names.contains(n)))
    {
        let name = first(line).unwrap_or_default();
        found.push(stale(wanted, &format!("it has a line of {name}, and bektab has none now")));
    }
    for name in &wanted.plan.keyscripts {
        let text = image.text("cryptroot/crypttab").unwrap_or_default();
        if !text.lines().any(|line| first(line) == Some(name)) {
            found.push(outdated(wanted, &format!("its crypttab has no line of {name}")));
        }
    }
}

fn first(line: &str) -> Option<&str> {
    line.split_ascii_whitespace().next()
}

/// Headers, wrapped keys, certificate authorities: what is copied must be what it is now.
fn files(found: &mut Vec<Finding>, image: &Image, wanted: &Wanted<'_>) {
    for path in &wanted.plan.files {
        let now = wanted.host.head(path, COMPARED_MAX);
        match image.bytes(path) {
            Some(held) if *held == now => {}
            // dracut may resolve a link and copy what it points to.
            None if image.has(path) => {}
            Some(_) if is_authorities(path) => {
                let text = format!("{} has changed since", path.display());
                found.push(stale(wanted, &text));
            }
            Some(_) => {
                let text = format!("its copy of {} is not what that file is now", path.display());
                found.push(outdated(wanted, &text));
            }
            None => found.push(outdated(wanted, &format!("{} is not in it", path.display()))),
        }
    }
    for (place, now) in wanted.headers {
        let held = image.bytes(place);
        if held.is_some_and(|held| !now.starts_with(held) && !held.starts_with(now)) {
            let text = format!("{} in it is an older copy of the header", place.display());
            found.push(stale(wanted, &text));
        }
    }
}

fn is_authorities(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "crt" || end == "pem") || path.starts_with("/etc/ssl")
}

/// Programs that configure a card, of every tool's choice; bek-unlock-initramfs(7), NETWORK.
const NETWORKS: [&str; 8] = [
    "lib/systemd/systemd-networkd",
    "sbin/NetworkManager",
    "bin/NetworkManager",
    "libexec/nm-initrd-generator",
    "bin/ipconfig",
    "sbin/dhclient",
    "sbin/dhcpcd",
    "bin/wicked",
];

fn network(found: &mut Vec<Finding>, image: &Image, wanted: &Wanted<'_>) {
    if wanted.plan.network.is_none() {
        return;
    }
    if !NETWORKS.iter().any(|path| image.has(Path::new(path))) {
        let text = "a volume can need Key Vault, and nothing in it configures a network";
        found.push(outdated(wanted, text));
    }
}

/// The volume stays closed with it.
fn outdated(wanted: &Wanted<'_>, text: &str) -> Finding {
    Finding::bad(Topic::Image, text, format!("build it anew: {}", wanted.tool.rebuild()))
}

/// The volume opens with it, today.
fn stale(wanted: &Wanted<'_>, text: &str) -> Finding {
    Finding::warning(Topic::Image, text, format!("build it anew: {}", wanted.tool.rebuild()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_directories_are_followed() {
        let links = [
            ("etc/ssl/certs", "../pki/tls/certs"),
            ("etc/pki/tls/certs/ca-bundle.crt", "/usr/share/pki/ca.pem"),
            ("lib64", "usr/lib64"),
            ("loop", "loop"),
        ];
        let of = |(from, to): (&str, &str)| (PathBuf::from(from), PathBuf::from(to));
        let image = Image { links: links.map(of).into(), ..Image::default() };
        for (path, real) in [
            ("/etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-certificates.crt"),
            ("/etc/ssl/certs/ca-bundle.crt", "share/pki/ca.pem"),
            ("/usr/lib64/x.so", "lib64/x.so"),
            ("/lib64/x.so", "lib64/x.so"),
            ("/usr/bin/bek-unlock", "bin/bek-unlock"),
            ("/loop/x", "loop/x"),
            ("/etc/../../x", "x"),
        ] {
            assert_eq!(image.real(Path::new(path)), Path::new(real), "{path}");
        }
    }
}
