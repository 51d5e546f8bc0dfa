//! What is on a rescued disk, for core to decide what to open.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::problem::unopened;
use super::{Part, RescueDisk};
use crate::edge::header;
use crate::edge::probe::{self, Partition};
use crate::error::Kind;
use crate::recovery::target::{ADE_PLACES, AdeHeader, Found, Layout, Look, Target, choose};
use crate::volume::{DeviceSpec, HeaderSpec};

impl RescueDisk {
    /// What to open on it; `header` is the one that was named. The partition of a header that was
    /// found is read-only from then on, too.
    ///
    /// Errors: as [`choose`], and as [`Self::partitions`].
    pub fn target(&mut self, header: Option<&HeaderSpec>) -> Result<Target, Kind> {
        let layout = self.layout()?;
        let target = choose(&layout, header, &mut Mounting)?;
        if let (None, Some(HeaderSpec::On { device: DeviceSpec::Path(path), .. })) =
            (header, &target.header)
        {
            self.protect_sibling(path)?;
        }
        Ok(target)
    }

    /// What is on it.
    pub fn layout(&mut self) -> Result<Layout, Kind> {
        let device = look_at(self.path(), self.entry()?)?;
        let partitions = all(self.partitions()?)?;
        // Nobody needs to read the rest of the disk of something that is known.
        let siblings = if device.holds.is_none() { all(self.siblings()?)? } else { Vec::new() };
        let (named, is_image) = (self.named().to_owned(), self.is_image());
        Ok(Layout { named, is_image, device, partitions, siblings })
    }
}

fn all(parts: Vec<Part>) -> Result<Vec<Found>, Kind> {
    parts.into_iter().map(|part| look_at(&part.path, Some(part.entry))).collect()
}

fn look_at(path: &Path, entry: Option<Partition>) -> Result<Found, Kind> {
    let unreadable = |error| unopened(path, &error);
    let holds = probe::signature(path).map_err(unreadable)?;
    let size = match &entry {
        Some(entry) => entry.size,
        None => size(path).map_err(unreadable)?,
    };
    let number = entry.as_ref().map(|entry| entry.number);
    let (label, kind) = entry.map(|entry| (entry.label, entry.kind)).unwrap_or_default();
    Ok(Found { path: path.to_owned(), number, holds, label, kind, size })
}

fn size(device: &Path) -> io::Result<u64> {
    File::open(device)?.seek(SeekFrom::End(0))
}

/// Mounts what it looks into where nobody else sees it.
struct Mounting;

impl Look for Mounting {
    fn ade_header(&mut self, partition: &Path) -> Result<Option<AdeHeader>, Kind> {
        let found = header::look(partition, &ADE_PLACES)?;
        Ok(found.map(|(place, identity)| AdeHeader { place, uuid: identity.uuid }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    #[test]
    fn a_device_without_a_table_has_the_size_of_all_of_it() {
        let image = Image::noise(64, 1);
        let found = look_at(&image.path, None).unwrap();
        assert_eq!((found.size, found.holds, found.number), (64 << 10, None, None));
    }

    #[test]
    fn a_partition_is_what_its_table_says() {
        let disk = Image::empty(8 * 1024).partitioned("label: gpt\nname=\"root\"\n");
        let entry = probe::partitions(&disk.path).unwrap().remove(0);
        let found = look_at(&disk.path, Some(entry.clone())).unwrap();
        assert_eq!(found.holds.as_deref(), Some("gpt"));
        assert_eq!((found.label, found.kind, found.size), (entry.label, entry.kind, entry.size));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_name() {
        let text = look_at(Path::new("/"), None).unwrap_err().to_string();
        assert!(text.starts_with("cannot read /: "), "{text}");
    }
}
