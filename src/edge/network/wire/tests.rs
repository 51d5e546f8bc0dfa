use super::*;

fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

/// What the other side makes of an order.
fn over(order: &Order<'_>, timeout: Duration) -> Message {
    let mut wire = Vec::new();
    write_order(&mut wire, order, timeout).unwrap();
    let mut rest = wire.as_slice();
    let message = read_message(&mut rest).unwrap().unwrap();
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    message
}

#[test]
fn an_order_comes_over_as_it_is() {
    let (vault, login) = (host("contoso-kv.vault.azure.net"), host("login.microsoftonline.com"));
    let (token, body, empty) = (secret(b"eyJ0"), secret(b"{\"alg\":1}"), secret(b""));
    for (method, place, bearer, body) in [
        (Method::Get, Place::Metadata, None, None),
        (Method::Post, Place::SignIn(&login), None, Some(&body)),
        (Method::Put, Place::Vault(&vault), Some(&token), Some(&empty)),
    ] {
        let order = Order { method, place, target: "/a?b=1", bearer, body, limit: 4096 };
        let Message::Send(sending, timeout) = over(&order, Duration::from_millis(1500)) else {
            panic!("no order")
        };
        assert_eq!(timeout, Duration::from_millis(1500));
        let there = sending.order();
        assert_eq!((there.method, there.place, there.limit), (method, place, 4096));
        assert_eq!(there.target, "/a?b=1");
        let bytes = |secret: Option<&Secret>| secret.map(|secret| secret.expose().to_vec());
        assert_eq!(bytes(there.bearer), bytes(bearer));
        assert_eq!(bytes(there.body), bytes(body));
    }
}

#[test]
fn no_time_limit_stays_a_long_one() {
    let order = Order {
        method: Method::Get,
        place: Place::Metadata,
        target: "/",
        bearer: None,
        body: None,
        limit: usize::MAX,
    };
    let Message::Send(sending, timeout) = over(&order, Duration::MAX) else { panic!("no order") };
    assert!(timeout > Duration::from_secs(1_000_000_000));
    assert_eq!(sending.order().limit, ANSWER_LIMIT);
}

#[test]
fn the_other_messages_come_over() {
    let mut wire = Vec::new();
    write_expect(&mut wire, &host("a.vault.azure.net")).unwrap();
    write_authorities(&mut wire, "/etc/ca.pem", b"PEM").unwrap();
    let mut rest = wire.as_slice();
    let Some(Message::Expect(name)) = read_message(&mut rest).unwrap() else { panic!("no host") };
    assert_eq!(name, host("a.vault.azure.net"));
    let Some(Message::Authorities(path, pem)) = read_message(&mut rest).unwrap() else {
        panic!("no authorities")
    };
    assert_eq!((path, pem), ("/etc/ca.pem".into(), b"PEM".to_vec()));
    assert!(read_message(&mut rest).unwrap().is_none());
}

fn back(answer: &Answer, limit: usize) -> Answer {
    let mut wire = Vec::new();
    write_answer(&mut wire, answer).unwrap();
    let mut rest = wire.as_slice();
    let answer = read_answer(&mut rest, limit).unwrap();
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    answer
}

#[test]
fn an_answer_comes_back_as_it_was() {
    for (retry_after, request_id) in
        [(None, None), (Some(Duration::from_millis(2500)), Some("f00".to_owned()))]
    {
        let challenge = request_id.clone().map(|_| "Bearer resource=\"x\"".to_owned());
        let body = secret(b"{}");
        let sent = Response { status: 429, retry_after, request_id, challenge, body };
        let got = back(&Ok(sent), 2).unwrap();
        assert_eq!((got.status, got.retry_after), (429, retry_after));
        assert_eq!(got.request_id.is_some(), retry_after.is_some());
        assert_eq!(got.challenge.is_some(), retry_after.is_some());
        assert_eq!(got.body.expose(), b"{}");
    }
}

#[test]
fn every_failure_comes_back_as_it_was() {
    let words = || "connection refused".to_owned();
    for error in [
        HttpError::Certificate(words()),
        HttpError::CertificateTime(words()),
        HttpError::Connect(words()),
        HttpError::Internal(words()),
        HttpError::Interrupted(words()),
        HttpError::Malformed(words()),
        HttpError::NoAuthorities("/etc/ca.pem".into()),
        HttpError::Resolve(words()),
        HttpError::TimedOut,
        HttpError::TooLarge(77),
    ] {
        assert_eq!(back(&Err(error.clone()), 77).unwrap_err(), error);
    }
}

#[test]
fn what_comes_back_is_limited_and_printable() {
    let answer = |body: &[u8]| {
        let body = secret(body);
        let challenge = Some("a\u{1b}[2J\nb".to_owned());
        Ok(Response { status: 200, retry_after: None, request_id: None, challenge, body })
    };
    assert_eq!(back(&answer(b"1234"), 4).unwrap().challenge.unwrap(), "a?[2J b");
    let mut wire = Vec::new();
    write_answer(&mut wire, &answer(b"12345")).unwrap();
    let error = read_answer(&mut wire.as_slice(), 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn half_a_frame_is_none() {
    let mut wire = Vec::new();
    let body = secret(b"0123456789");
    let answer =
        Response { status: 200, retry_after: None, request_id: None, challenge: None, body };
    write_answer(&mut wire, &Ok(answer)).unwrap();
    for length in 0..wire.len() {
        assert!(read_answer(&mut &wire[..length], 100).is_err(), "{length}");
    }
    let mut wire = Vec::new();
    write_expect(&mut wire, &host("a.vault.azure.net")).unwrap();
    for length in 1..wire.len() {
        assert!(read_message(&mut &wire[..length]).is_err(), "{length}");
    }
}

#[test]
fn garbage_is_refused_without_reading_much() {
    for garbage in [
        &b"\x03"[..],
        b"\x02\x07",
        b"\x01\xff\xff\xff\xff",
        b"\x01\x03\x00\x00\x00../",
        b"\x02\x00\x02\x00\x00\x00\x00",
    ] {
        assert!(read_message(&mut &garbage[..]).is_err(), "{garbage:?}");
    }
    for garbage in [&b"\x01\x63\x00\x00\x00\x00"[..], b"\x00\xff\xff\xff\xff\xff\xff\xff\xff"] {
        assert!(read_answer(&mut &garbage[..], 10).is_err(), "{garbage:?}");
    }
}
