//! `header=` of bektab(5): where the detached LUKS header of a volume is.
//!
//! Only the text. What is read there, and which of several copies is used, is decided when the
//! volume is opened.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::DeviceSpec;

/// Tags that begin a device specification after a path, as in `header=PATH:DEVICE`.
pub const DEVICE_TAGS: [&str; 5] = ["/dev/", "LABEL=", "PARTLABEL=", "PARTUUID=", "UUID="];

/// A detached header (crypttab(5), `header=`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSpec {
    /// `PATH:DEVICE`: a file on the file system of that device, which is mounted to read it.
    On {
        /// From the root of that file system; absolute, without `..`.
        path: PathBuf,
        /// The device that holds the file system.
        device: DeviceSpec,
    },
    /// `PATH`: a file or a device of this system.
    Path(PathBuf),
}

impl HeaderSpec {
    /// Parses the option's value; `None` for a relative path, a `..` in a path on a device, or a
    /// device specification that names nothing.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with('/') {
            return None;
        }
        let Some(colon) = device_colon(text) else { return Some(Self::Path(text.into())) };
        let path = PathBuf::from(&text[..colon]);
        let inside = path.components().all(|part| part != Component::ParentDir);
        let device = DeviceSpec::parse(&text[colon + 1..])?;
        (inside && path != Path::new("/")).then_some(Self::On { path, device })
    }

    /// The path of the file or device, on whatever file system it is.
    pub fn path(&self) -> &Path {
        let (Self::On { path, .. } | Self::Path(path)) = self;
        path
    }
}

impl fmt::Display for HeaderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On { path, device } => write!(f, "{}:{device}", path.display()),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where in `text` the colon is that a device specification follows. Other colons belong to the
/// path, as in /dev/disk/by-path.
pub fn device_colon(text: &str) -> Option<usize> {
    text.match_indices(':').map(|(at, _)| at).find(|at| {
        let rest = text.get(at + 1..).unwrap_or_default();
        DEVICE_TAGS.iter().any(|tag| rest.starts_with(tag))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_on_another_device() {
        let on = HeaderSpec::parse("/luks/osluksheader:UUID=5f1e").unwrap();
        let device = DeviceSpec::Uuid("5f1e".to_owned());
        assert_eq!(on, HeaderSpec::On { path: "/luks/osluksheader".into(), device });
        for text in ["/boot/h", "/a:b", "/dev/disk/by-path/acpi-VMBUS:00-lun-1"] {
            assert_eq!(HeaderSpec::parse(text), Some(HeaderSpec::Path(text.into())));
        }
        assert_eq!(HeaderSpec::parse("/h:/dev/sdc").unwrap().path(), Path::new("/h"));
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in ["h", "", "h:UUID=1", "/h:UUID=", "/../h:UUID=1", "/a/..:/dev/sda", "/:UUID=1"]
        {
            assert_eq!(HeaderSpec::parse(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["/boot/h", "/luks/h:UUID=5f1e", "/h:/dev/disk/by-label/x"] {
            assert_eq!(HeaderSpec::parse(text).unwrap().to_string(), text);
        }
    }
}
