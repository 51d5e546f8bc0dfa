//! Every option once: its spelling, whose it is, and where its value goes.
//!
//! They are crypttab(5)'s options with crypttab's meaning, and ours under names
//! that crypttab does not use, except `timeout=`, which there limits a password prompt.

use self::Origin::{Bektab, Crypttab};
use self::Set::{Each, Flag, One};
use super::line::{Fault, Value, Word};
use super::option_value as value;
use crate::volume::{Encryption, Options};

/// Every accepted name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| row.names.iter().copied())
}

/// The options without value of crypttab(5) among ours.
pub(super) fn crypttab_flags() -> impl Iterator<Item = &'static str> {
    let flag = |row: &&Row| row.origin == Origin::Crypttab && !row.takes_value();
    TABLE.iter().filter(flag).flat_map(|row| row.names.iter().copied())
}

/// An option.
pub(super) struct Row {
    /// The names; the first one is ours, the others are accepted.
    names: &'static [&'static str],
    /// Whose it is.
    pub origin: Origin,
    /// Where it goes.
    pub set: Set,
}

/// The file format an option comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Only bektab(5) has it.
    Bektab,
    /// crypttab(5) has it, with the same meaning.
    Crypttab,
}

/// What an option does.
pub(super) enum Set {
    /// With a value, any number of times.
    Each(fn(&mut Options, &Value) -> Result<(), Fault>),
    /// Without value.
    Flag(fn(&mut Options)),
    /// With a value.
    One(fn(&mut Options, &Value) -> Result<(), Fault>),
}

const fn option(names: &'static [&'static str], origin: Origin, set: Set) -> Row {
    Row { names, origin, set }
}

const TABLE: &[Row] = &[
    option(&["_netdev"], Crypttab, Flag(|o| o.netdev = true)),
    option(&["bitlk"], Crypttab, Flag(|o| o.encryption = Some(Encryption::Bitlk))),
    option(&["ca"], Bektab, One(|o, v| put(&mut o.ca, value::path(v)))),
    option(&["content"], Bektab, One(|o, v| value::content(v).map(|content| o.content = content))),
    option(&["discard"], Crypttab, Flag(|o| o.discard = true)),
    option(&["header"], Crypttab, One(|o, v| put(&mut o.header, value::header(v)))),
    option(
        &["header-policy"],
        Bektab,
        One(|o, v| value::header_policy(v).map(|policy| o.header_policy = policy)),
    ),
    option(&["identity"], Bektab, One(|o, v| put(&mut o.identity, value::identity(v)))),
    option(&["kek"], Bektab, One(|o, v| put(&mut o.kek, value::kek(v)))),
    option(&["kek-algorithm"], Bektab, One(|o, v| put(&mut o.kek_algorithm, value::algorithm(v)))),
    option(&["key-only"], Bektab, Flag(|o| o.key_only = true)),
    option(&["key-slot"], Crypttab, One(|o, v| put(&mut o.key_slot, value::slot(v)))),
    option(&["luks"], Crypttab, Flag(|o| o.encryption = Some(Encryption::Luks))),
    option(&["machine-name"], Bektab, One(|o, v| put(&mut o.machine_name, value::machine_name(v)))),
    option(&["no-read-workqueue"], Crypttab, Flag(|o| o.no_read_workqueue = true)),
    option(&["no-write-workqueue"], Crypttab, Flag(|o| o.no_write_workqueue = true)),
    option(&["noauto"], Crypttab, Flag(|o| o.noauto = true)),
    option(&["nofail"], Crypttab, Flag(|o| o.nofail = true)),
    option(&["prompt"], Bektab, Flag(|o| o.prompt = true)),
    option(&["read-only", "readonly"], Crypttab, Flag(|o| o.read_only = true)),
    option(&["same-cpu-crypt"], Crypttab, Flag(|o| o.same_cpu_crypt = true)),
    option(&["submit-from-crypt-cpus"], Crypttab, Flag(|o| o.submit_from_crypt_cpus = true)),
    option(&["timeout"], Bektab, One(|o, v| value::limit(v).map(|limit| o.timeout = limit))),
    option(&["vault"], Bektab, One(|o, v| put(&mut o.vault, value::vault(v)))),
    option(
        &["vault-suffix"],
        Bektab,
        Each(|o, v| value::suffix(v).map(|suffix| o.vault_suffixes.push(suffix))),
    ),
    option(&["x-initrd.attach"], Crypttab, Flag(|o| o.initrd = true)),
    option(
        &["x-systemd.device-timeout"],
        Crypttab,
        One(|o, v| put(&mut o.device_timeout, value::limit(v))),
    ),
];

fn put<T>(place: &mut Option<T>, value: Result<T, Fault>) -> Result<(), Fault> {
    *place = Some(value?);
    Ok(())
}

/// Options that only LUKS has a use for.
const NOT_WITH_BITLK: [&str; 4] = ["header", "header-policy", "key-slot", "luks"];

/// Which of the options `seen` cannot stand beside this one.
pub(super) fn opposed(name: &str, seen: &[&'static str]) -> Option<&'static str> {
    seen.iter().copied().find(|other| match (name, *other) {
        ("bitlk", other) => NOT_WITH_BITLK.contains(&other),
        (name, "bitlk") => NOT_WITH_BITLK.contains(&name),
        _ => false,
    })
}

/// The option of this name.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.names.contains(&name))
}

impl Row {
    /// Its own name.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Whether `=VALUE` belongs to it.
    pub(super) fn takes_value(&self) -> bool {
        matches!(self.set, Set::Each(_) | Set::One(_))
    }

    /// Sets it; `name` and `value` are the halves of `word`.
    pub(super) fn apply(
        &self,
        options: &mut Options,
        name: &Value,
        value: Option<&Value>,
        word: &Word<'_>,
    ) -> Result<(), Fault> {
        let needed = format!("option {:?} needs a value", name.as_str());
        match (&self.set, value) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        let names: Vec<_> = TABLE.iter().map(Row::name).collect();
        assert!(names.is_sorted());
        let mut all: Vec<_> = super::names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
