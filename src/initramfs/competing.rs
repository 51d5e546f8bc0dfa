//! Who else would open the same volume in the same image.
//!
//! Two units for one mapping race: the second one fails, or asks for a passphrase on a console that
//! nobody sees.

use super::Plan;
use super::host::Host;
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
        plan.warnings.push(format!(
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
            plan.warnings.push(format!(
                "{name}: {word} on the kernel command line opens it, too; remove that word from \
                 the boot loader's configuration"
            ));
        }
    }
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
