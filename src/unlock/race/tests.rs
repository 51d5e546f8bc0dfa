use super::*;
use crate::azure::id::Host;
use crate::deadline::TURN;
use crate::deadline::trace::Asked;
use crate::error::{TransportProblem, Unreachable};
use crate::unlock::fake::{Case, key, missing, opened};

const SECOND: Duration = Duration::from_secs(1);

fn unreachable() -> Kind {
    let vault = Host::parse("contoso-kv.vault.azure.net").unwrap();
    let unreachable =
        Unreachable { problem: TransportProblem::TimedOut, tries: 9, elapsed: 60 * SECOND };
    Kind::VaultUnreachable { vault, unreachable }
}

/// No key disk; the vault's token takes so long, and then there is its answer.
fn case(token: u64, vault: Result<&str, Kind>, typed: &[(u64, &'static str)]) -> Case {
    let mut case = Case::new();
    case.disk = vec![Err(missing()), Err(missing())];
    case.vault = Some(vec![vault.map(|text| vec![key(text)])]);
    case.vault_takes = vec![(Asked::Token, Duration::from_secs(token))];
    let typed = typed.iter().map(|(after, text)| (Duration::from_secs(*after), *text));
    case.person = Some(Ok(typed.collect()));
    case
}

#[test]
fn a_network_that_answers_soon_leaves_the_person_alone() {
    let (result, events, elapsed) = case(4, Ok("right"), &[(0, "right")]).run();
    assert_eq!((opened(result).source, elapsed), (SourceName::KeyVault, 4 * SECOND));
    // All of the time: whoever might type needs none of its own.
    assert_eq!(events, ["ask key-disk for 10 s", "ask key-vault for 90 s", "try \"right\""]);
}

#[test]
fn what_is_typed_while_the_network_is_tried_is_tried_at_once() {
    let case = case(60, Ok("right"), &[(2, "wrong"), (3, "right")]);
    let steps = std::rc::Rc::clone(&case.steps);
    let (result, events, elapsed) = case.run();
    let opened = opened(result);
    assert_eq!((opened.source, elapsed), (SourceName::Prompt, 10 * SECOND + 2 * TURN));
    assert_eq!(opened.passed_over, [missing()]);
    assert_eq!(
        events[2..],
        ["question at 5 s for 84 s", "try \"wrong\"", "question at 7 s for 82 s", "try \"right\"",]
    );
    let steps: Vec<_> = steps
        .borrow()
        .iter()
        .filter(|step| step.source == Some(SourceName::Prompt))
        .map(|step| (step.doing.as_str(), step.start.as_secs(), step.spent.as_secs()))
        .collect();
    let expected = [("question", 5, 2), ("memory", 7, 0), ("keyslots", 7, 0), ("question", 7, 3)];
    assert_eq!(steps, expected);
}

#[test]
fn the_question_is_taken_back_when_another_source_wins() {
    let case = case(7, Ok("right"), &[(3, "too late")]);
    let steps = std::rc::Rc::clone(&case.steps);
    let (result, events, _) = case.run();
    assert_eq!(opened(result).source, SourceName::KeyVault);
    assert_eq!(events[2..], ["question at 5 s for 84 s", "try \"right\"", "withdrawn"]);
    let question = steps.borrow().iter().find(|it| it.doing == Doing::Question).cloned().unwrap();
    assert_eq!((question.start.as_secs(), question.spent), (5, 2 * SECOND - TURN));
}

#[test]
fn a_question_stands_on_when_the_network_has_failed() {
    let (result, events, elapsed) = case(8, Err(unreachable()), &[(20, "right")]).run();
    let opened = opened(result);
    assert_eq!((opened.source, elapsed.as_secs()), (SourceName::Prompt, 25));
    assert_eq!(opened.passed_over, [missing(), unreachable()]);
    assert_eq!(events[2..], ["question at 5 s for 84 s", "try \"right\""]);
}

#[test]
fn three_mistakes_are_enough_and_the_network_goes_on() {
    let wrong = [(1, "a"), (1, "b"), (1, "c"), (0, "right")];
    let (result, events, elapsed) = case(60, Ok("right"), &wrong).run();
    assert_eq!((opened(result).source, elapsed), (SourceName::KeyVault, 60 * SECOND));
    assert_eq!(events.iter().filter(|event| event.starts_with("question")).count(), 3);
    let (result, events, _) = case(60, Err(unreachable()), &wrong).run();
    let error = result.unwrap_err();
    let kinds: Vec<_> = std::iter::once(&error.kind).chain(&error.others).collect();
    let rejected = Kind::KeyRejected { place: "the prompt".to_owned(), tried: 3, keyslots: 1 };
    assert!(kinds.contains(&&rejected) && kinds.contains(&&unreachable()), "{kinds:?}");
    assert_eq!(events.iter().filter(|event| event.starts_with("try")).count(), 3, "{events:?}");
}

#[test]
fn nobody_who_can_ask_is_one_failure_more() {
    let unanswered = Kind::PromptUnanswered { reason: "no such file".to_owned() };
    let run = |vault| {
        let mut case = case(60, vault, &[]);
        case.person = Some(Err(unanswered.clone()));
        case.run()
    };
    let (result, events, _) = run(Ok("right"));
    assert_eq!(opened(result).source, SourceName::KeyVault);
    // Not in every turn.
    assert_eq!(events.iter().filter(|event| event.starts_with("question")).count(), 1);
    let error = run(Err(unreachable())).0.unwrap_err();
    assert!(error.others.contains(&unanswered) || error.kind == unanswered, "{error:?}");
}

#[test]
fn nobody_types_until_the_deadline() {
    let (result, events, elapsed) = case(200, Err(unreachable()), &[]).run();
    assert_eq!(elapsed, 90 * SECOND);
    let error = result.unwrap_err();
    let names: Vec<_> = std::iter::once(&error.kind).chain(&error.others).map(Kind::name).collect();
    assert!(names.contains(&"prompt-unanswered"), "{names:?}");
    assert_eq!(error.kind.exit_status(), 69);
    let asked: Vec<_> = events.iter().filter(|event| !event.starts_with("ask")).collect();
    assert_eq!(asked, ["question at 5 s for 84 s", "withdrawn"]);
}

#[test]
fn a_failure_that_no_other_key_can_help_ends_it() {
    let mut case = case(60, Ok("right"), &[(1, "right")]);
    let broken = Kind::Internal { call: "crypt_activate_by_passphrase", reason: "x".to_owned() };
    case.broken = Some(broken.clone());
    let (result, _, elapsed) = case.run();
    assert_eq!((result.unwrap_err().kind, elapsed.as_secs()), (broken, 6));
}

/// Waiting for memory has turns, too; the key that waits for it is not typed a second time.
#[test]
fn a_typed_key_waits_for_its_memory_and_the_network_with_it() {
    let mut case = case(60, Ok("right"), &[(1, "right")]);
    (case.keyslot_memory_kib, case.memory_kib) = (2048, 1024);
    let (result, events, elapsed) = case.run();
    assert_eq!((result.unwrap_err().kind.name(), elapsed), ("memory-short", 90 * SECOND));
    assert_eq!(events[2..], ["question at 5 s for 84 s"]);
}

#[test]
fn the_key_disk_is_waited_for_without_a_question() {
    let mut case = Case::new();
    case.disk = vec![Err(missing()), Err(missing())];
    case.person = Some(Ok(vec![(2 * SECOND, "right")]));
    let (result, events, elapsed) = case.run();
    assert_eq!((opened(result).source, elapsed), (SourceName::Prompt, 2 * SECOND));
    assert_eq!(events, ["ask key-disk for 10 s", "question at 0 s for 90 s", "try \"right\""]);
}

/// Without `prompt` there is nobody.
#[test]
fn a_volume_that_does_not_ask_for_it_is_never_asked_for() {
    let mut case = case(60, Err(unreachable()), &[]);
    case.person = None;
    let (result, events, _) = case.run();
    result.unwrap_err();
    assert!(!events.iter().any(|event| event.starts_with("question")), "{events:?}");
}
