//! LUKS2: each copy that libcryptsetup may choose, from its JSON to the rules.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::json::{Config, Digest, Integrity, Kdf, Keyslot, Metadata, Segment};
use super::{Data, Refusal, STRIPES, apart, begins, cipher, hash, pbkdf2, refuse, shown};
use crate::header::cost;
use crate::header::identity::EXTENT_MAX;
use crate::header::identity::luks2::{Raw, areas};

/// `LUKS2_KEYSLOTS_MAX`, and as many tokens and digests.
const NUMBERS: u32 = 32;

/// LUKS2 aligns what it lays out to this, in bytes.
const PAGE: u64 = 4096;

/// LUKS2's limits of Argon2: the fewest passes, memory in KiB, threads.
const ARGON2_TIME_MIN: u32 = 4;
const ARGON2_MEMORY: std::ops::RangeInclusive<u32> = 32..=4 << 20;
const ARGON2_CPUS: std::ops::RangeInclusive<u32> = 1..=4;

/// What may authenticate sectors, and how much of the volume's key is its own, in bytes.
const INTEGRITY: [(&str, u64); 2] = [("hmac(sha256)", 32), ("hmac(sha512)", 64)];

pub(super) fn check(source: &mut (impl Read + Seek), data: Data) -> Result<(), Refusal> {
    let areas = areas(source).map_err(|problem| refuse(problem.to_string()))?;
    if areas.is_empty() {
        return Err(refuse("neither of its copies is whole"));
    }
    areas.iter().try_for_each(|area| copy(area, data))
}

fn copy(area: &Raw, data: Data) -> Result<(), Refusal> {
    if !area.verified {
        return Err(refuse("its checksum is not SHA-256"));
    }
    // libcryptsetup's reader ends a word there, and takes it for another one then.
    if area.json().windows(6).any(|word| word == b"\\u0000") {
        return Err(refuse("its JSON has a NUL in a word"));
    }
    // The parser's own words may quote a token.
    let metadata: Metadata = serde_json::from_slice(area.json()).map_err(|error| {
        let place = error.column();
        refuse(format!("its JSON is not as cryptsetup writes it, at character {place}"))
    })?;
    metadata.check(area.size, data)
}

impl Metadata {
    fn check(&self, copy_size: u64, data: Data) -> Result<(), Refusal> {
        let from = 2 * copy_size;
        let to = from + self.config.check(copy_size)?;
        numbered(&self.keyslots)?;
        numbered(&self.digests)?;
        numbered(&self.tokens)?;
        let mut places = Vec::new();
        for (number, keyslot) in &self.keyslots {
            places.push(keyslot.check(&format!("keyslot {number}"))?);
        }
        apart(places, from, to)?;
        for (number, digest) in &self.digests {
            digest.check(&format!("digest {number}"))?;
        }
        let used = self.digests.values().flat_map(|digest| &digest.keyslots);
        let mut used = used.chain(self.tokens.values().flat_map(|token| &token.keyslots));
        if let Some(number) = used.find(|number| !self.keyslots.contains_key(*number)) {
            return Err(refuse(format!("it speaks of a keyslot {} it has not", shown(number))));
        }
        let mut segments = self.segments.iter();
        match (segments.next(), segments.next()) {
            (Some((number, segment)), None) if number == "0" => {
                segment.check(self.volume_key(number)?, to, data)
            }
            _ => Err(refuse("the volume is not made of one segment")),
        }
    }

    /// The size of the key that the digest of this segment is about, in bytes.
    fn volume_key(&self, segment: &str) -> Result<u64, Refusal> {
        let is_its = |digest: &&Digest| digest.segments.iter().any(|other| other == segment);
        let mut digests = self.digests.values().filter(is_its);
        let (Some(digest), None) = (digests.next(), digests.next()) else {
            return Err(refuse("the volume's key has no digest, or more than one"));
        };
        let mut sizes = digest.keyslots.iter().filter_map(|number| self.keyslots.get(number));
        let size = sizes.next().map(|keyslot| keyslot.key_size);
        match size {
            Some(size) if sizes.all(|keyslot| keyslot.key_size == size) => Ok(size),
            _ => Err(refuse("no keyslot has the volume's key, or not all have the same")),
        }
    }
}

impl Config {
    /// The size of all keyslots together, in bytes.
    fn check(&self, copy_size: u64) -> Result<u64, Refusal> {
        if let Some(word) = self.requirements.values().flatten().next() {
            return Err(refuse(format!("it requires {}", shown(word))));
        }
        let keyslots_size = bytes("the room for keyslots", &self.keyslots_size)?;
        let is_sane = bytes("the JSON", &self.json_size)? == copy_size - PAGE
            && keyslots_size % PAGE == 0
            && keyslots_size <= EXTENT_MAX;
        if is_sane {
            Ok(keyslots_size)
        } else {
            Err(refuse("the sizes of its parts make no sense"))
        }
    }
}

impl Keyslot {
    /// Its place in the header: start and size in bytes.
    fn check(&self, place: &str) -> Result<(u64, u64), Refusal> {
        let Self { r#type, key_size, af, area, kdf } = self;
        for (word, wanted) in [(r#type, "luks2"), (&af.r#type, "luks1"), (&area.r#type, "raw")] {
            if word != wanted {
                return Err(refuse(format!("{place} is of the kind {}", shown(word))));
            }
        }
        hash(place, &af.hash)?;
        cipher(place, &area.encryption, area.key_size)?;
        kdf.check(place)?;
        let (start, size) = (bytes(place, &area.offset)?, bytes(place, &area.size)?);
        // An unbound key may be any program's, but no longer than libcryptsetup takes.
        let fits = (1..=512).contains(key_size) && size >= key_size * STRIPES;
        match fits && af.stripes == STRIPES && start % PAGE == 0 {
            true => Ok((start, size)),
            false => Err(refuse(format!("{place} is not laid out as cryptsetup does it"))),
        }
    }
}

impl Kdf {
    fn check(&self, place: &str) -> Result<(), Refusal> {
        match self {
            Self::Pbkdf2 { hash: name, iterations } => {
                hash(place, name)?;
                pbkdf2(place, *iterations)
            }
            Self::Argon2i { time, memory, cpus } | Self::Argon2id { time, memory, cpus } => {
                let is_sane = *time >= ARGON2_TIME_MIN
                    && ARGON2_MEMORY.contains(memory)
                    && ARGON2_CPUS.contains(cpus)
                    && !cost::too_much(*time, u64::from(*memory));
                let asked = format!("{time} passes over {memory} KiB by {cpus} threads");
                if is_sane { Ok(()) } else { Err(refuse(format!("{place} asks for {asked}"))) }
            }
        }
    }
}

impl Digest {
    fn check(&self, place: &str) -> Result<(), Refusal> {
        if self.r#type != "pbkdf2" {
            return Err(refuse(format!("{place} is of the kind {}", shown(&self.r#type))));
        }
        hash(place, &self.hash)?;
        pbkdf2(place, self.iterations)
    }
}

impl Segment {
    /// `key` is the size of the volume's key, `header` where the header ends, in bytes.
    fn check(&self, key: u64, header: u64, data: Data) -> Result<(), Refusal> {
        let own = match &self.integrity {
            None => 0,
            Some(Integrity { r#type, .. }) => {
                let known = INTEGRITY.iter().find(|(name, _)| name == r#type);
                let unknown = || refuse(format!("the volume has the integrity {}", shown(r#type)));
                known.ok_or_else(unknown)?.1
            }
        };
        cipher("the volume", &self.encryption, key.saturating_sub(own))?;
        let offset = bytes("the volume", &self.offset)?;
        begins(offset, header, data)?;
        let end = match self.size.as_str() {
            "dynamic" => Some(data.size),
            size => offset.checked_add(bytes("the volume", size)?),
        };
        let is_sane = self.r#type == "crypt"
            && self.flags.is_empty()
            && bytes("the volume", &self.iv_tweak)? == 0
            && [512, 1024, 2048, 4096].contains(&self.sector_size)
            && offset % self.sector_size == 0
            && end.is_some_and(|end| end > offset && end <= data.size);
        match is_sane {
            true => Ok(()),
            false => Err(refuse("the volume is not laid out as cryptsetup does it")),
        }
    }
}

/// A number of bytes, which LUKS2 writes as text: JSON's own numbers are not large enough.
fn bytes(place: &str, text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| refuse(format!("{place} has {} where a number belongs", shown(text))))
}

/// Whether all are numbered as cryptsetup does it.
fn numbered<T>(all: &BTreeMap<String, T>) -> Result<(), Refusal> {
    let is_number =
        |text: &str| text.parse::<u32>().is_ok_and(|n| n < NUMBERS && n.to_string() == text);
    match all.keys().find(|number| !is_number(number)) {
        None => Ok(()),
        Some(other) => Err(refuse(format!("{} is no number of a keyslot", shown(other)))),
    }
}
