//! Which header is used: the one that `header=` names, or a copy of it in the initramfs.
//!
//! The named one, on /boot, is the one that tools change. A copy takes its place only where it has
//! to, or where its epoch proves that it is newer (somebody restored an old /boot). A copy is never
//! used when it is another volume's, or when it knows of a reencryption that the named one does not
//! know of, or the other way round: it would decrypt some sectors with the wrong key.

use std::fmt;

use super::DetachedHeader;
use super::identity::Reencryption;
use crate::error::{Kind, printable};
use crate::volume::HeaderSpec;

/// The header that is used, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The header.
    pub header: DetachedHeader,
    /// Why this one.
    pub why: Why,
    /// What else was seen, the header's own state included.
    pub notes: Vec<Note>,
}

/// Why a header is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// `header=` names it.
    Named,
    /// It is a copy, and newer than the one that is named.
    Newer,
    /// It is a copy, and the one that is named cannot be used.
    StandsIn(Kind),
}

impl Why {
    /// The word for it in JSON and in the record of an opened volume.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Newer => "newer-copy",
            Self::StandsIn(_) => "stand-in",
        }
    }
}

/// Something to say about a header that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which one.
    pub spec: HeaderSpec,
    /// What.
    pub fact: Fact,
}

/// What is to be said about a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// One of its two copies of itself is damaged.
    HalfDamaged,
    /// It is a copy, and used for being newer.
    Newer {
        /// Its epoch.
        epoch: u64,
        /// The epoch of the one that is named.
        named: u64,
    },
    /// It is a copy that is out of date, and not used.
    Older,
    /// It is a copy of another volume's header, and not used.
    OtherVolume {
        /// Its UUID.
        uuid: String,
    },
    /// It is a copy from before, in or after a reencryption, and not used.
    Reencryption,
    /// It is a copy, and used because the one that is named cannot be.
    StandsIn(Kind),
}

impl Fact {
    /// Whether somebody has to do something about it.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::HalfDamaged
            | Self::Newer { .. }
            | Self::OtherVolume { .. }
            | Self::StandsIn(_) => true,
            Self::Older | Self::Reencryption => false,
        }
    }
}

/// Chooses between what came of reading the header that is named, and its copies.
///
/// Errors: what was wrong with the one that is named, when no copy may stand in for it; and when
/// the one that is named is itself a copy in the image, from a reencryption that went on since.
pub fn choose(
    named: Result<DetachedHeader, Kind>,
    copies: Vec<DetachedHeader>,
) -> Result<Chosen, Kind> {
    let mut chosen = match named {
        Ok(named) => beside(named, copies),
        Err(kind) => instead(kind, copies)?,
    };
    if chosen.header.in_image && !may_stand_in(&chosen.header) {
        let path = chosen.header.spec.to_string().into();
        let reason = "it is a copy in the initramfs, from a reencryption".to_owned();
        return Err(Kind::HeaderUnusable { path, reason });
    }
    if chosen.header.identity.half_damaged {
        let spec = chosen.header.spec.clone();
        chosen.notes.push(Note { spec, fact: Fact::HalfDamaged });
    }
    Ok(chosen)
}

/// Whether a copy can be used when nothing is known but itself.
pub fn may_stand_in(copy: &DetachedHeader) -> bool {
    copy.identity.reencryption == Reencryption::None
}

/// The named header is there: a copy has to be newer.
fn beside(named: DetachedHeader, copies: Vec<DetachedHeader>) -> Chosen {
    let mut chosen = Chosen { header: named.clone(), why: Why::Named, notes: Vec::new() };
    for copy in copies {
        let (own, others) = (&named.identity, &copy.identity);
        let spec = copy.spec.clone();
        let fact = if (own.version, &own.uuid) != (others.version, &others.uuid) {
            Fact::OtherVolume { uuid: others.uuid.clone() }
        } else if !may_stand_in(&copy) || own.requirements != others.requirements {
            Fact::Reencryption
        } else {
            match (others.epoch, own.epoch) {
                (Some(epoch), Some(named)) if epoch > named => {
                    if copy.identity.epoch > chosen.header.identity.epoch {
                        chosen.header = copy;
                        chosen.why = Why::Newer;
                    }
                    Fact::Newer { epoch, named }
                }
                (Some(epoch), Some(named)) if epoch < named => Fact::Older,
                _ => continue,
            }
        };
        chosen.notes.push(Note { spec, fact });
    }
    // Of several newer copies only the one that is used is worth a word.
    let used = chosen.header.spec.clone();
    chosen.notes.retain(|note| !matches!(note.fact, Fact::Newer { .. }) || note.spec == used);
    chosen
}

/// The named header is not there: the first copy that may, or a newer one of the same volume.
fn instead(kind: Kind, copies: Vec<DetachedHeader>) -> Result<Chosen, Kind> {
    let mut notes = Vec::new();
    let mut best: Option<DetachedHeader> = None;
    for copy in copies {
        let spec = copy.spec.clone();
        let fact = match &best {
            _ if !may_stand_in(&copy) => Fact::Reencryption,
            Some(best) if best.identity.uuid != copy.identity.uuid => {
                Fact::OtherVolume { uuid: copy.identity.uuid }
            }
            Some(best) if best.identity.epoch >= copy.identity.epoch => continue,
            _ => {
                best = Some(copy);
                continue;
            }
        };
        notes.push(Note { spec, fact });
    }
    let Some(header) = best else { return Err(without_copy(kind, &notes)) };
    notes.push(Note { spec: header.spec.clone(), fact: Fact::StandsIn(kind.clone()) });
    Ok(Chosen { header, why: Why::StandsIn(kind), notes })
}

/// Says why the copies that are there were no help.
fn without_copy(kind: Kind, notes: &[Note]) -> Kind {
    match (kind, notes.first()) {
        (Kind::HeaderUnusable { path, reason }, Some(note)) => Kind::HeaderUnusable {
            path,
            reason: format!("{reason}; the copy {} is from a reencryption", note.spec),
        },
        (kind, _) => kind,
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = &self.spec;
        match &self.fact {
            Fact::HalfDamaged => {
                write!(f, "one of the two copies inside header {spec} is damaged; using the other")
            }
            Fact::Newer { epoch, named } => write!(
                f,
                "using header copy {spec}: its epoch is {epoch}, that of the header named in \
                 bektab is {named}"
            ),
            Fact::Older => write!(f, "header copy {spec} is out of date; rebuild the initramfs"),
            Fact::OtherVolume { uuid } => write!(
                f,
                "header copy {spec} is another volume's (UUID {}); not used",
                printable(uuid, 40)
            ),
            Fact::Reencryption => {
                write!(f, "header copy {spec} differs by a reencryption; not used")
            }
            Fact::StandsIn(kind) => write!(f, "using header copy {spec}: {kind}"),
        }
    }
}

#[cfg(test)]
mod tests;
