//! The volume group on a physical volume, with its checksums put right.

use bek_unlock::recovery::lvm;

use super::disk::Zeros;
use super::{Target, fixture};

const SECTOR: usize = 512;

/// A physical volume.
pub const LVM: Target = Target {
    name: "lvm",
    run: lvm,
    seeds: || {
        let mut seeds = vec![fixture("lvm/rootvg.pv"), fixture("lvm/empty.pv")];
        // The text alone, which is put where the first one's is.
        let text = text(&seeds[0]).unwrap();
        seeds.push(seeds[0][text].to_vec());
        seeds
    },
    words: &[
        "rootvg {\n",
        "id = \"",
        "logical_volumes {\n",
        "status = [\"READ\", \"WRITE\", \"VISIBLE\"]\n",
        "}\n",
        "# ",
    ],
};

fn lvm(data: &[u8]) {
    sound(data);
    let mut repaired = data.to_vec();
    repair(&mut repaired);
    sound(&repaired);
    // As the text of a volume that is sound otherwise.
    let mut volume = ROOTVG.to_vec();
    let place = text(&volume).unwrap();
    volume.truncate(place.start);
    volume.extend(data);
    volume[4096 + 48..4096 + 56].copy_from_slice(&(data.len() as u64).to_le_bytes());
    repair(&mut volume);
    sound(&volume);
}

const ROOTVG: &[u8] = include_bytes!("../../fixtures/lvm/rootvg.pv");

fn sound(data: &[u8]) {
    let Ok(found) = lvm::read(&mut Zeros::behind(data, 8 << 20)) else { panic!("it was read") };
    let Some(group) = found else { return };
    let odd = |name: &String| {
        !(1..=127).contains(&name.len())
            || name.starts_with('-')
            || name.contains(['/', ' ', '$', '`', '\n', '"', '\''])
    };
    assert!(!odd(&group.name) && !group.volumes.iter().any(odd), "{group:?}");
    assert!(group.volumes.len() <= 64);
    assert_eq!(group.uuid.len(), 32);
    assert!(group.has_device(&format!("LVM-{}rest", group.uuid)));
}

/// Where the text of the area at 4096 is.
fn text(volume: &[u8]) -> Option<std::ops::Range<usize>> {
    let number = |at: usize| {
        let bytes = volume.get(4096 + at..)?.first_chunk()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let start = number(40)?.checked_add(4096)?;
    let end = start.checked_add(number(48)?)?;
    volume.get(start..end).map(|_| start..end)
}

/// Puts the checksums of label, text and area right.
fn repair(volume: &mut [u8]) {
    if let Some(label) = volume.get_mut(SECTOR..2 * SECTOR) {
        let sum = checksum(&label[20..]);
        label[16..20].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = text(volume).and_then(|text| volume.get(text)).map(checksum);
    let Some(area) = volume.get_mut(4096..4096 + SECTOR) else { return };
    if let Some(sum) = sum {
        area[56..60].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = checksum(&area[4..]);
    area[..4].copy_from_slice(&sum.to_le_bytes());
}

/// LVM's CRC-32 (lib/misc/crc.c).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| match sum & 1 {
            1 => (sum >> 1) ^ 0xedb8_8320,
            _ => sum >> 1,
        })
    })
}
