//! The fourth field: one table of every option, its spelling, and where its value goes.
//!
//! crypttab(5)'s options keep their spelling and meaning; ours have names crypttab does not use,
//! except `timeout=`, which there limits a password prompt. In bektab(5) everything unknown is an
//! error, because a misspelt `header=` opens the wrong thing; in a crypttab, which is not ours,
//! what only systemd or Debian knows is left to them.

use super::line::{Fault, Value, Word};
use super::nearest::nearest;
use super::option_value as value;
use crate::volume::Options;

/// Parses the fourth field of bektab(5); `-` and `none` are no options, as for systemd-cryptsetup.
pub(super) fn parse(field: Word<'_>) -> Result<Options, Fault> {
    let mut options = Options::default();
    let mut seen = Vec::new();
    if matches!(field.raw, "-" | "none") {
        return Ok(options);
    }
    for word in field.split(&[',']) {
        let (name, value) = word.decode()?.split_equals();
        let Some(row) = row(name.as_str()) else { return Err(unknown(&word, &name)) };
        if seen.contains(&row.name()) && !matches!(row.set, Set::Each(_)) {
            return Err(name.fault(format!("option {:?} is given twice", row.name())));
        }
        seen.push(row.name());
        row.apply(&mut options, &name, value.as_ref(), &word)?;
    }
    Ok(options)
}

/// Parses the fourth field of somebody else's crypttab(5).
///
/// Unknown options, ours, and options without the value they need are left out; the last of two
/// wins. A value that crypttab(5) does not allow either is an error all the same.
pub(super) fn parse_crypttab(field: Word<'_>) -> Result<Options, Fault> {
    let mut options = Options::default();
    if matches!(field.raw, "-" | "none") {
        return Ok(options);
    }
    for word in field.split(&[',']) {
        let (name, value) = word.decode()?.split_equals();
        match row(name.as_str()) {
            Some(row) if row.origin == Origin::Crypttab => {
                row.apply(&mut options, &name, value.as_ref(), &word)?;
            }
            _ => {}
        }
    }
    Ok(options)
}

/// The first option of this name in `field`, with its value.
pub(super) fn find<'a>(field: Word<'a>, name: &str) -> Option<Word<'a>> {
    field.split(&[',']).find(|word| word.raw.split('=').next() == Some(name))
}

/// Whether `text` is an option that takes no value, or one with its value.
pub(super) fn is_option(text: &str) -> bool {
    let (name, value) = text.split_once('=').map_or((text, false), |(name, _)| (name, true));
    row(name).is_some_and(|row| row.takes_value() == value)
}

/// The options without value of crypttab(5) among ours.
pub(super) fn crypttab_flags() -> impl Iterator<Item = &'static str> {
    let flag = |row: &&Row| row.origin == Origin::Crypttab && !row.takes_value();
    TABLE.iter().filter(flag).flat_map(|row| row.names.iter().copied())
}

struct Row {
    /// The names; the first one is ours, the others are accepted.
    names: &'static [&'static str],
    origin: Origin,
    set: Set,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Bektab,
    Crypttab,
}

enum Set {
    /// With a value, any number of times.
    Each(fn(&mut Options, &Value) -> Result<(), Fault>),
    /// Without value.
    Flag(fn(&mut Options)),
    /// With a value.
    One(fn(&mut Options, &Value) -> Result<(), Fault>),
    /// Known, and refused for this reason.
    Refused(&'static str),
}

use Origin::{Bektab, Crypttab};
use Set::{Each, Flag, One, Refused};

const fn row_of(names: &'static [&'static str], origin: Origin, set: Set) -> Row {
    Row { names, origin, set }
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    row_of(&["_netdev"], Crypttab, Flag(|o| o.netdev = true)),
    row_of(&["bitlk"], Crypttab, Refused("opens LUKS1 and LUKS2 only; BitLocker volumes are not opened at boot")),
    row_of(&["ca"], Bektab, One(|o, v| value::path(v).map(|path| o.ca = Some(path)))),
    row_of(&["content"], Bektab, One(|o, v| value::content(v).map(|content| o.content = content))),
    row_of(&["discard"], Crypttab, Flag(|o| o.discard = true)),
    row_of(&["header"], Crypttab, One(|o, v| value::header(v).map(|path| o.header = Some(path)))),
    row_of(&["identity"], Bektab, One(|o, v| value::identity(v).map(|identity| o.identity = Some(identity)))),
    row_of(&["kek"], Bektab, One(|o, v| value::kek(v).map(|kek| o.kek = Some(kek)))),
    row_of(&["kek-algorithm"], Bektab, One(|o, v| value::algorithm(v).map(|algorithm| o.kek_algorithm = Some(algorithm)))),
    row_of(&["key-slot"], Crypttab, One(|o, v| value::slot(v).map(|slot| o.key_slot = Some(slot)))),
    row_of(&["luks"], Crypttab, Flag(|_| ())),
    row_of(&["machine-name"], Bektab, One(|o, v| value::machine_name(v).map(|name| o.machine_name = Some(name)))),
    row_of(&["no-read-workqueue"], Crypttab, Flag(|o| o.no_read_workqueue = true)),
    row_of(&["no-write-workqueue"], Crypttab, Flag(|o| o.no_write_workqueue = true)),
    row_of(&["noauto"], Crypttab, Flag(|o| o.noauto = true)),
    row_of(&["nofail"], Crypttab, Flag(|o| o.nofail = true)),
    row_of(&["prompt"], Bektab, Flag(|o| o.prompt = true)),
    row_of(&["read-only", "readonly"], Crypttab, Flag(|o| o.read_only = true)),
    row_of(&["same-cpu-crypt"], Crypttab, Flag(|o| o.same_cpu_crypt = true)),
    row_of(&["submit-from-crypt-cpus"], Crypttab, Flag(|o| o.submit_from_crypt_cpus = true)),
    row_of(&["timeout"], Bektab, One(|o, v| value::limit(v).map(|limit| o.timeout = limit))),
    row_of(&["vault"], Bektab, One(|o, v| value::vault(v).map(|vault| o.vault = Some(vault)))),
    row_of(&["vault-suffix"], Bektab, Each(|o, v| value::suffix(v).map(|suffix| o.vault_suffixes.push(suffix)))),
    row_of(&["x-initrd.attach"], Crypttab, Flag(|o| o.initrd = true)),
    row_of(&["x-systemd.device-timeout"], Crypttab, One(|o, v| value::limit(v).map(|limit| o.device_timeout = Some(limit)))),
];

fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.names.contains(&name))
}

impl Row {
    fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    fn takes_value(&self) -> bool {
        matches!(self.set, Set::Each(_) | Set::One(_))
    }

    fn apply(
        &self,
        options: &mut Options,
        name: &Value,
        value: Option<&Value>,
        word: &Word<'_>,
    ) -> Result<(), Fault> {
        let needed = format!("option {:?} needs a value", name.as_str());
        match (&self.set, value) {
            (Set::Refused(reason), _) => Err(word.fault(*reason)),
            (Set::Flag(set), None) => {
                set(options);
                Ok(())
            }
            (Set::Flag(_), Some(_)) => {
                Err(word.fault(format!("option {:?} takes no value", name.as_str())))
            }
            (Set::Each(set) | Set::One(set), Some(value)) if !value.as_str().is_empty() => {
                set(options, value)
            }
            (Set::Each(_) | Set::One(_), _) => Err(word.fault(needed)),
        }
    }
}

fn unknown(word: &Word<'_>, name: &Value) -> Fault {
    if word.raw.is_empty() {
        return word.fault("an option is missing beside this comma");
    }
    let names = TABLE.iter().flat_map(|row| row.names.iter().copied());
    let meant = nearest(name.as_str(), names).and_then(row).map(|row| {
        let equals = if row.takes_value() { "=" } else { "" };
        format!("{}{equals}", row.name())
    });
    name.fault(format!("unknown option {:?}", name.as_str())).suggest(meant)
}
