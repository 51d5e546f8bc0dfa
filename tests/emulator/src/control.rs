//! The control endpoint: changes and the request log for other processes, over plain HTTP.
//!
//! `POST /` takes changes (`change.rs`), `GET /requests` gives the log as a JSON array. It has
//! no protection at all, so it is for loopback addresses.

use std::{io::BufReader, io::Write, net::TcpStream};

use serde_json::json;

use crate::{
    change::{self, Change},
    http::{self, Request, Response},
    server::{Buffered, Wire},
    shared::Shared,
};

/// Serves one connection.
pub(crate) fn serve(shared: &Shared, socket: TcpStream) {
    let mut stream = Buffered(BufReader::new(socket));
    while let Ok(Some(request)) = http::read_request(&mut stream) {
        let bytes = answer(shared, &request).to_bytes(request.wants_close());
        let sent = stream.write_all(&bytes).and_then(|()| stream.flush());
        if sent.is_err() || request.wants_close() {
            break;
        }
    }
    stream.0.get_mut().finish();
}

fn answer(shared: &Shared, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/requests") => Response::json(200, &json!(shared.log.entries())),
        ("POST", "/") => {
            let applied = Change::parse(&request.body).and_then(|changes| {
                changes.into_iter().try_for_each(|change| change::apply(shared, change))
            });
            match applied {
                Ok(()) => Response::json(200, &json!({"ok": true})),
                Err(error) => Response::json(400, &json!({"error": error.to_string()})),
            }
        }
        _ => Response::json(404, &json!({"error": "POST / or GET /requests"})),
    }
}
