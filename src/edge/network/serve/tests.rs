use super::*;
use crate::azure::http::Response;

fn crossed(body: &[u8]) -> Vec<u8> {
    let body = Secret::new(body.to_vec());
    let response =
        Response { status: 200, retry_after: None, request_id: None, challenge: None, body };
    plain(response).unwrap().body.expose().to_vec()
}

#[test]
fn json_crosses_as_it_is_written_here() {
    assert_eq!(crossed(b" { \"value\" :\n \"QUJD\\u0041\" } "), b"{\"value\":\"QUJDA\"}");
    assert_eq!(crossed(b"{\"a\":1,\"a\":2}"), b"{\"a\":2}");
}

#[test]
fn the_name_of_a_vm_crosses() {
    assert_eq!(crossed(b"web-01.contoso_x\n"), b"web-01.contoso_x\n");
}

#[test]
fn everything_else_crosses_as_nothing() {
    let deep = "[".repeat(100_000);
    let long = "a".repeat(257);
    for body in ["<html>", "{\"value\":", "{} {}", "\u{0}", &deep, &long, "a'b"] {
        assert_eq!(crossed(body.as_bytes()), b"", "{body:.20}");
    }
    assert_eq!(crossed(b"\xff\xfe"), b"");
}

#[test]
fn who_is_done_is_left() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    Service::new(Authorities::default()).answer(&ours).unwrap();
}

#[test]
fn what_is_no_message_ends_it() {
    use std::io::Write;
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let error = Service::new(Authorities::default()).answer(&ours).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
