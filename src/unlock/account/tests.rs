use std::path::PathBuf;

use super::*;
use crate::deadline::trace::Asked;
use crate::deadline::{Clock as _, Deadline, VirtualClock};
use crate::error::{Goal, TransportProblem, Unreachable};
use crate::key::SourceName;
use crate::unlock::fake::{Case, key, missing, opened};

const SECOND: Duration = Duration::from_secs(1);

fn words(steps: &[Step]) -> Vec<String> {
    let word = |step: &Step| {
        let source = step.source.map_or("-", SourceName::as_str);
        let failure = step.failure.unwrap_or("-");
        format!("{} {source} {} {failure}", step.doing.as_str(), step.spent.as_secs())
    };
    steps.iter().map(word).collect()
}

#[test]
fn an_unlock_is_told_step_by_step() {
    let mut case = Case::new();
    case.devices.device_after = 20;
    case.disk = vec![Err(missing())];
    case.vault = Some(vec![Ok(vec![key("wrong")]), Ok(vec![key("right")])]);
    case.vault_takes = vec![(Asked::Token, 3 * SECOND), (Asked::Secret, SECOND)];
    let steps = std::rc::Rc::clone(&case.steps);
    let (result, _, elapsed) = case.run();
    assert_eq!((opened(result).source, elapsed), (SourceName::KeyVault, 8 * SECOND));
    assert_eq!(
        words(&steps.borrow()),
        [
            "device - 4 -",
            "header - 0 -",
            "source - 0 key-disk-missing",
            "source - 4 -",
            "token key-vault 3 -",
            "secret key-vault 1 -",
            "memory key-vault 0 -",
            "keyslots key-vault 0 -",
        ]
    );
    assert_eq!(steps.borrow()[7].tries, 2);
}

#[test]
fn memory_and_content_are_steps_too() {
    let mut case = Case::new();
    (case.keyslot_memory_kib, case.memory_kib) = (1_048_576, 524_288);
    let steps = std::rc::Rc::clone(&case.steps);
    assert_eq!(case.run().0.unwrap_err().kind.name(), "memory-short");
    let told = words(&steps.borrow());
    assert_eq!(told[2..], ["source - 90 memory-short", "memory key-disk 90 memory-short"]);
}

#[test]
fn a_device_that_never_comes_is_a_step_that_failed() {
    let mut case = Case::new();
    case.devices.device_after = u32::MAX;
    let steps = std::rc::Rc::clone(&case.steps);
    case.run().0.unwrap_err();
    assert_eq!(words(&steps.borrow()), ["device - 90 volume-missing"]);
}

/// A run that waits two seconds for its device and eight for a token, of which four go by offline.
fn run(result: Result<&Outcome, &Error>) -> Account {
    let clock = VirtualClock::default();
    clock.sleep(SECOND);
    let trace = Trace::start(&clock);
    let deadline = Deadline::start(&clock, None).traced(&trace);
    let device = deadline.begin(Doing::Device);
    deadline.sleep(2 * SECOND);
    drop(device);
    let source = deadline.begin(Doing::Source(SourceName::KeyVault));
    let mut token = deadline.begin(Doing::Request(Asked::Token, "metadata service".to_owned()));
    for (problem, offline) in [("Network is unreachable", true), ("HTTP 503", false)] {
        deadline.sleep(SECOND);
        token.again(problem.to_owned(), offline, || {
            deadline.sleep(3 * SECOND);
        });
    }
    drop((token, source));
    Account::of(result, &trace, clock.now(), 100 * SECOND)
}

#[test]
fn times_count_from_the_boot() {
    let device = PathBuf::from("/dev/sdb");
    let account = run(Ok(&Outcome::AlreadyOpen { device }));
    assert_eq!((account.start_ms, account.end_ms), (101_000, 111_000));
    assert_eq!(account.elapsed(), 10 * SECOND);
    assert_eq!(account.result, "already-open");
    let token = &account.steps[2];
    assert_eq!((token.step.as_str(), token.start_ms, token.ms), ("token", 103_000, 8_000));
    assert_eq!((token.tries, token.retrying_ms, token.offline_ms), (3, 8_000, 4_000));
    assert_eq!(token.problem.as_deref(), Some("HTTP 503"));
    assert_eq!(token.source.as_deref(), Some("key-vault"));
    // The source took as long, and is not it.
    assert_eq!(account.longest(), Some(token));
}

#[test]
fn a_failure_has_its_causes_and_its_status() {
    let unreachable =
        Unreachable { problem: TransportProblem::TimedOut, tries: 3, elapsed: 8 * SECOND };
    let kinds = vec![missing(), Kind::MetadataUnreachable(unreachable)];
    let error = Error::of_sources(Goal::Unlock, kinds).device(Some(&PathBuf::from("/dev/sdb")));
    let account = run(Err(&error));
    assert_eq!((account.result.as_str(), account.exit_status), ("failed", 69));
    assert_eq!(account.error.as_deref(), Some("metadata-unreachable"));
    assert_eq!(account.device.as_deref(), Some("/dev/sdb"));
    let causes: Vec<&str> = account.causes.iter().map(|cause| cause.error.as_str()).collect();
    assert_eq!(causes, ["metadata-unreachable", "key-disk-missing"]);
    assert!(account.causes[1].text.contains("no key disk"), "{:?}", account.causes);
}
