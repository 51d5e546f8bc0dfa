use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sleeping_stops_at_the_deadline() {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(3 * SECOND));
    assert!(deadline.sleep(2 * SECOND));
    assert!(!deadline.sleep(2 * SECOND));
    assert_eq!(clock.now(), 3 * SECOND);
    assert_eq!(deadline.elapsed(), 3 * SECOND);
}

#[test]
fn without_an_end_nothing_passes() {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    assert!(deadline.sleep(1_000_000 * SECOND));
    assert_eq!(deadline.remaining(), Duration::MAX);
}

#[test]
fn a_part_never_outlives_the_whole() {
    let clock = VirtualClock::default();
    let whole = Deadline::start(&clock, Some(5 * SECOND));
    assert_eq!(whole.within(SECOND).remaining(), SECOND);
    assert_eq!(whole.within(9 * SECOND).remaining(), 5 * SECOND);
    assert_eq!(Deadline::start(&clock, None).within(SECOND).remaining(), SECOND);
}

#[test]
fn a_person_is_waited_for_aside() {
    let clock = VirtualClock::default();
    let pauses = Pauses::default();
    let whole = Deadline::start(&clock, Some(5 * SECOND)).pausing(&pauses);
    let part = whole.within(3 * SECOND);
    clock.sleep(SECOND);
    let left = part.pause(60 * SECOND, |own| {
        assert!(own.sleep(50 * SECOND));
        own.remaining()
    });
    assert_eq!(left, 10 * SECOND);
    // Both stood still, and a part that is cut off now is as long as it says.
    assert_eq!((whole.remaining(), part.remaining()), (4 * SECOND, 2 * SECOND));
    assert_eq!(whole.within(SECOND).remaining(), SECOND);
    assert_eq!(whole.within(60 * SECOND).remaining(), 4 * SECOND);
    assert_eq!(whole.elapsed(), 51 * SECOND);
}

#[test]
fn nobody_is_waited_for_longer_than_a_deadline_that_does_not_pause() {
    let clock = VirtualClock::default();
    let whole = Deadline::start(&clock, Some(5 * SECOND));
    whole.pause(60 * SECOND, |own| assert!(!own.sleep(50 * SECOND)));
    assert_eq!(clock.now(), 5 * SECOND);
    whole.renew();
    assert!(whole.passed());
}

#[test]
fn each_step_of_a_renewed_deadline_has_its_limit() {
    let clock = VirtualClock::default();
    let pauses = Pauses::default();
    let whole = Deadline::start(&clock, Some(5 * SECOND)).pausing(&pauses);
    for _ in 0..3 {
        assert!(whole.sleep(4 * SECOND));
        whole.renew();
    }
    assert_eq!((whole.remaining(), whole.elapsed()), (5 * SECOND, 12 * SECOND));
    assert!(!whole.sleep(9 * SECOND));
}

/// Has its turn, and says that it is over after so many of them.
struct Turns(Cell<u32>, u32);

impl Meanwhile for Turns {
    fn turn(&self) {
        self.0.set(self.0.get() + 1);
    }

    fn over(&self) -> bool {
        self.0.get() >= self.1
    }
}

#[test]
fn others_have_their_turn_in_every_wait_and_may_end_it() {
    let clock = VirtualClock::default();
    let whole = Deadline::start(&clock, None);
    let turns = Turns(Cell::new(0), 8);
    let deadline = whole.beside(&turns);
    assert!(deadline.sleep(SECOND));
    assert_eq!((turns.0.get(), clock.now()), (5, SECOND));
    let mut looks = 0;
    let found: Result<Option<()>, ()> = deadline.within(90 * SECOND).poll(SECOND, || {
        looks += 1;
        Ok(None)
    });
    assert_eq!((found, looks), (Ok(None), 2));
    assert_eq!(clock.now(), SECOND + 3 * TURN);
    // The part is over, and not the whole.
    assert!(deadline.passed() && !whole.passed());
}

#[test]
fn poll_looks_once_more_at_the_end() {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(SECOND));
    let mut looks = 0;
    let found: Result<Option<()>, ()> = deadline.poll(SECOND / 4, || {
        looks += 1;
        Ok(None)
    });
    assert_eq!(found, Ok(None));
    assert_eq!(looks, 5);
}

#[test]
fn poll_ends_with_the_first_find_and_the_first_error() {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, Some(SECOND));
    assert_eq!(deadline.poll(SECOND, || Ok::<_, ()>(Some(1))), Ok(Some(1)));
    assert_eq!(deadline.poll(SECOND, || Err::<Option<()>, _>("no")), Err("no"));
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn backoff_doubles_to_its_cap_and_honours_retry_after() {
    let mut backoff = Backoff::new(SECOND, 4 * SECOND);
    let waits: Vec<_> = (0..4).map(|_| backoff.next(1.0, None)).collect();
    assert_eq!(waits, [SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND]);
    assert_eq!(backoff.next(0.0, Some(7 * SECOND)), 7 * SECOND);
    assert_eq!(backoff.next(0.5, Some(7 * SECOND)), 9 * SECOND);
}

#[test]
fn a_sparing_backoff_keeps_to_the_upper_half_at_its_cap() {
    let waits = |random| {
        let mut backoff = Backoff::sparing(SECOND, 4 * SECOND);
        [(); 4].map(|()| backoff.next(random, None).as_millis())
    };
    assert_eq!(waits(0.0), [0, 0, 2000, 2000]);
    assert_eq!(waits(0.5), [500, 1000, 3000, 3000]);
    assert_eq!(waits(1.0), [1000, 2000, 4000, 4000]);
}
