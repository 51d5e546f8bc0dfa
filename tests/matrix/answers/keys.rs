//! What a vault answers to unwrapKey, and what is in the answer.

use serde_json::{Value, json};

use super::{allowed, named, reply};
use crate::case::{Case, VAULT, VERSION, case};
use crate::plan::{Fault, Step};

pub fn unwrap() -> Vec<Case> {
    let new = |fault, what| case(Step::Unwrap, fault, what);
    let once =
        |fault, what, action| new(fault, what).rule(Step::Unwrap, json!(1), action).asked(1, 2);
    let of = |fault, what, name: &str| new(fault, what).key(named(name));
    let kid = |key: &str| {
        reply(200, json!({"kid": format!("{VAULT}/keys/{key}/{VERSION}"), "value": "YWJj"}))
    };
    vec![
        of(Fault::Absent, "no such KEK", "absent-kek")
            .asked_within(1..=1, 2..=4)
            .exits(4, &["HTTP 404 KeyNotFound"]),
        of(Fault::Refused, "the KEK is disabled", "disabled-kek")
            .asked_within(1..=1, 2..=4)
            .exits(77, &["KeyDisabled"]),
        of(Fault::Wrong, "another KEK than the one that wrapped it", "wrong-kek")
            .asked_within(1..=1, 2..=4)
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Refused, "no permission to unwrap")
            .trouble(allowed(&["get", "list"], &[]))
            .asked_within(1..=1, 2..=4)
            .exits(77, &["no permission keys/unwrapKey"]),
        once(Fault::Refused, "400", reply(400, Value::Null))
            .asked_within(1..=1, 2..=4)
            .exits(76, &["unwrapkey: HTTP 400"]),
        once(Fault::Refused, "409", reply(409, Value::Null)).exits(76, &["HTTP 409"]),
        once(Fault::Wrong, "another key answers", kid("second"))
            .exits(76, &["another key answered"]),
        once(
            Fault::Wrong,
            "no URL for the key",
            reply(200, json!({"kid": "kek", "value": "YWJj"})),
        )
        .exits(76, &["another key answered"]),
        new(Fault::Absent, "no such KEK, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/gone/{VERSION}"))
            .exits(4, &["HTTP 404 KeyNotFound"]),
        new(Fault::Wrong, "another KEK, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/second/{VERSION}"))
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Wrong, "another algorithm, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/kek/{VERSION},kek-algorithm=RSA-OAEP-256"))
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Throttled, "429 once, for a file")
            .wrapped_file()
            .rule(Step::Unwrap, json!(1), json!({"throttled": {}}))
            .asked(1, 2),
        new(Fault::Reset, "once, for a file")
            .wrapped_file()
            .rule(Step::Unwrap, json!(1), json!("reset"))
            .asked(1, 2),
    ]
}

/// From the vault's text to the passphrase's bytes.
pub fn decode() -> Vec<Case> {
    let new = |fault, what| case(Step::Decode, fault, what);
    let of = |fault, what, name: &str| new(fault, what).key(named(name));
    let value = |fault, what, text: &str| {
        new(fault, what).asked_within(1..=1, 2..=4).rule(
            Step::Unwrap,
            json!(1),
            reply(200, json!({"kid": format!("{VAULT}/keys/kek/{VERSION}"), "value": text})),
        )
    };
    let at = |fault, what, vault: &str| {
        new(fault, what).key(format!("https://{vault}-kv.vault.azure.net/secrets/wrapped"))
    };
    vec![
        at(Fault::Wrong, "padded, which no document says", "padded"),
        at(Fault::Wrong, "the standard alphabet", "standard"),
        at(Fault::Wrong, "line breaks in it", "spaced"),
        at(Fault::Wrong, "two pads too many", "twopad"),
        of(Fault::Wrong, "not wrapped at all", "plain").asked(1, 1),
        value(Fault::Garbage, "no base64", "!!!").exits(76, &["unwrapped key: is no base64 text"]),
        value(Fault::Absent, "nothing", "").exits(76, &["unwrapped key: is no base64 text"]),
        value(Fault::Half, "the first third of the key", "YzFHcFpiM21WbjA")
            .exits(2, &["does not fit the keyslot"]),
        value(Fault::Wrong, "another volume's key", "YW5vdGhlcg")
            .exits(2, &["does not fit the keyslot"]),
        value(Fault::Oversized, "ten thousand bytes", &"QUFB".repeat(3_334))
            .exits(2, &["does not fit the keyslot"]),
        of(Fault::Garbage, "a secret that is no base64", "unbased")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["secret unbased: is no base64 text"]),
        of(Fault::Absent, "a secret without a byte", "empty-plain")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["secret empty-plain: is no base64 text"]),
        of(Fault::Half, "a secret with the first bytes only", "half-plain")
            .asked_within(1..=1, 1..=3)
            .exits(2, &["does not fit the keyslot"]),
        of(Fault::Half, "a wrapped key of four bytes", "half-wrapped")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["should be wrapped, but has no length RSA-OAEP gives"]),
        of(Fault::Wrong, "a KEK's tag that is no URL", "odd-kek")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["its tag names no KEK in one version"]),
        of(Fault::Wrong, "an algorithm nobody knows", "odd-algorithm")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["no known algorithm"]),
        of(Fault::Wrong, "another volume's wrapped key", "other")
            .asked_within(1..=1, 2..=4)
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Half, "the file with the wrapped key")
            .wrapped_file()
            .key("{dir}/keys/half-wrapped")
            .asked(0, 0)
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Garbage, "256 bytes that nobody wrapped")
            .wrapped_file()
            .key("{dir}/keys/garbage-wrapped")
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Wrong, "a file with another volume's wrapped key")
            .wrapped_file()
            .key("{dir}/keys/other-wrapped")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Wrong, "a file that is not wrapped, and a KEK")
            .wrapped_file()
            .key("{dir}/keys/right")
            .asked(0, 0),
    ]
}
