//! One volume's share of the image: its line, its files, its modules.

use std::io::Cursor;
use std::path::Path;

use super::host::{FileState, Host, Place};
use super::{Plan, Warning, modules};
use crate::azure::wrapped;
use crate::config::keyscript::Listed;
use crate::config::{Entry, render};
use crate::header::identity::{self, Reencryption};
use crate::volume::{HeaderSpec, KekAlgorithm, KeySpec, Network, Volume};

/// systemd sets the machine's name from it, in the initramfs as well.
const HOSTNAME: &str = "/etc/hostname";

/// Adds the volume of `entry` to the plan: its line, and what it needs.
pub(super) fn carry(plan: &mut Plan, entry: &Entry, host: &dyn Host) {
    let volume = need(plan, &entry.volume, host);
    match render::line(&volume) {
        Ok(line) => {
            plan.lines.push(line);
            plan.volumes.push(volume.name);
        }
        Err(reason) => plan.closed(format!(
            "{reason}; the image will not open it; see {}:{}",
            entry.file.display(),
            entry.line
        )),
    }
}

/// Adds what the keyscript needs for a volume that cryptsetup-initramfs opens.
pub(super) fn keyscript(plan: &mut Plan, line: &Listed, host: &dyn Host) {
    // Also for a line that does not parse: at boot the keyscript says why there is no key.
    plan.keyscripts.push(line.name.clone());
    let volume = match &line.volume {
        Ok(volume) => volume,
        Err(problem) => {
            plan.closed(format!(
                "{}: {problem}; the keyscript will find no key; mend that line, then: {{rebuild}}",
                line.name
            ));
            return;
        }
    };
    let prepared = need(plan, volume, host);
    let is_elsewhere = matches!(prepared.options.header, Some(HeaderSpec::On { .. }));
    if let Some(HeaderSpec::Path(path) | HeaderSpec::On { path, .. }) = &volume.options.header
        && is_elsewhere
    {
        plan.closed(format!(
            "{}: the header {} is on a file system of its own, which cryptsetup-initramfs does \
             not mount; write a line in bektab instead",
            volume.name,
            path.display()
        ));
    }
}

/// Adds what `volume` needs; the volume as the image has to know it.
pub(super) fn need(plan: &mut Plan, volume: &Volume, host: &dyn Host) -> Volume {
    let mut volume = volume.clone();
    ciphers(plan, &volume, host);
    if let Some(header) = volume.options.header.take() {
        volume.options.header = Some(self::header(plan, &volume, header, host));
    }
    key(plan, &volume, host);
    network(plan, &volume, host);
    volume
}

/// What the header asks of the kernel, wherever it is now.
fn ciphers(plan: &mut Plan, volume: &Volume, host: &dyn Host) {
    let head = match (&volume.options.header, &volume.device) {
        (Some(HeaderSpec::Path(path)), _) => host.head(path, identity::HEAD),
        (Some(HeaderSpec::On { .. }), _) => Vec::new(),
        (None, device) => host.head(&device.udev_path(), identity::HEAD),
    };
    // Not through libcryptsetup, which may mend the header it loads: building changes no disk.
    let header = identity::read(&mut Cursor::new(head)).ok();
    if header.as_ref().is_some_and(|header| header.reencryption != Reencryption::None) {
        plan.warn(format!(
            "{}: a reencryption is under way; let it end before the next boot",
            volume.name
        ));
    }
    modules::ciphers(plan, header.as_ref().map(|header| &header.needs));
}

/// Where the image finds the header.
///
/// On a file system of its own it is read there, at boot: it is rotated and reencrypted, and a copy
/// in the image would be the header of yesterday. On the root there is no choice.
fn header(plan: &mut Plan, volume: &Volume, header: HeaderSpec, host: &dyn Host) -> HeaderSpec {
    let name = &volume.name;
    let path = match header {
        HeaderSpec::On { path, device } => {
            modules::file_system(plan, host.file_system(&device).as_deref());
            return HeaderSpec::On { path, device };
        }
        HeaderSpec::Path(path) => path,
    };
    match (host.file(&path), host.place(&path)) {
        (FileState::Device, _) => {}
        (state, Place::Separate(file_system)) => {
            if state == FileState::Missing && file_system.is_mounted {
                plan.closed(missing(volume, "the header", &path));
            }
            modules::file_system(plan, file_system.kind.as_deref());
            match file_system.device {
                Some(device) => return HeaderSpec::On { path: file_system.path, device },
                None => plan.closed(format!(
                    "{name}: {}, where the header is, has a file system without UUID; give it \
                     one in fstab, or write header=PATH:DEVICE",
                    file_system.point.display()
                )),
            }
        }
        (FileState::File, Place::Root) => {
            plan.files.insert(path.clone());
        }
        (FileState::Missing, Place::Root) => plan.closed(missing(volume, "the header", &path)),
        (FileState::Unusable(reason), Place::Root) => {
            plan.closed(format!("{name}: the header {} cannot be copied: {reason}", path.display()))
        }
    }
    HeaderSpec::Path(path)
}

/// A wrapped key is harmless and goes along; a key in the clear stays out of the image, which lies
/// on an unencrypted /boot. `kek=` alone proves nothing: with it a plain key opens the volume, too.
fn key(plan: &mut Plan, volume: &Volume, host: &dyn Host) {
    let KeySpec::Path(path) = &volume.key else {
        if let KeySpec::Find | KeySpec::KeyFile(_) = &volume.key {
            modules::key_disk(plan);
        }
        return;
    };
    let (name, shown) = (&volume.name, path.display());
    let text = match host.file(path) {
        _ if volume.options.kek.is_none() => format!(
            "{name}: the key {shown} is not copied, the image is not encrypted; wrap it and write \
             kek=, or use the key disk or Key Vault"
        ),
        FileState::File if is_wrapped(volume, path, host) => {
            plan.files.insert(path.clone());
            return;
        }
        FileState::File => format!(
            "{name}: the key {shown} is not wrapped, and not copied, the image is not encrypted; \
             wrap it, or use the key disk or Key Vault"
        ),
        FileState::Missing => missing(volume, "the wrapped key", path),
        FileState::Device => return,
        FileState::Unusable(reason) => {
            format!("{name}: the wrapped key {shown} cannot be copied: {reason}")
        }
    };
    let others = volume.options.vault.is_some() || volume.options.prompt;
    plan.warnings.push(Warning { text, closed: !others });
}

/// As key/unwrap.rs tells one when the volume is opened; A256KW has hardly a shape of its own.
fn is_wrapped(volume: &Volume, path: &Path, host: &dyn Host) -> bool {
    let algorithm = volume.options.kek_algorithm.unwrap_or(KekAlgorithm::RsaOaep);
    host.key(path).is_some_and(|key| wrapped::find(algorithm, key.expose()).is_some())
}

fn network(plan: &mut Plan, volume: &Volume, host: &dyn Host) {
    let need = volume.network();
    if need == Network::Never {
        return;
    }
    if plan.network != Some(Network::Always) {
        plan.network = Some(need);
    }
    modules::network(plan);
    // By default a secret is looked for under the machine's name.
    if host.file(Path::new(HOSTNAME)) == FileState::File {
        plan.files.insert(HOSTNAME.into());
    }
    let authorities = volume.options.ca.clone().or_else(|| host.authorities());
    let text = match authorities {
        None => format!(
            "{}: no certificate authorities, so Key Vault cannot be asked; install \
             ca-certificates, then: {{rebuild}}",
            volume.name
        ),
        Some(path) if host.file(&path) == FileState::File => {
            plan.files.insert(path);
            return;
        }
        Some(path) => missing(volume, "the CA bundle", &path),
    };
    let closed = need == Network::Always && !volume.options.prompt;
    plan.warnings.push(Warning { text, closed });
}

fn missing(volume: &Volume, what: &str, path: &Path) -> String {
    format!(
        "{}: {what} {} is not there; put it there, then: {{rebuild}}",
        volume.name,
        path.display()
    )
}
