//! The key sources in their order: who is asked when, and with how much of the time.
//!
//! One deadline covers them all, so each is given what the ones after it can spare; and the first
//! word of a source need not be its last. What a source's keys are worth is attempt.rs's.

use std::time::Duration;

use super::attempt::{Attempt, Fit, Refusal};
use super::race::Race;
use crate::deadline::Deadline;
use crate::error::{Error, Goal, Kind};
use crate::key::{KeySource, SourceName};

/// How long the key disk is waited for while another source is left to ask.
///
/// Azure attaches the key disk before the VM starts: once storage drivers are up it is there. A
/// VM whose key is in Key Vault must not lose its whole `timeout=` to a disk that never comes.
const LOCAL_PATIENCE: Duration = Duration::from_secs(10);

/// How long a source that needs the network is tried while another one is left, as the default of
/// `timeout=`: with `timeout=0` half of the time would never be over.
const NETWORK_PATIENCE: Duration = Duration::from_secs(90);

/// Asks `sources` until a key opens the device; with it, what the other sources said.
///
/// The error names neither volume nor device.
pub(super) fn ask_all(
    attempt: &Attempt<'_, '_>,
    mut sources: Vec<Box<dyn KeySource + '_>>,
) -> Result<(Fit, Vec<Kind>), Error> {
    let others = sources.len() > 1;
    let person = sources.pop_if(|last| others && last.is_beside());
    let race = person.map(|prompt| Race::new(attempt, prompt));
    let mut failures = Vec::new();
    let mut found = first_round(attempt, &mut sources, race.as_ref(), &mut failures);
    if matches!(found, Ok(None)) && others {
        found = second_round(attempt, &mut sources, &mut failures);
    }
    match found {
        Ok(Some(fit)) => Ok((fit, failures)),
        Ok(None) => Err(Error::of_sources(Goal::Unlock, failures)),
        Err(kind) => Err(Error::new(Goal::Unlock, kind)),
    }
}

/// Each source once; `failures` gets what each said that did not open the device.
fn first_round(
    attempt: &Attempt<'_, '_>,
    sources: &mut [Box<dyn KeySource + '_>],
    race: Option<&Race<'_, '_, '_, '_>>,
    failures: &mut Vec<Kind>,
) -> Result<Option<Fit>, Kind> {
    let mut names: Vec<SourceName> = sources.iter().map(|source| source.name()).collect();
    names.extend(race.map(|_| SourceName::Prompt));
    for (index, source) in sources.iter_mut().enumerate() {
        let left = names.get(index + 1..).unwrap_or_default();
        let own = match (race, left) {
            // Whoever types needs no time of its own: it runs beside this one's.
            (Some(_), [SourceName::Prompt]) if source.name() != SourceName::KeyDisk => &[],
            _ => left,
        };
        let patience = patience(source.name(), own, attempt.deadline);
        let asked = match race {
            Some(race) => attempt.ask(&mut **source, &patience.beside(race), Vec::new()),
            None => attempt.ask(&mut **source, &patience, Vec::new()),
        };
        match (asked, race.and_then(Race::end)) {
            (Ok(fit), _) => return Ok(Some(fit)),
            (Err(_), Some(end)) => return end.map(Some),
            (Err(Refusal::Final(kind)), None) => return Err(kind),
            (Err(Refusal::TryNext(kind)), None) => failures.push(kind),
        }
    }
    match race.map(Race::ask_alone) {
        None => Ok(None),
        Some(Ok(fit)) => Ok(Some(fit)),
        Some(Err(Refusal::Final(kind))) => Err(kind),
        Some(Err(Refusal::TryNext(kind))) => {
            failures.push(kind);
            Ok(None)
        }
    }
}

/// The part of the time that a source gets while those in `left` are still to be asked.
fn patience<'d>(source: SourceName, left: &[SourceName], deadline: &Deadline<'d>) -> Deadline<'d> {
    let others_left = !left.is_empty();
    match source {
        // A volume with a token needs no key disk, and most such machines never have one: waiting
        // would cost them its patience at every boot. One that is late is seen in the second round.
        SourceName::KeyDisk if left.contains(&SourceName::Token) => deadline.within(Duration::ZERO),
        SourceName::KeyDisk if others_left => {
            deadline.within(LOCAL_PATIENCE.min(deadline.remaining() / 2))
        }
        // Whoever is to type needs time for it. A file asks Key Vault, too, when it is wrapped.
        SourceName::File | SourceName::KeyVault | SourceName::Token if others_left => {
            deadline.within(NETWORK_PATIENCE.min(deadline.remaining() / 2))
        }
        _ => *deadline,
    }
}

/// While later sources were asked a key disk may have come, or the network an earlier one was
/// waiting for: one more look, at the disk without waiting. The last one had all the time there was:
/// what it did not wait for, a long Retry-After, it must not be asked for at once.
fn second_round(
    attempt: &Attempt<'_, '_>,
    sources: &mut [Box<dyn KeySource + '_>],
    failures: &mut [Kind],
) -> Result<Option<Fit>, Kind> {
    let deadline = attempt.deadline;
    let last = sources.len().saturating_sub(1);
    for (index, (source, failure)) in sources.iter_mut().zip(failures).enumerate() {
        let patience = match &*failure {
            Kind::KeyDiskMissing { .. } => deadline.within(Duration::ZERO),
            kind if kind.is_transient() && index < last && !deadline.passed() => *deadline,
            _ => continue,
        };
        match attempt.ask(&mut **source, &patience, Vec::new()) {
            Ok(fit) => return Ok(Some(fit)),
            Err(Refusal::Final(kind)) => return Err(kind),
            // The first answer said how long it was waited for; that is the one to report.
            Err(Refusal::TryNext(Kind::KeyDiskMissing { .. })) => {}
            Err(Refusal::TryNext(later)) => *failure = counting(later, failure),
        }
    }
    Ok(None)
}

/// `later`, with the tries of the first round where the same service was not reached again: with
/// the little time that is left, its own are as good as none.
fn counting(later: Kind, first: &Kind) -> Kind {
    match (later, first) {
        (Kind::MetadataUnreachable(now), Kind::MetadataUnreachable(before)) => {
            Kind::MetadataUnreachable(now.after(before))
        }
        (
            Kind::SignInUnreachable { authority, unreachable },
            Kind::SignInUnreachable { authority: same, unreachable: before },
        ) if authority == *same => {
            Kind::SignInUnreachable { authority, unreachable: unreachable.after(before) }
        }
        (
            Kind::VaultUnreachable { vault, unreachable },
            Kind::VaultUnreachable { vault: same, unreachable: before },
        ) if vault == *same => {
            Kind::VaultUnreachable { vault, unreachable: unreachable.after(before) }
        }
        (later, _) => later,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::azure::id::Host;
    use crate::error::{TransportProblem, Unreachable};
    use crate::key::Candidate;
    use crate::unlock::fake::{Case, key, missing, opened};

    fn unreachable(tries: u32, seconds: u64) -> Unreachable {
        let problem = match tries {
            0 => TransportProblem::TimedOut,
            _ => TransportProblem::Connect("Network is unreachable".to_owned()),
        };
        Unreachable { problem, tries, elapsed: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_key_disk_gets_ten_seconds_while_the_vault_is_left() {
        let mut case = Case::new();
        case.disk = vec![Err(missing())];
        case.vault = Some(vec![Ok(vec![key("right")])]);
        let (result, events, _) = case.run();
        let opened = opened(result);
        assert_eq!(opened.source, SourceName::KeyVault);
        assert_eq!(opened.passed_over, [missing()]);
        assert_eq!(events, ["ask key-disk for 10 s", "ask key-vault for 90 s", "try \"right\""]);
    }

    /// A script answers at once; what a key disk would wait is what it is given.
    #[test]
    fn the_key_disk_is_looked_at_once_when_the_header_has_a_token() {
        let mut case = Case::new();
        case.disk = vec![Err(missing())];
        case.token = Some(vec![Ok(vec![key("right")])]);
        case.vault = Some(vec![]);
        let (result, events, elapsed) = case.run();
        assert_eq!((opened(result).source, elapsed), (SourceName::Token, Duration::ZERO));
        let token = "ask luks2-token for 45 s";
        assert_eq!(events, ["ask key-disk for 0 s", token, "try \"right\""]);
    }

    #[test]
    fn a_token_that_is_refused_leaves_the_vault_and_a_key_disk_that_came_late() {
        let refused = || Kind::MetadataUntrusted { reason: "x".to_owned() };
        let run = |vault: Vec<Result<Vec<Candidate>, Kind>>| {
            let mut case = Case::new();
            case.disk = vec![Err(missing()), Ok(vec![key("right")])];
            (case.token, case.vault) = (Some(vec![Err(refused())]), Some(vault));
            let (result, events, _) = case.run();
            (opened(result), events)
        };
        let (by_vault, _) = run(vec![Ok(vec![key("right")])]);
        assert_eq!(by_vault.source, SourceName::KeyVault);
        assert_eq!(by_vault.passed_over, [missing(), refused()]);
        let (by_disk, events) = run(vec![Err(refused())]);
        assert_eq!(by_disk.source, SourceName::KeyDisk);
        assert_eq!(events.iter().filter(|event| *event == "ask key-disk for 0 s").count(), 2);
    }

    #[test]
    fn the_key_disk_gets_half_of_a_short_time_only() {
        let mut case = Case::new();
        case.devices.device_after = 420;
        case.disk = vec![Err(missing())];
        case.vault = Some(vec![Ok(vec![key("right")])]);
        let (result, events, _) = case.run();
        opened(result);
        // 84 of 90 s went by until the device was there.
        assert_eq!(events[..2], ["ask key-disk for 3 s", "ask key-vault for 6 s"]);
    }

    #[test]
    fn without_a_deadline_the_last_source_is_reached_all_the_same() {
        let clock = crate::deadline::VirtualClock::default();
        let endless = Deadline::start(&clock, None);
        for source in [SourceName::File, SourceName::KeyVault] {
            let others = [SourceName::Prompt];
            assert_eq!(patience(source, &others, &endless).remaining(), NETWORK_PATIENCE);
            assert_eq!(patience(source, &[], &endless).remaining(), Duration::MAX);
        }
        let short = Deadline::start(&clock, Some(Duration::from_secs(40)));
        let left = patience(SourceName::File, &[SourceName::Prompt], &short).remaining();
        assert_eq!(left, Duration::from_secs(20));
    }

    #[test]
    fn a_key_disk_that_comes_late_is_still_used() {
        let mut case = Case::new();
        case.disk = vec![Err(missing()), Ok(vec![key("right")])];
        case.vault = Some(vec![Err(Kind::MetadataUntrusted { reason: "x".to_owned() })]);
        let (result, events, _) = case.run();
        assert_eq!(opened(result).source, SourceName::KeyDisk);
        assert_eq!(events[2..], ["ask key-disk for 0 s", "try \"right\""]);
    }

    #[test]
    fn all_sources_are_named_when_all_fail() {
        let mut case = Case::new();
        case.disk = vec![Err(missing()), Err(Kind::KeyDiskMissing { waited: Duration::ZERO })];
        let denied = Kind::MetadataUntrusted { reason: "x".to_owned() };
        case.vault = Some(vec![Err(denied.clone())]);
        let error = case.run().0.unwrap_err();
        assert_eq!((error.kind, error.others), (denied, vec![missing()]));
        assert_eq!(error.device, Some(PathBuf::from("/dev/sdb")));
    }

    #[test]
    fn the_tries_of_both_rounds_are_told() {
        for (later, told) in [(unreachable(1, 0), 38), (unreachable(0, 0), 37)] {
            let mut case = Case::new();
            case.disk = vec![Err(missing()), Err(missing())];
            let answers = [unreachable(37, 79), later].map(|it| Err(Kind::MetadataUnreachable(it)));
            case.token = Some(answers.into());
            case.vault = Some(vec![Err(Kind::MetadataUntrusted { reason: "x".to_owned() })]);
            let error = case.run().0.unwrap_err();
            assert_eq!(error.kind, Kind::MetadataUnreachable(unreachable(told, 79)));
        }
    }

    #[test]
    fn the_last_source_is_not_asked_again_at_once() {
        let mut case = Case::new();
        case.disk = vec![Err(missing()), Err(missing())];
        let busy = Kind::MetadataUnreachable(unreachable(1, 0));
        case.vault = Some(vec![Err(busy.clone())]);
        let (result, events, _) = case.run();
        assert_eq!(result.unwrap_err().kind, busy);
        let asked = events.iter().filter(|event| event.starts_with("ask key-vault"));
        assert_eq!(asked.count(), 1, "{events:?}");
    }

    #[test]
    fn tries_of_another_service_are_not_its_own() {
        let [one, other] = ["a.vault.azure.net", "b.vault.azure.net"].map(|host| {
            let vault = Host::parse(host).unwrap();
            Kind::VaultUnreachable { vault, unreachable: unreachable(2, 3) }
        });
        let metadata = Kind::MetadataUnreachable(unreachable(9, 30));
        for (later, first) in [(&one, &other), (&one, &metadata), (&metadata, &one)] {
            assert_eq!(&counting(later.clone(), first), later);
        }
        let sign_in = |seconds| Kind::SignInUnreachable {
            authority: Host::parse("login.microsoftonline.com").unwrap(),
            unreachable: unreachable(1, seconds),
        };
        for (later, first, told) in
            [(one.clone(), one, unreachable(4, 6)), (sign_in(3), sign_in(4), unreachable(2, 7))]
        {
            let (Kind::VaultUnreachable { unreachable: both, .. }
            | Kind::SignInUnreachable { unreachable: both, .. }) = counting(later, &first)
            else {
                panic!()
            };
            assert_eq!(both, told);
        }
    }
}
