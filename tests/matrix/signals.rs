//! Runs that are ended at each step, and two at once. After a signal the next run has to open.

use serde_json::json;

use crate::case::{Case, Moment, Trouble, case};
use crate::plan::{End, Fault, Step};

const SIGNALS: [(Fault, i32); 2] = [(Fault::Terminated, 15), (Fault::Killed, 9)];
/// Longer than it takes to notice a request and send a signal.
const HELD_UP: u64 = 30_000;

pub fn cases() -> Vec<Case> {
    [ended(), at_once()].concat()
}

fn ended() -> Vec<Case> {
    let mut cases = Vec::new();
    for (fault, signal) in SIGNALS {
        let new = |step, what| Case { end: End::Signal(signal), ..case(step, fault, what) };
        let after = |moment| Trouble::Signal(signal, Moment::After(moment));
        let at = |requests| Trouble::Signal(signal, Moment::Requests(requests));
        let into = |requests| Trouble::Signal(signal, Moment::Into(requests, 300));
        let held = |case: Case, step| case.rule_after(step, HELD_UP, json!(1), json!("pass"));
        cases.extend([
            new(Step::DeviceWait, "before it is there")
                .local()
                .device("{dir}/case/disk")
                .trouble(after(400)),
            new(Step::Header, "before the file is there")
                .local()
                .device("{dir}/images/data")
                .options("header={dir}/case/header")
                .trouble(after(400)),
            new(Step::Read, "between asking for the device and trying the key")
                .local()
                .device("{dir}/images/slow")
                .trouble(after(150)),
            held(new(Step::Token, "before the answer"), Step::Token).trouble(at(1)).asked(1, 0),
            held(new(Step::Secret, "before the answer"), Step::Secret).trouble(at(2)).asked(1, 1),
            held(new(Step::List, "before the answer").by_tags(), Step::List)
                .trouble(at(2))
                .asked(1, 1),
            held(new(Step::Unwrap, "before the answer"), Step::Unwrap).trouble(at(3)).asked(1, 2),
            held(new(Step::Unwrap, "before the answer, for a file").wrapped_file(), Step::Unwrap)
                .trouble(at(2))
                .asked(1, 1),
            new(Step::Token, "in the middle of the answer")
                .rule(Step::Token, json!(1), json!({"drip_ms": 20}))
                .trouble(into(1))
                .asked(1, 0),
            new(Step::Secret, "in the middle of the answer")
                .rule(Step::Secret, json!(1), json!({"drip_ms": 20}))
                .trouble(into(2))
                .asked(1, 1),
            new(Step::Token, "while it waits to ask again")
                .rule(Step::Token, json!("forever"), json!({"throttled": {"retry_after": 9}}))
                .trouble(into(1))
                .asked(1, 0),
            new(Step::Unwrap, "while it waits to ask again")
                .rule(Step::Unwrap, json!("forever"), json!({"throttled": {"retry_after": 9}}))
                .trouble(into(3))
                .asked(1, 2),
            new(Step::Activate, "while it waits for memory")
                .local()
                .device("{dir}/images/argon")
                .trouble(Trouble::Memory(8 << 10, None))
                .trouble(after(700)),
        ]);
    }
    cases
}

fn at_once() -> Vec<Case> {
    let new = |step, what| case(step, Fault::Twice, what).trouble(Trouble::Twice);
    vec![
        new(Step::DeviceWait, "both wait for it")
            .local()
            .device("{dir}/case/disk")
            .trouble(Trouble::Appears("luks2", "disk", 600)),
        new(Step::Header, "both wait for the file")
            .local()
            .device("{dir}/images/data")
            .options("header={dir}/case/header")
            .trouble(Trouble::Appears("luks2", "header", 600)),
        new(Step::Read, "one file").local(),
        new(Step::Read, "one file, another volume's")
            .local()
            .key("{dir}/keys/other")
            .exits(2, &["does not fit the keyslot"]),
        new(Step::Token, "both answers are late").rule_after(
            Step::Token,
            500,
            json!(2),
            json!("pass"),
        ),
        new(Step::Secret, "both answers are late").rule_after(
            Step::Secret,
            500,
            json!(2),
            json!("pass"),
        ),
        new(Step::Secret, "no such secret")
            .key(format!("{}/secrets/gone", crate::case::VAULT))
            .asked_within(1..=1, 1..=2)
            .exits(4, &["SecretNotFound"]),
        new(Step::List, "both by tags").by_tags(),
        new(Step::Unwrap, "both answers are late").rule_after(
            Step::Unwrap,
            500,
            json!(2),
            json!("pass"),
        ),
        new(Step::Unwrap, "one file with a wrapped key").wrapped_file(),
        new(Step::Activate, "both try the key").local().device("{dir}/images/slow"),
    ]
}
