//! What crosses between the program and the process that talks to the network, which a hostile
//! server may have taken over.

use std::io::Read;
use std::time::Duration;

use bek_unlock::azure::http::{HttpError, Method, Response};
use bek_unlock::azure::id::Host;
use bek_unlock::edge::http::order::{Order, Place};
use bek_unlock::edge::network::wire;
use bek_unlock::secret::Secret;

use super::{SENTINEL, Target, plain};

/// The largest answer that is taken.
const LIMIT: usize = 4096;

/// Frames, in both directions.
pub const WIRE: Target = Target {
    name: "wire",
    run: both_ways,
    seeds: || {
        let host = Host::parse("contoso-kv.vault.azure.net");
        let token = Secret::new(SENTINEL.into());
        let mut seeds = Vec::new();
        let mut seed = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
            let mut frame = Vec::new();
            write(&mut frame).map(|()| seeds.push(frame)).is_ok()
        };
        if let Some(host) = &host {
            let order = Order {
                method: Method::Post,
                place: Place::Vault(host),
                target: "/keys/kek/0123/unwrapkey?api-version=7.4",
                bearer: Some(&token),
                body: None,
                limit: LIMIT,
            };
            seed(&|to| wire::write_order(to, &order, Duration::from_secs(15)));
            seed(&|to| wire::write_expect(to, host));
        }
        seed(&|to| wire::write_authorities(to, "/etc/ca.pem", b"-----BEGIN CERTIFICATE-----"));
        let body = Secret::new(br#"{"value":"QUJD"}"#.to_vec());
        let challenge = Some("Bearer resource=\"https://vault.azure.net\"".to_owned());
        let answer = Response { status: 401, retry_after: None, request_id: None, challenge, body };
        seed(&|to| wire::write_answer(to, &Ok(Response { ..copy(&answer) })));
        seed(&|to| wire::write_answer(to, &Err(HttpError::Resolve("no such name".to_owned()))));
        seeds
    },
    words: &["\u{0}\u{0}\u{0}\u{0}", "contoso-kv.vault.azure.net", "\u{1}", "\u{2}"],
};

fn copy(response: &Response) -> Response {
    Response {
        status: response.status,
        retry_after: response.retry_after,
        request_id: response.request_id.clone(),
        challenge: response.challenge.clone(),
        body: Secret::new(response.body.expose().to_vec()),
    }
}

fn both_ways(data: &[u8]) {
    let mut from = data;
    while let Ok(Some(message)) = wire::read_message(&mut from) {
        if let wire::Message::Send(sending, timeout) = message {
            // What was understood is written and understood in the same way.
            let mut again = Vec::new();
            let order = sending.order();
            wire::write_order(&mut again, &order, timeout).unwrap();
            let read = wire::read_message(&mut again.as_slice()).unwrap();
            let Some(wire::Message::Send(read, _)) = read else { panic!("no order") };
            assert_eq!(read.order().target, order.target);
            assert_eq!(read.order().place, order.place);
        }
    }
    // A large frame is not read before it is known to be wanted.
    let mut counted = Counted { from: data, most: 0 };
    match wire::read_answer(&mut counted, LIMIT) {
        Ok(Ok(response)) => {
            assert!(response.body.len() <= LIMIT);
            for text in [&response.request_id, &response.challenge].into_iter().flatten() {
                plain(text);
            }
        }
        Ok(Err(error)) => plain(&format!("{error:?}").replace("\\\\", "").replace("\\\"", "")),
        Err(_) => {}
    }
    assert!(counted.most <= 16 * 1024 + 1, "{} bytes at once", counted.most);
}

/// The most that was asked for at once.
struct Counted<'a> {
    from: &'a [u8],
    most: usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.most = self.most.max(buffer.len());
        self.from.read(buffer)
    }
}
