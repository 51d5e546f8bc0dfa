use std::io::Cursor;
use std::path::Path;

use super::*;

/// The beginning of a physical volume that LVM wrote.
fn recorded(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lvm");
    std::fs::read(root.join(name)).unwrap()
}

fn of(bytes: &[u8]) -> Option<VolumeGroup> {
    read(&mut Cursor::new(bytes)).unwrap()
}

fn rootvg() -> VolumeGroup {
    VolumeGroup {
        name: "rootvg".to_owned(),
        uuid: "SLSo5VC49W9VyZC23zl3GpuWvdaEywKF".to_owned(),
        volumes: ["rootlv", "usrlv", "var-log"].map(str::to_owned).to_vec(),
    }
}

/// Where the text is.
fn text_of(bytes: &[u8]) -> std::ops::Range<usize> {
    let number = |at| usize::try_from(u64_at(bytes, at).unwrap()).unwrap();
    let start = 4096 + number(4096 + 40);
    start..start + number(4096 + 48)
}

/// Puts the right checksums where LVM has them, so that what is behind them is reached.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let label = checksum(&bytes[SECTOR + 20..2 * SECTOR]);
    bytes[SECTOR + 16..SECTOR + 20].copy_from_slice(&label.to_le_bytes());
    let area = checksum(&bytes[4100..4096 + SECTOR]);
    bytes[4096..4100].copy_from_slice(&area.to_le_bytes());
    bytes
}

#[test]
fn a_group_is_read_as_lvm_wrote_it() {
    assert_eq!(of(&recorded("rootvg.pv")), Some(rootvg()));
}

#[test]
fn a_text_that_goes_round_is_put_together() {
    assert_eq!(of(&recorded("wrapped.pv")), Some(rootvg()));
}

#[test]
fn a_volume_without_a_group_and_what_is_no_volume_have_none() {
    assert_eq!(of(&recorded("empty.pv")), None);
    for bytes in [vec![], vec![0; 511], vec![0; 1 << 16], vec![0xff; 1 << 16]] {
        assert_eq!(of(&bytes), None);
    }
}

#[test]
fn every_beginning_that_is_cut_is_refused() {
    let bytes = recorded("rootvg.pv");
    let end = text_of(&bytes).end;
    for length in (0..end).step_by(61).chain([end - 1]) {
        assert_eq!(of(&bytes[..length]), None, "{length}");
    }
    assert_eq!(of(&bytes[..end]), Some(rootvg()));
}

#[test]
fn what_does_not_fit_its_checksum_is_not_looked_at() {
    let bytes = recorded("rootvg.pv");
    let used = (512..1024).chain(4096..4608).chain(text_of(&bytes));
    let mut random = fastrand::Rng::with_seed(1);
    for at in used.step_by(5) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << random.u32(0..8);
        assert_eq!(of(&changed), None, "{at}");
    }
}

/// Everything that a forger can write with right checksums: no panic, no endless loop, no large
/// buffer, and no name that LVM would not allow.
#[test]
fn forged_places_and_sizes_lead_nowhere() {
    let bytes = recorded("rootvg.pv");
    let words = [0, 1, 511, 512, 4096, 1 << 20, 1 << 32, i64::MAX as u64, u64::MAX - 511, u64::MAX];
    for base in [SECTOR, 4096] {
        for at in (0..160).step_by(8) {
            for word in words {
                let mut forged = bytes.clone();
                forged[base + at..base + at + 8].copy_from_slice(&word.to_le_bytes());
                if let Some(group) = of(&sealed(forged)) {
                    assert_eq!(group, rootvg());
                }
            }
        }
    }
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..500 {
        let mut forged = bytes.clone();
        for _ in 0..random.usize(1..6) {
            let base = if random.bool() { SECTOR } else { 4096 };
            forged[base + random.usize(0..160)] = random.u8(..);
        }
        if let Some(group) = of(&sealed(forged)) {
            assert_eq!(group, rootvg());
        }
    }
}

#[test]
fn forged_texts_give_no_name_that_lvm_would_not_allow() {
    let bytes = recorded("rootvg.pv");
    let text = text_of(&bytes);
    let mut random = fastrand::Rng::with_seed(3);
    let tokens: [&[u8]; 6] = [b"{", b"}", b"\n", b"\0", b"rootvg; reboot {\n", b"\xff\xfe"];
    let mut read = 0;
    for _ in 0..300 {
        let mut forged = bytes.clone();
        for _ in 0..random.usize(1..4) {
            let token = tokens[random.usize(..tokens.len())];
            // Most of what is read here is at the beginning.
            let reach = if random.bool() { 60 } else { 1700 };
            let at = text.start + random.usize(..reach);
            forged[at..at + token.len()].copy_from_slice(token);
        }
        let sum = checksum(&forged[text.clone()]);
        forged[4096 + 56..4096 + 60].copy_from_slice(&sum.to_le_bytes());
        let Some(group) = of(&sealed(forged)) else { continue };
        read += 1;
        for name in group.volumes.iter().chain([&group.name]) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "+_.-".contains(c);
            assert!(!name.is_empty() && name.chars().all(allowed), "{name}");
        }
        assert_eq!(group.uuid.len(), 32);
    }
    assert!(read > 20, "only {read} were read at all");
}

#[test]
fn a_list_of_areas_without_end_stays_in_its_sector() {
    let mut bytes = recorded("rootvg.pv");
    bytes[SECTOR + 72..2 * SECTOR].fill(1);
    assert_eq!(of(&sealed(bytes)), None);
}

#[test]
fn an_area_that_lvm_ignores_is_ignored() {
    let mut bytes = recorded("rootvg.pv");
    bytes[4096 + 60] = 1;
    assert_eq!(of(&sealed(bytes)), None);
}

#[test]
fn devices_of_a_group_are_known_by_uuid_and_by_name() {
    let group = rootvg();
    let device = "LVM-SLSo5VC49W9VyZC23zl3GpuWvdaEywKFlv0000abcdabcdabcdabcdabcdabcdef";
    assert!(group.has_device(device) && group.has_device(&format!("{device}-real")));
    for other in ["LVM-SLSo5V", "", "CRYPT-LUKS2-SLSo5VC49W9VyZC23zl3GpuWvdaEywKF-x"] {
        assert!(!group.has_device(other), "{other}");
    }
    assert!(group.shares_name("rootvg-rootlv") && group.shares_name("rootvg-var--log"));
    for other in ["rootvg", "rootvg--2-rootlv", "rootvg2-rootlv", "xrootvg-rootlv"] {
        assert!(!group.shares_name(other), "{other}");
    }
    let dashed = VolumeGroup { name: "ubuntu-vg".to_owned(), ..group };
    assert!(dashed.shares_name("ubuntu--vg-root") && !dashed.shares_name("ubuntu-vg-root"));
}
