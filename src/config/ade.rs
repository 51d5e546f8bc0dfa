//! Names that Azure Disk Encryption gives to things on a machine: how its lines are known.
//!
//! As azure-linux-extensions spells them (VMEncryption); in which lines they stand, and what follows
//! from that, the parsers say.

/// Where ADE mounts the key disk; a path below it means the key disk, mounted or not.
pub(super) const KEY_DISK_MOUNT: &str = "/mnt/azure_bek_disk";

/// What ADE's `keyscript=` is called, on Ubuntu 14.04 to 18.04.
pub(super) const KEYSCRIPT: &str = "/usr/sbin/azure_crypt_key.sh";

/// ADE's name for the mapping of the OS disk.
pub(super) const OS_MAPPER: &str = "osencrypt";

/// Where ADE keeps its state.
pub(super) const STATE_DIRECTORY: &str = "/var/lib/azure_disk_encryption_config";
