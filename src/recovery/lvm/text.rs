//! The text in which LVM describes a group, as far as it is needed here: the group's name and UUID,
//! and the names of the logical volumes that LVM shows.
//!
//! One setting or one brace a line, as LVM writes it (lib/format_text/export.c); it reads more than
//! that, but nobody else writes it.

use super::VolumeGroup;

/// How many logical volumes are named.
const VOLUMES_MAX: usize = 64;

/// The longest name (NAME_LEN of LVM, without its NUL), in bytes.
const NAME_MAX: usize = 127;

/// The group that `text` describes; `None` for anything LVM would not write.
pub(super) fn group(text: &str) -> Option<VolumeGroup> {
    let mut open: Vec<&str> = Vec::new();
    let mut uuid = None;
    let mut volumes = Vec::new();
    let mut name = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_suffix('{') {
            open.push(section.trim());
            name = name.or(open.first().copied());
            continue;
        }
        if line == "}" {
            open.pop()?;
            // The group is told; what follows is about the text.
            if open.is_empty() {
                break;
            }
            continue;
        }
        match (open.as_slice(), line.split_once(" = ")) {
            ([_], Some(("id", value))) => uuid = parse_uuid(value),
            ([_, "logical_volumes", volume], Some(("status", value)))
                if value.contains("\"VISIBLE\"") && is_name(volume) =>
            {
                volumes.push((*volume).to_owned());
            }
            _ => {}
        }
    }
    volumes.truncate(VOLUMES_MAX);
    let name = name.filter(|name| open.is_empty() && is_name(name))?.to_owned();
    Some(VolumeGroup { name, uuid: uuid?, volumes })
}

/// `"SLSo5V-C49W-9VyZ-C23z-l3Gp-uWvd-aEywKF"` without quotes and dashes.
fn parse_uuid(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    let uuid = quoted.replace('-', "");
    let is_uuid = uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_uuid.then_some(uuid)
}

/// What LVM takes for a name (lvm(8), VALID NAMES), which a shell does, too.
fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte);
    (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with('-')
        && !matches!(name, "." | "..")
        && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "SLSo5V-C49W-9VyZ-C23z-l3Gp-uWvd-aEywKF";

    fn of(text: &str) -> Option<(String, Vec<String>)> {
        group(text).map(|group| (group.name, group.volumes))
    }

    #[test]
    fn only_the_groups_own_uuid_counts() {
        let text = format!("vg {{\nphysical_volumes {{\npv0 {{\nid = \"{UUID}\"\n}}\n}}\n}}\n");
        assert_eq!(of(&text), None);
        let text = format!("vg {{\nid = \"{UUID}\"\n}}\n");
        assert_eq!(of(&text), Some(("vg".to_owned(), Vec::new())));
    }

    #[test]
    fn names_that_lvm_refuses_are_refused() {
        let long = "a".repeat(128);
        for name in ["", "-a", "..", "a b", "a;reboot", "$(reboot)", "a/b", "\u{e4}", &long] {
            assert_eq!(of(&format!("{name} {{\nid = \"{UUID}\"\n}}\n")), None, "{name}");
            let volume = format!(
                "vg {{\nid = \"{UUID}\"\nlogical_volumes {{\n{name} {{\n\
                 status = [\"VISIBLE\"]\n}}\n}}\n}}\n"
            );
            assert_eq!(of(&volume), Some(("vg".to_owned(), Vec::new())), "{name}");
        }
    }

    #[test]
    fn texts_that_end_early_or_close_too_much_are_refused() {
        for text in ["", "vg {\n", "}\n", "vg {\n}\n", "vg {\nid = \"1\"\n}\n"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of(&format!("vg {{\nid = \"{UUID}\"\n")), None);
    }

    #[test]
    fn a_group_of_very_many_volumes_is_cut() {
        let volume = |index| format!("lv{index} {{\nstatus = [\"VISIBLE\"]\n}}\n");
        let volumes: String = (0..1000).map(volume).collect();
        let text = format!("vg {{\nid = \"{UUID}\"\nlogical_volumes {{\n{volumes}}}\n}}\n");
        assert_eq!(of(&text).unwrap().1.len(), VOLUMES_MAX);
    }
}
