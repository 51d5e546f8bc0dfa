//! The second field of bektab(5): which device, by path or by tag.
//!
//! Only the text and the link udev makes for it; whether there is such a device edge/block.rs says.

use std::fmt;
use std::path::{Path, PathBuf};

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
    /// Values get udev's `\xNN` escapes. UUIDs are lower-cased because udev's links to LUKS headers
    /// and partitions are, being in libblkid's spelling; systemd (252) leaves them as written, and
    /// would wait for a link that never comes.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
