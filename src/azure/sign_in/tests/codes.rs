//! Device codes that come to nothing.

use super::*;

#[test]
fn a_device_code_that_comes_to_nothing() {
    let device = |answers: Vec<Answer>| {
        Try::new(Some("device-code"), Environment::default(), &Desk::default(), answers)
    };
    for (error, code_number, name, exit, text) in [
        (
            "authorization_declined",
            70018,
            "sign-in-refused",
            77,
            "sign-in by device code: AADSTS70018: No",
        ),
        ("access_denied", 65004, "sign-in-refused", 77, "sign-in by device code: AADSTS65004: No"),
        (
            "bad_verification_code",
            501811,
            "sign-in-refused",
            77,
            "sign-in by device code: AADSTS501811: No",
        ),
        ("invalid_grant", 53003, "sign-in-refused", 77, "sign-in by device code: AADSTS53003: No"),
        (
            "expired_token",
            70019,
            "sign-in-unavailable",
            4,
            "cannot sign in by device code: nobody entered the code in 5.0 s",
        ),
    ] {
        let attempt = device(vec![code(), no(400, error, code_number, "No. More")]);
        assert_eq!(fails(attempt), (name, exit, text.to_owned(), 2));
    }
    let refused = device(vec![no(400, "invalid_request", 900023, "Bad tenant. More")]);
    assert_eq!(fails(refused).2, "sign-in by device code: AADSTS900023: Bad tenant");
}

#[test]
fn a_code_that_nobody_enters_ends_with_the_deadline_or_its_own_time() {
    let pending = || std::iter::repeat_with(|| no(400, "authorization_pending", 70016, "P."));
    let answers = std::iter::once(code()).chain(pending().take(999));
    let mut attempt = Try::new(Some("device-code"), half(), &Desk::default(), answers);
    attempt.limit = None;
    let (name, exit, said, requests) = fails(attempt);
    assert_eq!((name, exit), ("sign-in-unavailable", 4));
    assert_eq!(said, "cannot sign in by device code: nobody entered the code in 900 s");
    // One for the code, then every 5 s, but not in the moment it ends.
    assert_eq!(requests, 1 + 179);
    let answers = std::iter::once(code()).chain(pending().take(999));
    let (_, _, said, requests) =
        fails(Try::new(Some("device-code"), half(), &Desk::default(), answers));
    assert_eq!(said, "cannot sign in by device code: nobody entered the code in 90 s");
    assert_eq!(requests, 1 + 17);
}

#[test]
fn a_person_may_take_longer_than_the_network() {
    let pending = || std::iter::repeat_with(|| no(400, "authorization_pending", 70016, "P."));
    let answers = std::iter::once(code()).chain(pending().take(119)).chain([good("token")]);
    let mut attempt = Try::new(Some("device-code"), half(), &Desk::default(), answers);
    let pauses = Pauses::default();
    let deadline = Deadline::start(&attempt.clock, attempt.limit).pausing(&pauses);
    let token = attempt.credential.token(&mut Exchange {
        http: &mut attempt.fake.clone(),
        audience: &audience("kv.vault.azure.net"),
        random: || 0.5,
        deadline: &deadline,
    });
    assert_eq!(text(&token.unwrap()), "token");
    assert_eq!(deadline.elapsed(), Duration::from_secs(600));
    // What comes after it has all of its time.
    assert_eq!(deadline.remaining(), Duration::from_secs(90));
}

#[test]
fn a_code_that_cannot_be_shown_is_not_waited_for() {
    let desk = Desk::default();
    desk.0.borrow_mut().broken_terminal = true;
    let broken = Try::new(Some("device-code"), half(), &desk, [code()]);
    let text = "cannot sign in by device code: cannot show the code: broken pipe".to_owned();
    assert_eq!(fails(broken), ("sign-in-unavailable", 4, text, 1));
    let mut nobody = Try::new(Some("device-code"), half(), &desk, []);
    let ports = Ports { person: None, ..desk.ports() };
    nobody.credential = credential(Some(&Auth::DeviceCode), half(), None, ports);
    let text = "cannot sign in by device code: there is no terminal to show a code on".to_owned();
    assert_eq!(fails(nobody), ("sign-in-unavailable", 4, text, 0));
}

#[test]
fn codes_that_no_terminal_should_show_are_refused() {
    let with = |user: &str, url: &str, device: &str| {
        answer(
            200,
            &format!(
                r#"{{"user_code":"{user}","device_code":"{device}","expires_in":900,
                "verification_uri":"{url}"}}"#
            ),
        )
    };
    let url = "https://microsoft.com/devicelogin";
    for odd in [
        answer(200, "{}"),
        answer(200, "<html>"),
        with("", url, "d"),
        with("A B", url, "d"),
        with(r"\u001b[2J", url, "d"),
        with(&"A".repeat(41), url, "d"),
        with("ABCD", "http://microsoft.com/devicelogin", "d"),
        with("ABCD", "javascript:alert", "d"),
        with("ABCD", r"https://microsoft.com/\u202e", "d"),
        with("ABCD", url, ""),
    ] {
        let desk = Desk::default();
        let (name, exit, said, requests) =
            fails(Try::new(Some("device-code"), half(), &desk, [odd]));
        assert_eq!((name, exit, requests), ("sign-in-untrusted", 76, 1));
        assert_eq!(said, "login.microsoftonline.com: answer holds no code to show");
        assert!(desk.shown().is_empty());
    }
}
