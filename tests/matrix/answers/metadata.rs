//! What the metadata service answers when it is asked for a token.

use serde_json::{Value, json};

use super::{change, reply};
use crate::case::{Case, case};
use crate::plan::{Fault, Step};

pub fn cases() -> Vec<Case> {
    let new = |fault, what| case(Step::Token, fault, what);
    let once =
        |fault, what, action| new(fault, what).rule(Step::Token, json!(1), action).asked(1, 0);
    let body = |token: &str, kind: &str| {
        reply(200, json!({"access_token": token, "token_type": kind, "expires_in": "86399"}))
    };
    let identity = json!([{"name": "vm", "client_id": "6f1c0d52-0000-4000-8000-000000000001",
        "object_id": "6f1c0d52-0000-4000-8000-000000000002"}]);
    let user = |digit: u8| {
        json!({"name": format!("user{digit}"), "assigned": "user",
        "client_id": format!("6f1c0d52-0000-4000-8000-0000000001{digit:02}")})
    };
    let identities =
        |list: Value| change(json!({"set_identities": list}), json!({"set_identities": identity}));
    let others = reply(
        200,
        json!({"access_token": "abc", "token_type": "Bearer",
        "client_id": "6f1c0d52-0000-4000-8000-0000000000bb"}),
    );
    let dead =
        reply(200, json!({"access_token": "abc", "token_type": "Bearer", "expires_in": "0"}));
    let later = |date: &str| json!({"reply": {"status": 429, "headers": {"Retry-After": date}}});
    vec![
        // A VM without an identity is asked once more: it may be assigned while the VM starts.
        new(Fault::Refused, "no identity")
            .trouble(identities(json!([])))
            .asked(2, 0)
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        new(Fault::Refused, "no identity, and no time to ask again")
            .timeout(4)
            .trouble(identities(json!([])))
            .asked(1, 0)
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        new(Fault::Refused, "two identities, none named")
            .trouble(identities(json!([user(1), user(2)])))
            .asked(1, 0)
            .exits(77, &["Multiple user assigned identities"]),
        new(Fault::Absent, "the identity that is named")
            .asked(2, 0)
            .options("identity=client-id:6f1c0d52-0000-4000-8000-0000000000aa")
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        once(Fault::Refused, "401", reply(401, json!({"error": "unauthorized"})))
            .exits(77, &["HTTP 401: unauthorized"]),
        once(Fault::Refused, "403 of a proxy", reply(403, Value::Null)).exits(77, &["HTTP 403"]),
        once(Fault::Refused, "405", reply(405, Value::Null)).exits(76, &["HTTP 405"]),
        new(Fault::Throttled, "404 once, the service restarts")
            .rule(Step::Token, json!(1), reply(404, Value::Null))
            .asked(2, 2),
        new(Fault::Throttled, "410 once, the service is updated")
            .rule(Step::Token, json!(1), reply(410, Value::Null))
            .asked(2, 2),
        new(Fault::Absent, "404 each time")
            .timeout(2)
            .rule(Step::Token, json!("forever"), reply(404, Value::Null))
            .asked_within(1..=8, 0..=0)
            .exits(69, &["HTTP 404; gave up after"]),
        once(Fault::Wrong, "an empty token", body("", "Bearer"))
            .exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "a token with a line break", body("a\r\nX-Injected: b", "Bearer"))
            .exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "another kind of token", body("abc", "PoP"))
            .exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "another identity's token", others)
            .options("identity=client-id:6f1c0d52-0000-4000-8000-000000000001")
            .exits(77, &["asked for client id 6f1c0d52"]),
        // The vault refuses it once, and then IMDS is asked for another.
        new(Fault::Wrong, "a token nobody gave out, once")
            .rule(Step::Token, json!(1), body("abc", "Bearer"))
            .asked(2, 3),
        new(Fault::Wrong, "a token nobody gave out, each time")
            .rule(Step::Token, json!("forever"), body("abc", "Bearer"))
            .asked_within(2..=2, 1..=2)
            .exits(77, &["HTTP 401"]),
        new(Fault::Clock, "a token of no length of life")
            .rule(Step::Token, json!(1), dead)
            .asked(2, 3),
        new(Fault::Clock, "a date of 1970")
            .rule(Step::Token, json!(1), later("Thu, 01 Jan 1970 00:00:00 GMT"))
            .asked(2, 2),
        new(Fault::Clock, "Retry-After in 2090")
            .timeout(3)
            .rule(Step::Token, json!("forever"), later("Sun, 01 Jan 2090 00:00:00 GMT"))
            .asked_within(1..=8, 0..=0)
            .exits(69, &["HTTP 429; gave up after"]),
    ]
}
