//! What a panic leaves on stderr, seen from outside: the hook is the whole process's.

use std::process::Command;

use bek_unlock::report::{logger, panic};

#[test]
fn a_panic_says_where_and_never_what() {
    let arguments = ["--ignored", "--exact", "--nocapture", "panics"];
    let output =
        Command::new(std::env::current_exe().unwrap()).args(arguments).env_clear().output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("bek-unlock: debug: panic at tests/panic.rs:"), "{said}");
    assert!(!said.contains("SENTINEL"), "{said}");
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "only as the child of a_panic_says_where_and_never_what"]
fn panics() {
    logger::install(true);
    panic::install();
    let place = panic::caught(|| panic!("{}", ["SENT", "INEL"].concat())).unwrap_err();
    assert!(place.starts_with("tests/panic.rs:"), "{place}");
    let thread = std::thread::spawn(|| panic!("{}", ["SENT", "INEL"].concat()));
    assert!(thread.join().is_err());
    assert_eq!(panic::caught(|| 1), Ok(1));
}
