//! The units the package installs (systemd/ of the sources), as the generated files name them.

/// The target that groups all volumes.
pub const GROUP: &str = "bek-unlock.target";

/// The template whose instances open volumes.
pub const TEMPLATE: &str = "bek-unlock@.service";

/// Where the template and the group are installed; only a hint for people, see
/// [`Content::Link`](super::unit_file::Content::Link).
pub const UNITS: &str = "/usr/lib/systemd/system";

/// The drop-ins of all instances, shipped and generated.
pub const TEMPLATE_DROP_INS: &str = "bek-unlock@.service.d";

/// The shipped drop-in that closes a volume at shutdown; an empty one of this name hides it.
pub const CLOSE_AT_SHUTDOWN: &str = "10-umount.conf";

/// systemd's target for the device of the root file system. Its failure brings the emergency shell,
/// and neither /sysroot is mounted nor the root switched before it is reached.
pub const ROOT_DEVICE: &str = "initrd-root-device.target";

/// What an initramfs with systemd must hold for the generated units to work there, beside what
/// systemd brings itself (dracut's modules systemd and systemd-initrd); the group target is not used.
pub const IN_IMAGE: [&str; 4] = [
    "/usr/bin/bek-unlock",
    "/usr/lib/systemd/system-generators/bek-unlock-generator",
    "/usr/lib/systemd/system/bek-unlock@.service",
    "/usr/lib/systemd/system/system-bek\\x2dunlock.slice",
];
