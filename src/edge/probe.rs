//! What a block device holds, as libblkid sees it.
//!
//! The one place that talks to libblkid. It opens devices read-only and never uses libblkid's
//! cache or udev's database: both may be missing in an initramfs, and both may be stale.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use libblkid_rs::{BlkidErr, BlkidFltr, BlkidProbe, BlkidProbeRet, BlkidSafeprobeRet};
use libblkid_rs::{BlkidSectors, BlkidSublks, BlkidSublksFlags};

use crate::header::identity::MAGIC as LUKS;
use crate::recovery::next::SEVERAL;

pub use start::unreadable;
use start::{begins_with, open};

mod start;

/// The superblock of a device, as far as libblkid knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// libblkid's word for it: `ext4`, `vfat`, `crypto_LUKS`.
    pub kind: String,
    /// File-system or LUKS2 label.
    pub label: Option<String>,
    /// As libblkid prints it: RFC 4122 text, or `A0E8-7B7F` for FAT.
    pub uuid: Option<String>,
}

/// A partition as its table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Counted from 1, as in `sda1`.
    pub number: u32,
    /// GPT name.
    pub label: Option<String>,
    /// GPT UUID, or `<disk id>-<number>` for an MBR table.
    pub uuid: Option<String>,
    /// What its table says it is for: a GPT type's UUID, or `0x83` in an MBR table.
    pub kind: Option<String>,
    /// Where it begins, in bytes from the start of the disk.
    pub start: u64,
    /// How many bytes it has.
    pub size: u64,
}

impl Partition {
    /// Whether it only holds other partitions, in an MBR table.
    pub fn is_extended(&self) -> bool {
        matches!(self.kind.as_deref(), Some("0x5" | "0xf" | "0x85"))
    }
}

/// The superblock of the device or image at `path`; `None` when there is none, or several that
/// contradict each other.
pub fn superblock(path: &Path) -> io::Result<Option<Superblock>> {
    read_superblock(path, None)
}

/// The same, looking for FAT only: reads a few KiB instead of the ends of the disk.
pub fn fat_superblock(path: &Path) -> io::Result<Option<Superblock>> {
    read_superblock(path, Some("vfat"))
}

/// Whether `path` begins as BitLocker does; not so when it cannot be read, which whoever asks finds
/// out by itself.
pub fn is_bitlocker(path: &Path) -> bool {
    // The same bytes cannot be both; and a probe is dear beside what else opening LUKS takes.
    let is_luks = begins_with(path, LUKS).unwrap_or(false);
    !is_luks && read_superblock(path, Some("BitLocker")).is_ok_and(|found| found.is_some())
}

/// The partition table of the disk at `path`; empty when there is none.
pub fn partitions(path: &Path) -> io::Result<Vec<Partition>> {
    let mut device = Device::open(path)?;
    device.probe.enable_superblocks(false).map_err(other)?;
    device.probe.enable_partitions(true).map_err(other)?;
    // A null pointer says "no table" and "cannot read" alike; the latter showed when opening.
    let Ok(mut list) = device.probe.get_partitions() else {
        return Ok(Vec::new());
    };
    let disk_id = list.get_table().and_then(|table| table.get_id()).ok();
    let count = list.number_of_partitions().map_err(other)?;
    let mut found = Vec::new();
    for index in 0..count {
        let partition = list.get_partition(index).map_err(other)?;
        let number = partition.get_partno().map_err(other)?;
        // libblkid-rs takes UUIDs only, and an MBR table has `<disk id>-<number>`: made here as
        // libblkid's blkid_partition_gen_uuid does.
        let uuid = match partition.get_uuid() {
            Ok(uuid) => uuid.map(|uuid| uuid.to_string()),
            Err(_) => disk_id.as_ref().map(|disk| format!("{disk}-{number:02x}")),
        };
        let label = partition.get_name().ok().flatten();
        // Only GPT's types have a text.
        let text = partition.get_type_string().ok();
        let kind = text.or_else(|| Some(format!("0x{:x}", partition.get_type())));
        let (start, size) = (bytes(&partition.get_start()), bytes(&partition.get_size()));
        found.push(Partition { number, label, uuid, kind, start, size });
    }
    Ok(found)
}

/// A word for what the device holds, of any kind: file system, LVM, swap, RAID, nested
/// encryption, partition table. `None` when nothing is known, as with the noise that a key makes
/// of a disk it does not belong to.
pub fn signature(path: &Path) -> io::Result<Option<String>> {
    let mut device = Device::open(path)?;
    device.ask(None).map_err(other)?;
    device.probe.enable_partitions(true).map_err(other)?;
    match device.probe.do_safeprobe() {
        Ok(BlkidSafeprobeRet::Success) => {
            Ok(device.value("TYPE").or_else(|| device.value("PTTYPE")))
        }
        Ok(BlkidSafeprobeRet::None) => Ok(None),
        // Two signatures are no noise: a file system made over a RAID member, for one.
        Ok(BlkidSafeprobeRet::Ambiguous) => Ok(Some(SEVERAL.to_owned())),
        Err(error) => Err(other(error)),
    }
}

/// Destroys the superblocks that libblkid knows on the device at `path`, as wipefs(8) does.
pub fn wipe(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut probe = BlkidProbe::new().map_err(other)?;
    probe.set_device(file.as_raw_fd(), 0, 0).map_err(other)?;
    probe.enable_superblocks(true).map_err(other)?;
    // Without the place of what it finds, libblkid does not know what to wipe.
    let flags = BlkidSublksFlags::new(vec![BlkidSublks::Type, BlkidSublks::Magic]);
    probe.set_superblock_flags(flags).map_err(other)?;
    while probe.do_probe().map_err(other)? == BlkidProbeRet::Success {
        probe.do_wipe(false).map_err(other)?;
    }
    file.sync_all()
}

/// libblkid counts in 512 bytes, whatever the disk's own sectors are.
fn bytes(sectors: &BlkidSectors) -> u64 {
    u64::try_from(*sectors.as_ref()).unwrap_or(0).saturating_mul(512)
}

fn read_superblock(path: &Path, only: Option<&str>) -> io::Result<Option<Superblock>> {
    let mut device = Device::open(path)?;
    device.ask(only).map_err(other)?;
    match device.probe.do_safeprobe() {
        Ok(BlkidSafeprobeRet::Success) => Ok(device.value("TYPE").map(|kind| Superblock {
            kind,
            label: device.value("LABEL").or_else(|| device.value("LABEL_FATBOOT")),
            uuid: device.value("UUID"),
        })),
        Ok(BlkidSafeprobeRet::Ambiguous | BlkidSafeprobeRet::None) => Ok(None),
        Err(error) => Err(other(error)),
    }
}

/// A probe and the file it reads, which must live as long.
struct Device {
    probe: BlkidProbe,
    _file: File,
}

impl Device {
    fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let mut probe = BlkidProbe::new().map_err(other)?;
        probe.set_device(file.as_raw_fd(), 0, 0).map_err(other)?;
        Ok(Self { probe, _file: file })
    }

    fn ask(&mut self, only: Option<&str>) -> libblkid_rs::Result<()> {
        self.probe.enable_superblocks(true)?;
        self.probe.set_superblock_flags(BlkidSublksFlags::new(vec![
            BlkidSublks::Label,
            BlkidSublks::Type,
            BlkidSublks::Uuid,
        ]))?;
        match only {
            Some(kind) => self.probe.filter_superblock_type(BlkidFltr::Onlyin, &[kind]),
            None => Ok(()),
        }
    }

    /// `None` also for text that is not UTF-8: nothing in bektab can name it.
    fn value(&self, name: &str) -> Option<String> {
        self.probe.lookup_value(name).ok()
    }
}

fn other(error: BlkidErr) -> io::Error {
    io::Error::other(format!("libblkid: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    const UUID: &str = "5f1e22aa-0c0a-4f3e-9a4e-2d1b8d7c6b5a";

    fn holds(image: &Image) -> Option<String> {
        signature(&image.path).unwrap()
    }

    #[test]
    fn the_key_disk_is_told_by_label_and_kind() {
        let disk = Image::key_disk(&[]);
        let expected = Superblock {
            kind: "vfat".to_owned(),
            label: Some("BEK VOLUME".to_owned()),
            uuid: Some("A0E8-7B7F".to_owned()),
        };
        assert_eq!(fat_superblock(&disk.path).unwrap(), Some(expected.clone()));
        assert_eq!(superblock(&disk.path).unwrap(), Some(expected));
    }

    #[test]
    fn other_file_systems_are_no_fat() {
        let ext4 = Image::empty(2048).made_by("mke2fs", &["-q", "-F", "-L", "BEK VOLUME"]);
        assert_eq!(fat_superblock(&ext4.path).unwrap(), None);
        assert_eq!(superblock(&ext4.path).unwrap().unwrap().kind, "ext2");
    }

    #[test]
    fn known_content_has_a_word() {
        let image = || Image::empty(2048);
        for (image, word) in [
            (image().made_by("mke2fs", &["-q", "-F", "-t", "ext4", "-U", UUID]), "ext4"),
            (image().made_by("mkswap", &[]), "swap"),
            (Image::key_disk(&[]), "vfat"),
            (image().partitioned("label: gpt\n,\n"), "gpt"),
            (image().partitioned("label: dos\n,\n"), "dos"),
        ] {
            assert_eq!(holds(&image).as_deref(), Some(word));
        }
    }

    #[test]
    fn luks_has_a_uuid_and_a_label() {
        let arguments = ["luksFormat", "-q", "--type", "luks2", "--uuid", UUID, "--label", "data"];
        let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file"];
        let key = Image::noise(1, 1);
        let key = key.path.to_str().unwrap();
        let luks = Image::empty(20 * 1024)
            .made_by("cryptsetup", &[&arguments[..], &cheap[..], &[key]].concat());
        let expected = Superblock {
            kind: "crypto_LUKS".to_owned(),
            label: Some("data".to_owned()),
            uuid: Some(UUID.to_owned()),
        };
        assert_eq!(superblock(&luks.path).unwrap(), Some(expected));
        assert_eq!(holds(&luks).as_deref(), Some("crypto_LUKS"));
        assert!(!is_bitlocker(&luks.path));
        // What an older use of the disk left is no contradiction to libblkid.
        let mut bytes = luks.bytes();
        bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
        bytes[1024..1036].copy_from_slice(&[1, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0]);
        std::fs::write(&luks.path, bytes).unwrap();
        assert_eq!(holds(&luks).as_deref(), Some("crypto_LUKS"));
    }

    #[test]
    fn lvm_is_content() {
        // libblkid looks for RAID and LVM only on what is larger than a floppy disk.
        let mut bytes = vec![0; 2 << 20];
        bytes[512..520].copy_from_slice(b"LABELONE");
        bytes[520] = 1; // sector of the label, little endian
        bytes[532] = 32; // offset of its content
        bytes[536..544].copy_from_slice(b"LVM2 001");
        bytes[544..576].copy_from_slice(b"0123456789abcdefghijklmnopqrstuv");
        let crc = lvm_crc(&bytes[532..1024]);
        bytes[528..532].copy_from_slice(&crc.to_le_bytes());
        let image = Image::empty(1024);
        std::fs::write(&image.path, &bytes).unwrap();
        assert_eq!(holds(&image).as_deref(), Some("LVM2_member"));
    }

    /// LVM2's label checksum: CRC-32 with its own start value, not inverted (lib/misc/crc.c).
    fn lvm_crc(bytes: &[u8]) -> u32 {
        bytes.iter().fold(0xf597_a6cf, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            })
        })
    }

    #[test]
    fn noise_and_emptiness_are_nothing() {
        for image in [Image::empty(1024), Image::noise(1024, 1), Image::noise(64, 2)] {
            assert_eq!(holds(&image), None);
            assert_eq!(superblock(&image.path).unwrap(), None);
            assert_eq!(partitions(&image.path).unwrap(), []);
        }
    }

    #[test]
    fn contradicting_signatures_are_content() {
        let both = Image::empty(8 * 1024).made_by("mkswap", &[]);
        let ext4 = Image::empty(8 * 1024).made_by("mke2fs", &["-q", "-F"]);
        let mut bytes = ext4.bytes();
        bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
        bytes[1024 - 1024..1024].copy_from_slice(&both.bytes()[..1024]);
        std::fs::write(&both.path, &bytes).unwrap();
        assert!(holds(&both).is_some());
        wipe(&both.path).unwrap();
        assert_eq!(holds(&both), None);
        // What was found is gone, and nothing else.
        let changed = both.bytes().iter().zip(&bytes).filter(|(now, before)| now != before).count();
        assert!((1..40).contains(&changed), "{changed} bytes");
    }

    #[test]
    fn partitions_have_names_and_uuids() {
        let script = format!("label: gpt\n1M,1M\n2M,1M,,name=\"two 2\",uuid={UUID}\n");
        let script = script.replace("1M,1M\n2M,1M,,", "size=1MiB\nsize=1MiB,");
        let gpt = Image::empty(8 * 1024).partitioned(&script);
        let found = partitions(&gpt.path).unwrap();
        assert_eq!(found.len(), 2);
        let two = Partition {
            number: 2,
            label: Some("two 2".to_owned()),
            uuid: Some(UUID.to_owned()),
            kind: Some("0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned()),
            start: 2 << 20,
            size: 1 << 20,
        };
        assert_eq!(found[1], two);
    }

    #[test]
    fn an_mbr_partition_s_uuid_is_made_of_the_disk_s() {
        let script = "label: dos\nlabel-id: 0xdeadbeef\nsize=1MiB\nsize=1MiB\n";
        let mbr = Image::empty(8 * 1024).partitioned(script);
        let found = partitions(&mbr.path).unwrap();
        let uuids: Vec<_> = found.iter().filter_map(|found| found.uuid.as_deref()).collect();
        assert_eq!(uuids, ["deadbeef-01", "deadbeef-02"]);
        assert_eq!(found[0].kind.as_deref(), Some("0x83"));
        assert!(!found[0].is_extended());
        let script = "label: dos\nsize=1MiB\ntype=5\nsize=1MiB\n";
        let nested = partitions(&Image::empty(8 * 1024).partitioned(script).path).unwrap();
        let kinds: Vec<_> =
            nested.iter().map(|found| (found.number, found.is_extended())).collect();
        assert_eq!(kinds, [(1, false), (2, true), (5, false)]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let missing = superblock(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(signature(Path::new("/")).is_err());
    }
}
