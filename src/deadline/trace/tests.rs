use std::cell::RefCell;
use std::rc::Rc;

use super::super::{Deadline, VirtualClock};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn words(trace: &Trace) -> Vec<(&'static str, u64, u64)> {
    let times = |step: &Step| (step.doing.as_str(), step.start.as_secs(), step.spent.as_secs());
    trace.steps().iter().map(times).collect()
}

#[test]
fn steps_have_their_place_their_time_and_their_source() {
    let clock = VirtualClock::default();
    clock.sleep(SECOND);
    let trace = Trace::start(&clock);
    let deadline = Deadline::start(&clock, None).traced(&trace);
    deadline.sleep(SECOND);
    let source = deadline.begin(Doing::Source(SourceName::KeyDisk));
    let wait = deadline.begin(Doing::KeyDisk);
    deadline.sleep(3 * SECOND);
    let missing = Kind::KeyDiskMissing { waited: 3 * SECOND };
    assert!(wait.ended::<()>(Err(missing)).is_err());
    source.failed("key-disk-missing");
    deadline.begin(Doing::Content).ended(Ok(())).unwrap();
    assert_eq!(words(&trace), [("source", 2, 3), ("key-disk", 2, 3), ("content", 5, 0)]);
    assert_eq!(trace.began(), SECOND);
    let steps = trace.steps();
    assert_eq!(steps[1].source, Some(SourceName::KeyDisk));
    assert_eq!(steps[2].source, None);
    assert_eq!(
        steps.iter().map(|step| step.failure).collect::<Vec<_>>(),
        [Some("key-disk-missing"), Some("key-disk-missing"), None,]
    );
}

#[test]
fn keys_that_are_tried_for_one_source_add_up() {
    let clock = VirtualClock::default();
    let trace = Trace::start(&clock);
    let deadline = Deadline::start(&clock, None).traced(&trace);
    for source in [SourceName::KeyDisk, SourceName::KeyVault] {
        let _source = deadline.begin(Doing::Source(source));
        for _ in 0..2 {
            drop(deadline.begin(Doing::Memory));
            let _keyslots = deadline.begin(Doing::Keyslots);
            deadline.sleep(2 * SECOND);
        }
    }
    let keyslots: Vec<Step> =
        trace.steps().into_iter().filter(|step| step.doing == Doing::Keyslots).collect();
    assert_eq!(keyslots.len(), 2);
    for (step, start) in keyslots.iter().zip([0, 4]) {
        assert_eq!((step.tries, step.spent, step.start.as_secs()), (2, 4 * SECOND, start));
    }
}

#[test]
fn what_goes_on_has_no_end_yet() {
    let clock = VirtualClock::default();
    let trace = Trace::start(&clock);
    let deadline = Deadline::start(&clock, None).traced(&trace);
    let span = deadline.begin(Doing::Device);
    assert_eq!(trace.steps()[0].end, None);
    drop(span);
    assert_eq!(trace.steps()[0].end, Some(Duration::ZERO));
}

#[test]
fn a_full_trace_keeps_what_came_first() {
    let clock = VirtualClock::default();
    let trace = Trace::start(&clock);
    let deadline = Deadline::start(&clock, None).traced(&trace);
    for _ in 0..MOST + 7 {
        let mut span = deadline.begin(Doing::Device);
        span.again("busy".to_owned(), false, || {});
        deadline.sleep(SECOND);
    }
    assert_eq!(trace.steps().len(), MOST);
    assert_eq!(trace.steps()[MOST - 1].start, (MOST as u32 - 1) * SECOND);
}

/// What was told, as `WORD TRY ELAPSED LEFT`.
struct Told(Rc<RefCell<Vec<String>>>);

impl Watch for Told {
    fn waiting(&self, wait: &Wait<'_>) {
        let left = wait.left.map_or_else(|| "ever".to_owned(), |left| left.as_secs().to_string());
        let (word, elapsed) = (wait.doing.as_str(), wait.elapsed.as_millis());
        self.0.borrow_mut().push(format!("{word} {} {elapsed} {left}", wait.tries));
    }

    fn make_room(&self) {
        self.0.borrow_mut().push("room".to_owned());
    }
}

#[test]
fn who_watches_is_told_in_every_turn() {
    let clock = VirtualClock::default();
    let told = Rc::default();
    let trace = Trace::start(&clock).watched(Box::new(Told(Rc::clone(&told))));
    let deadline = Deadline::start(&clock, Some(9 * SECOND)).traced(&trace);
    // Nothing that has a name: nothing is said.
    deadline.sleep(SECOND);
    let mut span = deadline.begin(Doing::Request(Asked::Token, "metadata service".to_owned()));
    deadline.within(SECOND / 4).sleep(SECOND);
    span.again("HTTP 503".to_owned(), false, || {
        deadline.sleep(SECOND / 5);
    });
    drop(span);
    let whole = ["token 1 1200 7", "token 1 1250 7", "token 2 1450 7"];
    assert_eq!(*told.borrow(), whole);
    // A question is not talked into.
    let question = deadline.begin(Doing::Question);
    deadline.sleep(SECOND);
    drop(question);
    assert_eq!(told.borrow().len(), whole.len() + 1);
    let _span = deadline.begin(Doing::Device);
    trace.hush(true);
    deadline.sleep(SECOND);
    assert_eq!(*told.borrow(), [&whole[..], &["room", "room"]].concat());
    trace.hush(false);
    deadline.sleep(SECOND / 5);
    assert_eq!(told.borrow().last().unwrap(), "device 1 3650 5");
}
