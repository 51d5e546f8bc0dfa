//! LUKS2: two copies of a binary block with JSON behind it, each with a checksum; then keyslots.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Identity, MAGIC, Needs, Problem, Reencryption, bytes_at, field, text};
use crate::secret::Secret;

/// `struct luks2_hdr_disk`; the JSON begins after it.
const BLOCK: usize = 4096;

const SECOND_MAGIC: &[u8; 6] = b"SKUL\xba\xbe";

/// Sizes that a copy can have, and so the places where the second one can begin, in bytes.
const SIZES: [u64; 9] =
    [1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22];

/// Where a copy's own checksum is.
const CHECKSUM: std::ops::Range<usize> = 448..512;

/// One copy.
struct Copy {
    size: u64,
    epoch: u64,
    uuid: String,
    json: Json,
    /// What `json` was read from; a token may hold a passphrase.
    text: Secret,
}

#[derive(Deserialize)]
struct Json {
    config: Config,
    #[serde(default)]
    keyslots: BTreeMap<String, Keyslot>,
    #[serde(default)]
    segments: BTreeMap<String, Segment>,
}

#[derive(Deserialize)]
struct Config {
    keyslots_size: String,
    #[serde(default)]
    requirements: Requirements,
}

#[derive(Default, Deserialize)]
struct Requirements {
    #[serde(default)]
    mandatory: Vec<String>,
}

#[derive(Deserialize)]
struct Keyslot {
    area: Option<Area>,
}

#[derive(Deserialize)]
struct Area {
    encryption: Option<String>,
}

#[derive(Deserialize)]
struct Segment {
    encryption: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    integrity: Option<Integrity>,
}

#[derive(Deserialize)]
struct Integrity {
    r#type: Option<String>,
}

/// The identity in the newer of the two copies that is whole.
pub(super) fn read(source: &mut (impl Read + Seek)) -> Result<Identity, Problem> {
    let (newest, half_damaged) = newest(source)?;
    newest.into_identity(half_damaged)
}

/// The JSON text in that copy.
pub(super) fn metadata(source: &mut (impl Read + Seek)) -> Result<Secret, Problem> {
    newest(source).map(|(newest, _)| newest.text)
}

/// The newer of the two copies that is whole, and whether the other one is not.
fn newest(source: &mut (impl Read + Seek)) -> Result<(Copy, bool), Problem> {
    let first = copy(source, 0, MAGIC)?;
    let (mut second, mut problem) = (None, None);
    let places: &[u64] = match &first {
        Some(Ok(first)) => &[first.size],
        _ => &SIZES,
    };
    for place in places {
        match copy(source, *place, SECOND_MAGIC)? {
            Some(Ok(copy)) => {
                second = Some(copy);
                break;
            }
            Some(Err(damage)) => problem = Some(damage),
            None => {}
        }
    }
    let whole = |first: &Copy, second: &Copy| first.epoch == second.epoch;
    match (first, second) {
        (Some(Ok(first)), Some(second)) => {
            let half_damaged = !whole(&first, &second);
            Ok((if second.epoch > first.epoch { second } else { first }, half_damaged))
        }
        (Some(Ok(only)), None) | (_, Some(only)) => Ok((only, true)),
        (Some(Err(damage)), None) => Err(Problem::Damaged(damage)),
        (None, None) => Err(problem.map_or(Problem::NotLuks, Problem::Damaged)),
    }
}

/// The copy at `offset`, or what is wrong with it; `None` where none begins.
fn copy(
    source: &mut (impl Read + Seek),
    offset: u64,
    magic: &[u8; 6],
) -> Result<Option<Result<Copy, &'static str>>, Problem> {
    Ok(area(source, offset, magic)?.map(|area| {
        let area = area?;
        serde_json::from_slice(area.json()).map_err(|_| "its JSON makes no sense").map(|parsed| {
            Copy {
                size: area.size,
                epoch: area.epoch,
                uuid: area.uuid.clone(),
                json: parsed,
                text: Secret::new(area.json().to_vec()),
            }
        })
    }))
}

/// The bytes of one copy, as they were read.
pub(in crate::header) struct Raw {
    /// How many there are.
    pub size: u64,
    /// Whether the checksum is of the kind that is verified here, and right.
    pub verified: bool,
    epoch: u64,
    uuid: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl Raw {
    /// The JSON text, up to its first NUL.
    pub fn json(&self) -> &[u8] {
        let json = self.bytes.get(BLOCK..).unwrap_or_default();
        let end = json.iter().position(|byte| *byte == 0).unwrap_or(json.len());
        json.get(..end).unwrap_or_default()
    }
}

/// Every copy that libcryptsetup may choose: where the first one is whole, the second one where
/// that says, else whatever begins at any of the places.
///
/// A copy whose checksum is wrong is left out, as libcryptsetup leaves it out.
pub(in crate::header) fn areas(source: &mut (impl Read + Seek)) -> Result<Vec<Raw>, Problem> {
    let mut found: Vec<Raw> = area(source, 0, MAGIC)?.and_then(Result::ok).into_iter().collect();
    let places: Vec<u64> = match found.first() {
        Some(first) if first.verified => vec![first.size],
        _ => SIZES.to_vec(),
    };
    for place in places {
        found.extend(area(source, place, SECOND_MAGIC)?.and_then(Result::ok));
    }
    Ok(found)
}

/// The area at `offset`, or what is wrong with it; `None` where none begins.
fn area(
    source: &mut (impl Read + Seek),
    offset: u64,
    magic: &[u8; 6],
) -> Result<Option<Result<Raw, &'static str>>, Problem> {
    let Some(block) = bytes_at::<BLOCK>(source, offset)? else { return Ok(None) };
    let number = |at| u64::from_be_bytes(field(&block, at));
    if field::<6>(&block, 0) != *magic || field(&block, 6) != 2_u16.to_be_bytes() {
        return Ok(None);
    }
    let size = number(8);
    if !SIZES.contains(&size) || number(256) != offset {
        return Ok(Some(Err("its size makes no sense")));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or_default()]);
    source.seek(SeekFrom::Start(offset))?;
    if source.read_exact(&mut bytes).is_err() {
        return Ok(Some(Err("it ends early")));
    }
    let verified = match checksum(&mut bytes) {
        Some(false) => return Ok(Some(Err("its checksum is wrong"))),
        checked => checked.is_some(),
    };
    let (epoch, uuid) = (number(16), text(&field::<40>(&block, 168)));
    Ok(Some(Ok(Raw { size, verified, epoch, uuid, bytes })))
}

/// Whether its checksum is right; `None` for one of another kind than cryptsetup ever wrote, which
/// is believed.
fn checksum(area: &mut [u8]) -> Option<bool> {
    if text(&field::<32>(area, 72)) != "sha256" {
        return None;
    }
    let Some(checksum) = area.get_mut(CHECKSUM) else { return Some(false) };
    let written: Vec<u8> = checksum.to_vec();
    checksum.fill(0);
    Some(written.starts_with(digest(&SHA256, area).as_ref()))
}

impl Copy {
    fn into_identity(self, half_damaged: bool) -> Result<Identity, Problem> {
        let needs = self.json.needs();
        let Json { config, segments, .. } = self.json;
        let Ok(keyslots) = config.keyslots_size.parse::<u64>() else {
            return Err(Problem::Damaged("its JSON makes no sense"));
        };
        let mut requirements = config.requirements.mandatory;
        requirements.sort();
        let is_reencrypting = requirements.iter().any(|word| word.starts_with("online-reencrypt"));
        let in_step =
            |segment: &Segment| segment.flags.iter().any(|flag| flag == "in-reencryption");
        let reencryption = match is_reencrypting {
            true if segments.values().any(in_step) => Reencryption::Interrupted,
            true => Reencryption::Between,
            false => Reencryption::None,
        };
        Ok(Identity {
            version: 2,
            uuid: self.uuid,
            epoch: Some(self.epoch),
            requirements,
            reencryption,
            half_damaged,
            extent: keyslots.saturating_add(2 * self.size),
            needs,
        })
    }
}

impl Json {
    fn needs(&self) -> Needs {
        let areas = self.keyslots.values().filter_map(|keyslot| keyslot.area.as_ref());
        let segments = self.segments.values();
        let ciphers = areas
            .map(|area| &area.encryption)
            .chain(segments.clone().map(|segment| &segment.encryption))
            .flatten();
        let integrity = segments.filter_map(|segment| segment.integrity.as_ref()?.r#type.as_ref());
        Needs { ciphers: ciphers.cloned().collect(), integrity: integrity.cloned().collect() }
    }
}
