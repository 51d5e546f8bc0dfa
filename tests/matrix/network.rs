//! What each request can meet on its way, the same for token, secret, list and unwrap.
//!
//! One fault for one request is got over where asking again can help; one that stays ends the
//! unlock at the deadline, or at once where nothing will change. Requests are counted from that.

use serde_json::{Value, json};

use crate::case::{Case, Trouble, case};
use crate::plan::{Fault, Step};
use crate::world::{IMDS, VAULTS};

const STEPS: [Step; 4] = [Step::Token, Step::Secret, Step::List, Step::Unwrap];
/// Of runs that fail because of it; two tries fit into it, hardly more than four.
const SHORT: u64 = 2;

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = STEPS.into_iter().flat_map(of_step).collect();
    cases.extend(connections());
    cases
}

/// The line that makes `step` happen; all goes well.
fn good(step: Step, fault: Fault, what: &str) -> Case {
    let case = case(step, fault, what);
    if step == Step::List { case.by_tags() } else { case }
}

/// The requests to both services when `step` meets a fault in `tries` of its requests and ends it.
fn fails(case: Case, tries: std::ops::RangeInclusive<usize>) -> Case {
    let (from, to) = (*tries.start(), *tries.end());
    match case.step {
        Step::Token => case.asked_within(tries, 0..=0),
        Step::Unwrap => case.asked_within(1..=1, from + 1..=to + 1),
        _ => case.asked_within(1..=1, tries),
    }
}

/// The requests when `step` needs `more` of them than one.
fn again(case: Case, more: usize) -> Case {
    let [imds, vault] = case.asked.clone().map(|range| *range.end());
    if case.step == Step::Token {
        case.asked(imds + more, vault)
    } else {
        case.asked(imds, vault + more)
    }
}

/// Who was asked, in the words of the report.
fn service(step: Step) -> &'static str {
    if step == Step::Token {
        "metadata service 169.254.169.254: "
    } else {
        "key vault contoso-kv: "
    }
}

/// The same where what it answers is not to be trusted.
fn untrusted(step: Step) -> &'static str {
    if step == Step::Token {
        "metadata service 169.254.169.254: "
    } else {
        "contoso-kv.vault.azure.net: "
    }
}

fn of_step(step: Step) -> Vec<Case> {
    let mut cases = Vec::new();
    let forever = || json!("forever");
    // A list has so many bytes that one each millisecond would be longer than one try may take.
    let pause = if step == Step::List { 0 } else { 1 };
    // What is over after one request, or after two.
    let once: [(Fault, &str, u64, Value, usize); 12] = [
        (Fault::Late, "after 600 ms", 600, json!("pass"), 0),
        (Fault::Slow, "byte by byte", 0, json!({"drip_ms": pause}), 0),
        (Fault::Half, "once", 0, json!("half"), 1),
        (Fault::Throttled, "429 once", 0, json!({"throttled": {}}), 1),
        (
            Fault::Throttled,
            "429 with Retry-After: 1",
            0,
            json!({"throttled": {"retry_after": 1}}),
            1,
        ),
        (Fault::Throttled, "500 once", 0, json!({"reply": {"status": 500}}), 1),
        (
            Fault::Throttled,
            "502 of a proxy",
            0,
            json!({"reply": {"status": 502, "body": "<html>"}}),
            1,
        ),
        (Fault::Throttled, "503 once", 0, json!({"reply": {"status": 503}}), 1),
        (Fault::Throttled, "504 once", 0, json!({"reply": {"status": 504}}), 1),
        (Fault::Reset, "once", 0, json!("reset"), 1),
        (Fault::Reset, "closed without an answer, once", 0, json!("drop"), 1),
        (Fault::Late, "after 600 ms, then 503", 600, json!({"reply": {"status": 503}}), 1),
    ];
    for (fault, what, delay, action, more) in once {
        cases.push(again(good(step, fault, what).rule_after(step, delay, json!(1), action), more));
    }
    let twice = good(step, Fault::Throttled, "429, 503, then the answer");
    let twice = twice.rule(step, json!(1), json!({"throttled": {}}));
    cases.push(again(twice.rule(step, json!(1), json!({"reply": {"status": 503}})), 2));
    // What stays: until the deadline.
    let stays: [(Fault, &str, u64, Value, &str); 9] = [
        (Fault::Late, "later than timeout=", 30_000, json!("pass"), "no answer"),
        (Fault::Slow, "a byte each 200 ms", 0, json!({"drip_ms": 200}), "gave up after"),
        (Fault::Half, "each time", 0, json!("half"), "gave up after"),
        (Fault::Throttled, "429 each time", 0, json!({"throttled": {}}), "HTTP 429; gave up after"),
        (
            Fault::Throttled,
            "500 each time",
            0,
            json!({"reply": {"status": 500}}),
            "HTTP 500; gave up after",
        ),
        (
            Fault::Throttled,
            "503 each time",
            0,
            json!({"reply": {"status": 503}}),
            "HTTP 503; gave up after",
        ),
        (
            Fault::Throttled,
            "504 each time",
            0,
            json!({"reply": {"status": 504}}),
            "HTTP 504; gave up after",
        ),
        (Fault::Reset, "each time", 0, json!("reset"), "gave up after"),
        (Fault::Reset, "closed without an answer each time", 0, json!("drop"), "gave up after"),
    ];
    for (fault, what, delay, action, words) in stays {
        let case = good(step, fault, what).timeout(SHORT);
        let case = case.rule_after(step, delay, forever(), action);
        cases.push(fails(case, 1..=8).exits(69, &[service(step), words]));
    }
    let long = good(step, Fault::Throttled, "Retry-After beyond timeout=");
    let long = long.rule(step, forever(), json!({"throttled": {"retry_after": 600}}));
    cases.push(fails(long, 1..=1).exits(69, &[service(step), "HTTP 429; gave up after 1 try"]));
    // What asking again cannot mend: at once.
    let last: [(Fault, &str, Value, &str); 9] = [
        (Fault::Garbage, "no HTTP", json!({"garbage": 64}), ""),
        (
            Fault::Garbage,
            "a page of HTML",
            json!({"reply": {"status": 200, "body": "<html>log in</html>"}}),
            "answer ",
        ),
        (Fault::Garbage, "an empty body", json!({"reply": {"status": 200}}), "answer "),
        (
            Fault::Garbage,
            "deep JSON",
            json!({"reply": {"status": 200, "body": "[".repeat(10_000)}}),
            "answer ",
        ),
        (Fault::Oversized, "600 KiB", json!({"oversized": 614_400}), "answer is larger than "),
        (
            Fault::Wrong,
            "numbers for text",
            json!({"reply": {"status": 200, "body": {
            "access_token": 1, "id": 1, "value": 1, "kid": 1}}}),
            "answer ",
        ),
        (
            Fault::Redirect,
            "302 to another host",
            json!({"redirect": "http://192.0.2.1/"}),
            "answered with a redirect",
        ),
        (
            Fault::Redirect,
            "307 to itself",
            json!({"reply": {"status": 307, "headers": {"Location": "/"}}}),
            "answered with a redirect",
        ),
        (Fault::Refused, "418", json!({"reply": {"status": 418}}), "HTTP 418"),
    ];
    for (fault, what, action, words) in last {
        let case = good(step, fault, what).rule(step, json!(1), action);
        cases.push(fails(case, 1..=1).exits(76, &[untrusted(step), words]));
    }
    cases
}

/// What happens before any request: to the address, and to the connection.
fn connections() -> Vec<Case> {
    let mut cases = Vec::new();
    for (step, address, name) in [(Step::Token, IMDS, "imds"), (Step::Secret, VAULTS, "vault")] {
        let new = |fault, what| case(step, fault, what);
        let connect = |times: Value, delay: u64, action: &str| {
            let action = if action == "garbage" { json!({"garbage": 64}) } else { json!(action) };
            Trouble::Rule(json!({"match": {"at": "connect", "service": name}, "times": times,
                "delay_ms": delay, "action": action}))
        };
        let none =
            |case: Case| if step == Step::Token { case.asked(0, 0) } else { case.asked(1, 0) };
        let gone =
            |what: &'static str| new(Fault::Absent, what).trouble(Trouble::Unplugged(address));
        cases.push(
            none(gone("no route to it").timeout(SHORT))
                .exits(69, &[service(step), "gave up after"]),
        );
        let back = new(Fault::Late, "a route to it after 1.5 s");
        cases.push(back.trouble(Trouble::PluggedAfter(address, 1500)));
        for (fault, what, action) in [
            (Fault::Reset, "the connection, once", "reset"),
            (Fault::Reset, "closed before a word, once", "drop"),
        ] {
            cases.push(new(fault, what).trouble(connect(json!(1), 0, action)));
        }
        for (fault, what, action) in [
            (Fault::Reset, "the connection, each time", "reset"),
            (Fault::Reset, "closed before a word, each time", "drop"),
        ] {
            let case = new(fault, what).trouble(connect(json!("forever"), 0, action));
            cases.push(none(case.timeout(SHORT)).exits(69, &[service(step), "gave up after"]));
        }
        // Without TLS a client cannot tell whether these bytes are the answer to its request. Each
        // time: the connection that is made early may fail, the one of the request may not.
        if step == Step::Secret {
            let garbage = connect(json!("forever"), 0, "garbage");
            let case = new(Fault::Garbage, "instead of TLS").trouble(garbage);
            cases.push(none(case).exits(76, &[untrusted(step)]));
        }
        let case = new(Fault::Slow, "a connection that says nothing for 600 ms");
        cases.push(case.trouble(connect(json!(1), 600, "pass")));
        let case = new(Fault::Absent, "a connection that says nothing");
        let case = case.trouble(connect(json!("forever"), 30_000, "pass")).timeout(SHORT);
        cases.push(none(case).exits(69, &[service(step), "no answer"]));
    }
    cases
}
