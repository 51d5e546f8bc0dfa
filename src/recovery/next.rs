//! What to do with a volume that was opened to be recovered: commands that can be pasted.
//!
//! Each kind of content has its own way to be read without being changed: "read-only" alone plays
//! back journals. What a copy of this machine's own disk shares with it (UUIDs, names of volume
//! groups) is told, because the kernel and LVM take one for the other.

use std::path::PathBuf;

use super::lvm::VolumeGroup;
use crate::error::printable;
use crate::volume::VolumeName;

mod group;

/// How long a line is, at the most; commands with long names in them are longer.
const COLUMNS: usize = 79;

/// What edge/probe.rs says of content that contradicts itself.
pub const SEVERAL: &str = "several signatures";

/// What an opened volume holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// libblkid's word for it: `ext4`, `LVM2_member`, `gpt`; `None` for nothing known.
    pub kind: Option<String>,
    /// The file system's UUID.
    pub uuid: Option<String>,
    /// The file system's label.
    pub label: Option<String>,
    /// The volume group, where it is a physical volume that belongs to one.
    pub group: Option<VolumeGroup>,
    /// Whether this machine uses the like already.
    pub twin: Twin,
}

/// What this machine uses already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Twin {
    /// Nothing of that UUID or name.
    #[default]
    None,
    /// A volume group of the same name.
    Name,
    /// A file system or volume group with the same UUID.
    Uuid,
}

/// A volume that is open, and how.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Its name below /dev/mapper.
    pub name: &'a VolumeName,
    /// What it holds.
    pub content: &'a Content,
    /// Whether it may be written to.
    pub writable: bool,
    /// Devices that were made read-only for it and stay so.
    pub read_only: &'a [PathBuf],
}

/// What to do next, as plain lines; commands are indented.
pub fn lines(opened: &Opened<'_>) -> Vec<String> {
    let mut steps = Steps::default();
    let path = opened.name.mapped_path();
    let path = path.display();
    let kind = opened.content.kind.as_deref();
    match kind {
        None | Some(SEVERAL) => {
            let known = kind.map_or("nothing known is", |_| "signatures of several kinds are");
            steps.say(&format!("{known} on it; to look closer:"));
            steps.run(format!("wipefs --no-act {path}"));
        }
        Some("LVM2_member") => group::steps(opened, &mut steps),
        Some("swap") => steps.say("it holds swap space: there are no files on it"),
        Some("crypto_LUKS" | "BitLocker") => {
            steps.say("it holds another encrypted volume:");
            steps.run(format!("bek-unlock recover {path}"));
        }
        Some("linux_raid_member") => {
            steps.say("it holds a part of a RAID array:");
            let read_only = if opened.writable { "" } else { "--readonly " };
            steps.run(format!("mdadm -A {read_only}/dev/md/recovered {path}"));
            steps.close("mdadm --stop /dev/md/recovered".to_owned());
        }
        Some(table @ ("dos" | "gpt")) => {
            steps.say(&format!("it holds a disk with a partition table ({table}):"));
            let read_only = if opened.writable { "" } else { "--read-only " };
            steps.run(format!("losetup --find --show --partscan {read_only}{path}"));
            steps.say("then the partitions are those of the loop device it names; see: lsblk -f");
            steps.close("losetup --detach LOOP".to_owned());
        }
        Some(kind) => file_system(opened, kind, &mut steps),
    }
    steps.close(format!("bek-unlock detach {}", opened.name));
    steps.lines.push("to close it again:".to_owned());
    steps.lines.append(&mut steps.closing);
    steps.lines.extend(set_writable(opened.read_only));
    steps.lines
}

/// What is mounted.
fn file_system(opened: &Opened<'_>, kind: &str, steps: &mut Steps) {
    let path = opened.name.mapped_path();
    let content = opened.content;
    let shown = printable(kind, 24);
    let label = content.label.as_deref().map(|label| printable(label, 32));
    let label = label.map(|label| format!(" labelled \"{label}\"")).unwrap_or_default();
    let is_twin = content.twin == Twin::Uuid;
    if is_twin && kind == "btrfs" {
        return twin_of_btrfs(opened, steps);
    }
    steps.say(&format!("it holds {shown}{label}:"));
    let how = mount(kind, opened.writable, is_twin);
    steps.run(format!("mount {how}{} /mnt", path.display()));
    if !opened.writable && ["btrfs", "ext3", "ext4", "xfs"].contains(&kind) {
        steps.say("its journal is not played back: what was written last may be missing");
    }
    if is_twin {
        steps.say("a file system with the same UUID is mounted here: mount this one by");
        steps.say("its path only");
    }
    steps.close("umount /mnt".to_owned());
}

/// The kernel knows btrfs by its UUID and shows one for the other.
fn twin_of_btrfs(opened: &Opened<'_>, steps: &mut Steps) {
    let path = opened.name.mapped_path();
    let path = path.display();
    steps.say("it holds btrfs, and one with the same UUID is mounted here: do not mount it,");
    steps.say("the kernel would take one for the other; copy the files out instead:");
    steps.run(format!("btrfs restore --ignore-errors {path} DIRECTORY"));
    if opened.writable {
        steps.say("or give it another UUID, for good, then mount it:");
        steps.run(format!("btrfstune -m {path}"));
    }
}

/// mount's type and options, with a blank after them.
fn mount(kind: &str, writable: bool, is_twin: bool) -> String {
    let kind_option = if kind == "ntfs" { "-t ntfs3 " } else { "" };
    let options: &[&str] = match (kind, writable) {
        ("btrfs", false) => &["ro", "rescue=nologreplay"],
        ("ext3" | "ext4", false) => &["ro", "noload"],
        ("xfs", false) => &["ro", "norecovery", "nouuid"],
        ("xfs", true) if is_twin => &["nouuid"],
        (_, false) => &["ro"],
        (_, true) => &[],
    };
    match options {
        [] => kind_option.to_owned(),
        options => format!("{kind_option}-o {} ", options.join(",")),
    }
}

/// One command for all devices, or one for each where that is too long.
fn set_writable(devices: &[PathBuf]) -> Vec<String> {
    let names: Vec<String> = devices.iter().map(|device| device.display().to_string()).collect();
    let one = format!("  blockdev --setrw {}", names.join(" "));
    match names.len() {
        0 => Vec::new(),
        _ if one.len() <= COLUMNS => vec![one],
        _ => names.iter().map(|name| format!("  blockdev --setrw {name}")).collect(),
    }
}

/// The lines so far, and those that undo them in the reverse order.
#[derive(Default)]
struct Steps {
    lines: Vec<String>,
    closing: Vec<String>,
}

impl Steps {
    fn say(&mut self, words: &str) {
        self.lines.push(words.to_owned());
    }

    fn run(&mut self, command: String) {
        self.lines.push(format!("  {command}"));
    }

    fn close(&mut self, command: String) {
        self.closing.push(format!("  {command}"));
    }
}

#[cfg(test)]
mod tests;
