//! The plan for an initramfs: everything it opens is there for the root file system.
//!
//! So the target of the root's device waits for every volume, and a volume that does not open fails
//! that target, which brings the emergency shell instead of a wait without end. Nothing else is
//! ordered: the program waits for devices, header and network by itself, under its deadline, because
//! units that a small image lacks would never come. A line that cannot be obeyed is a volume that
//! does not open: its unit is there and fails, with the mistake on the console.

use std::collections::BTreeSet;
use std::time::Duration;

use super::plan::{Names, Plan, seconds};
use super::shipped::{CLOSE_AT_SHUTDOWN, ROOT_DEVICE, TEMPLATE, TEMPLATE_DROP_INS};
use super::{dropin, text::Text};
use crate::config::{Configuration, Entry};
use crate::volume::{Limit, Options, VolumeName};

/// Between an open mapping and a device that systemd counts as there.
const UDEV: Duration = Duration::from_secs(30);

/// The plan for what the image's bektab and the kernel command line say; `competitors` are the
/// names in the image's crypttab.
pub fn plan(configuration: &Configuration, competitors: &BTreeSet<String>) -> Plan {
    let mut plan = Plan::default();
    let refused = configuration.refused_names();
    // `key-only`: whatever opens it in the image, it is not us.
    for entry in configuration.entries.iter().filter(|entry| !entry.volume.options.key_only) {
        plan.competition(entry, competitors);
        if !refused.contains(&entry.volume.name) {
            volume(&mut plan, entry);
        }
    }
    for name in &refused {
        // A slip of the boot loader's does not make an optional volume a required one.
        let line = configuration.entries.iter().find(|entry| entry.volume.name == *name);
        let options = line.map(|entry| entry.volume.options.clone()).unwrap_or_default();
        self::refused(&mut plan, name, &options);
    }
    if !plan.files.is_empty() {
        template(&mut plan);
    }
    plan
}

fn volume(plan: &mut Plan, entry: &Entry) {
    let Some(names) = plan.names(entry) else { return };
    let (text, problems) = dropin::instance_in_initramfs(entry);
    plan.text(&names.drop_ins(), "50-bektab.conf", text);
    for problem in problems {
        plan.notice(entry, &problem);
    }
    required(plan, &names, &entry.volume.options, || Text::new(&entry.file, entry.line));
}

/// A volume of which only the name is known, and that its unit will fail.
fn refused(plan: &mut Plan, name: &VolumeName, options: &Options) {
    let Some(names) = Names::of(name) else { return };
    let mut text = Text::for_all();
    text.section("Unit");
    text.why("What is said of this volume cannot be obeyed: it fails, and says why.");
    text.set("Before", ROOT_DEVICE);
    plan.text(&names.drop_ins(), "50-bektab.conf", text.finish());
    required(plan, &names, options, Text::for_all);
}

fn required(plan: &mut Plan, names: &Names, options: &Options, text: impl Fn() -> Text) {
    plan.pulled_in_by_mounts(names);
    if !options.noauto {
        let kind = if options.nofail { "wants" } else { "requires" };
        plan.link(&format!("{ROOT_DEVICE}.{kind}"), &names.service, TEMPLATE);
    }
    let mut text = text();
    text.section("Unit");
    text.why("The unlock has its own deadline; whoever waits for the device gives up after it.");
    let limit = options.timeout.0.map(|timeout| timeout.saturating_add(UDEV));
    text.set("JobTimeoutSec", &seconds(Limit(limit)));
    plan.text(&format!("{}.d", names.mapped), "40-bek-unlock.conf", text.finish());
}

/// Takes back what the template forbids because another unit talks to the network; an empty value
/// resets, the others add. Landlock has a group of system calls since systemd 253 only.
const NETWORK: [(&str, &str); 6] = [
    ("PrivateNetwork", "no"),
    ("IPAddressDeny", ""),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_NETLINK"),
    ("CapabilityBoundingSet", "CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL"),
    ("SystemCallFilter", "@setuid capset"),
    (
        "SystemCallFilter",
        "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
    ),
];

/// What differs for all instances in an initramfs.
fn template(plan: &mut Plan) {
    let mut text = Text::for_all();
    text.why("Hides the shipped drop-in of this name: the booted system takes the volumes over,");
    text.why("and nothing in the initramfs closes them.");
    plan.text(TEMPLATE_DROP_INS, CLOSE_AT_SHUTDOWN, text.finish());

    let mut text = Text::for_all();
    text.section("Unit");
    text.why("Modules that the image loads for the disks and for dm-crypt.");
    text.set("After", "systemd-modules-load.service");
    text.why("Whoever corrects something in the emergency shell starts it as often as it takes.");
    text.set("StartLimitIntervalSec", "0");
    text.section("Service");
    text.why("A failure brings the emergency shell: another attempt would open volumes under the");
    text.why("hands of whoever is there.");
    text.set("Restart", "no");
    text.why("The root of an initramfs is memory, and resolv.conf is written there when it names");
    text.why("no server. The rest of the sandbox does here what it does in the booted system.");
    text.set("ProtectSystem", "no");
    text.why("There is no bek-unlock-network.service: each run starts the part that talks to the");
    text.why("network for itself, which gives up all of this and is ended at the deadline.");
    for (option, value) in NETWORK {
        text.set(option, value);
    }
    plan.text(TEMPLATE_DROP_INS, "60-initramfs.conf", text.finish());
}
