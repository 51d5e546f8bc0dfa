//! What is to be opened: the values of one bektab(5) line, parsed and typed.
//!
//! Everything that crosses into the program as text (bektab, crypttab, argv) becomes one of these
//! types at the boundary, and nothing is checked again further in. Pure: nothing here looks at a
//! file or a device.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::azure::id::{Host, KeyId, SecretId, VaultUrl};

/// One encrypted device, the mapping name it is opened under, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The mapping's name: `/dev/mapper/NAME`.
    pub name: VolumeName,
    /// The encrypted device.
    pub device: DeviceSpec,
    /// Where its key comes from.
    pub key: KeySpec,
    /// The fourth field.
    pub options: Options,
}

/// A name device-mapper accepts as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(String);

/// Why a text is no volume name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// No character at all, `.` or `..`.
    Empty,
    /// A character outside `[A-Za-z0-9#+-.:=@_]`, which libdevmapper would rewrite ("mangle").
    Character(char),
    /// More than 127 bytes (`DM_NAME_LEN` in linux/dm-ioctl.h counts the NUL).
    Long,
}

impl VolumeName {
    /// Checks `name` against what device-mapper keeps unmangled (libdevmapper's
    /// `_is_whitelisted_char`; `/` and blanks are not in it).
    pub fn parse(name: &str) -> Result<Self, NameProblem> {
        if matches!(name, "" | "." | "..") {
            return Err(NameProblem::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c);
        if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
            return Err(NameProblem::Character(bad));
        }
        if name.len() > 127 {
            return Err(NameProblem::Long);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `/dev/mapper/NAME`.
    pub fn mapped_path(&self) -> PathBuf {
        Path::new("/dev/mapper").join(&self.0)
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a volume name must not be empty, \".\" or \"..\""),
            Self::Character(c) if matches!(c, ' '..='~') => {
                write!(f, "{c:?} is not allowed in a volume name")
            }
            Self::Character(c) => {
                write!(f, "U+{:04X} is not allowed in a volume name", u32::from(*c))
            }
            Self::Long => f.write_str("a volume name has at most 127 characters"),
        }
    }
}

/// The second field: how to find the encrypted device.
///
/// The tags are those of crypttab(5) and fstab(5); values keep the case they were written in and
/// are compared without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// `LABEL=`: file-system or LUKS2 label.
    Label(String),
    /// `PARTLABEL=`: GPT partition name.
    PartLabel(String),
    /// `PARTUUID=`: partition UUID.
    PartUuid(String),
    /// An absolute path, usually below /dev; a regular file is opened through a loop device.
    Path(PathBuf),
    /// `UUID=`: LUKS UUID.
    Uuid(String),
}

impl DeviceSpec {
    /// Parses the field; `None` for an empty tag value, an unknown tag, or a relative path.
    ///
    /// An empty value must never match: ADE's dracut rule for an empty PARTUUID matched every
    /// partition.
    pub fn parse(field: &str) -> Option<Self> {
        if field.starts_with('/') {
            return Some(Self::Path(PathBuf::from(field)));
        }
        let (tag, value) = field.split_once('=')?;
        let value = value.trim_matches('"');
        if value.is_empty() || value.contains('/') {
            return None;
        }
        let value = value.to_owned();
        match tag {
            "LABEL" => Some(Self::Label(value)),
            "PARTLABEL" => Some(Self::PartLabel(value)),
            "PARTUUID" => Some(Self::PartUuid(value)),
            "UUID" => Some(Self::Uuid(value)),
            _ => None,
        }
    }

    /// The link udev makes for it (systemd's `fstab_node_to_udev_node`), or the path itself.
    ///
    /// UUIDs are lower-cased as systemd does; labels get udev's `\xNN` escapes.
    pub fn udev_path(&self) -> PathBuf {
        match self {
            Self::Label(value) => Path::new("/dev/disk/by-label").join(udev_escape(value)),
            Self::PartLabel(value) => Path::new("/dev/disk/by-partlabel").join(udev_escape(value)),
            Self::PartUuid(value) => {
                Path::new("/dev/disk/by-partuuid").join(udev_escape(&value.to_ascii_lowercase()))
            }
            Self::Path(path) => path.clone(),
            Self::Uuid(value) => {
                Path::new("/dev/disk/by-uuid").join(udev_escape(&value.to_ascii_lowercase()))
            }
        }
    }
}

/// udev's `encode_devnode_name`: everything outside its allow-list, and `\`, becomes `\xNN`.
pub fn udev_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii() {
            escaped.push(c);
        } else {
            escaped.push_str(&format!("\\x{:02x}", c as u32));
        }
    }
    escaped
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(value) => write!(f, "LABEL={value}"),
            Self::PartLabel(value) => write!(f, "PARTLABEL={value}"),
            Self::PartUuid(value) => write!(f, "PARTUUID={value}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Uuid(value) => write!(f, "UUID={value}"),
        }
    }
}

/// The third field: where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// A bare name, or a path below /mnt/azure_bek_disk: that key file on the key disk.
    KeyFile(KeyFileName),
    /// `-` or `none`: the key disk first, then Key Vault by tags.
    Find,
    /// An absolute path: a file that holds the key or the wrapped key.
    Path(PathBuf),
    /// An `https://` URL: that secret, in that version or the newest.
    Secret(SecretId),
}

/// The name of a file in the root directory of the key disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyFileName(String);

impl KeyFileName {
    /// ADE's name for the key of the OS disk, and the stem of every data disk's key file.
    pub const OS: &'static str = "LinuxPassPhraseFileName";

    /// `None` unless `name` is a single path component of at most 255 bytes without control
    /// characters: names come from secrets' tags too and must not lead out of the key disk.
    pub fn parse(name: &str) -> Option<Self> {
        let usable = !matches!(name, "" | "." | "..")
            && name.len() <= 255
            && !name.contains(['/', '\\'])
            && !name.chars().any(char::is_control);
        usable.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fourth field of bektab(5); the default is an empty field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `ca=`: PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `content=`: what the opened device must hold.
    pub content: Content,
    /// `x-systemd.device-timeout=`: how long systemd waits for the device unit.
    pub device_timeout: Option<Limit>,
    /// `discard`: pass TRIM through; tells an observer which sectors are free.
    pub discard: bool,
    /// `header=`: detached LUKS header, a file or a device.
    pub header: Option<PathBuf>,
    /// `identity=`: which managed identity of the VM asks.
    pub identity: Option<Identity>,
    /// `x-initrd.attach`: opened in the initramfs, closed only by systemd-shutdown.
    pub initrd: bool,
    /// `kek=`: the key-encryption key, with its version.
    pub kek: Option<KeyId>,
    /// `kek-algorithm=`; `None` takes the secret's tag, then RSA-OAEP.
    pub kek_algorithm: Option<KekAlgorithm>,
    /// `key-slot=`: the only keyslot to try.
    pub key_slot: Option<u32>,
    /// `machine-name=`: the tag MachineName to look for.
    pub machine_name: Option<String>,
    /// `_netdev`: the volume belongs to remote-cryptsetup.target.
    pub netdev: bool,
    /// `noauto`: not opened at boot unless something needs it.
    pub noauto: bool,
    /// `nofail`: the boot does not wait for it.
    pub nofail: bool,
    /// `no-read-workqueue`: dm-crypt decrypts in the caller's context (Linux 5.9).
    pub no_read_workqueue: bool,
    /// `no-write-workqueue`: the same for writes.
    pub no_write_workqueue: bool,
    /// `prompt`: ask for a passphrase when every source failed.
    pub prompt: bool,
    /// `read-only` or `readonly`.
    pub read_only: bool,
    /// `same-cpu-crypt`: decrypt on the CPU that submitted the request.
    pub same_cpu_crypt: bool,
    /// `submit-from-crypt-cpus`: no separate submitting thread.
    pub submit_from_crypt_cpus: bool,
    /// `timeout=`: one deadline for the whole unlock.
    pub timeout: Limit,
    /// `vault=`: where to look for the secret by its tags.
    pub vault: Option<VaultUrl>,
    /// `vault-suffix=`: further DNS suffixes a token may go to (private clouds).
    pub vault_suffixes: Vec<Host>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca: None,
            content: Content::Filesystem,
            device_timeout: None,
            discard: false,
            header: None,
            identity: None,
            initrd: false,
            kek: None,
            kek_algorithm: None,
            key_slot: None,
            machine_name: None,
            netdev: false,
            noauto: false,
            nofail: false,
            no_read_workqueue: false,
            no_write_workqueue: false,
            prompt: false,
            read_only: false,
            same_cpu_crypt: false,
            submit_from_crypt_cpus: false,
            timeout: Limit(Some(Duration::from_secs(90))),
            vault: None,
            vault_suffixes: Vec::new(),
        }
    }
}

/// A time limit; `None` is no limit (`0` or `infinity` in bektab).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// What the plaintext of a volume with a detached header must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Anything: for volumes that are not formatted yet.
    Any,
    /// A file system, LVM, swap, RAID member or partition table.
    Filesystem,
}

/// A managed identity of the VM, as IMDS lets a client select it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `client-id:UUID`.
    Client(String),
    /// `object-id:UUID`.
    Object(String),
    /// `resource-id:/subscriptions/…`.
    Resource(String),
}

/// How the KEK wrapped the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KekAlgorithm {
    /// `A256KW`: AES key wrap (RFC 3394), Managed HSM only.
    A256Kw,
    /// `RSA1_5`: PKCS #1 v1.5.
    Rsa15,
    /// `RSA-OAEP`: SHA-1 and MGF1 with SHA-1; ADE's default.
    RsaOaep,
    /// `RSA-OAEP-256`: SHA-256 and MGF1 with SHA-256.
    RsaOaep256,
}

impl KekAlgorithm {
    /// The JSON Web Algorithms name Key Vault takes (RFC 7518, section 4.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A256Kw => "A256KW",
            Self::Rsa15 => "RSA1_5",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    /// Parses that name, without regard to case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::A256Kw, Self::Rsa15, Self::RsaOaep, Self::RsaOaep256]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_those_device_mapper_keeps() {
        for good in ["data1", "osencrypt", "5f1e-22_a.b:c=d@e#f+g", &"n".repeat(127)] {
            assert_eq!(VolumeName::parse(good).unwrap().as_str(), good);
        }
        for (bad, problem) in [
            ("", NameProblem::Empty),
            ("..", NameProblem::Empty),
            ("a/b", NameProblem::Character('/')),
            ("a b", NameProblem::Character(' ')),
            ("ä", NameProblem::Character('ä')),
        ] {
            assert_eq!(VolumeName::parse(bad), Err(problem));
        }
        assert_eq!(VolumeName::parse(&"n".repeat(128)), Err(NameProblem::Long));
    }

    #[test]
    fn name_problems_are_ascii() {
        let shown = |c| NameProblem::Character(c).to_string();
        assert_eq!(shown('/'), "'/' is not allowed in a volume name");
        assert_eq!(shown('\u{e4}'), "U+00E4 is not allowed in a volume name");
        assert_eq!(shown('\u{1b}'), "U+001B is not allowed in a volume name");
    }

    #[test]
    fn device_specs_become_udev_links() {
        for (field, link) in [
            ("UUID=5F1E-22AA", "/dev/disk/by-uuid/5f1e-22aa"),
            ("PARTUUID=\"0C0A\"", "/dev/disk/by-partuuid/0c0a"),
            ("LABEL=BEK VOLUME", "/dev/disk/by-label/BEK\\x20VOLUME"),
            ("PARTLABEL=p1", "/dev/disk/by-partlabel/p1"),
            ("/dev/disk/azure/scsi1/lun0", "/dev/disk/azure/scsi1/lun0"),
        ] {
            assert_eq!(DeviceSpec::parse(field).unwrap().udev_path(), Path::new(link));
        }
    }

    #[test]
    fn empty_and_unknown_tags_match_nothing() {
        for field in ["UUID=", "PARTUUID=\"\"", "dev/sda", "ID=4", "", "UUID=../../etc/passwd"] {
            assert_eq!(DeviceSpec::parse(field), None, "{field}");
        }
    }

    #[test]
    fn key_file_names_stay_on_the_key_disk() {
        assert!(KeyFileName::parse("LinuxPassPhraseFileName_1_0").is_some());
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", "a\n", &"x".repeat(256)] {
            assert_eq!(KeyFileName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn algorithm_names_round_trip() {
        for name in ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "A256KW"] {
            assert_eq!(KekAlgorithm::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(KekAlgorithm::parse("rsa-oaep"), Some(KekAlgorithm::RsaOaep));
        assert_eq!(KekAlgorithm::parse("RSA-OAEP-512"), None);
    }
}
