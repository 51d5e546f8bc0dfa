//! Who else would open the same volume in the same image.
//!
//! Two units for one mapping race: the second one fails, or asks for a passphrase on a console that
//! nobody sees.

use std::path::Path;

use super::host::{FileState, Host};
use super::{Plan, Tool};
use crate::config::{Entry, Origin};
use crate::volume::DeviceSpec;

/// Warns of crypttab's lines and of systemd's words on the kernel command line.
pub(super) fn warn(plan: &mut Plan, entry: &Entry, host: &dyn Host) {
    let name = &entry.volume.name;
    for (number, line) in (1..).zip(host.crypttab().lines()) {
        let mut fields = line.split_ascii_whitespace();
        if fields.next() != Some(name.as_str()) || entry.origin == Origin::Crypttab {
            continue;
        }
        plan.warn(format!(
            "{name}: line {number} of /etc/crypttab opens it, too; remove that line, then: \
             {{rebuild}}"
        ));
    }
    let uuid = match &entry.volume.device {
        DeviceSpec::Uuid(uuid) => Some(uuid.clone()),
        device => host.luks_uuid(device),
    };
    let ours = uuid.as_deref().filter(|uuid| is_plain(uuid));
    plan.luks_uuids.extend(ours.map(str::to_ascii_lowercase));
    for word in host.command_line().split_ascii_whitespace() {
        if competes(word, name.as_str(), uuid.as_deref()) {
            plan.warn(format!(
                "{name}: {word} on the kernel command line opens it, too; remove that word from \
                 the boot loader's configuration"
            ));
        }
    }
}

/// Where initramfs-tools(7) looks for hooks and scripts.
const INITRAMFS_TOOLS: [&str; 2] = ["/etc/initramfs-tools", "/usr/share/initramfs-tools"];

/// What ADE puts there: one copies the header, the other opens the disk.
const ADE_SCRIPTS: [&str; 2] = ["hooks/crypt-ade-hook", "scripts/init-premount/crypt-ade-boot"];

/// What the directories of ADE's dracut modules begin with: 91ade, 91adeOnline.
const ADE_MODULES: &str = "91ade";

/// Warns of ADE's own scripts, where the image opens something.
pub(super) fn ade(plan: &mut Plan, host: &dyn Host, tool: Tool) {
    if plan.volumes.is_empty() && plan.keyscripts.is_empty() {
        return;
    }
    let warning = match tool {
        Tool::Dracut => dracut(host),
        Tool::InitramfsTools => initramfs_tools(host),
    };
    warning.into_iter().for_each(|text| plan.warn(text));
}

fn dracut(host: &dyn Host) -> Option<String> {
    let mut found = host.dracut_modules();
    found.retain(|name| name.starts_with(ADE_MODULES));
    let names: Vec<&str> =
        found.iter().map(|name| name.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
    (!found.is_empty()).then(|| {
        format!(
            "Azure Disk Encryption's {} in dracut's modules.d would open the disk, too; write \
             omit_dracutmodules+=\" {} \" in /etc/dracut.conf.d/90-bek-unlock.conf, then: {{rebuild}}",
            found.join(" and "),
            names.join(" ")
        )
    })
}

fn initramfs_tools(host: &dyn Host) -> Option<String> {
    let all = INITRAMFS_TOOLS.iter().flat_map(|directory| {
        ADE_SCRIPTS.iter().map(move |script| format!("{directory}/{script}"))
    });
    let found: Vec<String> =
        all.filter(|path| host.file(Path::new(path)) == FileState::File).collect();
    (!found.is_empty()).then(|| {
        format!(
            "Azure Disk Encryption's own scripts would open the disk, too; move {} to another \
             directory, then: {{rebuild}}",
            found.join(" and ")
        )
    })
}

/// Whether it is made of what UUIDs are made of. That of a header is whatever somebody wrote there,
/// and the hook of the image makes a pattern of it.
fn is_plain(uuid: &str) -> bool {
    !uuid.is_empty() && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether `rd.luks.uuid=` or `rd.luks.name=` (systemd-cryptsetup-generator(8)) means this volume.
fn competes(word: &str, name: &str, uuid: Option<&str>) -> bool {
    let Some((key, value)) = word.split_once('=') else { return false };
    let is_uuid = |text: &str| {
        let text = text.strip_prefix("luks-").unwrap_or(text);
        // dracut takes the start of a UUID, too.
        uuid.is_some_and(|uuid| {
            !text.is_empty() && uuid.to_ascii_lowercase().starts_with(&text.to_ascii_lowercase())
        })
    };
    match key {
        "rd.luks.uuid" | "luks.uuid" => is_uuid(value),
        "rd.luks.name" | "luks.name" => match value.split_once('=') {
            Some((of, as_name)) => is_uuid(of) || as_name == name,
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_about_the_volume_compete() {
        let uuid = Some("5F1E22AA-0c0a-4f3e-9a4e-2d1b8d7c6b5a");
        for word in [
            "rd.luks.uuid=5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a",
            "rd.luks.uuid=luks-5f1e22aa-0c0a",
            "luks.name=5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a=other",
            "rd.luks.name=00000000-0c0a-4f3e-9a4e-2d1b8d7c6b5a=root",
        ] {
            assert!(competes(word, "root", uuid), "{word}");
        }
        for word in ["rd.luks.uuid=", "rd.luks.uuid=6f1e", "rd.luks=0", "quiet", "rd.luks.name=x"] {
            assert!(!competes(word, "root", uuid), "{word}");
        }
        assert!(!competes("rd.luks.uuid=5f1e", "root", None));
    }

    #[test]
    fn only_a_uuid_goes_into_the_hooks_pattern() {
        assert!(is_plain("5F1E22AA-0c0a-4f3e-9a4e-2d1b8d7c6b5a") && is_plain("5f1e"));
        for uuid in ["", "x", "5f1e//;e reboot #", "5f1e .*", "5f1e\n", "\u{e4}"] {
            assert!(!is_plain(uuid), "{uuid:?}");
        }
    }
}
