use std::cell::Cell;
use std::io::Write;

use super::*;
use crate::deadline::{Meanwhile, VirtualClock};

#[test]
fn who_writes_slowly_is_not_waited_for_longer() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"a").unwrap();
    let end = Instant::now() + Duration::from_millis(20);
    let mut until = Until { stream: &ours, end, waits: None };
    let mut buffer = [0; 2];
    assert_eq!(until.read(&mut buffer).unwrap(), 1);
    let error = until.read(&mut buffer).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    until.end = Instant::now();
    theirs.write_all(b"b").unwrap();
    assert_eq!(until.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// Says at its first turn that nothing is needed any more.
struct Cut(Cell<bool>);

impl Meanwhile for Cut {
    fn turn(&self) {
        self.0.set(true);
    }

    fn over(&self) -> bool {
        self.0.get()
    }
}

#[test]
fn an_answer_that_is_not_needed_any_more_is_not_waited_for() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let (clock, cut) = (VirtualClock::default(), Cut(Cell::new(false)));
    let whole = Deadline::start(&clock, None);
    let limit = whole.beside(&cut);
    let end = Instant::now() + LONGEST;
    let mut until = Until { stream: &ours, end, waits: Some(&limit) };
    assert_eq!(until.read(&mut [0; 2]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(cut.0.get());
}

#[test]
fn a_query_is_not_logged() {
    assert_eq!(path("/secrets?$skiptoken=eyJ"), "/secrets");
    assert_eq!(path("/secrets"), "/secrets");
}
