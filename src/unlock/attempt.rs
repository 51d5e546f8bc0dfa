//! Trying the keys of one source on one device.
//!
//! Every key a source has is tried before the next source is asked, each as it is before any is
//! changed. Who is asked when is rounds.rs's.

use std::cell::RefCell;
use std::time::Duration;

use super::LOOK_AGAIN;
use crate::deadline::Deadline;
use crate::deadline::trace::Doing;
use crate::error::{Kind, Shortage, exit};
use crate::key::{Candidate, KeySource, SourceName};
use crate::mapping::{LuksDevice, Memory, OpenFailure, Reserved};
use crate::volume::Volume;

/// How long free memory is waited for at the most: every volume of a large VM one after the other.
/// Without this, `timeout=0` would wait for ever for what a small VM never has.
const MEMORY_PATIENCE: Duration = Duration::from_secs(600);

/// A key that opened the volume.
pub(super) struct Fit {
    pub keyslot: u32,
    pub source: SourceName,
    pub origin: String,
    pub trimmed: bool,
}

/// Why a source did not open the volume.
pub(super) enum Refusal {
    /// No other key can help.
    Final(Kind),
    /// The next source may.
    TryNext(Kind),
}

/// Trying keys on one device.
pub(super) struct Attempt<'a, 'd> {
    pub volume: &'a Volume,
    /// Behind a cell, because a key may be tried while another source is waited for.
    pub luks: RefCell<&'a mut dyn LuksDevice>,
    pub memory: &'a dyn Memory,
    pub deadline: &'a Deadline<'d>,
}

impl Attempt<'_, '_> {
    /// Asks `source` until it has no more keys and tries each; what it handed over before and was
    /// `tried` counts, too.
    pub fn ask(
        &self,
        source: &mut dyn KeySource,
        deadline: &Deadline<'_>,
        tried: Vec<String>,
    ) -> Result<Fit, Refusal> {
        let span = deadline.begin(Doing::Source(source.name()));
        let asked = self.ask_until_empty(source, deadline, tried);
        match &asked {
            Err(Refusal::Final(kind) | Refusal::TryNext(kind)) => span.failed(kind.name()),
            Ok(_) => drop(span),
        }
        asked
    }

    fn ask_until_empty(
        &self,
        source: &mut dyn KeySource,
        deadline: &Deadline<'_>,
        mut tried: Vec<String>,
    ) -> Result<Fit, Refusal> {
        loop {
            let keys = match source.keys(deadline) {
                Ok(keys) if keys.is_empty() => break,
                // Somebody typed one that fits, in this very moment.
                Ok(_) if deadline.is_cut() => break,
                Ok(keys) => keys,
                // What was tried before says more than that there is nothing further; but a key that
                // was there and could not be had, refused or not unwrapped, is the one to mend.
                Err(kind) if !tried.is_empty() && kind.exit_status() == exit::MISSING => break,
                Err(kind) => return Err(Refusal::TryNext(kind)),
            };
            if let Some(fit) = self.try_all(&keys, source.name())? {
                return Ok(fit);
            }
            tried.extend(keys.into_iter().map(|key| key.origin));
        }
        Err(Refusal::TryNext(Kind::KeyRejected {
            place: common_place(&tried),
            tried: tried.len(),
            keyslots: self.luks.borrow().header().keyslots.len(),
        }))
    }

    /// All keys verbatim first; only then key files without their final newline.
    pub fn try_all(&self, keys: &[Candidate], source: SourceName) -> Result<Option<Fit>, Refusal> {
        for trimmed in [false, true] {
            for key in keys {
                let shorter = match trimmed {
                    true if key.from_file => key.secret.without_final_newline(),
                    _ => None,
                };
                let secret = match (&shorter, trimmed) {
                    (Some(shorter), _) => shorter,
                    (None, false) => &key.secret,
                    (None, true) => continue,
                };
                let _memory = self.wait_for_memory()?;
                let span = self.deadline.begin(Doing::Keyslots);
                let mut luks = self.luks.borrow_mut();
                let opened = luks.open(&self.volume.name, secret, &self.volume.options);
                drop((luks, span));
                match opened {
                    Ok(keyslot) => {
                        let origin = key.origin.clone();
                        return Ok(Some(Fit { keyslot, source, origin, trimmed }));
                    }
                    Err(OpenFailure::WrongKey) => {}
                    Err(OpenFailure::Other(kind)) => return Err(Refusal::Final(kind)),
                }
            }
        }
        Ok(None)
    }

    /// Waits until the hungriest keyslot's KDF has its memory, and sets that aside.
    ///
    /// Other volumes' KDFs give theirs back in seconds; a VM made smaller than the one that
    /// formatted the volume never has enough, and then this says so instead of the OOM killer.
    fn wait_for_memory(&self) -> Result<Box<dyn Reserved>, Refusal> {
        let slot = self.volume.options.key_slot;
        let luks = self.luks.borrow();
        let slots = luks.header().keyslots.iter();
        let needed_kib = slots
            .filter(|keyslot| slot.is_none_or(|slot| slot == keyslot.number))
            .map(|keyslot| keyslot.memory_kib)
            .max()
            .unwrap_or(0);
        drop(luks);
        let short = |shortage| Kind::MemoryShort { needed_kib, shortage };
        // Who has the reservations this moment says nothing about memory.
        let mut last = Shortage::Busy;
        let patience = self.deadline.within(MEMORY_PATIENCE);
        let span = patience.begin(Doing::Memory);
        let reserved = patience.poll(LOOK_AGAIN, || match self.memory.reserve(needed_kib) {
            Ok(reserved) => Ok(Some(reserved)),
            Err(shortage) if !shortage.may_end() => Err(Refusal::Final(short(shortage))),
            Err(Shortage::Busy) => Ok(None),
            Err(shortage) => {
                if last == Shortage::Busy {
                    log::info!("waiting for memory: {}", short(shortage));
                }
                last = shortage;
                Ok(None)
            }
        });
        match reserved {
            Ok(Some(reserved)) => Ok(reserved),
            Ok(None) => {
                let kind = short(last);
                span.failed(kind.name());
                Err(Refusal::Final(kind))
            }
            Err(refusal) => Err(refusal),
        }
    }
}

/// Where several keys came from, in one phrase: the part their origins share.
fn common_place(origins: &[String]) -> String {
    let [first, rest @ ..] = origins else { return "this source".to_owned() };
    if rest.is_empty() {
        return first.clone();
    }
    let place = first.split_once(": ").map_or(first.as_str(), |(place, _)| place);
    if rest.iter().all(|origin| origin.starts_with(place)) {
        return place.to_owned();
    }
    let kind: String = place.split(' ').take(2).collect::<Vec<_>>().join(" ");
    format!("{kind}s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlock::fake::{Case, key, opened};

    #[test]
    fn every_key_is_tried_verbatim_before_any_is_trimmed() {
        let mut case = Case::new();
        case.disk = vec![Ok(vec![key("right\n"), key("other")])];
        let (result, events, _) = case.run();
        assert!(opened(result).trimmed);
        assert_eq!(events[1..], ["try \"right\\n\"", "try \"other\"", "try \"right\""]);
    }

    #[test]
    fn keys_of_a_vault_are_never_trimmed() {
        let mut case = Case::new();
        case.disk = vec![Ok(vec![Candidate { from_file: false, ..key("right\n") }])];
        let (result, events, _) = case.run();
        assert_eq!(result.unwrap_err().kind.name(), "key-rejected");
        assert_eq!(events[1..], ["try \"right\\n\"", "ask key-disk for 90 s"]);
    }

    #[test]
    fn a_source_is_asked_for_more_until_it_has_none() {
        let mut case = Case::new();
        case.disk = vec![Ok(vec![key("new")]), Ok(vec![key("old")])];
        let (result, events, _) = case.run();
        let kind = result.unwrap_err().kind;
        let Kind::KeyRejected { place, tried, keyslots } = kind else { panic!("{kind:?}") };
        assert_eq!((place.as_str(), tried, keyslots), ("key disk /dev/sdc1", 2, 1));
        assert_eq!(events.iter().filter(|event| event.starts_with("ask")).count(), 3);
    }

    #[test]
    fn a_key_that_could_not_be_had_says_more_than_others_that_do_not_fit() {
        let run = |further: Kind| {
            let mut case = Case::new();
            case.disk = vec![Ok(vec![key("of another disk")]), Err(further)];
            case.run().0.unwrap_err().kind
        };
        let what = "LinuxPassPhraseFileName_1_1".to_owned();
        let malformed = Kind::KeyMalformed { what, reason: "another KEK wrapped it".to_owned() };
        assert_eq!(run(malformed.clone()), malformed);
        let missing = Kind::KeyDiskMissing { waited: Duration::ZERO };
        assert_eq!(run(missing).name(), "key-rejected");
    }

    #[test]
    fn memory_that_never_comes_is_given_up_without_a_deadline_too() {
        let mut case = Case::new();
        (case.keyslot_memory_kib, case.memory_kib, case.timeout) = (1_048_576, 524_288, None);
        let (result, _, elapsed) = case.run();
        assert_eq!(result.unwrap_err().kind.name(), "memory-short");
        assert_eq!(elapsed, MEMORY_PATIENCE);
    }

    #[test]
    fn memory_that_the_machine_never_has_is_not_waited_for() {
        let mut case = Case::new();
        (case.keyslot_memory_kib, case.memory_total_kib) = (1_048_576, 1_048_576);
        let (result, events, elapsed) = case.run();
        let shortage = Shortage::Machine { kib: 1_048_576 };
        let kind = Kind::MemoryShort { needed_kib: 1_048_576, shortage };
        assert_eq!((result.unwrap_err().kind, elapsed), (kind, Duration::ZERO));
        assert_eq!(events, ["ask key-disk for 90 s"]);
    }

    #[test]
    fn memory_is_set_aside_while_a_key_is_tried_and_no_longer() {
        let mut case = Case::new();
        (case.keyslot_memory_kib, case.memory_kib) = (1024, 2047);
        case.disk = vec![Ok(vec![key("wrong"), key("right")])];
        // Both tries at once would not fit.
        opened(case.run().0);
    }

    #[test]
    fn a_kdf_that_does_not_fit_is_an_error_before_it_runs() {
        let mut case = Case::new();
        (case.keyslot_memory_kib, case.memory_kib) = (1_048_576, 524_288);
        let (result, events, elapsed) = case.run();
        assert_eq!(
            result.unwrap_err().kind,
            Kind::MemoryShort {
                needed_kib: 1_048_576,
                shortage: Shortage::Free { kib: 524_288, others: 0 },
            }
        );
        assert_eq!(events, ["ask key-disk for 90 s"]);
        assert_eq!(elapsed, Duration::from_secs(90));
    }
}
