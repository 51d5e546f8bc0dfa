//! LVM: to activate the group's volumes and to mount one.
//!
//! Measured with lvm2 2.03.16 on Linux 6.1: a group is activated on a device that is read-only;
//! nothing of a group is while another device has the same physical volume; and vgimportclone, the
//! way out of that, writes. So it gets a snapshot, which takes what is written; a persistent one,
//! because the other kind begins with the changed blocks, in which LVM finds the volume once more.

use super::{Opened, Steps, Twin};
use crate::recovery::lvm::VolumeGroup;

/// How many logical volumes are listed.
const LISTED: usize = 6;

/// Where a snapshot keeps what is written, and how much there is room for.
const SNAPSHOT: (&str, &str) = ("/var/tmp", "1G");

/// What to do with a physical volume.
pub(super) fn steps(opened: &Opened<'_>, steps: &mut Steps) {
    let path = opened.name.mapped_path();
    let path = path.display();
    let Some(group) = &opened.content.group else {
        steps.say("it is an LVM physical volume that belongs to no group; to look closer:");
        steps.run(format!("pvck --dump headers {path}"));
        return;
    };
    let name = &group.name;
    steps.say(&format!("it holds the LVM volume group {name}"));
    list(group, steps);
    match (opened.content.twin, opened.writable) {
        (Twin::None, writable) => {
            steps.say("to activate its volumes:");
            match writable {
                true => steps.run(format!("vgchange --activate y {name}")),
                false => {
                    steps.run(format!("vgchange --activate y {name} \\"));
                    let list = format!("activation{{read_only_volume_list=[\"{name}\"]}}");
                    steps.run(format!("  --config '{list}'"));
                }
            }
            steps.say("not found? LVM with a devices file wants one option more:");
            steps.run(format!("  --devices {path}"));
            mount(opened, group, name, steps);
        }
        (twin, true) => {
            already(twin, name, steps);
            steps.say("Its own machine needs its name: do not rename it. Close it, and open it");
            steps.say("without --read-write, or on a machine without such a group.");
        }
        (twin, false) => {
            already(twin, name, steps);
            snapshot(opened, group, steps);
        }
    }
}

fn list(group: &VolumeGroup, steps: &mut Steps) {
    for volume in group.volumes.iter().take(LISTED) {
        steps.run(format!("/dev/{}/{volume}", group.name));
    }
    match group.volumes.len().saturating_sub(LISTED) {
        0 => {}
        more => steps.run(format!("and {more} more")),
    }
}

fn already(twin: Twin, name: &str, steps: &mut Steps) {
    let same = if twin == Twin::Uuid { "this very group" } else { "a group of that name" };
    steps.say(&format!("but {same} is active on this machine ({name})."));
}

/// Another name and UUID on a layer that keeps the changes to itself.
fn snapshot(opened: &Opened<'_>, group: &VolumeGroup, steps: &mut Steps) {
    let (name, origin) = (opened.name, opened.name.mapped_path());
    let (origin, (directory, room)) = (origin.display(), SNAPSHOT);
    let clone = format!("{}-recovered", group.name);
    steps.say("Another name is written to a snapshot, nothing to the disk:");
    steps.run(format!("truncate --size {room} {directory}/{name}.cow"));
    steps.run(format!("cow=$(losetup --find --show {directory}/{name}.cow)"));
    steps.run(format!("size=$(blockdev --getsz {origin})"));
    steps.run(format!("dmsetup create {name}-cow --table \\"));
    steps.run(format!("  \"0 $size snapshot {origin} $cow P 8\""));
    steps.run(format!("vgimportclone --basevgname {clone} \\"));
    steps.run(format!("  /dev/mapper/{name}-cow"));
    steps.run(format!("vgchange --activate y {clone}"));
    steps.say("not found? LVM with a devices file wants vgimportclone --importdevices");
    mount(opened, group, &clone, steps);
    steps.close(format!("dmsetup remove {name}-cow"));
    steps.close("losetup --detach $cow".to_owned());
    steps.close(format!("rm {directory}/{name}.cow"));
}

/// One of the volumes: the root's by its name, or the first.
fn mount(opened: &Opened<'_>, group: &VolumeGroup, group_name: &str, steps: &mut Steps) {
    let root = group.volumes.iter().find(|volume| volume.contains("root"));
    let volume = root.or(group.volumes.first()).map_or("VOLUME", String::as_str);
    let device = format!("/dev/{group_name}/{volume}");
    match opened.writable {
        true => {
            steps.say("to mount one of them:");
            steps.run(format!("mount {device} /mnt"));
        }
        false => {
            steps.say("to mount one of them, with ext4 (with XFS: ro,norecovery,nouuid):");
            steps.run(format!("mount -o ro,noload {device} /mnt"));
        }
    }
    steps.close("umount /mnt".to_owned());
    steps.close(format!("vgchange --activate n {group_name}"));
}
