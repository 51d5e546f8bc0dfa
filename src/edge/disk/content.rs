//! What an opened volume holds, and whether this machine uses the like already.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::problem::words;
use crate::edge::sysfs::attribute;
use crate::edge::{mountinfo, probe};
use crate::error::Kind;
use crate::recovery::lvm::{self, VolumeGroup};
use crate::recovery::next::{Content, Twin};

/// Looks at an opened volume; `root` is `/`, or a fixture with sys and proc.
///
/// Errors: [`Kind::Internal`] when it cannot be read.
pub fn read(root: &Path, device: &Path) -> Result<Content, Kind> {
    let unreadable = |error: io::Error| Kind::Internal {
        call: "reading the opened volume",
        reason: format!("{}: {}", device.display(), words(&error)),
    };
    let kind = probe::signature(device).map_err(unreadable)?;
    let superblock = probe::superblock(device).map_err(unreadable)?.unwrap_or_default();
    let mut content =
        Content { kind, uuid: superblock.uuid, label: superblock.label, ..Content::default() };
    if content.kind.as_deref() == Some("LVM2_member") {
        let mut file = File::open(device).map_err(unreadable)?;
        content.group = lvm::read(&mut file).map_err(unreadable)?;
    }
    content.twin = match (&content.group, &content.uuid) {
        (Some(group), _) => twin_group(root, group),
        (None, Some(uuid)) if is_mounted(root, device, uuid) => Twin::Uuid,
        _ => Twin::None,
    };
    Ok(content)
}

/// Whether a volume group of this UUID or name has a device here.
fn twin_group(root: &Path, group: &VolumeGroup) -> Twin {
    let mut twin = Twin::None;
    for entry in fs::read_dir(root.join("sys/block")).into_iter().flatten().flatten() {
        let Some(uuid) = attribute(&entry.path(), "dm/uuid") else { continue };
        if group.has_device(&uuid) {
            return Twin::Uuid;
        }
        let name = attribute(&entry.path(), "dm/name").unwrap_or_default();
        if lvm::group_of(&uuid).is_some() && group.shares_name(&name) {
            twin = Twin::Name;
        }
    }
    twin
}

/// Whether a file system with this UUID is mounted from another device.
fn is_mounted(root: &Path, device: &Path, uuid: &str) -> bool {
    let table = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let mut sources: Vec<PathBuf> = mountinfo::table(&table)
        .into_iter()
        .map(|mount| mount.source)
        .filter(|source| source.is_absolute() && !is_same(source, device))
        .collect();
    sources.sort();
    sources.dedup();
    sources.iter().any(|source| {
        let superblock = probe::superblock(source).ok().flatten();
        superblock.and_then(|superblock| superblock.uuid).as_deref() == Some(uuid)
    })
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::edge::image::Image;

    const UUID: &str = "5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a";

    fn root(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn ext4() -> Image {
        let arguments = ["-q", "-F", "-t", "ext4", "-U", UUID, "-L", "data"];
        Image::empty(2048).made_by("mke2fs", &arguments)
    }

    /// The beginning of a physical volume of LVM, and room behind it.
    fn physical_volume() -> Image {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lvm/rootvg.pv");
        let mut bytes = fs::read(fixture).unwrap();
        bytes.resize(4 << 20, 0);
        let image = Image::empty(4096);
        fs::write(&image.path, bytes).unwrap();
        image
    }

    fn twin(files: &[(&str, &str)], device: &Image) -> Twin {
        read(root(files).path(), &device.path).unwrap().twin
    }

    #[test]
    fn a_file_system_is_known_with_label_and_uuid() {
        let expected = Content {
            kind: Some("ext4".to_owned()),
            uuid: Some(UUID.to_owned()),
            label: Some("data".to_owned()),
            ..Content::default()
        };
        assert_eq!(read(root(&[]).path(), &ext4().path).unwrap(), expected);
        let noise = read(root(&[]).path(), &Image::noise(1024, 1).path).unwrap();
        assert_eq!(noise, Content::default());
    }

    #[test]
    fn a_file_system_that_is_mounted_from_elsewhere_is_a_twin() {
        let (here, copy) = (ext4(), ext4());
        let line = |source: &Path| {
            format!(
                "30 1 8:1 / /data rw - ext4 {} rw\n31 1 0:5 / /x rw - tmpfs tmpfs rw\n",
                source.display()
            )
        };
        let mounted = |source: &Path| [("proc/self/mountinfo", line(source))];
        let twin = |source: &Path| {
            let files = mounted(source);
            twin(&files.each_ref().map(|(path, text)| (*path, text.as_str())), &copy)
        };
        assert_eq!(twin(&here.path), Twin::Uuid);
        assert_eq!(twin(&copy.path), Twin::None, "its own mount");
        let other = Image::empty(2048).made_by("mke2fs", &["-q", "-F", "-t", "ext4"]);
        assert_eq!(twin(&other.path), Twin::None);
    }

    #[test]
    fn a_group_that_is_active_is_a_twin_by_uuid_or_by_name() {
        let device = physical_volume();
        let group = read(root(&[]).path(), &device.path).unwrap().group.unwrap();
        assert_eq!((group.name.as_str(), group.volumes.len()), ("rootvg", 3));
        let own = format!("LVM-{}{}\n", group.uuid, "a".repeat(32));
        let other = format!("LVM-{}\n", "b".repeat(64));
        let named =
            |name, uuid| [("sys/block/dm-3/dm/name", name), ("sys/block/dm-3/dm/uuid", uuid)];
        assert_eq!(twin(&[], &device), Twin::None);
        assert_eq!(twin(&named("renamed-rootlv\n", &own), &device), Twin::Uuid);
        assert_eq!(twin(&named("rootvg-rootlv\n", &other), &device), Twin::Name);
        assert_eq!(twin(&named("rootvg--2-rootlv\n", &other), &device), Twin::None);
        // The name of a mapping that is none of LVM's.
        assert_eq!(twin(&named("rootvg-rootlv\n", "CRYPT-LUKS2-x\n"), &device), Twin::None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let kind = read(root(&[]).path(), Path::new("/nonexistent")).unwrap_err();
        let said = "reading the opened volume: /nonexistent: No such file or directory";
        assert_eq!(kind.to_string(), said);
    }
}
